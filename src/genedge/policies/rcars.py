"""RCARS, the paper's randomised benchmark (Section V-B)."""

import jax
from jax import Array

from genedge.cell.feasible import equal_shares, fill_cache, fit_steps, floor_of_hits
from genedge.cell.types import Decision, Params, Slot


@jax.jit
def rcars(params: Params, slots: Slot, key: Array) -> Decision:
    """Caches models in random order, each that still fits; shares bandwidth and steps equally.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        key: a JAX random key.

    Returns:
        A decision for each slot.
    """
    count, models = slots.requests.shape[0], params.models.A1.shape[0]
    order = jax.random.uniform(key, (count, models), minval=1e-6)
    cache = fill_cache(params, slots, order)
    share = equal_shares(slots)
    steps = fit_steps(params, floor_of_hits(params, slots, cache), share * params.S)
    return Decision(cache, share, steps)
