"""REINFORCE in a simulator: several decisions for each slot, each judged against the others.

What a slot costs follows from the decision alone, and no decision changes the slots to come. So a simulator may try
several random decisions on one slot; those cheaper than the others' mean become likelier, Kool et al. 2019. No
critic has to learn the jumps where one model displaces another in the cache. The bandwidth, on which the cost
depends smoothly and apart from all else, follows the cost's own gradient instead.

Trained over cells of any size, the slots of an episode come from as many cells, each with its own catalogue.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Float, Int

from genedge.cell.feasible import action_size, decode
from genedge.cell.popularity import zipf
from genedge.cell.sampling import sample_episode, sample_slot
from genedge.cell.service import total_utility
from genedge.cell.types import Models, Params, Slot
from genedge.learn.actor import Network, decide, init_actor, outputs
from genedge.learn.hyperparameters import AnyCell, Reinforce
from genedge.scenario import DrawnModels
from genedge.xla import OFTEN, ONCE, SELDOM


class Plan(NamedTuple):
    """What is fixed for a whole run; compiled code depends on it.

    Attributes:
        settings: of the algorithm.
        users: number of users in every slot; most users over cells of any size.
        models: M; most models over cells of any size.
        slots_per_episode: T.
        episodes: of the whole run.
    """

    settings: Reinforce | AnyCell
    users: int
    models: int
    slots_per_episode: int
    episodes: int

    @property
    def any_cell(self) -> bool:
        """Whether every slot comes from a cell of its own."""
        return isinstance(self.settings, AnyCell)


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


@partial(jax.jit, static_argnames="plan", compiler_options=ONCE)
def init(plan: Plan, key: Array) -> Learner:
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


@partial(jax.jit, static_argnames=("plan", "episodes"), donate_argnames="learner", compiler_options=OFTEN)
def train(
    plan: Plan, params: Params, ranges: Models | None, learner: Learner, episodes: int
) -> tuple[Learner, Metrics]:
    """Trains for some episodes: the slots of each are drawn once, and decided anew in each of its updates.

    Args:
        plan: what is fixed for the run.
        params: the scenario; where any_cell, all of it but its catalogue.
        ranges: where catalogues come from if any_cell, see `ranges_of`.
        learner: where training stands; its memory is reused.
        episodes: how many episodes to add.

    Returns:
        The learner afterwards, and metrics of each episode.
    """

    def episode(learner: Learner, _: None) -> tuple[Learner, Metrics]:
        key = jax.random.fold_in(learner.key, learner.episodes)
        for_slots, for_decisions = jax.random.split(key)
        if ranges is None:
            cells = params
            slots = sample_episode(params, for_slots, plan.users, plan.users, plan.slots_per_episode)
        else:
            cells, slots = draw_cells(plan, params, ranges, for_slots, plan.slots_per_episode)

        def one_update(learner: Learner, key: Array) -> tuple[Learner, Metrics]:
            return update(plan, cells, learner, slots, key)

        keys = jax.random.split(for_decisions, plan.settings.updates_per_episode)
        learner, metrics = jax.lax.scan(one_update, learner, keys)
        return learner._replace(episodes=learner.episodes + 1), jax.tree.map(jnp.mean, metrics)

    return jax.lax.scan(episode, learner, None, length=episodes)


def update(plan: Plan, cells: Params, learner: Learner, slots: Slot, key: Array) -> tuple[Learner, Metrics]:
    """One update of the actor, from several random decisions for each slot.

    Args:
        plan: what is fixed for the run.
        cells: the scenario; where any_cell, one for each slot.
        learner: where training stands.
        slots: T slots.
        key: a JAX random key.
    """
    s = plan.settings
    shape = (s.decisions_per_slot, plan.slots_per_episode, action_size(plan.models, plan.users))
    for_noise, for_caches = jax.random.split(key)
    at = jnp.arange(shape[-1])
    of_cache, of_steps = at < plan.models, at >= plan.models + plan.users
    smooth = ~of_cache & ~of_steps
    # Even slots try caches, with the steps that the actor means; odd ones try steps, all decisions of a slot under
    # one random cache. Tried together, a model that is worth its place only with the right steps would be dropped
    # before they are found, and then never tried again.
    even = (jnp.arange(plan.slots_per_episode) % 2 == 0)[:, None]
    tried = jnp.where(even, of_cache, of_steps)
    width = s.noise_first + (s.noise_last - s.noise_first) * (learner.episodes / plan.episodes)
    noise = jnp.where(tried, width * jax.random.normal(for_noise, shape), 0.0)
    noise += jnp.where(~even & of_cache, s.limit * jax.random.normal(for_caches, shape[1:]), 0.0)

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
        per_user = all_costs(cells, slots, with_gradient) / slots.active.sum(axis=-1)
        # Once far out, no noise would lead back, and what was wrong early would stay wrong.
        too_far = (jnp.maximum(jnp.abs(mean) - s.limit, 0) ** 2).sum(axis=-1)
        return per_user.mean() - (advantage * log_density).mean() + too_far.mean()

    gradient = jax.grad(loss)(learner.actor)
    change, optimiser = _optimiser(plan).update(gradient, learner.optimiser)
    actor: Network = optax.apply_updates(learner.actor, change)
    return learner._replace(actor=actor, optimiser=optimiser), Metrics(-costs.mean(), spread.mean())


@partial(jax.jit, static_argnames="plan", compiler_options=SELDOM)
def evaluate(plan: Plan, cells: Params, learner: Learner, slots: Slot) -> tuple[Learner, Float[Array, ""]]:
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


@partial(jax.jit, static_argnames=("plan", "slots"))
def draw_cells(plan: Plan, params: Params, ranges: Models, key: Array, slots: int) -> tuple[Params, Slot]:
    """Cells of random size and catalogue, and a slot of each.

    Args:
        plan: what is fixed for the run.
        params: the scenario; what is drawn takes the place of its own.
        ranges: where catalogues come from, see `ranges_of`.
        key: a JAX random key.
        slots: how many.

    Returns:
        Scenarios that differ in catalogue, server and objective, and a slot of each. A cell with fewer models than
        `plan.models` has absent ones at the end, of infinite storage, that nobody asks for.
    """
    s = plan.settings
    assert isinstance(s, AnyCell)

    def draw_cell(key: Array) -> tuple[Params, Slot]:
        for_cell, for_slot, for_requests = jax.random.split(key, 3)
        properties, of_cell = len(Models._fields), 6
        u = jax.random.uniform(for_cell, (properties, plan.models + of_cell))
        v, u = u[:, of_cell:], u[0, :of_cell]
        uniform = Models(*(low + (high - low) * row for (low, high), row in zip(ranges, v, strict=True)))
        users, count = _whole(s.users, u[0]), _whole(s.models, u[1])
        there = jnp.arange(plan.models) < count
        models = uniform._replace(
            storage_gb=jnp.where(there, uniform.storage_gb, jnp.inf),
            floor_steps=jnp.where(u[2] < s.floor, uniform.A3, 0.0),
        )
        bounds = s.total_steps, s.storage_gb, s.delay_weight
        S, C, weight = (low + (high - low) * x for (low, high), x in zip(bounds, u[3:], strict=True))
        cell = params._replace(models=models, S=S, C=C, delay_weight=weight, tv_weight=1 - weight)
        slot = sample_slot(cell, for_slot, jnp.int32(0), jnp.int32(0), users, plan.users)[1]
        chances = jnp.where(there, zipf(slot.skew, plan.models), 0.0)
        below = jnp.cumsum(chances / chances.sum())
        requests = (jax.random.uniform(for_requests, (plan.users, 1)) >= below).sum(axis=-1)
        # The probabilities may sum to just below 1.
        return cell, slot._replace(requests=jnp.minimum(requests, count - 1))

    # One cell after the other: drawn all at once, the random numbers take XLA seconds to compile.
    return jax.lax.map(draw_cell, jax.random.split(key, slots))


def _whole(bounds: tuple[int, int], u: Array) -> Array:
    """A whole number, uniform within the bounds, from a number uniform in [0, 1)."""
    low, high = bounds
    return low + jnp.floor(u * (high - low + 1)).astype(jnp.int32)


def _optimiser(plan: Plan) -> optax.GradientTransformation:
    s = plan.settings
    updates = plan.episodes * s.updates_per_episode
    schedule = optax.linear_schedule(s.learning_rate, s.learning_rate * s.learning_rate_last, updates)
    # One flat array instead of a dozen of each kind: fewer operations to compile.
    return optax.flatten(optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule)))
