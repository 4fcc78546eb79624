"""REINFORCE over cells of any size, so that one policy serves them all.

The slots of an episode come from as many cells, each with its own users, catalogue, server and objective.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from genedge.cell.popularity import zipf
from genedge.cell.sampling import sample_slot
from genedge.cell.types import Models, Params, Slot
from genedge.errors import InputError
from genedge.learn.actor import Network, actor_shapes
from genedge.learn.agent import EVALUATION_EPISODES, Training
from genedge.learn.hyperparameters import AgentSettings, NetworkKind, Switch, TracedCount
from genedge.learn.reinforce import (
    DecisionsPerSlot,
    ReinforcePlan,
    SimulatorAgent,
    refuse_large_updates,
    training_of,
)
from genedge.scenario import DrawnModels, Scenario
from genedge.settings.fields import (
    Count,
    CountRange,
    GigabytesRange,
    Share,
    StepsRange,
    Tuned,
    WeightRange,
)
from genedge.settings.provenance import assumed


class AnyCellSettings(AgentSettings):
    """Of REINFORCE over cells of any size."""

    episodes: TracedCount = assumed(40000, "each slot of an episode is of a cell of its own")
    width: Count = assumed(64)
    layer_norm: Switch = assumed(True)
    learning_rate: Tuned = assumed(0.002)
    learning_rate_last: Share = assumed(
        0.02, "share of the learning rate that is left at the end; it falls linearly"
    )
    decisions_per_slot: DecisionsPerSlot = assumed(16)
    updates_per_episode: Count = assumed(1)
    noise_first: Tuned = assumed(2, "standard deviation of the noise, before squashing to [−1, 1]")
    noise_last: Tuned = assumed(0.3, "reached linearly at the end")
    limit: Tuned = assumed(4, "beyond it, before squashing, what the actor says is fined")
    users: CountRange = assumed((5, 50), "of a cell, drawn uniformly")
    models: CountRange = assumed(
        (5, 30), "of a cell, drawn uniformly; their properties come from the scenario's ranges"
    )
    total_steps: StepsRange = assumed((500, 2000), "of a cell")
    storage_gb: GigabytesRange = assumed((10, 40), "of a cell")
    delay_weight: WeightRange = assumed((0.5, 0.9), "of a cell; the TV value has the rest")
    floor: Share = assumed(0.25, "share of the cells with the quality floor 'best'")

    @property
    def network(self) -> NetworkKind:
        """The only kind that serves cells of any size."""
        return "equivariant"

    @property
    def hidden_layers(self) -> tuple[int, ...]:
        """That kind has none to choose."""
        return ()


def ranges_of(models: DrawnModels) -> Models:
    """Where catalogues come from, in SI units.

    Args:
        models: the ranges of a scenario.

    Returns:
        The least and the largest of each property, fields of shape (2,); `floor_steps` is not drawn.
    """

    def ends(bounds: tuple[float, float]) -> np.ndarray:
        return np.array(bounds, np.float32)

    return Models(
        storage_gb=ends(models.storage_gb),
        output_bits=ends(models.output_size_mb) * np.float32(8e6),
        A1=ends(models.A1_steps),
        A2=ends(models.A2_tv),
        A3=ends(models.A3_steps),
        A4=ends(models.A4_tv),
        B1=ends(models.B1_s_per_step),
        B2=ends(models.B2_s),
        floor_steps=ends((0, 0)),
    )


def catalogue_ranges(scenario: Scenario) -> Models:
    """Where the catalogues of cells of any size come from.

    Args:
        scenario: the scenario.

    Raises:
        InputError: it has no ranges, or they would give models that make no sense.
    """
    drawn = scenario.settings.models
    if not isinstance(drawn, DrawnModels):
        raise InputError(
            f"scenario {scenario.name} gives its models one by one; --agent any-cell needs ranges to draw from"
        )
    if not (drawn.A1_steps[1] < drawn.A3_steps[0] and drawn.A4_tv[1] <= drawn.A2_tv[0]):
        raise InputError(
            f"scenario {scenario.name}: --agent any-cell needs ranges that never cross: models.A1_steps below "
            f"models.A3_steps, models.A4_tv not above models.A2_tv"
        )
    return ranges_of(drawn)


@partial(jax.jit, static_argnames="slots")
def draw_cells(plan: ReinforcePlan, params: Params, key: Array, slots: int) -> tuple[Params, Slot]:
    """Cells of random size and catalogue, and a slot of each.

    Args:
        plan: what is fixed for the run.
        params: the scenario; what is drawn takes the place of its own.
        key: a JAX random key.
        slots: how many.

    Returns:
        Scenarios that differ in catalogue, server and objective, and a slot of each. A cell with fewer models than
        `plan.models` has absent ones at the end, of infinite storage, that nobody asks for.
    """
    settings, ranges = plan.settings, plan.ranges
    assert isinstance(settings, AnyCellSettings)
    assert ranges is not None

    def draw_cell(key: Array) -> tuple[Params, Slot, Array]:
        for_cell, for_slot, for_requests = jax.random.split(key, 3)
        properties, of_cell = len(ranges[:-1]), 6
        u = jax.random.uniform(for_cell, (properties, plan.models + of_cell))
        v, u = u[:, of_cell:], u[0, :of_cell]
        uniform = Models(*(low + (high - low) * row for (low, high), row in zip(ranges[:-1], v, strict=True)))
        users, count = _whole(settings.users, u[0]), _whole(settings.models, u[1])
        there = jnp.arange(plan.models) < count
        models = uniform._replace(storage_gb=jnp.where(there, uniform.storage_gb, jnp.inf))
        bounds = settings.total_steps, settings.storage_gb, settings.delay_weight
        S, C, weight = (low + (high - low) * x for (low, high), x in zip(bounds, u[3:], strict=True))
        cell = params._replace(models=models, S=S, C=C, delay_weight=weight, tv_weight=1 - weight)
        slot = sample_slot(cell, for_slot, jnp.int32(0), jnp.int32(0), users, plan.users)[1]
        chances = jnp.where(there, zipf(slot.skew, plan.models), 0.0)
        below = jnp.cumsum(chances / chances.sum())
        requests = (jax.random.uniform(for_requests, (plan.users, 1)) >= below).sum(axis=-1)
        # The probabilities may sum to just below 1.
        return cell, slot._replace(requests=jnp.minimum(requests, count - 1)), u[2] < settings.floor

    # One cell after the other: drawn all at once, the random numbers take XLA seconds to compile.
    cells, drawn, floors = jax.lax.map(draw_cell, jax.random.split(key, slots))
    # A3 itself: computed again beside it, it might be rounded otherwise.
    floor_steps = jnp.where(floors[:, None], cells.models.A3, 0.0)
    return cells._replace(models=cells.models._replace(floor_steps=floor_steps)), drawn


def _whole(bounds: tuple[int, int], u: Array) -> Array:
    """A whole number, uniform within the bounds, from a number uniform in [0, 1)."""
    low, high = bounds
    return low + jnp.floor(u * (high - low + 1)).astype(jnp.int32)


def _draw_episode(plan: ReinforcePlan, params: Params, key: Array) -> tuple[Params, Slot]:
    return draw_cells(plan, params, key, plan.slots_per_episode)


def plan_of(settings: AnyCellSettings, ranges: Models, slots_per_episode: int, episodes: int) -> ReinforcePlan:
    """What is fixed for a run.

    Args:
        settings: of the agent.
        ranges: where catalogues come from, see `ranges_of`.
        slots_per_episode: T.
        episodes: of the whole run.
    """
    users, models = settings.users[1], settings.models[1]
    return ReinforcePlan(settings, users, models, slots_per_episode, episodes, ranges, _draw_episode, any_cell=True)


class AnyCell(SimulatorAgent[AnyCellSettings]):
    """The agent."""

    Settings = AnyCellSettings
    any_cell = True

    def users(self, asked: int | None) -> int:
        """The most users of a cell.

        Args:
            asked: by the user; None.

        Raises:
            InputError: a number was asked for.
        """
        if asked is not None:
            raise InputError(
                f"--users {asked}: --agent {self.name} draws them; set {self.section}.users=[least, most]"
            )
        return self.settings.users[1]

    def refuse(self) -> None:
        """Refuses boxes, and scenarios without ranges to draw catalogues from.

        Raises:
            InputError: with the reason.
        """
        catalogue_ranges(self.scenario)
        super().refuse()

    def refuse_large(self, places: int) -> None:
        """Refuses updates or networks that would not fit into memory.

        Args:
            places: the most users.

        Raises:
            InputError: names the settings that make it large.
        """
        slots = self.scenario.settings.cell.slots_per_episode
        refuse_large_updates(self.settings, self.section, slots, self.settings.models[1], places)

    def actor_like(self, places: int) -> Network:
        """The shapes of its actor.

        Args:
            places: of no account; it serves any number of users.
        """
        return actor_shapes(self.settings, self.settings.models[1], places)

    def training(self, users: int, episodes: int, seed: int) -> Training:
        """The agent at work.

        Args:
            users: the most of a cell.
            episodes: of the whole run.
            seed: of everything random.
        """
        for_training, for_evaluation = self.keys(seed)
        params, slots_per_episode = self.scenario.params, self.scenario.settings.cell.slots_per_episode
        plan = plan_of(self.settings, catalogue_ranges(self.scenario), slots_per_episode, episodes)
        cells, slots = draw_cells(plan, params, for_evaluation, EVALUATION_EPISODES * slots_per_episode)
        return training_of(plan, params, cells, slots, for_training)
