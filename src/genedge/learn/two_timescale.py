"""For boxes, after the companion paper: two learners, each on a timescale of its own.

DDPG, as TD3 has it, shares bandwidth and steps in every slot; what its actor says about the cache is of no account.
Double DQN names the cache every K slots.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool

from genedge.cell.feasible import decode
from genedge.cell.types import AnyArray, Decision, Outcome, Params, Slot
from genedge.errors import InputError
from genedge.learn.actor import Network, act
from genedge.learn.ddpg import explore, update
from genedge.learn.double_dqn import (
    FEATURES,
    CacheLearner,
    TwoTimescaleSettings,
    choose,
    init_cache_learner,
    init_q,
    largest_caches,
    learn_caches,
    name_cache,
    see_box,
)
from genedge.learn.networks import OfCaches, apply_of_caches
from genedge.learn.off_policy import Algorithm, Learner, LongTimescale, OffPolicyPlan
from genedge.learn.off_policy_agent import OffPolicyAgent
from genedge.limits import refuse_large


class TwoTimescaleActor(NamedTuple):
    """What decides for a box on two timescales.

    Attributes:
        shares: the actor, for bandwidth and steps; what it says about the cache is of no account.
        cache: the value of a state and a cache.
        caches: those that may be named.
    """

    shares: Network
    cache: OfCaches
    caches: Bool[AnyArray, "C M"]


def decide(actor: TwoTimescaleActor, params: Params, slots: Slot) -> Decision:
    """What a trained pair decides, without exploration.

    Args:
        actor: the pair.
        params: the scenario, of a box.
        slots: slots, leading axes *batch.
    """
    best = apply_of_caches(actor.cache, see_box(params, slots), actor.caches).argmax(axis=-1)
    return decode(params, slots, name_cache(act(actor.shares, params, slots), jnp.asarray(actor.caches)[best]))


def pair(learner: Learner) -> TwoTimescaleActor:
    """What decides, as it is now.

    Args:
        learner: where training stands.
    """
    return TwoTimescaleActor(learner.nets.actor, learner.cache.online, learner.cache.caches)


def init_cache(plan: OffPolicyPlan, key: Array, outcome: Outcome) -> CacheLearner:
    """A long timescale that has learned nothing.

    Args:
        plan: what is fixed for the run.
        key: a JAX random key.
        outcome: what random actions made of some slots.
    """
    assert plan.caches is not None
    rewards = -jnp.asarray(outcome.utility.sum(axis=-1))
    return init_cache_learner(_settings(plan), key, jnp.asarray(plan.caches), rewards)


def begin(cache: CacheLearner) -> CacheLearner:
    """The long timescale at the start of an episode: what the last one left open will never be known.

    Args:
        cache: as the last episode left it.
    """
    return cache._replace(pending=cache.pending._replace(open=jnp.bool_(False)))


def choose_cache(
    plan: OffPolicyPlan, params: Params, learner: Learner, slot: Slot, action: Array, key: Array
) -> tuple[Array, Array]:
    """Names a cache; of account only in slots that decide on it.

    Args:
        plan: what is fixed for the run.
        params: the scenario.
        learner: where training stands.
        slot: what the box sees.
        action: of the actor.
        key: a JAX random key.

    Returns:
        The action with that cache, and which it is.
    """
    named = choose(_settings(plan), learner.cache, params, slot, learner.slots / plan.slots, key)
    return name_cache(action, learner.cache.caches[named]), named


def learn_cache(
    plan: OffPolicyPlan, params: Params, learner: Learner, slot: Slot, named: Array, reward: Array, key: Array
) -> CacheLearner:
    """Learns from what a slot earned.

    Args:
        plan: what is fixed for the run.
        params: the scenario.
        learner: where training stands.
        slot: the slot, as it was seen.
        named: the cache named in it.
        reward: of the slot, −Σ_n U_n.
        key: a JAX random key.
    """
    assert params.box is not None
    assert params.box.every is not None
    settings = _settings(plan)
    decisions = jnp.float32(plan.slots_per_episode // params.box.every)
    updates = jnp.float32(plan.episodes) * decisions * settings.cache_updates
    return learn_caches(settings, learner.cache, params, slot, named, reward, updates, key)


def _settings(plan: OffPolicyPlan) -> TwoTimescaleSettings:
    assert isinstance(plan.settings, TwoTimescaleSettings)
    return plan.settings


ALGORITHM = Algorithm(
    channels=1,
    explore=explore,
    update=update,
    cache=LongTimescale(init=init_cache, begin=begin, choose=choose_cache, learn=learn_cache),
    actor=pair,
    decide=decide,
)


class TwoTimescale(OffPolicyAgent[TwoTimescaleSettings]):
    """The agent."""

    Settings = TwoTimescaleSettings
    algorithm = ALGORITHM

    def refuse(self) -> None:
        """Refuses scenarios without a longer timescale, or with too many caches to name one.

        Raises:
            InputError: with the reason.
        """
        super().refuse()
        scenario, box = self.scenario, self.scenario.params.box
        if box is None or box.every is None:
            raise InputError(
                f"scenario {scenario.name} has no longer timescale for --agent {self.name}; set "
                f"server.cache_every_slots, as edge-box does"
            )
        slots, every = scenario.settings.cell.slots_per_episode, int(box.every)
        if 2 * every > slots:
            raise InputError(
                f"scenario {scenario.name}: --agent {self.name} learns from what happens between two decisions on "
                f"the cache; with server.cache_every_slots {every}, set cell.slots_per_episode to {2 * every} or "
                f"more, not {slots}"
            )
        largest_caches(scenario.params)

    def refuse_large(self, places: int) -> None:
        """Refuses buffers, batches or networks that would not fit into memory.

        Args:
            places: number of places that it is made for.

        Raises:
            InputError: names the settings that make it large.
        """
        settings, section, models = self.settings, self.section, len(self.scenario.models)
        said = len(largest_caches(self.scenario.params)) * models * settings.cache_width
        refuse_large(
            f"{section}.cache_replay_size and the number of models",
            2 * FEATURES * models * settings.cache_replay_size,
        )
        refuse_large(
            f"{section}.cache_batch, {section}.cache_width and the number of models", said * settings.cache_batch
        )
        refuse_large(f"{section}.cache_width", settings.cache_width**2)
        super().refuse_large(places)

    def plan(self, users: int, episodes: int) -> OffPolicyPlan:
        """What is fixed for a run.

        Args:
            users: number of users in every slot.
            episodes: of the whole run.
        """
        return replace(super().plan(users, episodes), caches=largest_caches(self.scenario.params))

    def actor_like(self, places: int) -> TwoTimescaleActor:
        """The shapes of its actor.

        Args:
            places: number of places that it is made for.
        """
        network: OfCaches = jax.eval_shape(lambda key: init_q(self.settings, key), jax.random.key(0))
        return TwoTimescaleActor(super().actor_like(places), network, largest_caches(self.scenario.params))
