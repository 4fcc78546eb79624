"""REINFORCE in a simulator: several decisions for each slot, each judged against the others.

What a slot costs follows from the decision alone, and no decision changes the slots to come. So a simulator may try
several random decisions on one slot; those cheaper than the others' mean become likelier, Kool et al. 2019. No
critic has to learn the jumps where one model displaces another in the cache. The bandwidth, on which the cost
depends smoothly and apart from all else, follows the cost's own gradient instead.

Over cells of any size, the slots of an episode come from as many cells, see `genedge.learn.any_cell`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float, Int
from pydantic import Field

from genedge.cell.feasible import action_size, decode
from genedge.cell.sampling import sample_episode
from genedge.cell.service import total_utility
from genedge.cell.types import Decision, Models, Params, Slot, present
from genedge.errors import InputError
from genedge.learn.actor import Network, actor_shapes, decide, init_actor, outputs
from genedge.learn.agent import Agent, Training
from genedge.learn.hyperparameters import (
    AgentSettings,
    HiddenLayers,
    NetworkKind,
    Networks,
    Switch,
    TracedCount,
    falling,
)
from genedge.learn.sizes import OF_CELL, refuse_large_networks, refuse_no_storage
from genedge.limits import decided, refuse_large
from genedge.settings.fields import Count, Share, Tuned
from genedge.settings.provenance import assumed
from genedge.xla import OFTEN, ONCE, SELDOM

DecisionsPerSlot = Annotated[Count, Field(ge=2)]


class ReinforceSettings(AgentSettings):
    """Of REINFORCE on one cell."""

    episodes: TracedCount = assumed(500)
    network: NetworkKind = assumed("equivariant", "over users and models; else: mlp")
    hidden_layers: HiddenLayers = assumed((128, 128), "of the mlp")
    width: Count = assumed(32, "of the equivariant network")
    layer_norm: Switch = assumed(True)
    learning_rate: Tuned = assumed(0.002)
    learning_rate_last: Share = assumed(
        0.02, "share of the learning rate that is left at the end; it falls linearly"
    )
    decisions_per_slot: DecisionsPerSlot = assumed(16)
    updates_per_episode: Count = assumed(4)
    noise_first: Tuned = assumed(2, "standard deviation of the noise, before squashing to [−1, 1]")
    noise_last: Tuned = assumed(0.3, "reached linearly at the end")
    limit: Tuned = assumed(4, "beyond it, before squashing, what the actor says is fined")


class Hyperparameters(Networks, Protocol):
    """What REINFORCE is told, on one cell or on any."""

    @property
    def learning_rate(self) -> float:
        """Before the first update."""

    @property
    def learning_rate_last(self) -> float:
        """Share of it that is left after the last."""

    @property
    def decisions_per_slot(self) -> int:
        """How many are judged against each other."""

    @property
    def updates_per_episode(self) -> int:
        """Of the actor."""

    @property
    def noise_first(self) -> float:
        """Before squashing to [−1, 1]."""

    @property
    def noise_last(self) -> float:
        """At the end of the run."""

    @property
    def limit(self) -> float:
        """Beyond it what the actor says is fined."""


@partial(
    jax.tree_util.register_dataclass,
    data_fields=("settings", "episodes", "ranges"),
    meta_fields=("users", "models", "slots_per_episode", "draw", "any_cell"),
)
@dataclass(frozen=True)
class ReinforcePlan:
    """What is fixed for a whole run; compiled code depends on all but the numbers in it.

    Attributes:
        settings: of the algorithm.
        users: number of users in every slot; most users over cells of any size.
        models: M; most models over cells of any size.
        slots_per_episode: T.
        episodes: of the whole run; a number to compiled code.
        ranges: where catalogues come from, over cells of any size.
        draw: (plan, params, key) -> the cells and the T slots of an episode; slots of the scenario, if not given.
        any_cell: whether every slot comes from a cell of its own.
    """

    settings: Hyperparameters
    users: int
    models: int
    slots_per_episode: int
    episodes: int
    ranges: Models | None = None
    draw: "Draw | None" = None
    any_cell: bool = False


Draw = Callable[[ReinforcePlan, Params, Array], tuple[Params, Slot]]


class Learner(NamedTuple):
    """Everything that training carries from episode to episode.

    Attributes:
        actor: the mean of what is decided.
        optimiser: state of Adam.
        episodes: how many have been finished.
        best_actor: the actor with the lowest evaluated utility so far.
        best_utility: that utility, infinite before the first evaluation.
        key: the run's random key.
    """

    actor: Network
    optimiser: optax.OptState
    episodes: Int[Array, ""]
    best_actor: Network
    best_utility: Float[Array, ""]
    key: Array


class Metrics(NamedTuple):
    """What is logged of each episode, means over its slots.

    Attributes:
        reward: −Σ_n U_n of the random decisions.
        spread: standard deviation of Σ_n U_n among a slot's decisions; falls as the policy makes up its mind.
    """

    reward: Float[Array, "*episodes"]
    spread: Float[Array, "*episodes"]


@partial(jax.jit, compiler_options=ONCE)
def init(plan: ReinforcePlan, key: Array) -> Learner:
    """A learner that has not learned yet.

    Args:
        plan: what is fixed for the run.
        key: a JAX random key; the whole run follows from it.
    """
    run, for_actor = jax.random.split(key)
    actor = init_actor(plan.settings, for_actor, plan.models, plan.users)
    return Learner(
        actor=actor,
        optimiser=_optimiser(plan).init(actor),
        episodes=jnp.int32(0),
        best_actor=jax.tree.map(jnp.copy, actor),
        best_utility=jnp.float32(jnp.inf),
        key=run,
    )


@partial(jax.jit, static_argnames="episodes", donate_argnames="learner", compiler_options=OFTEN)
def train(plan: ReinforcePlan, params: Params, learner: Learner, episodes: int) -> tuple[Learner, Metrics]:
    """Trains for some episodes: the slots of each are drawn once, and decided anew in each of its updates.

    Args:
        plan: what is fixed for the run.
        params: the scenario; where any_cell, all of it but its catalogue.
        learner: where training stands; its memory is reused.
        episodes: how many episodes to add.

    Returns:
        The learner afterwards, and metrics of each episode.
    """

    def episode(learner: Learner, _: None) -> tuple[Learner, Metrics]:
        key = jax.random.fold_in(learner.key, learner.episodes)
        for_slots, for_decisions = jax.random.split(key)
        if plan.draw is None:
            cells = params
            slots = sample_episode(params, for_slots, plan.users, plan.users, plan.slots_per_episode)
        else:
            cells, slots = plan.draw(plan, params, for_slots)

        def one_update(learner: Learner, key: Array) -> tuple[Learner, Metrics]:
            return update(plan, cells, learner, slots, key)

        keys = jax.random.split(for_decisions, plan.settings.updates_per_episode)
        learner, metrics = jax.lax.scan(one_update, learner, keys)
        return learner._replace(episodes=learner.episodes + 1), jax.tree.map(jnp.mean, metrics)

    return jax.lax.scan(episode, learner, None, length=episodes)


def update(
    plan: ReinforcePlan, cells: Params, learner: Learner, slots: Slot, key: Array
) -> tuple[Learner, Metrics]:
    """One update of the actor, from several random decisions for each slot.

    Args:
        plan: what is fixed for the run.
        cells: the scenario; where any_cell, one for each slot.
        learner: where training stands.
        slots: T slots.
        key: a JAX random key.
    """
    settings = plan.settings
    shape = (settings.decisions_per_slot, plan.slots_per_episode, action_size(plan.models, plan.users))
    for_noise, for_caches = jax.random.split(key)
    at = jnp.arange(shape[-1])
    of_cache, of_steps = at < plan.models, at >= plan.models + plan.users
    smooth = ~of_cache & ~of_steps
    # Even slots try caches, with the steps that the actor means; odd ones try steps, all decisions of a slot under
    # one random cache. Tried together, a model that is worth its place only with the right steps would be dropped
    # before they are found, and then never tried again.
    even = (jnp.arange(plan.slots_per_episode) % 2 == 0)[:, None]
    tried = jnp.where(even, of_cache, of_steps)
    width = settings.noise_first + (settings.noise_last - settings.noise_first) * (learner.episodes / plan.episodes)
    noise = jnp.where(tried, width * jax.random.normal(for_noise, shape), 0.0)
    noise += jnp.where(~even & of_cache, settings.limit * jax.random.normal(for_caches, shape[1:]), 0.0)

    def said(actor: Network, cell: Params, slot: Slot) -> Array:
        return outputs(actor, cell, slot)[0]

    def cost(cell: Params, slot: Slot, before: Array) -> Array:
        return total_utility(cell, slot, decode(cell, slot, jnp.tanh(before)))

    over_slots = (0 if plan.any_cell else None, 0)
    all_said = jax.vmap(said, in_axes=(None, *over_slots))
    all_costs = jax.vmap(cost, in_axes=(*over_slots, 0))

    before = all_said(learner.actor, cells, slots) + noise
    costs = jax.vmap(all_costs, in_axes=(None, None, 0))(cells, slots, before)
    spread = costs.std(axis=0)
    # Users differ by tens in what they cost: the spread of a slot's decisions is never taken for less than 0.5.
    advantage = (costs.mean(axis=0) - costs) / (spread + 0.5)

    def loss(actor: Network) -> Array:
        mean = all_said(actor, cells, slots)
        log_density = jnp.where(tried, -((before - mean) ** 2) / (2 * width**2), 0.0).sum(axis=-1)
        with_gradient = jnp.where(smooth, mean, jax.lax.stop_gradient(mean))
        per_user = all_costs(cells, slots, with_gradient) / jnp.float32(present(slots).sum(axis=-1))
        # Once far out, no noise would lead back, and what was wrong early would stay wrong.
        too_far = (jnp.maximum(jnp.abs(mean) - settings.limit, 0) ** 2).sum(axis=-1)
        return per_user.mean() - (advantage * log_density).mean() + too_far.mean()

    gradient = jax.grad(loss)(learner.actor)
    change, optimiser = _optimiser(plan).update(gradient, learner.optimiser)
    actor: Network = optax.apply_updates(learner.actor, change)
    return learner._replace(actor=actor, optimiser=optimiser), Metrics(-costs.mean(), spread.mean())


@partial(jax.jit, compiler_options=SELDOM)
def evaluate_actor(
    plan: ReinforcePlan, cells: Params, learner: Learner, slots: Slot
) -> tuple[Learner, Float[Array, ""]]:
    """Scores the actor on given slots, and keeps it if it is the best so far.

    Args:
        plan: what is fixed for the run.
        cells: the scenario; where any_cell, one for each slot.
        learner: where training stands.
        slots: slots, one leading axis.

    Returns:
        The learner, and the mean over slots of Σ_n U_n.
    """

    def cost(cell: Params, slot: Slot) -> Array:
        return total_utility(cell, slot, decide(learner.actor, cell, slot))

    utility = jax.vmap(cost, in_axes=(0 if plan.any_cell else None, 0))(cells, slots).mean()
    better = utility < learner.best_utility
    best_actor = jax.tree.map(lambda new, old: jnp.where(better, new, old), learner.actor, learner.best_actor)
    best = jnp.minimum(utility, learner.best_utility)
    return learner._replace(best_actor=best_actor, best_utility=best), utility


def _optimiser(plan: ReinforcePlan) -> optax.GradientTransformation:
    settings = plan.settings
    updates = jnp.float32(plan.episodes) * settings.updates_per_episode
    schedule = falling(settings.learning_rate, settings.learning_rate_last, updates)
    # One flat array instead of a dozen of each kind: fewer operations to compile.
    return optax.flatten(optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)))


S = TypeVar("S", bound=AgentSettings)


class SimulatorAgent(Agent[S]):
    """What REINFORCE is on one cell and on any."""

    metrics: ClassVar[tuple[str, ...]] = Metrics._fields

    def refuse(self) -> None:
        """Refuses boxes.

        Raises:
            InputError: the scenario is one.
        """
        if self.scenario.params.box is not None:
            raise InputError(
                f"scenario {self.scenario.name} is of a box, where a decision changes the slots to come; --agent "
                f"{self.name} compares decisions of one slot. Choose ddpg, td3, sac or two-timescale"
            )

    @staticmethod
    def decide(actor: Network, params: Params, slots: Slot) -> Decision:
        """What a trained actor decides, without exploration.

        Args:
            actor: the network.
            params: the scenario.
            slots: slots, leading axes *batch.
        """
        return decide(actor, params, slots)


def refuse_large_updates(settings: Hyperparameters, section: str, slots: int, models: int, places: int) -> None:
    """Refuses updates or networks that would not fit into memory.

    Args:
        settings: of the algorithm.
        section: of the scenario, the one that holds them.
        slots: of an episode.
        models: M.
        places: N.

    Raises:
        InputError: names the settings that make them large.
    """
    # A key and two metrics each.
    refuse_large(f"{section}.updates_per_episode", 4 * settings.updates_per_episode)
    several = decided(slots * settings.decisions_per_slot, models, places)
    refuse_large(f"{section}.decisions_per_slot, cell.slots_per_episode, {OF_CELL}", several)
    refuse_large_networks(settings, section, slots, models, places)


def training_of(plan: ReinforcePlan, params: Params, cells: Params, slots: Slot, key: Array) -> Training:
    """The algorithm at work.

    Args:
        plan: what is fixed for the run.
        params: the scenario.
        cells: of the slots that it is evaluated on: the scenario; where any_cell, one for each slot.
        slots: those, one leading axis.
        key: a JAX random key; the whole run follows from it.
    """
    return Training(
        init=lambda: init(plan, key),
        train=lambda learner, more: train(plan, params, learner, more),
        evaluate=lambda learner: evaluate_actor(plan, cells, learner, slots),
        last_actor=lambda learner: learner.actor,
    )


class Reinforce(SimulatorAgent[ReinforceSettings]):
    """The agent."""

    Settings = ReinforceSettings

    @property
    def fixed_places(self) -> bool:
        """Only a multi-layer perceptron has room for a fixed number of users."""
        return self.settings.network == "mlp"

    def refuse(self) -> None:
        """Refuses boxes, and scenarios without storage if its network is over models.

        Raises:
            InputError: with the reason.
        """
        if self.settings.network == "equivariant":
            refuse_no_storage(self.scenario)
        super().refuse()

    def refuse_large(self, places: int) -> None:
        """Refuses updates or networks that would not fit into memory.

        Args:
            places: number of places that it is made for.

        Raises:
            InputError: names the settings that make it large.
        """
        slots, models = self.scenario.settings.cell.slots_per_episode, len(self.scenario.models)
        refuse_large_updates(self.settings, self.section, slots, models, places)

    def actor_like(self, places: int) -> Network:
        """The shapes of its actor.

        Args:
            places: number of places that it is made for.
        """
        return actor_shapes(self.settings, len(self.scenario.models), places)

    def training(self, users: int, episodes: int, seed: int) -> Training:
        """The agent at work.

        Args:
            users: number of users in every slot.
            episodes: of the whole run.
            seed: of everything random.
        """
        for_training, for_evaluation = self.keys(seed)
        params, slots_per_episode = self.scenario.params, self.scenario.settings.cell.slots_per_episode
        plan = ReinforcePlan(self.settings, users, len(self.scenario.models), slots_per_episode, episodes)
        slots = self.evaluation_slots(for_evaluation, users)
        slots = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), slots)
        return training_of(plan, params, params, slots, for_training)
