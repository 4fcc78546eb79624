"""The Markov decision process of Section IV-A as two pure functions, `reset` and `step`.

A state's transitions do not depend on the action: the skew follows its Markov chain, users move and are received as
the scenario's mobility and channel say, and everything else is fresh in every slot. In a box the memory does depend
on it, and popularity may drift. An episode ends by its time limit, which truncates it and terminates nothing: the
observation after the last step is the true next slot, to bootstrap from. Both work under `jax.jit`, `jax.vmap`,
`jax.grad` and `jax.lax.scan`, and compute in single precision whatever JAX is set to.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from genedge.cell.feasible import decode, first_memory
from genedge.cell.memory import advance
from genedge.cell.sampling import Lasting, sample_slot
from genedge.cell.service import serve
from genedge.cell.types import AnyArray, Outcome, Params, Slot, present
from genedge.env.observation import observe
from genedge.precision import in_single
from genedge.xla import as_stated


class State(NamedTuple):
    """Where an episode stands.

    Attributes:
        key: the episode's random key.
        t: number of the current slot, from 0.
        skew: state of the popularity's Markov chain.
        users: number of users.
        slot: what the base station sees now.
        lasting: what lasts of where users are and how they are received; empty in the paper's cell.
    """

    key: Array
    t: Int[Array, ""]
    skew: Int[Array, ""]
    users: Int[Array, ""]
    slot: Slot
    lasting: Lasting


class Step(NamedTuple):
    """What a step returns.

    Attributes:
        observation: of the next slot.
        state: the next state.
        reward: −Σ_n U_n of the slot decided, Eq. (18).
        terminated: always False.
        truncated: whether the time limit is reached.
        info: the outcome per user of the slot decided.
    """

    observation: Float[Array, "obs"]
    state: State
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]
    truncated: Bool[Array, ""]
    info: Outcome


@as_stated()
def reset(
    params: Params, key: Array, users: Int[Array, ""] | int, places: int
) -> tuple[Float[Array, "obs"], State]:
    """Starts an episode; it meets the slots that `sample_episode` draws with the same key.

    Args:
        params: the scenario.
        key: a JAX random key.
        users: number of users; they take the first places. Of recorded slots, those who are there.
        places: number of places.

    Returns:
        The observation of the first slot, see `observe`, and the state.
    """
    t, params = jnp.int32(0), in_single(params)
    skew, slot, lasting = sample_slot(params, key, t, t, users, places)
    if params.box is not None:
        slot = slot._replace(memory=first_memory(params))
    return observe(params, slot), State(key, t, skew, _users(params, slot, users), slot, lasting)


@as_stated()
def step(params: Params, state: State, action: Float[AnyArray, "A"], slots_per_episode: int) -> Step:
    """Decides the current slot and moves on to the next.

    Args:
        params: the scenario.
        state: the current state.
        action: values in [−1, 1], see `decode`.
        slots_per_episode: T, the time limit.
    """
    params, action = in_single((params, action))
    now = state.slot
    decision = decode(params, now, action)
    outcome = serve(params, now, decision)
    t = state.t + 1
    skew, slot, lasting = sample_slot(
        params, state.key, t, state.skew, state.users, now.active.shape[0], now.ranking, state.lasting
    )
    if now.memory is not None:
        slot = slot._replace(memory=advance(params, now.memory, decision.cache))
    return Step(
        observation=observe(params, slot),
        state=State(state.key, t, skew, _users(params, slot, state.users), slot, lasting),
        reward=-outcome.utility.sum(),
        terminated=jnp.bool_(False),
        truncated=t >= slots_per_episode,
        info=outcome,
    )


def _users(params: Params, slot: Slot, users: Int[Array, ""] | int) -> Int[Array, ""]:
    """How many users the slot has: those asked for, or those that were recorded."""
    return jnp.asarray(users) if params.recorded is None else present(slot).sum()
