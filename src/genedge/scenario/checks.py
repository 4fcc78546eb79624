"""What the settings of a cell make together: whatever passes, every verb can serve.

Policies and learners compute in single precision, whose numbers end at 1e-38 and 3e38. The settings' own limits
keep each factor of an equation well inside; what several of them make together is checked here.
"""

import math

import numpy as np

from genedge.cell.types import Params
from genedge.errors import InputError
from genedge.limits import GAIN, MOST_DRAWS, MOST_PLACES, decided, refuse_large
from genedge.scenario.sections import GivenModel, Settings

# Of the Rayleigh fading that is drawn, see `cell.sampling`: its least, and a little more than the most of 24 bits.
FADING = (2.0**-24, 17.0)

# Least share of the bandwidth beside an equal one: decisions are a softmax of e^±2, see `cell.feasible.decode`.
LEAST_SHARE = math.exp(-4)

# Signal to noise ratio, and the longest that a request may be under way [s].
MOST_SNR = 1e30
LONGEST_S = 1e15


def check_radio(p: Params) -> None:
    """Refuses cells whose channels or radio delays are beyond the numbers that slots and single precision carry.

    Args:
        p: the scenario as arrays.

    Raises:
        InputError: with what is out of range, and which settings make it.
    """
    at_1_km, per_decade = (float(x) for x in p.path_loss_db)
    least_m = float(p.least_distance_m)
    gains = [
        10 ** (-(at_1_km + per_decade * math.log10(distance_m / 1000)) / 10) * fading
        for distance_m, fading in zip((max(least_m, math.hypot(*p.area_m) / 2), least_m), FADING, strict=True)
    ]
    # Twice what single precision may round.
    if not (2 * GAIN[0] <= gains[0] and 2 * gains[1] <= GAIN[1]):
        raise InputError(
            f"radio: channel gains would go from {gains[0]:.3g} to {gains[1]:.3g}, and slots hold {GAIN[0]:g} to "
            f"{GAIN[1]:g}; change path_loss_db_at_1_km, path_loss_db_per_decade, least_distance_m or cell.area_m"
        )
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


def check_models(models: tuple[GivenModel, ...]) -> None:
    """Refuses models whose quality does not improve, or does so too steeply for single precision.

    Args:
        models: the catalogue.

    Raises:
        InputError: names the model.
    """
    for m, model in enumerate(models):
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
