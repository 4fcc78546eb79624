"""Actors and critics: networks that map what the base station sees to what it does, and to what that is worth.

Both kinds of network have the same two roles here, so that the algorithms need not know which one they train.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from genedge.cell.feasible import action_size, decode
from genedge.cell.types import AnyArray, Decision, Params, Slot
from genedge.env.observation import observation_size, observe, see_models
from genedge.env.tokens import BOX_FEATURES, Tokens, tokens
from genedge.learn.hyperparameters import Networks
from genedge.learn.networks import (
    Equivariant,
    Mlp,
    apply_equivariant,
    apply_mlp,
    init_equivariant,
    init_mlp,
)

Network = Mlp | Equivariant

FIRST_OUTPUTS = 0.01


def init_actor(
    settings: Networks, key: Array, models: int, places: int, channels: int = 1, box: bool = False
) -> Network:
    """A fresh actor.

    Args:
        settings: of its networks.
        key: a JAX random key.
        models: M; of no account to an equivariant network, nor are the places.
        places: N, the most users it can serve.
        channels: numbers for each number of the action: one, or a mean and a spread.
        box: whether there is a memory to see.
    """
    if settings.network == "equivariant":
        extra, outputs = (0, BOX_FEATURES if box else 0), (2 * channels, channels)
        return init_equivariant(key, settings.width, extra, outputs, FIRST_OUTPUTS, settings.layer_norm)
    sizes = (observation_size(models, places, box), *settings.hidden_layers, channels * action_size(models, places))
    return init_mlp(key, sizes, FIRST_OUTPUTS, settings.layer_norm)


def actor_shapes(settings: Networks, models: int, places: int, channels: int = 1, box: bool = False) -> Network:
    """The shapes of an actor alone; to draw its weights would take a second to compile.

    Args:
        settings: of its networks.
        models: M.
        places: N.
        channels: numbers for each number of the action.
        box: whether there is a memory to see.
    """
    shapes: Network = jax.eval_shape(
        lambda key: init_actor(settings, key, models, places, channels, box), jax.random.key(0)
    )
    return shapes


def init_critic(settings: Networks, key: Array, models: int, places: int, box: bool = False) -> Network:
    """A fresh critic.

    Args:
        settings: of its networks.
        key: a JAX random key.
        models: M.
        places: N.
        box: whether there is a memory to see.
    """
    if settings.network == "equivariant":
        extra = (2, 1 + BOX_FEATURES if box else 1)
        return init_equivariant(key, settings.width, extra, (1, 0), FIRST_OUTPUTS, settings.layer_norm)
    inputs = observation_size(models, places, box) + action_size(models, places)
    return init_mlp(key, (inputs, *settings.hidden_layers, 1), FIRST_OUTPUTS, settings.layer_norm)


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
    models, places = params.models.A1.shape[0], slots.requests.shape[-1]
    priority, bandwidth, steps = jnp.split(action, [models, models + places], axis=-1)
    if isinstance(critic, Mlp):
        # What is said of a place without a user changes nothing, and a perceptron would have to learn that.
        shares = (jnp.where(slots.active, share, 0) for share in (bandwidth, steps))
        return apply_mlp(critic, jnp.concatenate([observe(params, slots), priority, *shares], axis=-1))
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


def decide(actor: Network, params: Params, slots: Slot) -> Decision:
    """What a trained actor decides, without exploration.

    Args:
        actor: the network.
        params: the scenario.
        slots: slots, leading axes *batch.
    """
    return decode(params, slots, act(actor, params, slots))
