"""DDPG, Section IV-B: deep deterministic policy gradient; with its three fixes switched on, TD3.

The paper fixes the discount, the target rate and the number of episodes; the rest is assumed and listed in the
scenario under `ddpg`. TD3, Fujimoto et al. 2018, is the same with more than one critic (the target takes the least
value), an actor that is updated less often, and noise on the target's action; its settings are under `td3`.
"""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from genedge.cell.types import Params, Slot
from genedge.learn.actor import Network, act, values
from genedge.learn.buffer import Transition
from genedge.learn.hyperparameters import Ddpg
from genedge.learn.off_policy import Algorithm, Learner, Nets, Plan, centred, optimisers


def explore(plan: Plan, actor: Network, params: Params, slot: Slot, progress: Array, key: Array) -> Array:
    """The actor's action with Gaussian noise that falls linearly over the run.

    Args:
        plan: what is fixed for the run.
        actor: the network.
        params: the scenario.
        slot: what the base station sees.
        progress: how much of the run is over, from 0 to 1.
        key: a JAX random key.
    """
    s = plan.settings
    assert isinstance(s, Ddpg)
    spread = s.noise_first + (s.noise_last - s.noise_first) * progress
    action = act(actor, params, slot)
    return jnp.clip(action + spread * jax.random.normal(key, action.shape), -1, 1)


def update(
    plan: Plan, params: Params, learner: Learner, batch: Transition, key: Array
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
    s, nets = plan.settings, learner.nets
    assert isinstance(s, Ddpg)
    actor_adam, critic_adam = optimisers(plan)

    # Eq. (19): the target y = r + discount · Q′(s′, μ′(s′)) and the critic's temporal-difference error.
    target = batch.reward
    if s.discount > 0:
        next_action = act(nets.target_actor, params, batch.next_slot)
        if s.target_noise > 0:
            noise = s.target_noise * jax.random.normal(key, next_action.shape)
            noise = jnp.clip(noise, -s.target_noise_limit, s.target_noise_limit)
            next_action = jnp.clip(next_action + noise, -1, 1)
        target += s.discount * least_value(nets.target_critics, params, batch.next_slot, next_action)
    target, level = centred(plan, learner, target)

    def critic_loss(critics: tuple[Network, ...]) -> Array:
        errors = [values(critic, params, batch.slot, batch.action) - target for critic in critics]
        return sum((jnp.mean(error**2) for error in errors), jnp.float32(0)) / len(critics)

    loss, critic_gradient = jax.value_and_grad(critic_loss)(nets.critics)
    critic_step, critic_optimiser = critic_adam.update(critic_gradient, nets.critic_optimiser)

    # Eq. (20): the actor climbs Q(s, μ(s)).
    def actor_loss(actor: Network) -> Array:
        action = act(actor, params, batch.slot)
        return -values(nets.critics[0], params, batch.slot, action).sum(axis=-1).mean()

    def update_actor(nets: Nets) -> tuple[Nets, Array]:
        minus_q, actor_gradient = jax.value_and_grad(actor_loss)(nets.actor)
        actor_step, actor_optimiser = actor_adam.update(actor_gradient, nets.actor_optimiser)
        actor: Network = optax.apply_updates(nets.actor, actor_step)
        critics = optax.apply_updates(nets.critics, critic_step)
        # Eq. (21) and (22): the targets follow slowly.
        nets = nets._replace(
            actor=actor,
            critics=critics,
            target_actor=optax.incremental_update(actor, nets.target_actor, s.target_rate),
            target_critics=optax.incremental_update(critics, nets.target_critics, s.target_rate),
            actor_optimiser=actor_optimiser,
            critic_optimiser=critic_optimiser,
        )
        return nets, -minus_q

    def update_critics(nets: Nets) -> tuple[Nets, Array]:
        critics = optax.apply_updates(nets.critics, critic_step)
        return nets._replace(critics=critics, critic_optimiser=critic_optimiser), jnp.float32(0)

    if s.policy_delay == 1:
        nets, q = update_actor(nets)
    else:
        nets, q = jax.lax.cond(learner.slots % s.policy_delay == 0, update_actor, update_critics, nets)
        q = q * s.policy_delay  # So that the mean over an episode is the mean over the actor's updates.
    return learner._replace(nets=nets, target_level=level), loss, q


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


DDPG = Algorithm(channels=1, explore=explore, update=update)
