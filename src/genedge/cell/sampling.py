"""Slots drawn from a scenario: a random stream per component, so that every policy meets the same slots.

Every draw depends on the seed, the component, the slot's number and the user alone: with more users, the
first ones stay as they were, and a changed fading model leaves the requests in place.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.random import threefry_2x32
from jaxtyping import Float, Int, UInt32

from genedge.cell.mobility.uniform import Uniform
from genedge.cell.popularity import zipf
from genedge.cell.sight import first_sight, see
from genedge.cell.types import (
    AnyArray,
    LastingChannel,
    LastingMobility,
    Params,
    Slot,
    lasts,
    with_outage,
    with_places,
)

# A long episode is drawn in blocks of about so many users: they stay in a core's cache, and its memory is bounded.
USERS_AT_ONCE = 10_000


class Draws(NamedTuple):
    """Two uniform numbers in [0, 1) for each place, a stream for each component of the cell.

    They have 24 bits, and so has the second of the fading; its first has all that a float has, see `fine_uniform`.
    The last two are drawn only where something lasts from slot to slot.

    Attributes:
        popularity: of the Markov chain of the skew; the first place's.
        places: where users are.
        fading: of the channel.
        requests: which model each user asks for.
        sizes: of the request sizes.
        mobility: where users move, beside the numbers of their places.
        channel: of the channel, beside the numbers of its fading.
    """

    popularity: Float[Array, "N 2 *slots"]
    places: Float[Array, "N 2 *slots"]
    fading: Float[Array, "N 2 *slots"]
    requests: Float[Array, "N 2 *slots"]
    sizes: Float[Array, "N 2 *slots"]
    mobility: Float[Array, "N 2 *slots"] | None = None
    channel: Float[Array, "N 2 *slots"] | None = None


class Lasting(NamedTuple):
    """What lasts from slot to slot of where users are and how they are received; empty where all is fresh.

    Attributes:
        mobility: of the mobility.
        channel: of the channel.
        sight: gains that are measured and that the base station does not know yet.
    """

    mobility: Any = ()
    channel: Any = ()
    sight: Any = ()


def draw(key: Array, t: Int[Array, "*slots"], places: int, lasting: bool = False) -> Draws:
    """The random numbers of slots t.

    A counter-based generator (Threefry) is asked for the numbers at (component, t, place), so each depends on these
    and the key alone. It is called once: XLA takes long to compile it.

    Args:
        key: a JAX random key.
        t: number of each slot, from 0.
        places: number of places.
        lasting: whether the streams are wanted that only what lasts needs.
    """
    wanted = len(Draws._fields) if lasting else len(Draws._fields) - 2
    components = jnp.arange(wanted, dtype=jnp.uint32)
    # Eight components would fit; a new one leaves the others' numbers as they are.
    high = jnp.add.outer(components, jnp.uint32(8) * t.astype(jnp.uint32))[:, None]
    low = jnp.arange(places, dtype=jnp.uint32).reshape(-1, *(1 for _ in t.shape))
    counters = jnp.stack(jnp.broadcast_arrays(high, low))
    words = threefry_2x32(jax.random.key_data(key), counters)
    drawn = Draws(*jnp.moveaxis((words >> 8).astype(jnp.float32) * 2.0**-24, 0, 2))
    fade = fine_uniform(*words[:, Draws._fields.index("fading")])
    return drawn._replace(fading=jnp.stack([fade, drawn.fading[:, 1]], axis=1))


def fine_uniform(high: UInt32[Array, "*batch"], low: UInt32[Array, "*batch"]) -> Float[Array, "*batch"]:
    """A uniform number in [0, 1) of 64 bits, as near to 0 as a float can tell.

    How deep a fade can be decides the mean of a delay, which goes as 1/h: of 24 bits it would be cut off at 6e-8.

    Args:
        high: 32 random bits; those that count.
        low: 32 more, which tell numbers apart that the others leave near 0. A channel that reads them as a number
            of its own finds it independent, but for digits that no float shows.
    """
    number = high.astype(jnp.float32) * 2.0**-32 + low.astype(jnp.float32) * 2.0**-64
    return jnp.minimum(number, 1 - 2.0**-24)


def sample_slot(
    params: Params,
    key: Array,
    t: Int[Array, ""],
    before: Int[Array, ""],
    users: Int[Array, ""] | int,
    places: int,
    before_ranking: Int[AnyArray, "M"] | None = None,
    before_lasting: Lasting | None = None,
) -> tuple[Int[Array, ""], Slot, Lasting]:
    """What the base station sees in slot t, given the skew's state in the slot before.

    The skew follows its Markov chain, Eq. (23). The requests follow Eq. (1), their sizes are uniform, both fresh in
    every slot. Where users are and how they are received is up to the scenario's mobility and channel.

    Args:
        params: the scenario.
        key: a JAX random key, the episode's.
        t: number of the slot, from 0.
        before: the skew's state in slot t − 1, an index into `params.skews`; of no account in the first slot.
        users: number of users; they take the first places.
        places: number of places.
        before_ranking: of a box, the ranking in slot t − 1; of no account in the first slot.
        before_lasting: what lasts of slot t − 1; of no account in the first slot, and None will do there.

    Returns:
        The skew's state in slot t, the slot with fields of shape (places,), and what lasts of it.
    """
    if params.recorded is not None:
        return _recorded_slot(params, key, t, places)
    u = jax.tree.map(lambda x: x[..., None], draw(key, t, places, lasts(params)))
    state = _next_state(params, t[None], u)[before]
    ranking = None if params.box is None else _drift(params, t[None], u, before_ranking)[1]
    before_lasting = first_lasting(params, places) if before_lasting is None else before_lasting
    lasting, slots = _slots(params, t[None], u, state, ranking, users, before_lasting)
    lasting, slots = _as_seen(params, key, t[None], lasting, before_lasting, slots)
    return state[0], jax.tree.map(lambda x: x[0], slots), lasting


def _recorded_slot(params: Params, key: Array, t: Array, places: int) -> tuple[Array, Slot, Lasting]:
    """Slot t of the episode that the key chooses; what came after its last slot nobody knows, so that stays."""
    episode = _recorded_episode(params, key, places)
    slot: Slot = jax.tree.map(lambda x: x[jnp.minimum(t, x.shape[0] - 1)], episode)
    state = jnp.abs(jnp.asarray(params.skews) - slot.skew).argmin().astype(jnp.int32)
    return state, slot, Lasting()


def _recorded_episode(params: Params, key: Array, places: int) -> Slot:
    """An episode of those recorded, each as likely as the others."""
    assert params.recorded is not None
    e = jax.random.randint(key, (), 0, params.recorded.skew.shape[0])
    episode: Slot = jax.tree.map(lambda x: jnp.asarray(x)[e], params.recorded)
    return with_places(episode, places)


def first_lasting(params: Params, places: int) -> Lasting:
    """What lasts before the first slot: of the right shapes, and of no account.

    Args:
        params: the scenario.
        places: number of places.
    """
    u, nowhere = jnp.zeros((places, 4)), jnp.zeros((places, 2))
    mobility, channel = params.mobility, params.channel
    begun = Lasting(
        mobility.first(params.area_m, u) if isinstance(mobility, LastingMobility) else (),
        channel.first(nowhere, u) if isinstance(channel, LastingChannel) else (),
        first_sight(params, places),
    )
    return jax.tree.map(jnp.asarray, begun)


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


def _slots(
    params: Params,
    t: Array,
    u: Draws,
    state: Array,
    ranking: Array | None,
    users: Array | int,
    before: Lasting,
) -> tuple[Lasting, Slot]:
    """The slots that random numbers make, given the skew's state in each, fields of shape (slots, places)."""
    skews = jnp.asarray(params.skews)
    popularity = _cumulative(zipf(skews, params.models.A1.shape[0]))
    low, high = jnp.asarray(params.input_bits)
    # Until they are returned, slots are the last axis: XLA's loops run over many slots, not over a few places.
    of_mobility, position_m = _positions(params, t, u, before.mobility)
    of_channel, gain = _gains(params, t, u, before.channel, position_m)
    active = jnp.arange(gain.shape[0])[:, None] < users
    rank = _pick(u.requests[:, 0], popularity[:, state][:, None]).T
    slots = Slot(
        skew=skews[state],
        requests=rank if ranking is None else jnp.take_along_axis(ranking, rank, axis=1),
        input_bits=(low + (high - low) * u.sizes[:, 0]).T,
        gain=gain.T,
        position_m=jnp.swapaxes(position_m, 0, 1),
        active=jnp.broadcast_to(active, gain.shape).T,
        ranking=ranking,
    )
    return Lasting(of_mobility, of_channel), with_outage(params, slots)


