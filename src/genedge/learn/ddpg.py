"""DDPG, Section IV-B: deep deterministic policy gradient; with its three fixes switched on, TD3.

The paper fixes the discount, the target rate and the number of episodes; the rest is assumed. TD3, Fujimoto et al.
2018, is the same with more than one critic (the target takes the least value), an actor that is updated less often,
and noise on the target's action.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from pydantic import Field

from genedge.cell.types import AnyArray, Params, Slot
from genedge.learn.actor import Network, act, outputs, values
from genedge.learn.buffer import Transition
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
from genedge.learn.networks import Dense
from genedge.learn.off_policy import (
    Algorithm,
    Credit,
    Learner,
    Nets,
    OffPolicyPlan,
    OffPolicySettings,
    optimisers,
)
from genedge.learn.off_policy_agent import OffPolicyAgent
from genedge.settings.fields import Count, NotNegative, Share, Tuned
from genedge.settings.provenance import assumed, paper


class DdpgSettings(OffPolicySettings):
    """Of DDPG, the paper's agent."""

    episodes: TracedCount = paper(500)
    discount: Discount = paper(0.99)
    target_rate: TargetRate = paper(0.005, "τ of Eq. (21) and (22)")
    actor_learning_rate: Tuned = assumed(0.0001)
    critic_learning_rate: Tuned = assumed(0.001)
    learning_rate_last: Share = assumed(1, "share of the learning rates that is left at the last slot: they stay")
    network: NetworkKind = assumed("mlp", "else: equivariant, over users and models")
    hidden_layers: HiddenLayers = assumed((128, 128), "of the mlp")
    width: Count = assumed(32, "of the equivariant network")
    layer_norm: Switch = assumed(False)
    critics: Annotated[Count, Field(le=8)] = assumed(1)
    credit: Credit = assumed(
        "total", "else: per_user, each user's utility teaches that user's value, if the network is equivariant"
    )
    batch: Count = assumed(64)
    replay_size: ReplaySize = assumed(25000)
    warmup_slots: TracedCount = assumed(500, "slots with random actions before the first update")
    noise_first: NotNegative = assumed(0.6, "standard deviation of the Gaussian exploration noise")
    noise_last: NotNegative = assumed(0.2, "reached linearly at the last slot")
    critic_alone: Share = assumed(
        0.08,
        "share of the run's slots, after the warm-up, in which actions stay random and the critic learns alone",
    )
    random_spread: NotNegative = assumed(
        1.5,
        "standard deviations of what the random actions are the sum of: one value for each number, and one for all "
        "priorities, all bandwidths, all steps; cut off at the bounds; 0: they are uniform",
    )
    weight_penalty: NotNegative = assumed(0.0003, "times the squares of the critics' weights, added to their loss")
    limit: Tuned = assumed(3, "beyond it, before squashing, what the actor says is fined")
    limit_of_priorities: Tuned = assumed(0.5, "the same of models' priorities, of which but the order counts")
    fine: NotNegative = assumed(0.1, "times the squares of what is beyond, added to the actor's loss; 0: none")
    permute_users: Switch = assumed(
        True, "whether users change places at random in the batches; of account only to an mlp"
    )
    policy_delay: Count = assumed(1, "updates of the critics for each of the actor and the targets")
    target_noise: NotNegative = assumed(0.0, "standard deviation of the noise on the target actor's action")
    target_noise_limit: NotNegative = assumed(0.5)

    def random_slots(self, slots: Array | int) -> Array | int:
        """In how many slots actions are random.

        Args:
            slots: of the whole run.
        """
        if is_off(self.critic_alone):
            return self.warmup_slots
        return self.warmup_slots + jnp.int32(jnp.round(self.critic_alone * jnp.float32(slots)))

    def random_action(self, key: Array, parts: tuple[int, ...]) -> Array:
        """An action that looks at nothing, often at the bounds, often alike for all users.

        There the actor goes, so the critic must know such actions. Of independent uniform ones hardly one is near a
        corner, and their means over users, which decide how many steps are wanted in all, hardly differ.

        Args:
            key: a JAX random key.
            parts: how many priorities, bandwidths and steps there are.
        """
        if is_off(self.random_spread):
            return super().random_action(key, parts)
        for_each, for_parts = jax.random.split(key)
        drawn = jax.random.normal(for_parts, (len(parts),))
        alike = jnp.repeat(drawn, np.array(parts), total_repeat_length=sum(parts))
        return jnp.clip(self.random_spread * (jax.random.normal(for_each, (sum(parts),)) + alike), -1, 1)


