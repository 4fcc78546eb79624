"""Learning from a replay buffer, compiled from the first slot to the last: the loop that DDPG, TD3 and SAC share.

In every slot one action, one transition stored, one update. What the algorithms do not share, how to explore and
how to update, is theirs. Three details are ours: rewards are scaled by their spread under random actions, since
utilities of hundreds would drown the critic; an episode's end is a time limit, so the target bootstraps through it;
and the critic may be taught by the utility of each user instead of their sum. In a box the cache may have a learner
of its own, on a longer timescale; what the actor says about the cache is then of no account.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Bool, Float, Int
from pydantic import Field

from genedge.cell.feasible import action_size, decode, first_memory
from genedge.cell.memory import advance
from genedge.cell.service import serve, total_utility
from genedge.cell.types import AnyArray, Decision, Memory, Outcome, Params, Slot
from genedge.env.functional import State, reset, step
from genedge.learn.actor import Network, decide, init_actor, init_critic
from genedge.learn.buffer import Replay, Transition, add, empty_replay, sample
from genedge.learn.hyperparameters import (
    AgentSettings,
    Discount,
    HiddenLayers,
    NetworkKind,
    ReplaySize,
    Switch,
    TargetRate,
    TracedCount,
    falling,
)
from genedge.settings.fields import Count, Share, Tuned
from genedge.xla import OFTEN, ONCE, SELDOM

Credit = Literal["total", "per_user"]


class OffPolicySettings(AgentSettings):
    """Settings of the agents that learn from a replay buffer; each gives its own defaults."""

    discount: Discount
    target_rate: TargetRate
    actor_learning_rate: Tuned
    critic_learning_rate: Tuned
    learning_rate_last: Share
    network: NetworkKind
    hidden_layers: HiddenLayers
    width: Count
    layer_norm: Switch
    critics: Annotated[Count, Field(le=8)]
    credit: Credit
    batch: Count
    replay_size: ReplaySize
    warmup_slots: TracedCount

    @property
    def per_user(self) -> bool:
        """Whether the critic has a value for each user; only an equivariant one can."""
        return self.credit == "per_user" and self.network == "equivariant"

    def random_slots(self, slots: Array | int) -> Array | int:
        """In how many slots actions are random.

        Args:
            slots: of the whole run.
        """
        return self.warmup_slots

    def random_action(self, key: Array, parts: tuple[int, ...]) -> Array:
        """An action that looks at nothing: uniform in [−1, 1].

        Args:
            key: a JAX random key.
            parts: how many priorities, bandwidths and steps there are.
        """
        return jax.random.uniform(key, (sum(parts),), minval=-1, maxval=1)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=("settings", "episodes", "caches"),
    meta_fields=("users", "places", "models", "slots_per_episode"),
)
@dataclass(frozen=True)
class OffPolicyPlan:
    """What is fixed for a whole run; compiled code depends on all but the numbers in it.

    Attributes:
        settings: of the algorithm.
        users: number of users in every slot.
        places: number of places, the most users that the trained policy can serve.
        models: M.
        slots_per_episode: T.
        episodes: of the whole run; a number to compiled code.
        caches: those that a long timescale may name.
    """

    settings: OffPolicySettings
    users: int
    places: int
    models: int
    slots_per_episode: int
    episodes: int
    caches: Bool[AnyArray, "C M"] | None = None

    @property
    def slots(self) -> int:
        """Of the whole run."""
        return self.episodes * self.slots_per_episode

    @property
    def parts(self) -> tuple[int, int, int]:
        """How many priorities, bandwidths and steps an action has."""
        return self.models, self.places, self.places


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
        reward_scale: rewards are divided by this, their spread under random actions.
        reward_level: and this, their mean under random actions, is subtracted from them before.
        slots: how many slots have been decided.
        episodes: how many episodes have been finished.
        best_actor: the actor with the lowest evaluated utility so far.
        best_utility: that utility, infinite before the first evaluation.
        key: the run's random key.
        cache: what the long timescale carries, if there is one.
    """

    nets: Nets
    replay: Replay[Transition]
    reward_scale: Float[Array, ""]
    reward_level: Float[Array, ""]
    slots: Int[Array, ""]
    episodes: Int[Array, ""]
    best_actor: Any
    best_utility: Float[Array, ""]
    key: Array
    cache: Any = None


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


