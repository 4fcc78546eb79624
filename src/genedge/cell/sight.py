"""How the base station sees its users' channels: late, and not exactly.

A gain is measured in its slot, with an error of its own in dB, and known to the base station some slots later. In
the first slots of an episode it knows the first measurement. What happens to users follows from the gains.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.random import threefry_2x32
from jaxtyping import Float, Int

from genedge.cell.types import Observation, Params
from genedge.limits import GAIN

# The stream of the errors, after those of `sampling.Draws`.
STREAM = 7

# How many standard deviations an error has at most: its uniform numbers have 24 bits.
MOST_DEVIATIONS = 5.78


def first_sight(params: Params, places: int) -> Float[Array, "k N"] | tuple[()]:
    """What is not yet known before the first slot: of the right shape, and of no account.

    Args:
        params: the scenario.
        places: number of places.
    """
    return () if params.observation is None else jnp.ones((params.observation.stale.shape[0], places))


def see(
    observation: Observation,
    key: Array,
    t: Int[Array, "slots"],
    before: Float[Array, "k N"],
    gain: Float[Array, "slots N"],
) -> tuple[Float[Array, "k N"], Float[Array, "slots N"]]:
    """What the base station sees of gains in consecutive slots.

    Args:
        observation: how it sees them.
        key: a JAX random key, the episode's.
        t: number of each slot, from 0.
        before: what was measured in the k slots before the first of them, and is not yet known; of no account in
            an episode's first slot.
        gain: the gains in these slots.

    Returns:
        What is measured and not yet known after the last of them, and what is seen in each.
    """
    measured = gain * 10 ** (jnp.asarray(observation.noise_db) / 10 * _normal(key, t, gain.shape[1]))
    measured = jnp.clip(measured, *GAIN)
    waiting = jnp.where(t[0] == 0, measured[0], before)
    known = jnp.concatenate([waiting, measured])
    return known[gain.shape[0] :], known[: gain.shape[0]]


def seen_bounds(params: Params) -> tuple[float, float]:
    """Least and largest gain that the base station can see; called outside of JAX.

    Args:
        params: the scenario.
    """
    least, largest = params.channel.bounds(params.area_m)
    noise_db = 0.0 if params.observation is None else float(params.observation.noise_db)
    factor = 10 ** (noise_db / 10 * MOST_DEVIATIONS)
    return (least, largest) if noise_db == 0 else (max(least / factor, GAIN[0]), min(largest * factor, GAIN[1]))


def _normal(key: Array, t: Int[Array, "slots"], places: int) -> Float[Array, "slots N"]:
    """Standard normal numbers that depend on the key, the slot and the place alone, by Box and Muller."""
    high = jnp.uint32(STREAM) + jnp.uint32(8) * t.astype(jnp.uint32)
    counters = jnp.stack(jnp.broadcast_arrays(high[:, None], jnp.arange(places, dtype=jnp.uint32)))
    words = threefry_2x32(jax.random.key_data(key), counters)
    u, v = (words >> 8).astype(jnp.float32) * 2.0**-24
    return jnp.sqrt(-2 * jnp.log1p(-u)) * jnp.cos(2 * jnp.pi * v)
