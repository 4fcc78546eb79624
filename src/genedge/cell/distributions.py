"""Uniform numbers made into others, for channels and for mobility."""

import math

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from genedge.cell.types import AnyArray

# The power of Rayleigh fading lies between these. One number in 70 billion would be below the least, which keeps
# gains within single precision and a number of exactly 0 from making the delay infinite. No float lies between
# 1 − 2⁻²⁴ and 1, hence the largest.
LEAST_POWER, LARGEST_POWER = 2.0**-36, 24 * math.log(2)

# What lasts is kept to so many standard deviations: one number in five hundred million lies beyond.
FARTHEST = 6.0


def anywhere(area_m: Float[AnyArray, "2"], u: Float[AnyArray, "*batch 2"]) -> Float[Array, "*batch 2"]:
    """Places uniform in the area, its middle at the origin [m].

    Args:
        area_m: its sides [m].
        u: two uniform numbers in [0, 1).
    """
    return (jnp.asarray(u) - 0.5) * jnp.asarray(area_m)


def rayleigh_power(u: Float[AnyArray, "*batch"]) -> Float[Array, "*batch"]:
    """|g|², power of Rayleigh fading: exponential, mean 1.

    Args:
        u: uniform in [0, 1).
    """
    return jnp.maximum(-jnp.log1p(-u), LEAST_POWER)


def normals(u: Float[AnyArray, "*batch 2"]) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Two independent numbers of mean 0 and variance 1 (Box and Muller).

    Args:
        u: two uniform numbers in [0, 1).
    """
    radius, angle = jnp.sqrt(-2 * jnp.log1p(-u[..., 0])), 2 * math.pi * u[..., 1]
    return radius * jnp.cos(angle), radius * jnp.sin(angle)


def remembered(
    before: Float[AnyArray, "*batch"], correlation: Float[AnyArray, "*#batch"], new: Float[AnyArray, "*batch"]
) -> Float[Array, "*batch"]:
    """The next number of a Gaussian process: mean 0, variance 1, correlated with the one before.

    Args:
        before: the last number.
        correlation: of both, from −1 to 1.
        new: mean 0, variance 1, independent of the one before.
    """
    after = correlation * before + jnp.sqrt(1 - correlation**2) * new
    return jnp.clip(after, -FARTHEST, FARTHEST)
