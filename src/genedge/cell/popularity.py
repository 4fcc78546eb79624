"""Section II-B: which models are asked for."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from genedge.cell.types import AnyArray, Params, Slot


def zipf(skew: Float[AnyArray, "*batch"], models: int) -> Float[Array, "*batch {models}"]:
    """Popularity of the models, Eq. (1): P(m) = m^(−γ) / Σ_j j^(−γ).

    Args:
        skew: γ, the skewness; 0 makes all models equally popular.
        models: M, number of models; a model's index is its popularity rank, from 0 here.

    Returns:
        Probabilities, summing to 1 over the last axis.
    """
    exponent = -jnp.asarray(skew)[..., None]
    rank = jnp.arange(1, models + 1, dtype=exponent.dtype)
    weight = rank**exponent
    return weight / weight.sum(axis=-1, keepdims=True)


def popularity(params: Params, slot: Slot) -> Float[Array, "*batch M"]:
    """Probability that a request of the slot is for each model, Eq. (1).

    Args:
        params: the scenario.
        slot: the slot, leading axes *batch; its ranking says which model has which rank.
    """
    by_rank = zipf(slot.skew, params.models.A1.shape[0])
    if slot.ranking is None:
        return by_rank
    return jnp.take_along_axis(by_rank, jnp.argsort(jnp.asarray(slot.ranking), axis=-1), axis=-1)
