"""Learning from a replay buffer, compiled from the first slot to the last: the loop that DDPG, TD3 and SAC share.

In every slot one action, one transition stored, one update. What the algorithms do not share, how to explore and
how to update, is theirs. Three details are ours: rewards are scaled by their spread under random actions, since
utilities of hundreds would drown the critic; an episode's end is a time limit, so the target bootstraps through it;
and the critic may be taught by the utility of each user instead of their sum. In a box the cache may have a learner
of its own, on a longer timescale; what the actor says about the cache is then of no account.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Bool, Float, Int

from genedge.cell.feasible import action_size, decode, first_memory
from genedge.cell.memory import advance
from genedge.cell.service import serve, total_utility
from genedge.cell.types import AnyArray, Memory, Outcome, Params, Slot
from genedge.env.functional import State, reset, step
from genedge.learn.actor import Network, Pair, decide, init_actor, init_critic, name_cache
from genedge.learn.buffer import Replay, Transition, add, empty_replay, sample
from genedge.learn.double_dqn import CacheLearner, choose, init_cache_learner, learn_caches
from genedge.learn.hyperparameters import Ddpg, Sac, TwoTimescale
from genedge.xla import OFTEN, ONCE, SELDOM


class Plan(NamedTuple):
    """What is fixed for a whole run; compiled code depends on it.

    Attributes:
        settings: of the algorithm.
        users: number of users in every slot.
        places: number of places, the most users that the trained policy can serve.
        models: M.
        slots_per_episode: T.
        episodes: of the whole run.
        decisions: on the cache in an episode, if a learner of its own takes them.
    """

    settings: Ddpg | Sac
    users: int
    places: int
    models: int
    slots_per_episode: int
    episodes: int
    decisions: int = 0


class Nets(NamedTuple):
    """The networks, and how far their optimisers are.

    Attributes:
        actor: μ.
        critics: Q, one or more.
        target_actor: μ′.
        target_critics: Q′.
        actor_optimiser: state of Adam.
        critic_optimiser: state of Adam, of all critics together.
        log_temperature: logarithm of the price of entropy; only SAC has one.
    """

    actor: Network
    critics: tuple[Network, ...]
    target_actor: Network
    target_critics: tuple[Network, ...]
    actor_optimiser: optax.OptState
    critic_optimiser: optax.OptState
    log_temperature: Float[Array, ""]


class Learner(NamedTuple):
    """Everything that training carries from slot to slot: saved and restored, it goes on as if never stopped.

    Attributes:
        nets: the networks and their optimisers.
        replay: the buffer.
        reward_scale: rewards are divided by this.
        target_level: running mean of the critic's targets, subtracted from them.
        slots: how many slots have been decided.
        episodes: how many episodes have been finished.
        best_actor: the actor with the lowest evaluated utility so far.
        best_utility: that utility, infinite before the first evaluation.
        key: the run's random key.
        cache: what decides on the cache of a box, if it is not the actor.
    """

    nets: Nets
    replay: Replay[Transition]
    reward_scale: Float[Array, ""]
    target_level: Float[Array, ""]
    slots: Int[Array, ""]
    episodes: Int[Array, ""]
    best_actor: Network | Pair
    best_utility: Float[Array, ""]
    key: Array
    cache: CacheLearner | None = None

    @property
    def actor(self) -> Network | Pair:
        """What decides, as it is now."""
        if self.cache is None:
            return self.nets.actor
        return Pair(self.nets.actor, self.cache.online, self.cache.caches)


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


class Algorithm(NamedTuple):
    """What sets one algorithm apart from another.

    Attributes:
        channels: numbers that the actor says for each number of the action.
        explore: (plan, actor, params, slot, progress from 0 to 1, key) -> action.
        update: (plan, params, learner, batch, key) -> (learner, critic's loss, mean Q of the actor's actions).
    """

    channels: int
    explore: Callable[[Plan, Network, Params, Slot, Array, Array], Array]
    update: Callable[[Plan, Params, Learner, Transition, Array], tuple[Learner, Array, Array]]


@partial(jax.jit, static_argnames=("algorithm", "plan"), compiler_options=ONCE)
def init(
    algorithm: Algorithm,
    plan: Plan,
    params: Params,
    key: Array,
    slots: Slot,
    caches: Bool[AnyArray, "C M"] | None = None,
) -> Learner:
    """A learner that has not learned yet.

    Args:
        algorithm: which.
        plan: what is fixed for the run.
        params: the scenario.
        key: a JAX random key; the whole run follows from it.
        slots: typical slots, leading axes (E, T); what random actions earn there sets the scale of the rewards.
        caches: those that a learner of its own may name; None if the actor decides on the cache.
    """
    s = plan.settings
    if params.box is not None:
        slots = slots._replace(memory=_first_memories(params, slots.skew.shape))
    run, for_actor, for_critics, for_rewards = jax.random.split(key, 4)
    box = params.box is not None
    actor = init_actor(s, for_actor, plan.models, plan.places, algorithm.channels, box)
    critics = tuple(
        init_critic(s, jax.random.fold_in(for_critics, i) if i else for_critics, plan.models, plan.places, box)
        for i in range(s.critics)
    )
    actor_adam, critic_adam = optimisers(plan)

    actions = action_size(plan.models, plan.places)
    random = jax.random.uniform(for_rewards, (*slots.active.shape[:-1], actions), minval=-1, maxval=1)
    outcome = serve(params, slots, decode(params, slots, random))
    rewards = credited(s, outcome)
    # Of the users that there are: inactive places have no share in the mean or the spread.
    rewards = rewards[..., : plan.users]
    one = jax.tree.map(lambda x: x[0, 0], slots)
    parts = (plan.places if s.per_user else 1,)
    transition = Transition(one, jnp.zeros(actions), jnp.zeros(parts), one)
    learner = Learner(
        nets=Nets(
            actor=actor,
            critics=critics,
            target_actor=jax.tree.map(jnp.copy, actor),
            target_critics=jax.tree.map(jnp.copy, critics),
            actor_optimiser=actor_adam.init(actor),
            critic_optimiser=critic_adam.init(critics),
            log_temperature=jnp.log(jnp.float32(s.first_temperature)) if isinstance(s, Sac) else jnp.float32(0),
        ),
        replay=empty_replay(s.replay_size, transition),
        reward_scale=rewards.std(),
        target_level=rewards.mean() / rewards.std(),
        slots=jnp.int32(0),
        episodes=jnp.int32(0),
        best_actor=jax.tree.map(jnp.copy, actor),
        best_utility=jnp.float32(jnp.inf),
        key=run,
    )
    if caches is None:
        return learner
    assert isinstance(s, TwoTimescale)
    total = -jnp.asarray(outcome.utility.sum(axis=-1))
    cache = init_cache_learner(s, jax.random.fold_in(for_actor, 1), jnp.asarray(caches), total)
    learner = learner._replace(cache=cache)
    return learner._replace(best_actor=jax.tree.map(jnp.copy, learner.actor))


def _first_memories(params: Params, batch: tuple[int, ...]) -> Memory:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (*batch, *x.shape)), first_memory(params))


@partial(
    jax.jit,
    static_argnames=("algorithm", "plan", "episodes"),
    donate_argnames="learner",
    compiler_options=OFTEN,
)
def train(
    algorithm: Algorithm, plan: Plan, params: Params, learner: Learner, episodes: int
) -> tuple[Learner, Metrics]:
    """Trains for some episodes.

    Args:
        algorithm: which.
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
        state = reset(params, jax.random.fold_in(key, 0), plan.users, plan.places)[1]
        if learner.cache is not None:
            # What the last episode left open will never be known.
            pending = learner.cache.pending._replace(open=jnp.bool_(False))
            learner = learner._replace(cache=learner.cache._replace(pending=pending))

        def one_slot(carry: tuple[Learner, State], t: Array) -> tuple[tuple[Learner, State], Metrics]:
            learner, state = carry
            for_action, for_batch, for_update = jax.random.split(jax.random.fold_in(key, 1 + t), 3)

            progress = learner.slots / last_slot
            action = algorithm.explore(plan, learner.nets.actor, params, state.slot, progress, for_action)
            random = jax.random.uniform(for_action, action.shape, minval=-1, maxval=1)
            action = jnp.where(learner.slots < s.warmup_slots, random, action)
            named = jnp.int32(0)
            if learner.cache is not None:
                assert isinstance(s, TwoTimescale)
                for_cache = jax.random.fold_in(for_action, 1)
                named = choose(s, learner.cache, params, state.slot, progress, for_cache)
                action = name_cache(action, learner.cache.caches[named])
            after = step(params, state, action, plan.slots_per_episode)
            reward = credited(s, after.info) / learner.reward_scale
            replay = add(learner.replay, Transition(state.slot, action, reward, after.state.slot))
            learner = learner._replace(replay=replay, slots=learner.slots + 1)

            def learn(learner: Learner) -> tuple[Learner, Array, Array]:
                batch = sample(learner.replay, for_batch, s.batch)
                return algorithm.update(plan, params, learner, batch, for_update)

            learner, critic_loss, q = jax.lax.cond(
                learner.slots > s.warmup_slots,
                learn,
                lambda learner: (learner, jnp.float32(0), jnp.float32(0)),
                learner,
            )
            if learner.cache is not None:
                assert isinstance(s, TwoTimescale)
                updates = plan.episodes * plan.decisions * s.cache_updates
                for_caches = jax.random.fold_in(for_update, 1)
                cache = learn_caches(s, learner.cache, params, state.slot, named, after.reward, updates, for_caches)
                learner = learner._replace(cache=cache)
            return (learner, after.state), Metrics(after.reward, critic_loss, q)

        times = jnp.arange(plan.slots_per_episode)
        last, metrics = jax.lax.scan(one_slot, (learner, state), times)
        learner = last[0]._replace(episodes=learner.episodes + 1)
        return learner, jax.tree.map(jnp.mean, metrics)

    return jax.lax.scan(episode, learner, None, length=episodes)