class Td3Settings(DdpgSettings):
    """Of TD3: what it has not from DDPG."""

    episodes: TracedCount = assumed(500)
    discount: Discount = assumed(
        0, "transitions do not depend on the action, so the best decision of a slot is best for good"
    )
    target_rate: TargetRate = assumed(0.005)
    actor_learning_rate: Tuned = assumed(0.0003)
    learning_rate_last: Share = assumed(
        0.05, "share of the learning rates that is left at the last slot; they fall linearly"
    )
    network: NetworkKind = assumed("equivariant", "over users and models; else: mlp")
    critics: Annotated[Count, Field(le=8)] = assumed(2, "the target is the least of their values")
    credit: Credit = assumed(
        "per_user", "each user's utility teaches that user's value, if the network is equivariant; else: total"
    )
    batch: Count = assumed(64)
    noise_first: NotNegative = assumed(0.3, "standard deviation of the Gaussian exploration noise")
    noise_last: NotNegative = assumed(0.05, "reached linearly at the last slot")
    critic_alone: Share = assumed(
        0.0, "share of the run's slots, after the warm-up, in which the critic learns alone"
    )
    random_spread: NotNegative = assumed(0.0, "of the random actions; 0: they are uniform")
    weight_penalty: NotNegative = assumed(0.0, "times the squares of the critics' weights, added to their loss")
    fine: NotNegative = assumed(0.0, "times the squares of what is beyond, added to the actor's loss; 0: none")
    policy_delay: Count = assumed(2, "updates of the critics for each of the actor and the targets")
    target_noise: NotNegative = assumed(0.2, "standard deviation of the noise on the target actor's action")


def explore(plan: OffPolicyPlan, actor: Network, params: Params, slot: Slot, progress: Array, key: Array) -> Array:
    """The actor's action with Gaussian noise that falls linearly over the run.

    Args:
        plan: what is fixed for the run.
        actor: the network.
        params: the scenario.
        slot: what the base station sees.
        progress: how much of the run is over, from 0 to 1.
        key: a JAX random key.
    """
    settings = plan.settings
    assert isinstance(settings, DdpgSettings)
    spread = settings.noise_first + (settings.noise_last - settings.noise_first) * progress
    action = act(actor, params, slot)
    return jnp.clip(action + spread * jax.random.normal(key, action.shape), -1, 1)


def update(
    plan: OffPolicyPlan, params: Params, learner: Learner, batch: Transition, key: Array
) -> tuple[Learner, Array, Array]:
    """One update of all networks, Eq. (19) to (22).

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
    assert isinstance(settings, DdpgSettings)
    actor_adam, critic_adam = optimisers(plan, settings.policy_delay)
    if settings.permute_users and settings.network == "mlp":
        key, for_places = jax.random.split(key)
        batch = permuted(plan, batch, for_places)

    # Eq. (19): the critic's temporal-difference error.
    target = _target(settings, params, nets, batch, key)

    def critic_loss(critics: tuple[Network, ...]) -> tuple[Array, Array]:
        errors = [values(critic, params, batch.slot, batch.action) - target for critic in critics]
        loss = sum((jnp.mean(error**2) for error in errors), jnp.float32(0)) / len(critics)
        return loss + _penalty(settings, critics), loss

    gradient, loss = jax.grad(critic_loss, has_aux=True)(nets.critics)
    critic_step, critic_optimiser = critic_adam.update(gradient, nets.critic_optimiser)

    # Eq. (20): the actor climbs Q(s, μ(s)).
    def actor_loss(actor: Network) -> tuple[Array, Array]:
        said = outputs(actor, params, batch.slot)[..., 0, :]
        q = values(nets.critics[0], params, batch.slot, jnp.tanh(said)).sum(axis=-1).mean()
        return _fined(plan, said) - q, q

    def climb(actor: Network, optimiser: optax.OptState) -> tuple[Network, optax.OptState, Array]:
        gradient, q = jax.grad(actor_loss, has_aux=True)(actor)
        step, optimiser = actor_adam.update(gradient, optimiser)
        return optax.apply_updates(actor, step), optimiser, q

    def stay(actor: Network, optimiser: optax.OptState) -> tuple[Network, optax.OptState, Array]:
        return actor, optimiser, jnp.float32(0)

    def update_actor(nets: Nets) -> tuple[Nets, Array]:
        if is_off(settings.critic_alone):
            actor, actor_optimiser, q = climb(nets.actor, nets.actor_optimiser)
        else:
            learns = learner.slots > settings.random_slots(plan.slots)
            actor, actor_optimiser, q = jax.lax.cond(learns, climb, stay, nets.actor, nets.actor_optimiser)
        critics = optax.apply_updates(nets.critics, critic_step)
        # Eq. (21) and (22): the targets follow slowly.
        nets = nets._replace(
            actor=actor,
            critics=critics,
            target_actor=optax.incremental_update(actor, nets.target_actor, settings.target_rate),
            target_critics=optax.incremental_update(critics, nets.target_critics, settings.target_rate),
            actor_optimiser=actor_optimiser,
            critic_optimiser=critic_optimiser,
        )
        return nets, q

    def update_critics(nets: Nets) -> tuple[Nets, Array]:
        critics = optax.apply_updates(nets.critics, critic_step)
        return nets._replace(critics=critics, critic_optimiser=critic_optimiser), jnp.float32(0)

    if settings.policy_delay == 1:
        nets, q = update_actor(nets)
    else:
        nets, q = jax.lax.cond(learner.slots % settings.policy_delay == 0, update_actor, update_critics, nets)
        q = q * settings.policy_delay  # So that the mean over an episode is the mean over the actor's updates.
    return learner._replace(nets=nets), loss, q


def permuted(plan: OffPolicyPlan, batch: Transition, key: Array) -> Transition:
    """The same transitions, the users of each in another order: to the cell the same, to a perceptron another.

    Args:
        plan: what is fixed for the run.
        batch: the mini-batch.
        key: a JAX random key.
    """
    drawn = jax.random.uniform(key, batch.slot.active.shape)
    # Places without a user are the last ones, and stay so.
    last = 2 + jnp.arange(plan.places, dtype=jnp.float32)
    order = jnp.argsort(jnp.where(batch.slot.active, drawn, last), axis=-1)

    def of_users(x: AnyArray) -> Array:
        return jnp.take_along_axis(jnp.asarray(x), order.reshape(*order.shape, *[1] * (x.ndim - 2)), axis=1)

    def of_slot(slot: Slot) -> Slot:
        return slot._replace(
            requests=of_users(slot.requests),
            input_bits=of_users(slot.input_bits),
            gain=of_users(slot.gain),
            position_m=of_users(slot.position_m),
            active=of_users(slot.active),
            outage=None if slot.outage is None else of_users(slot.outage),
            seen_gain=None if slot.seen_gain is None else of_users(slot.seen_gain),
        )

    priority, bandwidth, steps = jnp.split(batch.action, [plan.models, plan.models + plan.places], axis=-1)
    action = jnp.concatenate([priority, of_users(bandwidth), of_users(steps)], axis=-1)
    reward = of_users(batch.reward) if plan.settings.per_user else batch.reward
    return Transition(of_slot(batch.slot), action, reward, of_slot(batch.next_slot))


def _penalty(settings: DdpgSettings, critics: tuple[Network, ...]) -> Array | float:
    """What Σ‖W‖² over all weight matrices, biases left out, adds to the critics' loss."""
    if is_off(settings.weight_penalty):
        return 0.0
    layers = jax.tree.leaves(critics, is_leaf=lambda x: isinstance(x, Dense))
    squares = sum((jnp.sum(layer.weight**2) for layer in layers if isinstance(layer, Dense)), jnp.float32(0))
    return settings.weight_penalty * squares


