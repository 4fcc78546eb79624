"""What a slot costs beyond Eq. (14): energy, a deadline, fairness; or a function of one's own instead. All ours."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from genedge.cell.types import AnyArray, Costs, Decision, Outcome, Params, Slot, present


def utility_of(
    params: Params, costs: Costs, slot: Slot, decision: Decision, outcome: Outcome
) -> Float[Array, "*batch N"]:
    """U_n of every user, whose sum is the cost of the slot.

    Energy and lateness are each user's own. The largest delay is that of the user who has it; of several, each has
    an equal part. What a function gives for the whole slot is divided equally among its users.

    Args:
        params: the scenario.
        costs: its costs, some of them on.
        slot: the slot, leading axes *batch.
        decision: what was decided.
        outcome: what came of it, its utility that of Eq. (14).
    """
    there = jnp.asarray(present(slot))
    steps = jnp.where(outcome.hit, jnp.asarray(decision.steps) * params.S, 0.0)
    if costs.function is not None:
        return _of_function(costs.function, outcome, steps, there)
    utility, delay_s = jnp.asarray(outcome.utility), jnp.asarray(outcome.delay_s)
    if costs.energy is not None:
        utility += costs.energy * steps
    if costs.deadline_s is not None:
        utility += jnp.where(there & (delay_s > costs.deadline_s), jnp.asarray(costs.late), 0.0)
    if costs.fairness is not None:
        largest_s = delay_s.max(axis=-1, keepdims=True)
        waits_most = there & (delay_s == largest_s)
        waiting = jnp.maximum(waits_most.sum(axis=-1, keepdims=True), 1).astype(largest_s.dtype)
        each = costs.fairness * largest_s / waiting
        utility += jnp.where(waits_most, each, 0.0)
    return utility


def _of_function(
    function: Any, outcome: Outcome, steps: Float[Array, "*batch N"], there: Bool[Array, "*batch N"]
) -> Float[Array, "*batch N"]:
    """What a function of a slot's users makes of each slot."""

    def one(*users: AnyArray) -> Array:
        cost, there = function(*users), users[-1]
        if jnp.ndim(cost) == 0:
            cost = cost / jnp.maximum(there.sum(), 1).astype(cost.dtype)
        return jnp.where(there, cost, 0.0)

    for _ in range(there.ndim - 1):
        one = jax.vmap(one)
    utility: Array = one(*map(jnp.asarray, (outcome.delay_s, outcome.tv, outcome.hit)), steps, there)
    return utility