@partial(jax.jit, compiler_options=SELDOM)
def evaluate(params: Params, learner: Learner, slots: Slot) -> tuple[Learner, Float[Array, ""]]:
    """Scores the actor on given slots, and keeps it if it is the best so far.

    Args:
        params: the scenario.
        learner: where training stands.
        slots: slots with the run's number of places, leading axes (E, T); of a box, whole episodes.

    Returns:
        The learner, and the mean over slots of Σ_n U_n.
    """
    actor = learner.actor
    if params.box is None:
        utility = total_utility(params, slots, decide(actor, params, slots)).mean()
    else:
        utility = _of_episodes(params, actor, slots).mean()
    better = utility < learner.best_utility
    best_actor = jax.tree.map(lambda new, old: jnp.where(better, new, old), actor, learner.best_actor)
    best = jnp.minimum(utility, learner.best_utility)
    return learner._replace(best_actor=best_actor, best_utility=best), utility


def _of_episodes(params: Params, actor: Network | Pair, slots: Slot) -> Float[Array, "T E"]:
    """Σ_n U_n of each slot of a box, decided one after the other."""

    def one_slot(memory: Memory, slot: Slot) -> tuple[Memory, Array]:
        slot = slot._replace(memory=memory)
        decision = decide(actor, params, slot)
        return advance(params, memory, decision.cache), total_utility(params, slot, decision)

    in_time = jax.tree.map(lambda x: jnp.moveaxis(jnp.asarray(x), 1, 0), slots)
    return jax.lax.scan(one_slot, _first_memories(params, slots.skew.shape[:1]), in_time)[1]


