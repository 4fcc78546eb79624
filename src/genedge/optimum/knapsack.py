"""The 0/1 knapsack over models, by dynamic programming on a fine grid of storage."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from genedge.cell.types import AnyArray

# Storage is counted in cells of 1/2000 of the capacity, 0.01 GB in the paper's cell; sizes are rounded up.
CELLS = 2000


def best_cache(
    worth: Float[AnyArray, "*batch M"], storage_gb: Float[AnyArray, "M"], capacity_gb: Float[AnyArray, ""]
) -> Bool[Array, "*batch M"]:
    """The cache worth most: maximises Σ worth_m ρ_m subject to (11d).

    Exact where storage sizes are multiples of a cell; else at most one cell per model is left unused.

    Args:
        worth: what caching each model is worth; models worth 0 or less stay out.
        storage_gb: c_m [GB].
        capacity_gb: C [GB].

    Returns:
        ρ, True where the model is cached.
    """
    worth = jnp.asarray(worth)
    # The small term keeps sizes that are whole cells from being rounded up to the next one.
    relative = jnp.asarray(storage_gb) / jnp.maximum(capacity_gb, 1e-9)
    weight = jnp.clip(jnp.ceil(relative * CELLS - 1e-2), 1, CELLS + 1).astype(int)
    flat = worth.reshape(-1, worth.shape[-1])

    def add_model(best: Array, model: tuple[Array, Array]) -> tuple[Array, Array]:
        # best[k, c]: the most that the models so far are worth in c cells.
        value, cells = model
        unreachable = jnp.full_like(best, -jnp.inf)
        shifted = jax.lax.dynamic_slice_in_dim(
            jnp.concatenate([unreachable, best], axis=1), CELLS + 1 - cells, CELLS + 1, axis=1
        )
        with_it = shifted + value[:, None]
        return jnp.maximum(best, with_it), with_it > best

    def trace_back(left: Array, model: tuple[Array, Array]) -> tuple[Array, Array]:
        taken, cells = model
        here = jnp.take_along_axis(taken, left[:, None], axis=1)[:, 0]
        return left - jnp.where(here, cells, 0), here

    start = jnp.zeros((flat.shape[0], CELLS + 1), flat.dtype)
    _, taken = jax.lax.scan(add_model, start, (flat.T, weight))
    full = jnp.full(flat.shape[0], CELLS)
    _, cache = jax.lax.scan(trace_back, full, (taken, weight), reverse=True)
    return cache.T.reshape(worth.shape)
