"""The compiled calls of the environments, the same for all cells of a size, and what `info` tells."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box
from jax import Array
from jaxtyping import Float, UInt32
from numpy.typing import NDArray

from genedge.cell.feasible import decode, in_float64
from genedge.cell.service import serve
from genedge.cell.types import Decision, Outcome, Params, Slot
from genedge.env.functional import State, reset, step
from genedge.errors import InputError
from genedge.given import check_count
from genedge.gym.spaces import action_space, check_options, observation_space
from genedge.optimum import certify
from genedge.optimum.certificate import certified
from genedge.optimum.solve import solve_best
from genedge.precision import in_single
from genedge.scenario import Scenario, as_texts, load_scenario

# Means over the users of the slot decided, and the numbers of each of them.
MEANS = ("delay_s", "tv", "hit_ratio")
OF_USERS = ("user_delay_s", "user_tv", "user_hit", "user_utility")

# What stands first in the one array that a step brings to the host: fetching several would take longer.
REWARD_AT, TRUNCATED_AT, MEANS_AT = 0, 1, slice(2, 2 + len(MEANS))


def words(generator: np.random.Generator) -> np.ndarray:
    """Fresh data for the key of an episode.

    Args:
        generator: the environment's.
    """
    return generator.integers(2**32, size=2, dtype=np.uint32)


def _key(data: UInt32[Array, "2"]) -> Array:
    return jax.random.wrap_key_data(data, impl="threefry2x32")


@partial(jax.jit, static_argnames="places")
def start(params: Params, data: UInt32[Array, "2"], users: int, places: int) -> tuple[Array, State]:
    """Starts an episode.

    Args:
        params: the scenario.
        data: of the episode's key.
        users: number of users.
        places: N.

    Returns:
        The observation and the state.
    """
    return reset(params, _key(data), users, places)


@partial(jax.jit, static_argnames="places")
def start_all(params: Params, data: UInt32[Array, "E 2"], users: int, places: int) -> tuple[Array, State]:
    """Starts an episode in each of E cells, see `start`."""
    started: tuple[Array, State] = jax.vmap(lambda of_one: start(params, of_one, users, places))(data)
    return started


class Told(NamedTuple):
    """What a step says, in NumPy; of many cells with a leading axis.

    Attributes:
        observation: of the next slot.
        reward: −Σ U_n, not scaled.
        truncated: whether the time limit is reached.
        info: means over the users, and the numbers of each.
    """

    observation: NDArray[np.float32]
    reward: NDArray[np.float64]
    truncated: NDArray[np.bool_]
    info: dict[str, NDArray[Any]]


def told(packed: Array, places: int) -> Told:
    """What stands in the array that a step brings to the host.

    Args:
        packed: the array, see `advance`.
        places: N.
    """
    array = np.array(packed, np.float32)
    info: dict[str, NDArray[Any]] = {
        key: array[..., MEANS_AT.start + i].astype(np.float64) for i, key in enumerate(MEANS)
    }
    end = MEANS_AT.stop
    for key in OF_USERS:
        info[key] = array[..., end : end + places]
        end += places
    info["user_hit"] = info["user_hit"] > 0
    reward = array[..., REWARD_AT].astype(np.float64)
    return Told(array[..., end:], reward, array[..., TRUNCATED_AT] > 0, info)


@partial(jax.jit, static_argnames="slots_per_episode")
def advance(
    params: Params, state: State, action: Float[Array, "A"], slots_per_episode: int
) -> tuple[State, Float[Array, "told"]]:
    """One step.

    Args:
        params: the scenario.
        state: the state.
        action: clipped to [−1, 1].
        slots_per_episode: T.

    Returns:
        The next state; and reward, whether truncated, the means, the numbers of each user, and the next
        observation in one array.
    """
    moved = step(params, state, jnp.clip(action, -1, 1), slots_per_episode)
    of_users = moved.info.delay_s, moved.info.tv, moved.info.hit.astype(moved.info.tv.dtype), moved.info.utility
    means = jnp.stack(of_users[: len(MEANS)]).sum(axis=-1) / jnp.asarray(state.users, moved.info.tv.dtype)
    head = jnp.stack([moved.reward, moved.truncated.astype(moved.reward.dtype)])
    if state.slot.outage is not None:
        # Who is in an outage has no image.
        served = jnp.asarray(state.slot.active).sum().astype(moved.info.tv.dtype)
        tv = jnp.where(served > 0, moved.info.tv.sum() / jnp.maximum(served, 1), jnp.nan)
        means = means.at[1].set(tv)
    return moved.state, jnp.concatenate([head, means, *of_users, moved.observation])


@partial(jax.jit, static_argnames="slots_per_episode")
def advance_all(
    params: Params, states: State, actions: Float[Array, "E A"], slots_per_episode: int
) -> tuple[State, Float[Array, "E told"]]:
    """One step of each of E cells, see `advance`."""
    moved: tuple[State, Array] = jax.vmap(lambda *of_one: advance(params, *of_one, slots_per_episode))(
        states, actions
    )
    return moved


@jax.jit
def look_back(params: Params, slot: Slot, action: Float[Array, "*batch A"]) -> tuple[Decision, Outcome]:
    """What was decided in slots and what came of it, for the picture and the gap.

    Args:
        params: the scenario.
        slot: the slots, leading axes *batch.
        action: the action in each.
    """
    decision = decode(params, slot, jnp.clip(action, -1, 1))
    return decision, serve(params, slot, decision)


class Cell(NamedTuple):
    """What one environment and many side by side have in common.

    Attributes:
        scenario: that of every cell.
        params: its arrays, on the device.
        observation_space: of one cell.
        action_space: of one cell.
        reward_scale: what rewards are multiplied by.
        gap: whether `info` tells the gap to the optimum.
        render_mode: None, or "rgb_array".
    """

    scenario: Scenario
    params: Params
    observation_space: Box
    action_space: Box
    reward_scale: float
    gap: bool
    render_mode: str | None


Overrides = Sequence[str] | Mapping[str, Any]


def set_up(
    scenario: str | Path,
    overrides: Overrides,
    users: int | None,
    slots: str | Path | None,
    reward_scale: float,
    gap: bool,
    render_mode: str | None,
) -> Cell:
    """Reads and checks what an environment is made of.

    Args:
        scenario: a preset's name, or the path of a scenario file.
        overrides: settings to change, `key=value` each, or a mapping of keys to values.
        users: number of users; None for the scenario's.
        slots: a file whose episodes are met in place of drawn ones.
        reward_scale: what rewards are multiplied by.
        gap: whether `info` tells the gap to the optimum.
        render_mode: None, or "rgb_array".

    Raises:
        InputError: an argument has another type or value.
    """
    check_options(reward_scale, gap, render_mode)
    if users is not None:
        check_count("users", users)
        if slots is not None:
            raise InputError(f"users is {users}, but slots of a file have their own users; leave it out")
        overrides = [*as_texts(overrides), f"cell.users={users}"]
    loaded = load_scenario(scenario, overrides, slots)
    check_gap(loaded, gap)
    places = loaded.settings.cell.places
    return Cell(
        loaded,
        jax.device_put(in_single(loaded.params)),
        observation_space(loaded.params, places),
        action_space(len(loaded.models), places),
        float(reward_scale),
        gap,
        render_mode,
    )


def check_gap(scenario: Scenario, gap: bool) -> None:
    """Refuses to tell the gap where none is known, or, of a box, the best decision of a slot alone is not the best.

    Args:
        scenario: the environment's.
        gap: whether it is asked for.

    Raises:
        InputError: it is, of a box or with a cost of the reader's own.
    """
    if gap and scenario.params.box is not None:
        raise InputError(
            f"gap: the optimum of a slot alone says little of the box of scenario {scenario.name}; leave it out: "
            f"'genedge evaluate' measures what each decision loses"
        )
    if gap and certified(scenario.params) == "none":
        raise InputError("gap: of objective.function, a cost of your own, no optimum is known; leave it out")


def gaps(params: Params, slots: Slot, decision: Decision) -> dict[str, np.ndarray]:
    """How far decisions are from the certified optimum; at most, where there is only a bound.

    Args:
        params: the scenario, in float64 NumPy.
        slots: K slots, leading axis K.
        decision: a decision for each.

    Returns:
        `optimum`, the certified least cost of each slot, or where that is not known `bound`, which no decision is
        below; and `gap`, by what share of it the decision costs more.
    """
    slots = jax.tree.map(np.asarray, slots)
    certificate = certify(params, slots, in_float64(decision), solve_best(params, slots).lower_bound)
    least = "optimum" if certified(params) == "exact" else "bound"
    return {least: certificate.lower_bound, "gap": certificate.objective / certificate.lower_bound - 1}
