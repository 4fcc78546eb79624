"""Actors and critics: networks that map what the base station sees to what it does, and to what that is worth.

Both kinds of network have the same two roles here, so that the algorithms need not know which one they train.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from genedge.cell.feasible import action_size, decode
from genedge.cell.types import AnyArray, Decision, Params, Slot
from genedge.env.observation import observation_size, observe, scaled, see_models
from genedge.env.tokens import BOX_FEATURES, MODEL_FEATURES, Tokens, tokens
from genedge.learn.hyperparameters import AgentSettings, AnyCell, Ddpg, Sac
from genedge.learn.networks import (
    Equivariant,
    Mlp,
    OfCaches,
    apply_equivariant,
    apply_mlp,
    apply_of_caches,
    init_equivariant,
    init_mlp,
)

Network = Mlp | Equivariant

FIRST_OUTPUTS = 0.01


class Pair(NamedTuple):
    """What decides for a box on two timescales.

    Attributes:
        shares: the actor, for bandwidth and steps; what it says about the cache is of no account.
        cache: the value of a state and a cache.
        caches: those that may be named.
    """

    shares: Network
    cache: OfCaches
    caches: Bool[AnyArray, "C M"]


def init_actor(
    s: AgentSettings, key: Array, models: int, places: int, channels: int = 1, box: bool = False
) -> Network:
    """A fresh actor.

    Args:
        s: settings of the agent.
        key: a JAX random key.
        models: M; of no account to an equivariant network, nor are the places.
        places: N, the most users it can serve.
        channels: numbers for each number of the action: one, or a mean and a spread.
        box: whether there is a memory to see.
    """
    if isinstance(s, AnyCell) or s.network == "equivariant":
        extra, outputs = (0, BOX_FEATURES if box else 0), (2 * channels, channels)
        return init_equivariant(key, s.width, extra, outputs, FIRST_OUTPUTS, s.layer_norm)
    sizes = (observation_size(models, places, box), *s.hidden_layers, channels * action_size(models, places))
    return init_mlp(key, sizes, FIRST_OUTPUTS, s.layer_norm)


def init_critic(s: Ddpg | Sac, key: Array, models: int, places: int, box: bool = False) -> Network:
    """A fresh critic.

    Args:
        s: settings of the agent.
        key: a JAX random key.
        models: M.
        places: N.
        box: whether there is a memory to see.
    """
    if s.network == "equivariant":
        extra = (2, 1 + BOX_FEATURES if box else 1)
        return init_equivariant(key, s.width, extra, (1, 0), FIRST_OUTPUTS, s.layer_norm)
    inputs = observation_size(models, places, box) + action_size(models, places)
    return init_mlp(key, (inputs, *s.hidden_layers, 1), FIRST_OUTPUTS, s.layer_norm)


def outputs(actor: Network, params: Params, slots: Slot) -> Float[Array, "*batch C A"]:
    """What the actor says before it is squashed to [−1, 1], the channels apart.

    Args:
        actor: the network.
        params: the scenario.
        slots: slots, leading axes *batch; a multi-layer perceptron needs as many places as it was made for.
    """
    if isinstance(actor, Mlp):
        flat = apply_mlp(actor, observe(params, slots))
        size = action_size(params.models.A1.shape[0], slots.requests.shape[-1])
        return flat.reshape(*flat.shape[:-1], -1, size)
    seen = tokens(params, slots)
    nothing = jnp.zeros((*seen.users.shape[:-1], 0))
    of_users, of_models = apply_equivariant(actor, seen, nothing, _of_models(params, slots, seen))
    priority = jnp.swapaxes(of_models, -1, -2)
    channels = priority.shape[-2]
    bandwidth, steps = of_users[..., :channels], of_users[..., channels:]
    per_user = [jnp.swapaxes(values, -1, -2) for values in (bandwidth, steps)]
    return jnp.concatenate([priority, *per_user], axis=-1)


def act(actor: Network, params: Params, slots: Slot) -> Float[Array, "*batch A"]:
    """The actor's action μ(s) without exploration, in [−1, 1].

    Args:
        actor: the network.
        params: the scenario.
        slots: slots, leading axes *batch.
    """
    return jnp.tanh(outputs(actor, params, slots)[..., 0, :])


def values(
    critic: Network, params: Params, slots: Slot, action: Float[AnyArray, "*batch A"]
) -> Float[Array, "*batch V"]:
    """The critic's Q(s, a) in parts that sum to it: one, or one for each user.

    Args:
        critic: the network.
        params: the scenario.
        slots: slots, leading axes *batch.
        action: raw actions.
    """
    action = jnp.asarray(action)
    if isinstance(critic, Mlp):
        return apply_mlp(critic, jnp.concatenate([observe(params, slots), action], axis=-1))
    models, places = params.models.A1.shape[0], slots.requests.shape[-1]
    priority, bandwidth, steps = jnp.split(action, [models, models + places], axis=-1)
    of_users = jnp.stack([bandwidth, steps], axis=-1)
    seen = tokens(params, slots)
    of_models = jnp.concatenate([_of_models(params, slots, seen), priority[..., None]], axis=-1)
    per_user = apply_equivariant(critic, seen, of_users, of_models)[0][..., 0]
    return jnp.where(slots.active, per_user, 0.0)


def _of_models(params: Params, slots: Slot, seen: Tokens) -> Array:
    """What a box adds to the features of models, shape (*batch, M, 4); without a memory none."""
    if slots.memory is None:
        return jnp.zeros((*seen.asks.shape[:-2], seen.asks.shape[-1], 0))
    return jnp.stack(see_models(params, slots, slots.memory), axis=-1)


def decide(actor: Network | Pair, params: Params, slots: Slot) -> Decision:
    """What a trained actor decides, without exploration.

    Args:
        actor: the network, or the pair of them.
        params: the scenario.
        slots: slots, leading axes *batch.
    """
    if not isinstance(actor, Pair):
        return decode(params, slots, act(actor, params, slots))
    best = apply_of_caches(actor.cache, see_box(params, slots), actor.caches).argmax(axis=-1)
    return decode(params, slots, name_cache(act(actor.shares, params, slots), jnp.asarray(actor.caches)[best]))


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
