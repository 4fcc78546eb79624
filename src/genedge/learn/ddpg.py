"""DDPG, Section IV-B: deep deterministic policy gradient, compiled from the first slot to the last.

The paper fixes the discount, the target rate and the number of episodes; the rest is assumed and listed in the
scenario under `ddpg`. Four details are ours: rewards are scaled by their spread under random actions, since
utilities of hundreds would drown the critic; the critic's targets are centred; exploration noise falls linearly;
and an episode's end is a time limit, so the target bootstraps through it.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Int

from genedge.cell.feasible import action_size, decode
from genedge.cell.service import total_utility
from genedge.cell.types import Params, Slot
from genedge.env.functional import State, reset, step
from genedge.env.observation import observation_size
from genedge.learn.actor import act, decide
from genedge.learn.networks import Mlp, apply_mlp, init_mlp
from genedge.learn.replay import Replay, Transition, add, empty_replay, sample
from genedge.scenario import Ddpg


class Plan(NamedTuple):
    """What is fixed for a whole run; compiled code depends on it.

    Attributes:
        settings: of the algorithm.
        users: number of users in every slot.
        places: number of places, the most users that the trained policy can serve.
        models: M.
        slots_per_episode: T.
        episodes: of the whole run.
    """

    settings: Ddpg
    users: int
    places: int
    models: int
    slots_per_episode: int
    episodes: int


class Learner(NamedTuple):
    """Everything that training carries from slot to slot: saved and restored, it goes on as if never stopped.

    Attributes:
        actor: μ, the online actor network.
        critic: Q, the online critic network.
        target_actor: μ′.
        target_critic: Q′.
        actor_optimiser: state of Adam.
        critic_optimiser: state of Adam.
        replay: the buffer.
        reward_scale: rewards are divided by this.
        target_level: running mean of the critic's targets, subtracted from them.
        slots: how many slots have been decided.
        episodes: how many episodes have been finished.
        best_actor: the actor with the lowest evaluated utility so far.
        best_utility: that utility, infinite before the first evaluation.
        key: the run's random key.
    """

    actor: Mlp
    critic: Mlp
    target_actor: Mlp
    target_critic: Mlp
    actor_optimiser: optax.OptState
    critic_optimiser: optax.OptState
    replay: Replay
    reward_scale: Float[Array, ""]
    target_level: Float[Array, ""]
    slots: Int[Array, ""]
    episodes: Int[Array, ""]
    best_actor: Mlp
    best_utility: Float[Array, ""]
    key: Array


class Metrics(NamedTuple):
    """What is logged of each episode, means over its slots.

    Attributes:
        reward: −Σ_n U_n, exploration included.
        critic_loss: mean squared temporal-difference error, Eq. (19), of normalised rewards.
        q: mean Q value of the actor's actions, of normalised rewards.
    """

    reward: Float[Array, "*episodes"]
    critic_loss: Float[Array, "*episodes"]
    q: Float[Array, "*episodes"]


def value(
    critic: Mlp, observation: Float[Array, "*batch obs"], action: Float[Array, "*batch A"]
) -> Float[Array, "*batch"]:
    """The critic's Q(s, a).

    Args:
        critic: the network.
        observation: see `observe`.
        action: raw action.
    """
    return apply_mlp(critic, jnp.concatenate([observation, action], axis=-1))[..., 0]


@partial(jax.jit, static_argnames="plan")
def init(plan: Plan, params: Params, key: Array, slots: Slot) -> Learner:
    """A learner that has not learned yet.

    Args:
        plan: what is fixed for the run.
        params: the scenario.
        key: a JAX random key; the whole run follows from it.
        slots: typical slots, leading axes *batch; what random actions earn there sets the scale of the rewards.
    """
    s = plan.settings
    observations, actions = observation_size(plan.models, plan.places), action_size(plan.models, plan.places)
    run, for_actor, for_critic, for_rewards = jax.random.split(key, 4)
    actor = init_mlp(for_actor, (observations, *s.hidden_layers, actions), last_scale=0.01)
    critic = init_mlp(for_critic, (observations + actions, *s.hidden_layers, 1), last_scale=0.01)
    actor_adam, critic_adam = _optimisers(s)

    random = jax.random.uniform(for_rewards, (*slots.active.shape[:-1], actions), minval=-1, maxval=1)
    rewards = -total_utility(params, slots, decode(params, slots, random))
    return Learner(
        actor=actor,
        critic=critic,
        target_actor=jax.tree.map(jnp.copy, actor),
        target_critic=jax.tree.map(jnp.copy, critic),
        actor_optimiser=actor_adam.init(actor),
        critic_optimiser=critic_adam.init(critic),
        replay=empty_replay(s.replay_size, observations, actions),
        reward_scale=rewards.std(),
        target_level=rewards.mean() / rewards.std(),
        slots=jnp.int32(0),
        episodes=jnp.int32(0),
        best_actor=jax.tree.map(jnp.copy, actor),
        best_utility=jnp.float32(jnp.inf),
        key=run,
    )


@partial(jax.jit, static_argnames=("plan", "episodes"), donate_argnames="learner")
def train(plan: Plan, params: Params, learner: Learner, episodes: int) -> tuple[Learner, Metrics]:
    """Trains for some episodes: in every slot one action, one transition stored, one update.

    Args:
        plan: what is fixed for the run.
        params: the scenario.
        learner: where training stands; its memory is reused.
        episodes: how many episodes to add.

    Returns:
        The learner afterwards, and metrics of each episode.
    """
    s = plan.settings
    last_slot = plan.episodes * plan.slots_per_episode

    def episode(learner: Learner, _: None) -> tuple[Learner, Metrics]:
        key = jax.random.fold_in(learner.key, learner.episodes)
        first, state = reset(params, jax.random.fold_in(key, 0), plan.users, plan.places)

        def one_slot(carry: tuple[Learner, Array, State], t: Array) -> tuple[tuple[Learner, Array, State], Metrics]:
            learner, observation, state = carry
            for_action, for_batch = jax.random.split(jax.random.fold_in(key, 1 + t))

            action = explore(learner, observation, for_action)
            after = step(params, state, action, plan.slots_per_episode)
            transition = Transition(observation, action, after.reward, after.observation)
            learner = learner._replace(replay=add(learner.replay, transition), slots=learner.slots + 1)

            learner, critic_loss, q = jax.lax.cond(
                learner.slots > s.warmup_slots,
                lambda learner: update(s, learner, sample(learner.replay, for_batch, s.batch)),
                lambda learner: (learner, jnp.float32(0), jnp.float32(0)),
                learner,
            )
            return (learner, after.observation, after.state), Metrics(after.reward, critic_loss, q)

        times = jnp.arange(plan.slots_per_episode)
        last, metrics = jax.lax.scan(one_slot, (learner, first, state), times)
        learner = last[0]._replace(episodes=learner.episodes + 1)
        return learner, jax.tree.map(jnp.mean, metrics)

    def explore(learner: Learner, observation: Array, key: Array) -> Array:
        """The actor's action with Gaussian noise; at first a uniformly random one."""
        progress = learner.slots / last_slot
        spread = s.noise_first + (s.noise_last - s.noise_first) * progress
        action = act(learner.actor, observation)
        noisy = jnp.clip(action + spread * jax.random.normal(key, action.shape), -1, 1)
        random = jax.random.uniform(key, action.shape, minval=-1, maxval=1)
        return jnp.where(learner.slots < s.warmup_slots, random, noisy)

    return jax.lax.scan(episode, learner, None, length=episodes)