def _fined(plan: OffPolicyPlan, said: Array) -> Array | float:
    """What outputs beyond the limits add to the actor's loss: far out, squashing has no slope that leads back."""
    settings = plan.settings
    assert isinstance(settings, DdpgSettings)
    if is_off(settings.fine):
        return 0.0
    of_priorities = np.arange(sum(plan.parts)) < plan.models
    beyond = jnp.maximum(jnp.abs(said) - jnp.where(of_priorities, settings.limit_of_priorities, settings.limit), 0)
    return settings.fine * jnp.sum(beyond**2, axis=-1).mean()


def _target(settings: DdpgSettings, params: Params, nets: Nets, batch: Transition, key: Array) -> Array:
    """The target of Eq. (19): y = r + discount · Q′(s′, μ′(s′))."""
    if is_off(settings.discount):
        return batch.reward
    next_action = act(nets.target_actor, params, batch.next_slot)
    if not is_off(settings.target_noise):
        noise = settings.target_noise * jax.random.normal(key, next_action.shape)
        noise = jnp.clip(noise, -settings.target_noise_limit, settings.target_noise_limit)
        next_action = jnp.clip(next_action + noise, -1, 1)
    later = least_value(nets.target_critics, params, batch.next_slot, next_action)
    return batch.reward + settings.discount * later


def least_value(critics: tuple[Network, ...], params: Params, slots: Slot, action: Array) -> Array:
    """The value of the critic that thinks least of an action, in its parts.

    Args:
        critics: one or more.
        params: the scenario.
        slots: slots, one leading axis.
        action: an action for each.
    """
    all_values = jnp.stack([values(critic, params, slots, action) for critic in critics])
    least = jnp.argmin(all_values.sum(axis=-1), axis=0)
    return jnp.take_along_axis(all_values, least[None, :, None], axis=0)[0]


ALGORITHM = Algorithm(channels=1, explore=explore, update=update)


class DDPG(OffPolicyAgent[DdpgSettings]):
    """The paper's agent."""

    Settings = DdpgSettings
    algorithm = ALGORITHM


class TD3(OffPolicyAgent[Td3Settings]):
    """DDPG with its three fixes switched on."""

    Settings = Td3Settings
    algorithm = ALGORITHM
