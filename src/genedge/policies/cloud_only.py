"""Everything to the cloud: the baseline without which a comparison flatters."""

import jax
import jax.numpy as jnp
from jax import Array

from genedge.cell.feasible import equal_shares
from genedge.cell.types import Decision, Params, Slot


@jax.jit
def cloud_only(params: Params, slots: Slot, key: Array) -> Decision:
    """Caches nothing, spends no steps, shares the bandwidth equally.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        key: unused; all policies are called alike.

    Returns:
        A decision for each slot.
    """
    share = equal_shares(slots)
    cache = jnp.zeros((*share.shape[:-1], params.models.A1.shape[0]), bool)
    return Decision(cache, share, jnp.zeros_like(share))
