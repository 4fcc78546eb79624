"""Double DQN for the cache, van Hasselt et al. 2016: the long timescale of a box.

Every K slots it names one of the caches that fit, by their values in the state that the box is in: what its memory
holds and loads, how popular each model is now, and the skew. A decision earns what the K slots after it cost. The
online network chooses the best cache of the next state, and the target network says what it is worth.
"""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Bool, Float, Int
from pydantic import Field

from genedge.cell.feasible import fitting_caches
from genedge.cell.types import Params, Slot
from genedge.env.observation import scaled, see_models
from genedge.env.tokens import BOX_FEATURES, MODEL_FEATURES, tokens
from genedge.errors import InputError
from genedge.learn.actor import FIRST_OUTPUTS
from genedge.learn.buffer import CacheTransition, Replay, add, empty_replay, sample
from genedge.learn.ddpg import Td3Settings
from genedge.learn.hyperparameters import Discount, ReplaySize, TargetRate, TracedCount, falling
from genedge.learn.networks import OfCaches, apply_of_caches, init_of_caches
from genedge.settings.fields import Count, Share, Tuned
from genedge.settings.provenance import assumed

# More caches than this would make each choice, and each target, slow.
MOST_CACHES = 4096

# Of each model in a state.
FEATURES = MODEL_FEATURES + BOX_FEATURES + 1


class TwoTimescaleSettings(Td3Settings):
    """Of the pair for boxes: those of TD3, for bandwidth and steps, and those of double DQN."""

    episodes: TracedCount = assumed(1000)
    discount: Discount = assumed(0, "of bandwidth and steps, which change nothing for later slots")
    cache_width: Count = assumed(32, "of the double DQN, a network over models")
    cache_learning_rate: Tuned = assumed(0.001)
    cache_discount: Discount = assumed(0.9, "from one decision on the cache to the next")
    cache_target_rate: TargetRate = assumed(0.01)
    cache_batch: Count = assumed(64)
    cache_replay_size: ReplaySize = assumed(20000)
    cache_updates: Annotated[Count, Field(le=100)] = assumed(4, "for each decision on the cache")
    chance_first: Share = assumed(1, "probability of a random cache")
    chance_last: Share = assumed(0.05)
    chance_until: Annotated[Tuned, Field(le=1)] = assumed(
        0.5, "share of the run after which that is reached, linearly"
    )


class Pending(NamedTuple):
    """A decision whose slots are under way.

    Attributes:
        seen: the state in which it was taken.
        cache: what was named.
        reward: earned so far.
        open: whether there is one; an episode begins without.
    """

    seen: Float[Array, "M F"]
    cache: Int[Array, ""]
    reward: Float[Array, ""]
    open: Bool[Array, ""]


class CacheLearner(NamedTuple):
    """What the long timescale carries from slot to slot.

    Attributes:
        caches: those that may be named; all others are part of one of them.
        online: Q, of a state and a cache.
        target: Q′.
        optimiser: state of Adam.
        replay: the buffer.
        pending: the decision under way.
        level: what random decisions earn in a slot; subtracted from rewards, which are −Σ_n U_n.
        scale: its spread; rewards are divided by it.
    """

    caches: Bool[Array, "C M"]
    online: OfCaches
    target: OfCaches
    optimiser: optax.OptState
    replay: Replay[CacheTransition]
    pending: Pending
    level: Float[Array, ""]
    scale: Float[Array, ""]


def name_cache(action: Float[Array, "*batch A"], cache: Bool[Array, "*batch M"]) -> Float[Array, "*batch A"]:
    """The action that holds a cache, and is the same in all else.

    Args:
        action: raw, in [−1, 1].
        cache: that fits.
    """
    named = jnp.where(cache, 1.0, -1.0).astype(action.dtype)
    return jnp.concatenate([named, action[..., cache.shape[-1] :]], axis=-1)


def see_box(params: Params, slot: Slot) -> Float[Array, "*batch M F"]:
    """What the cache is decided by: of each model its features, what `see_models` tells, and the skew.

    Args:
        params: the scenario, of a box.
        slot: the slot in which the cache is decided, leading axes *batch; its requests are not looked at.
    """
    assert slot.memory is not None
    moving = jnp.stack(see_models(params, slot, slot.memory), axis=-1)
    fixed = jnp.broadcast_to(tokens(params, slot).models, (*moving.shape[:-1], MODEL_FEATURES))
    skew = jnp.broadcast_to(scaled(slot.skew, params.skews)[..., None, None], (*moving.shape[:-1], 1))
    return jnp.concatenate([fixed, moving, skew], axis=-1)


def largest_caches(params: Params) -> Bool[np.ndarray, "C M"]:
    """The caches to which nothing can be added: in a box whatever fits besides does no harm.

    Args:
        params: the scenario, of a box.

    Raises:
        InputError: there are too many.
    """
    caches = fitting_caches(params)
    if caches is not None:
        model = 1 << np.arange(caches.shape[1])
        fits = np.zeros(2 ** caches.shape[1], bool)
        fits[caches @ model] = True
        # With a model more it would still fit.
        grows = ~caches & fits[(caches @ model)[:, None] | model]
        caches = caches[~grows.any(axis=1)]
    if caches is None or len(caches) > MOST_CACHES:
        raise InputError("this catalogue has too many caches to name one of them; take fewer models")
    return caches


