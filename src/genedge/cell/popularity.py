"""Section II-B: which models are asked for."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from genedge.cell.types import AnyArray


def zipf(skew: Float[AnyArray, "*batch"], models: int) -> Float[Array, "*batch {models}"]:
    """Popularity of the models, Eq. (1): P(m) = m^(−γ) / Σ_j j^(−γ).

    Args:
        skew: γ, the skewness; 0 makes all models equally popular.
        models: M, number of models; a model's index is its popularity rank, from 0 here.

    Returns:
        Probabilities, summing to 1 over the last axis.
    """
    rank = jnp.arange(1, models + 1)
    weight = rank ** -jnp.asarray(skew)[..., None]
    return weight / weight.sum(axis=-1, keepdims=True)