class LongTimescale(NamedTuple):
    """What decides on the cache of a box, if it is not the actor; what it carries is the learner's `cache`.

    Attributes:
        init: (plan, key, what random actions made of some slots) -> what it carries.
        begin: what it carries -> the same at the start of an episode.
        choose: (plan, params, learner, slot, action, key) -> the action with its cache, and its choice.
        learn: (plan, params, learner, slot, choice, what the slot earned, key) -> what it carries.
    """

    init: Callable[[OffPolicyPlan, Array, Outcome], Any]
    begin: Callable[[Any], Any]
    choose: Callable[[OffPolicyPlan, Params, Learner, Slot, Array, Array], tuple[Array, Array]]
    learn: Callable[[OffPolicyPlan, Params, Learner, Slot, Array, Array, Array], Any]


def no_temperature(plan: OffPolicyPlan) -> float:
    """The logarithm of a price of entropy that nobody looks at.

    Args:
        plan: unused; all algorithms are called alike.
    """
    return 0.0


def actor_network(learner: Learner) -> Network:
    """What decides, as it is now.

    Args:
        learner: where training stands.
    """
    return learner.nets.actor


class Algorithm(NamedTuple):
    """What sets one algorithm apart from another.

    Attributes:
        channels: numbers that the actor says for each number of the action.
        explore: (plan, actor, params, slot, progress from 0 to 1, key) -> action.
        update: (plan, params, learner, batch, key) -> (learner, critic's loss, mean Q of the actor's actions).
        log_temperature: plan -> logarithm of the price of entropy at first.
        cache: what decides on the cache of a box, if it is not the actor.
        actor: learner -> what decides, as it is now.
        decide: (what decides, params, slots) -> decisions.
    """

    channels: int
    explore: Callable[[OffPolicyPlan, Network, Params, Slot, Array, Array], Array]
    update: Callable[[OffPolicyPlan, Params, Learner, Transition, Array], tuple[Learner, Array, Array]]
    log_temperature: Callable[[OffPolicyPlan], Any] = no_temperature
    cache: LongTimescale | None = None
    actor: Callable[[Learner], Any] = actor_network
    decide: Callable[[Any, Params, Slot], Decision] = decide


@partial(jax.jit, static_argnames="algorithm", compiler_options=ONCE)
def init(algorithm: Algorithm, plan: OffPolicyPlan, params: Params, key: Array, slots: Slot) -> Learner:
    """A learner that has not learned yet.

    Args:
        algorithm: which.
        plan: what is fixed for the run.
        params: the scenario.
        key: a JAX random key; the whole run follows from it.
        slots: slots with the run's number of places, leading axes (E, T); rewards are told by their mean
            and their spread on these under random actions.
    """
    if params.box is not None:
        slots = slots._replace(memory=_first_memories(params, slots.skew.shape))
    run, for_actor, for_critics, for_rewards = jax.random.split(key, 4)
    nets = _fresh_nets(algorithm, plan, params.box is not None, for_actor, for_critics)

    actions = action_size(plan.models, plan.places)
    random = jax.random.uniform(for_rewards, (*slots.active.shape[:-1], actions), minval=-1, maxval=1)
    outcome = serve(params, slots, decode(params, slots, random))
    # Of the users that there are: inactive places have no share in the mean or the spread.
    rewards = credited(plan.settings, outcome)[..., : plan.users]
    one = jax.tree.map(lambda x: x[0, 0], slots)
    parts = (plan.places if plan.settings.per_user else 1,)
    learner = Learner(
        nets=nets,
        replay=empty_replay(plan.settings.replay_size, Transition(one, jnp.zeros(actions), jnp.zeros(parts), one)),
        reward_scale=rewards.std(),
        reward_level=rewards.mean(),
        slots=jnp.int32(0),
        episodes=jnp.int32(0),
        best_actor=None,
        best_utility=jnp.float32(jnp.inf),
        key=run,
    )
    if algorithm.cache is not None:
        learner = learner._replace(cache=algorithm.cache.init(plan, jax.random.fold_in(for_actor, 1), outcome))
    return learner._replace(best_actor=jax.tree.map(jnp.copy, algorithm.actor(learner)))


