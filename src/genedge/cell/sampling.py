"""Slots drawn from a scenario: a random stream per component, so that every policy meets the same slots.

Every draw depends on the seed, the component, the slot's number and the user alone: with more users, the
first ones stay as they were, and a changed fading model leaves the requests in place.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int

from genedge.cell.popularity import zipf
from genedge.cell.radio import channel_gain
from genedge.cell.types import Params, Slot


class Streams(NamedTuple):
    """A random key per component of the cell.

    Attributes:
        popularity: the Markov chain of the skew.
        places: where users are.
        fading: the Rayleigh fading.
        requests: which model each user asks for.
        sizes: the request sizes.
        policy: whatever a policy draws.
    """

    popularity: Array
    places: Array
    fading: Array
    requests: Array
    sizes: Array
    policy: Array


def streams(key: Array) -> Streams:
    """Splits a key into the components' streams.

    Args:
        key: a JAX random key.
    """
    count = len(Streams._fields)
    return Streams(*jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(count)))


def first_skew(params: Params, at: Streams) -> Int[Array, ""]:
    """State of the popularity's Markov chain in the first slot.

    Args:
        params: the scenario.
        at: the streams.

    Returns:
        Index into `params.skews`.
    """
    return _categorical(jax.random.fold_in(at.popularity, 0), jnp.asarray(params.first_skew))


def next_skew(params: Params, at: Streams, t: Int[Array, ""], state: Int[Array, ""]) -> Int[Array, ""]:
    """State of the popularity's Markov chain in slot t, given the one before, Eq. (23).

    Args:
        params: the scenario.
        at: the streams.
        t: number of the slot entered, from 0.
        state: state in slot t − 1.

    Returns:
        Index into `params.skews`.
    """
    return _categorical(jax.random.fold_in(at.popularity, t), jnp.asarray(params.transition)[state])


def _categorical(key: Array, probabilities: Array) -> Array:
    # The last cumulative probability may round to just below 1, so it takes no part in the comparison.
    return jnp.sum(jax.random.uniform(key) >= jnp.cumsum(probabilities)[:-1])


def sample_slot(
    params: Params,
    at: Streams,
    t: Int[Array, ""],
    state: Int[Array, ""],
    users: Int[Array, ""] | int,
    places: int,
) -> Slot:
    """What the base station sees in slot t, given the state of the skew.

    Users are uniform in the area with the base station in its middle, the fading is Rayleigh, the requests
    follow Eq. (1), their sizes are uniform; all fresh in every slot.

    Args:
        params: the scenario.
        at: the streams.
        t: number of the slot, from 0.
        state: index into `params.skews`.
        users: number of users; they take the first places.
        places: number of places.

    Returns:
        The slot, fields of shape (places,).
    """
    skew = jnp.asarray(params.skews)[state]
    key = Streams(*jax.vmap(jax.random.fold_in, (0, None))(jnp.stack(at), t))

    # As in _categorical, for all places at once.
    cumulative = jnp.cumsum(zipf(skew, params.models.A1.shape[0]))[:-1]
    requests = jnp.sum(jax.random.uniform(key.requests, (places, 1)) >= cumulative, axis=-1)
    low, high = params.input_bits
    input_bits = low + (high - low) * jax.random.uniform(key.sizes, (places,))
    position_m = (jax.random.uniform(key.places, (places, 2)) - 0.5) * params.area_m
    distance_m = jnp.hypot(position_m[:, 0], position_m[:, 1])
    # One draw in eight million is 0 and would shut the channel for good; half the draws' resolution does not.
    fading = jnp.maximum(jax.random.exponential(key.fading, (places,)), 2.0**-24)
    gain = channel_gain(params, distance_m, fading)
    return Slot(skew, requests, input_bits, gain, position_m, active=jnp.arange(places) < users)


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
    at = streams(key)

    # One slot after the other: drawn all at once, the random numbers take XLA seconds to compile.
    def advance(state: Array, t: Array) -> tuple[Array, Slot]:
        return next_skew(params, at, t + 1, state), sample_slot(params, at, t, state, users, places)

    slots_of_episode: Slot = jax.lax.scan(advance, first_skew(params, at), jnp.arange(slots))[1]
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
