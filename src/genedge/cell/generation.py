"""Section II-D: what denoising steps buy, in quality and in time."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from genedge.cell.types import AnyArray, Models


def tv_quality(models: Models, steps: Float[AnyArray, "*batch"]) -> Float[Array, "*batch"]:
    """TV of the generated image, Eq. (10) and (11): A2, then falling linearly from A1 to A3, then A4.

    Args:
        models: the model of each image, fields broadcasting with `steps`.
        steps: s = ξ S, denoising steps.

    Returns:
        TV value; lower is better.
    """
    progress = jnp.clip((steps - models.A1) / (models.A3 - models.A1), 0, 1)
    return jnp.asarray(models.A2 + (models.A4 - models.A2) * progress)


def generation_delay(models: Models, steps: Float[AnyArray, "*batch"]) -> Float[Array, "*batch"]:
    """Time to generate the image, Eq. (12): B1 s + B2 [s].

    Args:
        models: the model of each image, fields broadcasting with `steps`.
        steps: s = ξ S, denoising steps.
    """
    return jnp.asarray(models.B1 * steps + models.B2)
