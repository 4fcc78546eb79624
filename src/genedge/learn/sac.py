"""SAC, Haarnoja et al. 2018: an actor that is paid for staying random, at a price that it adapts itself."""

import math
from typing import Annotated

import jax
import jax.numpy as jnp
import optax
from jax import Array
from pydantic import Field

from genedge.cell.types import Params, Slot
from genedge.learn.actor import Network, outputs, values
from genedge.learn.buffer import Transition
from genedge.learn.ddpg import least_value
from genedge.learn.hyperparameters import (
    Discount,
    HiddenLayers,
    NetworkKind,
    ReplaySize,
    Switch,
    TargetRate,
    TracedCount,
    is_off,
)
from genedge.learn.off_policy import (
    Algorithm,
    Credit,
    Learner,
    OffPolicyPlan,
    OffPolicySettings,
    optimisers,
)
from genedge.learn.off_policy_agent import OffPolicyAgent
from genedge.settings.fields import Count, NotNegative, Number, Share, Tuned
from genedge.settings.provenance import assumed

# Logarithms of the spread outside these bounds are cut off, as in the authors' code.
LEAST_LOG_SPREAD, LARGEST_LOG_SPREAD = -5.0, 2.0


class SacSettings(OffPolicySettings):
    """Of the soft actor-critic."""

    episodes: TracedCount = assumed(500)
    discount: Discount = assumed(
        0, "transitions do not depend on the action, so the best decision of a slot is best for good"
    )
    target_rate: TargetRate = assumed(0.005)
    actor_learning_rate: Tuned = assumed(0.0003)
    critic_learning_rate: Tuned = assumed(0.001)
    learning_rate_last: Share = assumed(
        0.05, "share of the learning rates that is left at the last slot; they fall linearly"
    )
    network: NetworkKind = assumed("equivariant", "over users and models; else: mlp")
    hidden_layers: HiddenLayers = assumed((128, 128), "of the mlp")
    width: Count = assumed(32, "of the equivariant network")
    layer_norm: Switch = assumed(False)
    critics: Annotated[Count, Field(le=8)] = assumed(2, "the target is the least of their values")
    credit: Credit = assumed(
        "per_user", "each user's utility teaches that user's value, if the network is equivariant; else: total"
    )
    batch: Count = assumed(64)
    replay_size: ReplaySize = assumed(25000)
    warmup_slots: TracedCount = assumed(500, "slots with random actions before the first update")
    first_temperature: Tuned = assumed(0.05, "price of entropy at first")
    temperature_learning_rate: NotNegative = assumed(0.001)
    target_entropy: Number = assumed(-1, "for each number of an action")


def sample_action(actor: Network, params: Params, slots: Slot, key: Array) -> tuple[Array, Array]:
    """A random action, and the logarithm of its density over the numbers that mean something.

    Args:
        actor: the network, with channels mean and logarithm of the spread.
        params: the scenario.
        slots: slots, leading axes *batch.
        key: a JAX random key.

    Returns:
        The action in [−1, 1], shape (*batch, A), and its log density, shape (*batch,).
    """
    said = outputs(actor, params, slots)
    mean, log_spread = said[..., 0, :], said[..., 1, :]
    log_spread = jnp.clip(log_spread, LEAST_LOG_SPREAD, LARGEST_LOG_SPREAD)
    noise = jax.random.normal(key, mean.shape)
    before = mean + jnp.exp(log_spread) * noise
    normal = -(noise**2) / 2 - log_spread - math.log(2 * math.pi) / 2
    # log(1 − tanh²(x)) without cancellation.
    squashed = 2 * (math.log(2) - before - jax.nn.softplus(-2 * before))
    density = jnp.where(_meaningful(params, slots), normal - squashed, 0.0).sum(axis=-1)
    return jnp.tanh(before), density