def credited(s: Ddpg | Sac, outcome: Outcome) -> Float[Array, "*batch V"]:
    """The reward of Eq. (18) in the parts that teach the critic: −Σ_n U_n, or −U_n of each user.

    Args:
        s: settings of the algorithm.
        outcome: of the slot decided.
    """
    if s.per_user:
        return -jnp.asarray(outcome.utility)
    return -jnp.asarray(outcome.utility.sum(axis=-1, keepdims=True))


def centred(plan: Plan, learner: Learner, target: Float[Array, "B V"]) -> tuple[Array, Array]:
    """The critics' targets less their running mean, and that mean.

    A level that all states and actions share decides nothing, but it would grow to a hundred rewards at the paper's
    discount, and the critic would spend itself on following it.

    Args:
        plan: what is fixed for the run.
        learner: where training stands.
        target: of each part.
    """
    used = target[:, : plan.users]
    level = learner.target_level + plan.settings.centring_rate * (used.mean() - learner.target_level)
    return jnp.where(jnp.arange(target.shape[1]) < plan.users, target - level, 0.0), level


def optimisers(plan: Plan) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    """Adam of the actor and of the critics, with learning rates that fall linearly over the run.

    Args:
        plan: what is fixed for the run.
    """
    s, slots = plan.settings, plan.episodes * plan.slots_per_episode
    delay = s.policy_delay if isinstance(s, Ddpg) else 1

    def adam(rate: float, updates: int) -> optax.GradientTransformation:
        # One flat array instead of a dozen of each kind: fewer operations to compile.
        return optax.flatten(optax.adam(optax.linear_schedule(rate, rate * s.learning_rate_last, updates)))

    return adam(s.actor_learning_rate, slots // delay), adam(s.critic_learning_rate, slots)
