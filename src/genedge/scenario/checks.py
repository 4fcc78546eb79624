"""What the settings of a cell make together: whatever passes, every verb can serve.

Policies and learners compute in single precision, whose numbers end at 1e-38 and 3e38. The settings' own limits
keep each factor of an equation well inside; what several of them make together is checked here.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from genedge.cell.mobility.positions import Positions
from genedge.cell.types import Channel, LastingChannel, LastingMobility, Mobility, Params
from genedge.errors import InputError
from genedge.limits import GAIN, MOST_DRAWS, MOST_PLACES, decided, refuse_large
from genedge.own import in_file
from genedge.scenario.chosen import Chosen
from genedge.scenario.own_cost import try_cost
from genedge.scenario.sections import GivenModel, Settings
from genedge.xla import at_once

# Least share of the bandwidth beside an equal one: decisions are a softmax of e^±2, see `cell.feasible.decode`.
LEAST_SHARE = math.exp(-4)

# Users for whom a channel or a mobility of a reader's own file is tried.
PROBED = 100

# Signal to noise ratio, and the longest that a request may be under way [s], whose square single precision carries.
MOST_SNR = 1e30
LONGEST_S = 5e18


def check_radio(p: Params) -> None:
    """Refuses cells whose channels or radio delays are beyond the numbers that slots and single precision carry.

    Args:
        p: the scenario as arrays.

    Raises:
        InputError: with what is out of range, and which settings make it.
    """
    gains = p.channel.bounds(p.area_m)
    # Twice what single precision may round.
    if not (2 * GAIN[0] <= gains[0] and 2 * gains[1] <= GAIN[1]):
        raise InputError(
            f"radio: channel gains would go from {gains[0]:.3g} to {gains[1]:.3g}, and slots hold {GAIN[0]:g} to "
            f"{GAIN[1]:g}; change path_loss_db_at_1_km, path_loss_db_per_decade, least_distance_m, the channel's "
            f"settings or cell.area_m"
        )
    if p.outage is not None:
        # Nobody below it is served.
        gains = max(gains[0], float(p.outage.least_gain)), gains[1]
    share = LEAST_SHARE / MOST_PLACES
    largest_bits = float(np.max(p.models.output_bits))
    for link, band_hz, power_w, bits in (
        ("uplink", float(p.W_up), float(p.p_n), float(p.input_bits[1])),
        ("downlink", float(p.W_dw), float(p.p_BS), largest_bits),
    ):
        noise_hz = share * band_hz if p.noise_over_own_band else band_hz
        worst, best = (power_w * gain / (float(p.N0) * noise_hz) for gain in gains)
        longest_s = bits / (share * band_hz * math.log1p(worst) / math.log(2)) if worst > 0 else math.inf
        if best > MOST_SNR or longest_s > LONGEST_S:
            raise InputError(
                f"radio: the {link}'s signal to noise ratio would reach {best:.3g}, and a request take "
                f"{longest_s:.3g} s; at most {MOST_SNR:g} and {LONGEST_S:g} s are computed with; change its "
                f"bandwidth, power, noise or path loss, or the sizes of requests and results"
            )


def check_models(models: tuple[GivenModel, ...], names: Sequence[str]) -> None:
    """Refuses models whose quality does not improve, or does so too steeply for single precision.

    Args:
        models: the catalogue.
        names: of each.

    Raises:
        InputError: names the model.
    """
    for m, model in zip(names, models, strict=True):
        if model.curve is not None and (np.diff(np.asarray(model.curve.steps, np.float32)) <= 0).any():
            raise InputError(f"models: model {m}: two steps of its curve are alike in single precision")
        if not np.float32(model.A1_steps) < np.float32(model.A3_steps):
            raise InputError(
                f"models: model {m}: A1 ({model.A1_steps:g} steps) must be below A3 ({model.A3_steps:g} steps)"
            )
        if not model.A4_tv <= model.A2_tv:
            raise InputError(
                f"models: model {m}: A4 ({model.A4_tv:g}, the best TV) must not exceed A2 ({model.A2_tv:g})"
            )


def check_cell(s: Settings, models: int) -> None:
    """Refuses cells whose slots would not fit into memory, before any is drawn.

    Args:
        s: the settings.
        models: M.

    Raises:
        InputError: names the settings that make it large.
    """
    T, places, states = s.cell.slots_per_episode, s.cell.places, len(s.requests.skew_states)
    if T * places > MOST_DRAWS:
        raise InputError(
            f"cell.slots_per_episode ({T}) times cell.places ({places}) must be at most {MOST_DRAWS}: slots are "
            f"drawn together"
        )
    refuse_large("cell.slots_per_episode, cell.places and the number of models", decided(T, models, places))
    refuse_large("cell.slots_per_episode and requests.skew_states", T * states**2)


def check_server(s: Settings, models: tuple[GivenModel, ...]) -> None:
    """Refuses a server that contradicts itself.

    That are pinned models which are not there or do not fit, a cache that no episode ever decides on, and a floor
    that a lasting cache cannot keep.

    Args:
        s: the settings.
        models: the catalogue.

    Raises:
        InputError: names the setting.
    """
    server, every, slots = s.server, s.server.cache_every_slots, s.cell.slots_per_episode
    pinned = set(server.pinned)
    if every is not None and every >= slots:
        raise InputError(
            f"server.cache_every_slots ({every}) must be less than cell.slots_per_episode ({slots}), or no "
            f"decision on the cache would ever count"
        )
    if pinned and max(pinned) >= len(models):
        raise InputError(
            f"server.pinned: there is no model {max(pinned)}; models are numbered 0 to {len(models) - 1}"
        )
    taken_gb = sum(models[m].storage_gb + models[m].working_gb for m in pinned)
    if taken_gb > server.storage_gb:
        raise InputError(
            f"server.pinned: these models take {taken_gb:g} GB, more than server.storage_gb ({server.storage_gb:g})"
        )
    lasts = pinned or every is not None or any(model.load_s > 0 for model in models)
    if lasts and server.quality_floor is not None and not server.offload:
        raise InputError(
            "server.quality_floor: with pinned models, load times or server.cache_every_slots the cache may hold "
            "models with more requests than there are steps for; set server.offload to true, so that the rest goes "
            "to the cloud"
        )


def check_station(s: Settings, p: Params) -> None:
    """Refuses a queue, or fixed costs of transfers, of a box; and waits that single precision does not carry.

    Args:
        s: the settings.
        p: the scenario as arrays.

    Raises:
        InputError: names the settings.
    """
    if p.station is None:
        return
    if p.box is not None:
        raise InputError(
            "server.generates_at_once, radio.transfer_overhead_s and backhaul.transfer_overhead_s are of cells "
            "whose cache is chosen anew in every slot, and this is a box (its cache lasts, its cloud or backhaul "
            "is shared, or popularity drifts); leave them out"
        )
    longest_s = float(np.max(p.models.B1 * np.maximum(p.models.A3, p.S) + p.models.B2))
    if s.server.generates_at_once is not None and s.cell.places * longest_s > LONGEST_S:
        raise InputError(
            f"server.generates_at_once: the last of cell.places ({s.cell.places}) could wait for {longest_s:.3g} s "
            f"of each before it; together at most {LONGEST_S:g} s are computed with"
        )


def check_chosen(chosen: Mapping[str, Chosen], p: Params) -> None:
    """Refuses a channel or a mobility of a reader's own file that cannot draw slots.

    Args:
        chosen: by section.
        p: the scenario as arrays.

    Raises:
        InputError: it fails, or lacks a method, or gives arrays of other shapes, or numbers out of range.
    """
    if any(in_file(each.model) for each in chosen.values()):
        # No other scenario has JAX start, or asks what it is set to.
        with at_once():
            _try_own(chosen, p)


def check_costs(p: Params) -> None:
    """Refuses a cost of a reader's own file that fails, or gives what is no cost.

    Args:
        p: the scenario as arrays.

    Raises:
        InputError: with what is wrong.
    """
    if p.costs is not None and p.costs.function is not None:
        with at_once():
            try_cost(p.costs.function)


def _try_own(chosen: Mapping[str, Chosen], p: Params) -> None:
    u = jnp.zeros((2, 4))
    # Users are somewhere before they are received.
    for section, kinds, made, of_two in (
        ("mobility", (Mobility, LastingMobility), p.mobility, partial(_positions, u=u)),
        ("channel", (Channel, LastingChannel), p.channel, partial(_gains, u=u, here_m=u[:, :2])),
    ):
        if section not in chosen or not in_file(chosen[section].model):
            continue
        model = chosen[section].model
        if not (hasattr(made, "_fields") and isinstance(made, kinds)):
            raise InputError(
                f"{model}: arrays must give a named tuple of arrays with the methods of "
                f"{' or '.join(f'genedge.cell.types.{kind.__name__}' for kind in kinds)}"
            )
        first, moved = chosen[section].ask(partial(jax.eval_shape, of_two, p))
        if jax.tree.map(type, first) != jax.tree.map(type, moved):
            raise InputError(f"{model}: first and move must give named tuples of the same fields")
        what, shape = ("position_m", (2, 2)) if section == "mobility" else ("gain", (2,))
        given = getattr(moved, what, moved)
        if getattr(given, "shape", None) != shape:
            raise InputError(f"{model}: {what} of two users has shape {np.shape(given)}; it must be {shape}")
        if not jnp.issubdtype(given.dtype, jnp.floating):
            raise InputError(f"{model}: {what} must be real numbers, and is {given.dtype}")
        chosen[section].ask(partial(_check_numbers, section, model, p))


def _check_numbers(section: str, model: str, p: Params) -> None:
    """Refuses a mobility that leads nowhere, and a channel that goes beyond its own bounds, for some users."""
    rng = np.random.default_rng(0)
    u = jnp.asarray(rng.random((PROBED, 4)), jnp.float32)
    if section == "mobility":
        for after in _positions(p, u):
            if not np.isfinite(getattr(after, "position_m", after)).all():
                raise InputError(f"{model}: position_m must be finite numbers")
        return
    if not math.isfinite(float(p.channel.typical_db(p.area_m))):
        raise InputError(f"{model}: typical_db must give a finite number")
    least, largest = (float(bound) for bound in p.channel.bounds(p.area_m))
    if not 0 < least <= largest:
        raise InputError(
            f"{model}: bounds must give the least and the largest gain, from above 0, not {least:g} and {largest:g}"
        )
    here_m = jnp.asarray((rng.random((PROBED, 2)) - 0.5) * p.area_m, jnp.float32)
    for after in _gains(p, u, here_m):
        gain = np.asarray(getattr(after, "gain", after))
        # Single precision rounds.
        good = (gain >= least * (1 - 1e-3)) & (gain <= largest * (1 + 1e-3))
        if not good.all():
            raise InputError(
                f"{model}: a gain is {gain[~good][0]:g}, and its bounds are {least:g} to {largest:g}; correct one "
                f"of them"
            )


def _positions(p: Params, u: Array) -> tuple[Any, Any]:
    """What a mobility says of users in the first slot and in the second."""
    mobility = p.mobility
    if isinstance(mobility, LastingMobility):
        first = mobility.first(p.area_m, u)
        return first, mobility.move(first, p.area_m, p.slot_s, u)
    return (mobility.place(p.area_m, u[:, :2]),) * 2


def _gains(p: Params, u: Array, here_m: Array) -> tuple[Any, Any]:
    """What a channel says of users in the first slot and in the second."""
    channel = p.channel
    if isinstance(channel, LastingChannel):
        first = channel.first(here_m, u)
        return first, channel.move(first, here_m, p.slot_s, u)
    return (channel.gain(here_m, u[:, :2]),) * 2


def check_positions(s: Settings, p: Params) -> None:
    """Refuses a file of positions that is too short for the cell, or leads out of its area.

    Args:
        s: the settings.
        p: the scenario as arrays.

    Raises:
        InputError: with what the file lacks.
    """
    if not isinstance(p.mobility, Positions):
        return
    of_users_m = np.asarray(p.mobility.of_users_m)
    slots, users, _ = of_users_m.shape
    if users < s.cell.places:
        raise InputError(f"mobility.file has {users} users, and cell.places is {s.cell.places}; it must not exceed")
    if slots < s.cell.slots_per_episode:
        raise InputError(
            f"mobility.file has {slots} slots, and cell.slots_per_episode is {s.cell.slots_per_episode}; it must "
            f"not exceed"
        )
    outside = (np.abs(of_users_m) > np.asarray(p.area_m) / 2).any(axis=-1)
    if outside.any():
        slot, user = (int(i) for i in np.argwhere(outside)[0])
        x_m, y_m = of_users_m[slot, user]
        raise InputError(
            f"mobility.file: in slot {slot} user {user} is at ({x_m:g}, {y_m:g}) m, outside of cell.area_m, which "
            f"is {s.cell.area_m[0]:g} m by {s.cell.area_m[1]:g} m around the base station at (0, 0)"
        )
