"""Slots drawn from a scenario: a random stream per component, so that every policy meets the same slots.

Every draw depends on the seed, the component, the slot's number and the user alone: with more users, the
first ones stay as they were, and a changed fading model leaves the requests in place.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.random import threefry_2x32
from jaxtyping import Float, Int

from genedge.cell.popularity import zipf
from genedge.cell.radio import channel_gain
from genedge.cell.types import Params, Slot


class Draws(NamedTuple):
    """Two uniform numbers in [0, 1) for each place, a stream for each component of the cell.

    Attributes:
        popularity: of the Markov chain of the skew; the first place's.
        places: where users are.
        fading: of the Rayleigh fading.
        requests: which model each user asks for.
        sizes: of the request sizes.
    """

    popularity: Float[Array, "N 2"]
    places: Float[Array, "N 2"]
    fading: Float[Array, "N 2"]
    requests: Float[Array, "N 2"]
    sizes: Float[Array, "N 2"]


def draw(key: Array, t: Int[Array, ""], places: int) -> Draws:
    """The random numbers of slot t.

    A counter-based generator (Threefry) is asked for the numbers at (component, t, place), so each depends on these
    and the key alone. It is called once: XLA takes long to compile it.

    Args:
        key: a JAX random key.
        t: number of the slot, from 0.
        places: number of places.
    """
    components = len(Draws._fields)
    # Eight components would fit; a new one leaves the others' numbers as they are.
    high = (jnp.uint32(8) * t.astype(jnp.uint32) + jnp.arange(components, dtype=jnp.uint32))[:, None]
    low = jnp.arange(places, dtype=jnp.uint32)
    counters = jnp.stack(jnp.broadcast_arrays(high, low))
    words = threefry_2x32(jax.random.key_data(key), counters)
    uniform = (words >> 8).astype(jnp.float32) * 2.0**-24
    return Draws(*jnp.moveaxis(uniform, 0, -1))


def sample_slot(
    params: Params, key: Array, t: Int[Array, ""], before: Int[Array, ""], users: Int[Array, ""] | int, places: int
) -> tuple[Int[Array, ""], Slot]:
    """What the base station sees in slot t, given the skew's state in the slot before.

    The skew follows its Markov chain, Eq. (23). Users are uniform in the area with the base station in its middle,
    the fading is Rayleigh, the requests follow Eq. (1), their sizes are uniform; all fresh in every slot.

    Args:
        params: the scenario.
        key: a JAX random key, the episode's.
        t: number of the slot, from 0.
        before: the skew's state in slot t − 1, an index into `params.skews`; of no account in the first slot.
        users: number of users; they take the first places.
        places: number of places.

    Returns:
        The skew's state in slot t, and the slot with fields of shape (places,).
    """
    u = draw(key, t, places)
    chances = jnp.where(t == 0, jnp.asarray(params.first_skew), jnp.asarray(params.transition)[before])
    state = _pick(u.popularity[:1, 0], chances)[0]
    skew = jnp.asarray(params.skews)[state]
    requests = _pick(u.requests[:, 0], zipf(skew, params.models.A1.shape[0]))
    low, high = jnp.asarray(params.input_bits)
    input_bits = low + (high - low) * u.sizes[:, 0]
    position_m = (u.places - 0.5) * params.area_m
    distance_m = jnp.hypot(position_m[:, 0], position_m[:, 1])
    # |g|² is exponential; the floor keeps a draw of exactly 0 from making the delay infinite.
    fading = jnp.maximum(-jnp.log1p(-u.fading[:, 0]), 2.0**-24)
    gain = channel_gain(params, distance_m, fading)
    return state, Slot(skew, requests, input_bits, gain, position_m, active=jnp.arange(places) < users)


def _pick(u: Array, probabilities: Array) -> Array:
    """Indices with the given probabilities, by inversion of uniform numbers in [0, 1)."""
    # The last cumulative probability may round to just below 1, so it takes no part in the comparison.
    return jnp.sum(u[:, None] >= jnp.cumsum(probabilities)[:-1], axis=-1)


@partial(jax.jit, static_argnames=("places", "slots"))
def sample_episode(params: Params, key: Array, users: Int[Array, ""] | int, places: int, slots: int) -> Slot:
    """Slots of one episode: a Markov chain of the skew from its first state, everything else fresh.

    Args:
        params: the scenario.
        key: a JAX random key; the environment started with it meets the same slots.
        users: number of users.
        places: number of places.
        slots: T, number of slots.

    Returns:
        The slots, fields of shape (slots, places).
    """

    # One slot after the other: drawn all at once, the random numbers take XLA seconds to compile.
    def advance(before: Array, t: Array) -> tuple[Array, Slot]:
        return sample_slot(params, key, t, before, users, places)

    slots_of_episode: Slot = jax.lax.scan(advance, jnp.int32(0), jnp.arange(slots))[1]
    return slots_of_episode


@partial(jax.jit, static_argnames=("places", "slots", "episodes"))
def sample_episodes(
    params: Params, key: Array, users: Int[Array, ""] | int, places: int, slots: int, episodes: int
) -> Slot:
    """Slots of several episodes.

    Args:
        params: the scenario.
        key: a JAX random key; episode e is drawn with the key folded with e.
        users: number of users.
        places: number of places.
        slots: T, number of slots of an episode.
        episodes: E, number of episodes.

    Returns:
        The slots, fields of shape (episodes, slots, places).
    """

    def episode(e: Array) -> Slot:
        drawn: Slot = sample_episode(params, jax.random.fold_in(key, e), users, places, slots)
        return drawn

    return jax.lax.map(episode, jnp.arange(episodes))