def _as_seen(
    params: Params, key: Array, t: Array, lasting: Lasting, before: Lasting, slots: Slot
) -> tuple[Lasting, Slot]:
    """What lasts, and slots, with what the base station sees of their gains where that is something else."""
    if params.observation is None:
        return lasting, slots
    sight, seen = see(params.observation, key, t, before.sight, jnp.asarray(slots.gain))
    return lasting._replace(sight=sight), slots._replace(seen_gain=seen)


def _positions(params: Params, t: Array, u: Draws, before: Any) -> tuple[Any, Array]:
    """What lasts of the mobility after slots t, and where users are, shape (places, slots, 2)."""
    mobility, area_m = params.mobility, jnp.asarray(params.area_m)
    if isinstance(mobility, Uniform):
        return (), mobility.place(area_m, jnp.moveaxis(u.places, 1, -1))
    if isinstance(mobility, LastingMobility):

        def one(before: Any, now: tuple[Array, Array]) -> tuple[Any, Array]:
            t, u = now
            after = _begun(
                t, before, lambda _: mobility.first(area_m, u), lambda x: mobility.move(x, area_m, params.slot_s, u)
            )
            return after, after.position_m

        after, position_m = jax.lax.scan(one, before, (t, _of_slots(u.places, u.mobility)))
        position_m = jnp.swapaxes(position_m, 0, 1)
    else:
        after, position_m = (), mobility.place(area_m, jnp.moveaxis(u.places, 1, -1))
    # Bounds of gains are those within the area; uniform users are there anyway, and their slots are drawn sooner.
    return after, jnp.clip(position_m, -area_m / 2, area_m / 2)


