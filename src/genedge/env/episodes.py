"""Whole episodes of a box: policies that may remember, slot after slot, many episodes at a time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from genedge.cell.feasible import first_memory, in_float64
from genedge.cell.memory import advance
from genedge.cell.types import Decision, Params, Slot, as_seen
from genedge.xla import at_once


class EpisodePolicy(NamedTuple):
    """A policy for a box.

    Attributes:
        first: number of episodes -> what it remembers when they begin.
        decide: (params, what it remembers, slots of E episodes with their memories, key) -> what it remembers then,
            and a decision for each.
    """

    first: Callable[[int], Any]
    decide: Callable[[Params, Any, Slot, Array], tuple[Any, Decision]]


@at_once()
def follow(params: Params, rule: EpisodePolicy, slots: Slot, key: Array) -> tuple[Slot, Decision]:
    """Lets a policy decide whole episodes, one slot after the other.

    Args:
        params: the scenario, of a box.
        rule: the policy.
        slots: E episodes of T slots, leading axes (E, T), without memories.
        key: a JAX random key.

    Returns:
        The slots with the memory of each, and the decisions, in float64 NumPy, leading axes (E, T).
    """
    episodes, T = slots.skew.shape
    memory = jax.tree.map(lambda x: jnp.broadcast_to(x, (episodes, *x.shape)), first_memory(params))
    carry = rule.first(episodes)
    met, decided = [], []
    for t in range(T):
        slot: Slot = jax.tree.map(lambda x, t=t: np.asarray(x[:, t]), slots)
        slot = slot._replace(memory=jax.tree.map(np.asarray, memory))
        carry, decision = rule.decide(params, carry, as_seen(slot), jax.random.fold_in(key, t))
        decision = in_float64(decision)
        memory = _advance(params, slot.memory, decision.cache)
        met.append(slot)
        decided.append(decision)

    def stack(*rows: np.ndarray) -> np.ndarray:
        return np.stack(rows, axis=1)

    return jax.tree.map(stack, *met), jax.tree.map(stack, *decided)


_advance = jax.jit(advance)
