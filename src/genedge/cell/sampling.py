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
from genedge.cell.types import AnyArray, Params, Slot

# A long episode is drawn in blocks of about so many users: they stay in a core's cache, and its memory is bounded.
USERS_AT_ONCE = 10_000


class Draws(NamedTuple):
    """Two uniform numbers in [0, 1) for each place, a stream for each component of the cell.

    Attributes:
        popularity: of the Markov chain of the skew; the first place's.
        places: where users are.
        fading: of the Rayleigh fading.
        requests: which model each user asks for.
        sizes: of the request sizes.
    """

    popularity: Float[Array, "N 2 *slots"]
    places: Float[Array, "N 2 *slots"]
    fading: Float[Array, "N 2 *slots"]
    requests: Float[Array, "N 2 *slots"]
    sizes: Float[Array, "N 2 *slots"]


def draw(key: Array, t: Int[Array, "*slots"], places: int) -> Draws:
    """The random numbers of slots t.

    A counter-based generator (Threefry) is asked for the numbers at (component, t, place), so each depends on these
    and the key alone. It is called once: XLA takes long to compile it.

    Args:
        key: a JAX random key.
        t: number of each slot, from 0.
        places: number of places.
    """
    components = jnp.arange(len(Draws._fields), dtype=jnp.uint32)
    # Eight components would fit; a new one leaves the others' numbers as they are.
    high = jnp.add.outer(components, jnp.uint32(8) * t.astype(jnp.uint32))[:, None]
    low = jnp.arange(places, dtype=jnp.uint32).reshape(-1, *(1 for _ in t.shape))
    counters = jnp.stack(jnp.broadcast_arrays(high, low))
    words = threefry_2x32(jax.random.key_data(key), counters)
    uniform = (words >> 8).astype(jnp.float32) * 2.0**-24
    return Draws(*jnp.moveaxis(uniform, 0, 2))


def sample_slot(
    params: Params,
    key: Array,
    t: Int[Array, ""],
    before: Int[Array, ""],
    users: Int[Array, ""] | int,
    places: int,
    before_ranking: Int[AnyArray, "M"] | None = None,
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
        before_ranking: of a box, the ranking in slot t − 1; of no account in the first slot.

    Returns:
        The skew's state in slot t, and the slot with fields of shape (places,).
    """
    u = jax.tree.map(lambda x: x[..., None], draw(key, t, places))
    state = _next_state(params, t[None], u)[before]
    ranking = None if params.box is None else _drift(params, t[None], u, before_ranking)[1]
    return state[0], jax.tree.map(lambda x: x[0], _slots(params, u, state, ranking, users))


def _next_state(params: Params, t: Array, u: Draws) -> Array:
    """The skew's state in slots t, for each state that it may have had before: shape (K, slots)."""
    number = u.popularity[0, 0]
    first, following = _cumulative(params.first_skew), _cumulative(params.transition)
    return jnp.where(t == 0, _pick(number, first[:, None]), _pick(number, following[..., None]))


def _drift(params: Params, t: Array, u: Draws, before: AnyArray | None) -> tuple[Array, Array]:
    """Rankings after slots t, and in each of them: in the first slot models rank as they are numbered."""
    assert params.box is not None
    models = params.models.A1.shape[0]
    in_order, drift = jnp.arange(models), jnp.asarray(params.box.rank_drift)
    number = u.popularity[0, 1]
    # Of the numbers below the probability, each of the pairs has an equal part.
    pair = jnp.floor(number / jnp.maximum(drift, 1e-9) * (models - 1)).astype(jnp.int32)
    swaps = (number < drift) & (models > 1)

    def one(ranking: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        slot, pair, swap = now
        at = jnp.clip(pair, 0, max(models - 2, 0))
        partner = jnp.where(in_order == at, at + 1, jnp.where(in_order == at + 1, at, in_order))
        moved = jnp.where(swap, ranking[partner], ranking)
        ranking = jnp.where(slot == 0, in_order, moved)
        return ranking, ranking

    first = in_order if before is None else jnp.asarray(before)
    return jax.lax.scan(one, first, (t, pair, swaps))


def _slots(params: Params, u: Draws, state: Array, ranking: Array | None, users: Array | int) -> Slot:
    """The slots that random numbers make, given the skew's state in each, fields of shape (slots, places)."""
    skews = jnp.asarray(params.skews)
    popularity = _cumulative(zipf(skews, params.models.A1.shape[0]))
    low, high = jnp.asarray(params.input_bits)
    # Until they are returned, slots are the last axis: XLA's loops run over many slots, not over a few places.
    x_m, y_m = ((u.places[:, axis] - 0.5) * params.area_m[axis] for axis in (0, 1))
    # |g|² is exponential; the floor keeps a draw of exactly 0 from making the delay infinite.
    fading = jnp.maximum(-jnp.log1p(-u.fading[:, 0]), 2.0**-24)
    active = jnp.arange(x_m.shape[0])[:, None] < users
    rank = _pick(u.requests[:, 0], popularity[:, state][:, None]).T
    return Slot(
        skew=skews[state],
        requests=rank if ranking is None else jnp.take_along_axis(ranking, rank, axis=1),
        input_bits=(low + (high - low) * u.sizes[:, 0]).T,
        gain=channel_gain(params, jnp.hypot(x_m, y_m), fading).T,
        position_m=jnp.stack([x_m.T, y_m.T], axis=-1),
        active=jnp.broadcast_to(active, x_m.shape).T,
        ranking=ranking,
    )


def _cumulative(probabilities: AnyArray) -> Array:
    """Cumulative probabilities along the last axis, which becomes the first."""
    # The last one may round to just below 1, so it takes no part in a comparison.
    return jnp.moveaxis(jnp.cumsum(jnp.asarray(probabilities), axis=-1)[..., :-1], -1, 0)


def _pick(u: Array, cumulative: Array) -> Array:
    """Indices with the given probabilities, by inversion of uniform numbers in [0, 1)."""
    return jnp.sum(u >= cumulative, axis=0)


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
    blocks = -(-slots * places // USERS_AT_ONCE)
    size = -(-slots // blocks)

    def block(before: tuple[Array, Array | None], first: Array) -> tuple[tuple[Array, Array | None], Slot]:
        t = first + jnp.arange(size)
        u = draw(key, t, places)
        # The chain and the ranking alone go from slot to slot.
        last, state = jax.lax.scan(lambda state, after: (after[state],) * 2, before[0], _next_state(params, t, u).T)
        last_ranking, ranking = (None, None) if params.box is None else _drift(params, t, u, before[1])
        return (last, last_ranking), _slots(params, u, state, ranking, users)

    in_order = None if params.box is None else jnp.arange(params.models.A1.shape[0])
    drawn: Slot = jax.lax.scan(block, (jnp.int32(0), in_order), size * jnp.arange(blocks))[1]
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:slots], drawn)


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