def _fresh_nets(algorithm: Algorithm, plan: OffPolicyPlan, box: bool, for_actor: Array, for_critics: Array) -> Nets:
    settings = plan.settings
    actor = init_actor(settings, for_actor, plan.models, plan.places, algorithm.channels, box)
    critics = tuple(
        init_critic(
            settings, jax.random.fold_in(for_critics, i) if i else for_critics, plan.models, plan.places, box
        )
        for i in range(settings.critics)
    )
    actor_adam, critic_adam = optimisers(plan)
    return Nets(
        actor=actor,
        critics=critics,
        target_actor=jax.tree.map(jnp.copy, actor),
        target_critics=jax.tree.map(jnp.copy, critics),
        actor_optimiser=actor_adam.init(actor),
        critic_optimiser=critic_adam.init(critics),
        log_temperature=jnp.float32(algorithm.log_temperature(plan)),
    )


def _first_memories(params: Params, batch: tuple[int, ...]) -> Memory:
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (*batch, *x.shape)), first_memory(params))


@partial(jax.jit, static_argnames=("algorithm", "episodes"), donate_argnames="learner", compiler_options=OFTEN)
def train(
    algorithm: Algorithm, plan: OffPolicyPlan, params: Params, learner: Learner, episodes: int
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

    def episode(learner: Learner, _: None) -> tuple[Learner, Metrics]:
        return _one_episode(algorithm, plan, params, learner)

    return jax.lax.scan(episode, learner, None, length=episodes)


def _one_episode(
    algorithm: Algorithm, plan: OffPolicyPlan, params: Params, learner: Learner
) -> tuple[Learner, Metrics]:
    key = jax.random.fold_in(learner.key, learner.episodes)
    state = reset(params, jax.random.fold_in(key, 0), plan.users, plan.places)[1]
    if algorithm.cache is not None:
        learner = learner._replace(cache=algorithm.cache.begin(learner.cache))

    def slot(carry: tuple[Learner, State], t: Array) -> tuple[tuple[Learner, State], Metrics]:
        return _one_slot(algorithm, plan, params, *carry, jax.random.fold_in(key, 1 + t))

    (learner, _), metrics = jax.lax.scan(slot, (learner, state), jnp.arange(plan.slots_per_episode))
    return learner._replace(episodes=learner.episodes + 1), jax.tree.map(jnp.mean, metrics)


def _one_slot(
    algorithm: Algorithm, plan: OffPolicyPlan, params: Params, learner: Learner, state: State, key: Array
) -> tuple[tuple[Learner, State], Metrics]:
    """One action, one transition stored, one update."""
    for_action, for_batch, for_update = jax.random.split(key, 3)
    progress = learner.slots / plan.slots
    action = algorithm.explore(plan, learner.nets.actor, params, state.slot, progress, for_action)
    random = plan.settings.random_action(for_action, plan.parts)
    action = jnp.where(learner.slots < plan.settings.random_slots(plan.slots), random, action)
    if algorithm.cache is not None:
        for_cache = jax.random.fold_in(for_action, 1)
        action, choice = algorithm.cache.choose(plan, params, learner, state.slot, action, for_cache)

    after = step(params, state, action, plan.slots_per_episode)
    reward = _standard(plan, learner, credited(plan.settings, after.info))
    replay = add(learner.replay, Transition(state.slot, action, reward, after.state.slot))
    learner = learner._replace(replay=replay, slots=learner.slots + 1)

    learner, critic_loss, q = _update_once_warm(algorithm, plan, params, learner, for_batch, for_update)
    if algorithm.cache is not None:
        for_cache = jax.random.fold_in(for_update, 1)
        cache = algorithm.cache.learn(plan, params, learner, state.slot, choice, after.reward, for_cache)
        learner = learner._replace(cache=cache)
    return (learner, after.state), Metrics(after.reward, critic_loss, q)


def _standard(plan: OffPolicyPlan, learner: Learner, reward: Float[Array, "V"]) -> Float[Array, "V"]:
    """Rewards of about mean 0 and spread 1; of places without a user none.

    A level that all states and actions share decides nothing, but it would grow to a hundred rewards at the paper's
    discount, and the critic would spend itself on following it.
    """
    there = jnp.arange(reward.shape[0]) < plan.users
    return jnp.where(there, (reward - learner.reward_level) / learner.reward_scale, 0.0)


def _update_once_warm(
    algorithm: Algorithm, plan: OffPolicyPlan, params: Params, learner: Learner, for_batch: Array, for_update: Array
) -> tuple[Learner, Array, Array]:
    """One update of the networks, as soon as the warm-up is over."""

    def update(learner: Learner) -> tuple[Learner, Array, Array]:
        batch = sample(learner.replay, for_batch, plan.settings.batch)
        return algorithm.update(plan, params, learner, batch, for_update)

    def wait(learner: Learner) -> tuple[Learner, Array, Array]:
        return learner, jnp.float32(0), jnp.float32(0)

    return jax.lax.cond(learner.slots > plan.settings.warmup_slots, update, wait, learner)


@partial(jax.jit, static_argnames="algorithm", compiler_options=SELDOM)
def evaluate_actor(
    algorithm: Algorithm, params: Params, learner: Learner, slots: Slot
) -> tuple[Learner, Float[Array, ""]]:
    """Scores the actor on given slots, and keeps it if it is the best so far.

    Args:
        algorithm: which.
        params: the scenario.
        learner: where training stands.
        slots: slots with the run's number of places, leading axes (E, T); of a box, whole episodes.

    Returns:
        The learner, and the mean over slots of Σ_n U_n.
    """
    actor = algorithm.actor(learner)

    def decide(slots: Slot) -> Decision:
        return algorithm.decide(actor, params, slots)

    if params.box is None:
        utility = total_utility(params, slots, decide(slots)).mean()
    else:
        utility = _of_episodes(params, decide, slots).mean()
    better = utility < learner.best_utility
    best_actor = jax.tree.map(lambda new, old: jnp.where(better, new, old), actor, learner.best_actor)
    best = jnp.minimum(utility, learner.best_utility)
    return learner._replace(best_actor=best_actor, best_utility=best), utility


def _of_episodes(params: Params, decide: Callable[[Slot], Decision], slots: Slot) -> Float[Array, "T E"]:
    """Σ_n U_n of each slot of a box, decided one after the other."""

    def one_slot(memory: Memory, slot: Slot) -> tuple[Memory, Array]:
        slot = slot._replace(memory=memory)
        decision = decide(slot)
        return advance(params, memory, decision.cache), total_utility(params, slot, decision)

    in_time = jax.tree.map(lambda x: jnp.moveaxis(jnp.asarray(x), 1, 0), slots)
    return jax.lax.scan(one_slot, _first_memories(params, slots.skew.shape[:1]), in_time)[1]


def credited(settings: OffPolicySettings, outcome: Outcome) -> Float[Array, "*batch V"]:
    """The reward of Eq. (18) in the parts that teach the critic: −Σ_n U_n, or −U_n of each user.

    Args:
        settings: of the algorithm.
        outcome: of the slot decided.
    """
    if settings.per_user:
        return -jnp.asarray(outcome.utility)
    return -jnp.asarray(outcome.utility.sum(axis=-1, keepdims=True))


def optimisers(
    plan: OffPolicyPlan, delay: int = 1
) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    """Adam of the actor and of the critics, with learning rates that fall linearly over the run.

    Args:
        plan: what is fixed for the run.
        delay: updates of the critics for each of the actor.
    """
    settings = plan.settings

    def adam(rate: float, updates: int) -> optax.GradientTransformation:
        # One flat array instead of a dozen of each kind: fewer operations to compile.
        return optax.flatten(optax.adam(falling(rate, settings.learning_rate_last, updates)))

    return (
        adam(settings.actor_learning_rate, plan.slots // delay),
        adam(settings.critic_learning_rate, plan.slots),
    )