def explore(plan: OffPolicyPlan, actor: Network, params: Params, slot: Slot, progress: Array, key: Array) -> Array:
    """A random action of the actor's own.

    Args:
        plan: unused; all algorithms are called alike.
        actor: the network.
        params: the scenario.
        slot: what the base station sees.
        progress: unused.
        key: a JAX random key.
    """
    return sample_action(actor, params, slot, key)[0]


def update(
    plan: OffPolicyPlan, params: Params, learner: Learner, batch: Transition, key: Array
) -> tuple[Learner, Array, Array]:
    """One update of all networks and of the price of entropy.

    Args:
        plan: what is fixed for the run.
        params: the scenario.
        learner: where training stands.
        batch: the mini-batch.
        key: a JAX random key.

    Returns:
        The learner afterwards, the critics' loss, and the mean Q of the actor's actions.
    """
    settings, nets = plan.settings, learner.nets
    assert isinstance(settings, SacSettings)
    actor_adam, critic_adam = optimisers(plan)
    for_target, for_actor = jax.random.split(key)
    temperature = jnp.exp(nets.log_temperature)

    target = batch.reward
    if not is_off(settings.discount):
        next_action, density = sample_action(nets.actor, params, batch.next_slot, for_target)
        tail = least_value(nets.target_critics, params, batch.next_slot, next_action)
        # The entropy of a whole action is paid in equal parts to all that have a value.
        paid = temperature * density / (plan.users if settings.per_user else 1)
        target += settings.discount * (tail - paid[:, None])

    def critic_loss(critics: tuple[Network, ...]) -> Array:
        errors = [values(critic, params, batch.slot, batch.action) - target for critic in critics]
        return sum((jnp.mean(error**2) for error in errors), jnp.float32(0)) / len(critics)

    def actor_loss(actor: Network) -> tuple[Array, tuple[Array, Array]]:
        action, density = sample_action(actor, params, batch.slot, for_actor)
        q = least_value(nets.critics, params, batch.slot, action).sum(axis=-1).mean()
        return temperature * density.mean() - q, (q, density.mean())

    loss, critic_gradient = jax.value_and_grad(critic_loss)(nets.critics)
    (_, (q, density)), actor_gradient = jax.value_and_grad(actor_loss, has_aux=True)(nets.actor)
    critic_step, critic_optimiser = critic_adam.update(critic_gradient, nets.critic_optimiser)
    actor_step, actor_optimiser = actor_adam.update(actor_gradient, nets.actor_optimiser)
    critics = optax.apply_updates(nets.critics, critic_step)
    actor: Network = optax.apply_updates(nets.actor, actor_step)

    # The price falls while the actor is more random than asked for, and rises while it is less.
    wanted = settings.target_entropy * (plan.models + 2 * plan.users)
    log_temperature = nets.log_temperature + settings.temperature_learning_rate * jnp.sign(density + wanted)
    nets = nets._replace(
        actor=actor,
        critics=critics,
        target_critics=optax.incremental_update(critics, nets.target_critics, settings.target_rate),
        actor_optimiser=actor_optimiser,
        critic_optimiser=critic_optimiser,
        log_temperature=log_temperature,
    )
    return learner._replace(nets=nets), loss, q


def _meaningful(params: Params, slots: Slot) -> Array:
    """Numbers of an action that a decision depends on: those of models, and of active users."""
    active = jnp.asarray(slots.active)
    models = jnp.ones((*active.shape[:-1], params.models.A1.shape[0]), bool)
    return jnp.concatenate([models, active, active], axis=-1)


def log_temperature(plan: OffPolicyPlan) -> Array:
    """Logarithm of the price of entropy at first.

    Args:
        plan: what is fixed for the run.
    """
    assert isinstance(plan.settings, SacSettings)
    return jnp.log(jnp.float32(plan.settings.first_temperature))


ALGORITHM = Algorithm(channels=2, explore=explore, update=update, log_temperature=log_temperature)


class SAC(OffPolicyAgent[SacSettings]):
    """The agent."""

    Settings = SacSettings
    algorithm = ALGORITHM