def _gains(params: Params, t: Array, u: Draws, before: Any, position_m: Array) -> tuple[Any, Array]:
    """What lasts of the channel after slots t, and gains, shape (places, slots)."""
    channel = params.channel
    if not isinstance(channel, LastingChannel):
        return (), channel.gain(position_m, jnp.moveaxis(u.fading, 1, -1))

    def one(before: Any, now: tuple[Array, Array, Array]) -> tuple[Any, Array]:
        t, u, here_m = now
        after = _begun(
            t, before, lambda _: channel.first(here_m, u), lambda x: channel.move(x, here_m, params.slot_s, u)
        )
        return after, after.gain

    in_time = t, _of_slots(u.fading, u.channel), jnp.swapaxes(position_m, 0, 1)
    after, gain = jax.lax.scan(one, before, in_time)
    return after, gain.T


def _of_slots(*streams: Array | None) -> Array:
    """The numbers of streams side by side, slot after slot: shape (slots, places, 4)."""
    return jnp.moveaxis(jnp.concatenate([x for x in streams if x is not None], axis=1), -1, 0)


def _begun(t: Array, before: Any, first: Callable[[Any], Any], move: Callable[[Any], Any]) -> Any:
    """In the first slot what begins, later what has moved; of the types that it had before."""

    def alike(after: Any) -> Any:
        return jax.tree.map(lambda old, new: jnp.asarray(new, old.dtype), before, after)

    return jax.lax.cond(t == 0, lambda x: alike(first(x)), lambda x: alike(move(x)), before)


def _cumulative(probabilities: AnyArray) -> Array:
    """Cumulative probabilities along the last axis, which becomes the first."""
    # The last one may round to just below 1, so it takes no part in a comparison.
    return jnp.moveaxis(jnp.cumsum(jnp.asarray(probabilities), axis=-1)[..., :-1], -1, 0)


def _pick(u: Array, cumulative: Array) -> Array:
    """Indices with the given probabilities, by inversion of uniform numbers in [0, 1)."""
    return jnp.sum(u >= cumulative, axis=0)


_Before = tuple[Array, Array | None, Lasting]


@partial(jax.jit, static_argnames=("places", "slots"))
def sample_episode(params: Params, key: Array, users: Int[Array, ""] | int, places: int, slots: int) -> Slot:
    """Slots of one episode: the skew's Markov chain from its first state, what lasts of mobility and channel, and
    everything else fresh.

    Args:
        params: the scenario.
        key: a JAX random key; the environment started with it meets the same slots.
        users: number of users.
        places: number of places.
        slots: T, number of slots.

    Returns:
        The slots, fields of shape (slots, places).
    """
    if params.recorded is not None:
        whole: Slot = jax.tree.map(lambda x: x[:slots], _recorded_episode(params, key, places))
        return whole
    blocks = -(-slots * places // USERS_AT_ONCE)
    size = -(-slots // blocks)

    def block(before: _Before, first: Array) -> tuple[_Before, Slot]:
        t = first + jnp.arange(size)
        u = draw(key, t, places, lasts(params))
        # The chain, the ranking and what lasts alone go from slot to slot.
        last, state = jax.lax.scan(lambda state, after: (after[state],) * 2, before[0], _next_state(params, t, u).T)
        last_ranking, ranking = (None, None) if params.box is None else _drift(params, t, u, before[1])
        lasting, slots = _slots(params, t, u, state, ranking, users, before[2])
        lasting, slots = _as_seen(params, key, t, lasting, before[2], slots)
        return (last, last_ranking, lasting), slots

    in_order = None if params.box is None else jnp.arange(params.models.A1.shape[0])
    start = jnp.int32(0), in_order, first_lasting(params, places)
    drawn: Slot = jax.lax.scan(block, start, size * jnp.arange(blocks))[1]
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