def update(s: Ddpg, learner: Learner, batch: Transition) -> tuple[Learner, Array, Array]:
    """One update of all four networks, Eq. (19) to (22).

    Args:
        s: settings of the algorithm.
        learner: where training stands.
        batch: the mini-batch.

    Returns:
        The learner afterwards, the critic's loss, and the mean Q of the actor's actions.
    """
    actor_adam, critic_adam = _optimisers(s)

    # Eq. (19): the target y = r + discount · Q′(s′, μ′(s′)) and the critic's temporal-difference error.
    next_action = act(learner.target_actor, batch.next_observation)
    reward = batch.reward / learner.reward_scale
    target = reward + s.discount * value(learner.target_critic, batch.next_observation, next_action)
    # Targets are centred: a level that all states and actions share decides nothing, but it would grow to a
    # hundred rewards at this discount, and the critic would spend itself on following it.
    level = learner.target_level + s.centring_rate * (target.mean() - learner.target_level)
    target -= level

    def critic_loss(critic: Mlp) -> Array:
        return jnp.mean((value(critic, batch.observation, batch.action) - target) ** 2)

    # Eq. (20): the actor climbs Q(s, μ(s)).
    def actor_loss(actor: Mlp) -> Array:
        return -jnp.mean(value(learner.critic, batch.observation, act(actor, batch.observation)))

    loss, critic_gradient = jax.value_and_grad(critic_loss)(learner.critic)
    minus_q, actor_gradient = jax.value_and_grad(actor_loss)(learner.actor)
    critic_step, critic_optimiser = critic_adam.update(critic_gradient, learner.critic_optimiser)
    actor_step, actor_optimiser = actor_adam.update(actor_gradient, learner.actor_optimiser)
    critic: Mlp = optax.apply_updates(learner.critic, critic_step)
    actor: Mlp = optax.apply_updates(learner.actor, actor_step)

    # Eq. (21) and (22): the targets follow slowly.
    learner = learner._replace(
        actor=actor,
        critic=critic,
        target_actor=optax.incremental_update(actor, learner.target_actor, s.target_rate),
        target_critic=optax.incremental_update(critic, learner.target_critic, s.target_rate),
        actor_optimiser=actor_optimiser,
        critic_optimiser=critic_optimiser,
        target_level=level,
    )
    return learner, loss, -minus_q


@jax.jit
def evaluate(params: Params, learner: Learner, slots: Slot) -> tuple[Learner, Float[Array, ""]]:
    """Scores the actor on given slots, and keeps it if it is the best so far.

    Args:
        params: the scenario.
        learner: where training stands.
        slots: slots with the run's number of places, leading axes *batch.

    Returns:
        The learner, and the mean over slots of Σ_n U_n.
    """
    utility = total_utility(params, slots, decide(learner.actor, params, slots)).mean()
    better = utility < learner.best_utility
    best_actor = jax.tree.map(lambda new, old: jnp.where(better, new, old), learner.actor, learner.best_actor)
    best = jnp.minimum(utility, learner.best_utility)
    return learner._replace(best_actor=best_actor, best_utility=best), utility


def _optimisers(s: Ddpg) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    return optax.adam(s.actor_learning_rate), optax.adam(s.critic_learning_rate)
