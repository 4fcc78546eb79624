"""The cache with the most hits, and equal shares: what maximising the hit ratio alone is worth."""

import jax
import jax.numpy as jnp
from jax import Array

from genedge.cell.feasible import equal_shares, fill_cache, fit_steps, floor_of_hits
from genedge.cell.types import Decision, Params, Slot
from genedge.optimum.knapsack import best_cache


@jax.jit
def greedy(params: Params, slots: Slot, key: Array) -> Decision:
    """Caches what serves most of this slot's requests; shares bandwidth and steps equally.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        key: unused; all policies are called alike.

    Returns:
        A decision for each slot.
    """
    one_hot = slots.requests[..., None] == jnp.arange(params.models.A1.shape[0])
    requests = jnp.sum(one_hot & slots.active[..., None], axis=-2).astype(float)
    best = best_cache(requests, params.models.storage_gb, params.C)
    # Under a quality floor the steps may not last for all of these; those most asked for come first.
    cache = fill_cache(params, slots, jnp.where(best, requests, 0.0))
    share = equal_shares(slots)
    steps = fit_steps(params, floor_of_hits(params, slots, cache), share * params.S)
    return Decision(cache, share, steps)