def init_q(settings: TwoTimescaleSettings, key: Array) -> OfCaches:
    """A fresh Q, of the state of `see_box` and a cache.

    Args:
        settings: of the agent.
        key: a JAX random key.
    """
    return init_of_caches(key, settings.cache_width, FEATURES, FIRST_OUTPUTS, settings.layer_norm)


def init_cache_learner(
    settings: TwoTimescaleSettings, key: Array, caches: Array, rewards: Float[Array, "*batch"]
) -> CacheLearner:
    """A long timescale that has learned nothing.

    Args:
        settings: of the agent.
        key: a JAX random key.
        caches: those that may be named, see `largest_caches`.
        rewards: what random decisions earn in some slots, −Σ_n U_n.
    """
    online = init_q(settings, key)
    nothing = Pending(jnp.zeros((caches.shape[1], FEATURES)), jnp.int32(0), jnp.float32(0), jnp.bool_(False))
    one = CacheTransition(nothing.seen, nothing.cache, nothing.reward, nothing.seen)
    return CacheLearner(
        caches=caches,
        online=online,
        target=jax.tree.map(jnp.copy, online),
        optimiser=_adam(settings, 1).init(online),
        replay=empty_replay(settings.cache_replay_size, one),
        pending=nothing,
        level=rewards.mean(),
        scale=rewards.std(),
    )


def choose(
    settings: TwoTimescaleSettings, cache: CacheLearner, params: Params, slot: Slot, progress: Array, key: Array
) -> Int[Array, ""]:
    """Names a cache: the one of the highest value, or any.

    Args:
        settings: of the agent.
        cache: the long timescale.
        params: the scenario, of a box.
        slot: what the box sees.
        progress: how much of the run is over, from 0 to 1.
        key: a JAX random key.
    """
    for_chance, for_cache = jax.random.split(key)
    chance = settings.chance_first + (settings.chance_last - settings.chance_first) * jnp.minimum(
        progress / settings.chance_until, 1
    )
    best = apply_of_caches(cache.online, see_box(params, slot), cache.caches).argmax(axis=-1)
    anything = jax.random.randint(for_cache, (), 0, len(cache.caches))
    return jnp.where(jax.random.uniform(for_chance) < chance, anything, best)


def learn_caches(
    settings: TwoTimescaleSettings,
    cache: CacheLearner,
    params: Params,
    slot: Slot,
    named: Int[Array, ""],
    reward: Float[Array, ""],
    updates: Array | float,
    key: Array,
) -> CacheLearner:
    """Adds what a slot earned to the decision under way; where the slot decides anew, stores that one and learns.

    Args:
        settings: of the agent.
        cache: the long timescale.
        params: the scenario, of a box.
        slot: the slot, as it was seen.
        named: the cache named in it; of account only if the slot decides.
        reward: of the slot, −Σ_n U_n.
        updates: of the whole run.
        key: a JAX random key.
    """
    assert slot.memory is not None
    assert params.box is not None
    assert params.box.every is not None
    earned = (reward - cache.level) / cache.scale / jnp.float32(params.box.every)
    pending = cache.pending._replace(reward=cache.pending.reward + earned)
    cache = cache._replace(pending=pending)

    def decide(cache: CacheLearner) -> CacheLearner:
        seen = see_box(params, slot)
        whole = CacheTransition(pending.seen, pending.cache, pending.reward, seen)
        replay = jax.lax.cond(pending.open, lambda r: add(r, whole), lambda r: r, cache.replay)
        cache = cache._replace(
            replay=replay, pending=Pending(seen, named.astype(jnp.int32), jnp.float32(0), jnp.bool_(True))
        )
        return jax.lax.cond(
            replay.added >= settings.cache_batch,
            lambda cache: _update(settings, cache, updates, key),
            lambda cache: cache,
            cache,
        )

    return jax.lax.cond(slot.memory.until == 0, decide, lambda cache: cache, cache)


def _update(
    settings: TwoTimescaleSettings, cache: CacheLearner, updates: Array | float, key: Array
) -> CacheLearner:
    def once(cache: CacheLearner, key: Array) -> tuple[CacheLearner, None]:
        batch = sample(cache.replay, key, settings.cache_batch)
        best = apply_of_caches(cache.online, batch.next_seen, cache.caches).argmax(axis=-1)
        worth = apply_of_caches(cache.target, batch.next_seen, cache.caches)
        target = batch.reward + settings.cache_discount * jnp.take_along_axis(worth, best[:, None], axis=1)[:, 0]

        def loss(online: OfCaches) -> Array:
            said = apply_of_caches(online, batch.seen, cache.caches)
            said = jnp.take_along_axis(said, batch.cache[:, None], axis=1)[:, 0]
            return jnp.mean((said - target) ** 2)

        step, optimiser = _adam(settings, updates).update(jax.grad(loss)(cache.online), cache.optimiser)
        online: OfCaches = optax.apply_updates(cache.online, step)
        target_network = optax.incremental_update(online, cache.target, settings.cache_target_rate)
        return cache._replace(online=online, target=target_network, optimiser=optimiser), None

    return jax.lax.scan(once, cache, jax.random.split(key, settings.cache_updates))[0]


def _adam(settings: TwoTimescaleSettings, updates: Array | float) -> optax.GradientTransformation:
    rate = settings.cache_learning_rate
    return optax.flatten(optax.adam(falling(rate, settings.learning_rate_last, updates)))
