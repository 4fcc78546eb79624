"""A policy of your own, in every table and figure: a function from slots to decisions.

    genedge evaluate --policies examples/own_policy.py:densest,knapsack,rcars
    genedge watch --policy examples/own_policy.py:densest
    genedge paper --quick --policies examples/own_policy.py:densest

It caches the models with the most requests for each gigabyte, shares the bandwidth equally, and gives the steps
that improve an image fully (A3) to the users who wait the least for it, as long as steps are left.
"""

import jax
import jax.numpy as jnp

from genedge import Decision
from genedge.extend import equal_shares, fill_cache


@jax.jit
def densest(params, slots, key):
    """Decides K slots at once.

    Args:
        params: the scenario as arrays, `scenario.params`.
        slots: fields of shape (K, N), K slots of N users.
        key: a JAX random key, for policies that draw.

    Returns:
        A decision for each slot: `cache` (K, M), `bandwidth` and `steps` (K, N), shares of the whole.
    """
    models, count = params.models, params.models.A1.shape[0]
    asks = (slots.requests[..., None] == jnp.arange(count)) & slots.active[..., None]
    cache = fill_cache(params, slots, asks.sum(axis=1, dtype=models.storage_gb.dtype) / models.storage_gb)

    asked = jax.tree.map(lambda of_each: of_each[slots.requests], models)
    hit = jnp.take_along_axis(cache, slots.requests, axis=1) & slots.active
    # Improving an image pays where the better quality outweighs the time that its steps take.
    saves = params.tv_weight * (asked.A2 - asked.A4) - params.delay_weight * asked.B1 * asked.A3
    wanted = jnp.where(hit & (saves > 0), asked.A3, 0.0)
    first = jnp.argsort(jnp.where(wanted > 0, asked.B1, jnp.inf), axis=1)
    served = jnp.cumsum(jnp.take_along_axis(wanted, first, axis=1), axis=1) <= params.S
    steps = jnp.where(jnp.take_along_axis(served, jnp.argsort(first, axis=1), axis=1), wanted, 0.0)
    return Decision(cache, equal_shares(slots), steps / params.S)
