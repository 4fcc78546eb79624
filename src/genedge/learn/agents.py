"""The agents that can be trained, by name, and what a run asks of each: the same of all."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
from jax import Array

from genedge.cell.feasible import action_size
from genedge.cell.sampling import sample_episodes
from genedge.cell.types import Models
from genedge.env.observation import observation_size
from genedge.errors import InputError
from genedge.learn import off_policy as loop
from genedge.learn import reinforce
from genedge.learn.actor import Network, Pair, init_actor
from genedge.learn.ddpg import DDPG
from genedge.learn.double_dqn import FEATURES, init_q, largest_caches
from genedge.learn.hyperparameters import AgentSettings, AnyCell, Reinforce, TwoTimescale
from genedge.learn.networks import OfCaches
from genedge.learn.sac import SAC
from genedge.limits import decided, refuse_large
from genedge.scenario import DrawnModels, Scenario

# Fixed episodes that an evaluation during training takes.
EVALUATION_EPISODES = 8

OFF_POLICY: Mapping[str, loop.Algorithm] = MappingProxyType(
    {"ddpg": DDPG, "td3": DDPG, "sac": SAC, "two-timescale": DDPG}
)
AGENTS = ("ddpg", "td3", "sac", "reinforce", "any-cell", "two-timescale")


class Training(NamedTuple):
    """An agent at work on one run. A learner tells its `episodes`, `best_actor` and `best_utility`.

    Attributes:
        init: () -> a learner that has not learned yet.
        train: (learner, episodes to add) -> the learner afterwards, and metrics of each episode.
        evaluate: learner -> the learner, its best actor up to date, and the mean over slots of Σ_n U_n.
        last_actor: learner -> its actor as it is now.
    """

    init: Callable[[], Any]
    train: Callable[[Any, int], tuple[Any, Any]]
    evaluate: Callable[[Any], tuple[Any, Array]]
    last_actor: Callable[[Any], Network | Pair]


def settings_of(scenario: Scenario, agent: str) -> AgentSettings:
    """The settings of an agent.

    Args:
        scenario: the scenario.
        agent: its name.

    Raises:
        InputError: there is no such agent.
    """
    if agent not in AGENTS:
        raise InputError(f"agent {agent!r}: no such algorithm; there are {', '.join(AGENTS)}")
    settings: AgentSettings = scenario.hyperparameters(agent.replace("-", "_"))
    return settings


def metrics_of(agent: str) -> tuple[str, ...]:
    """Names of what an agent logs of each episode.

    Args:
        agent: its name.
    """
    return loop.Metrics._fields if agent in OFF_POLICY else reinforce.Metrics._fields


def places_of(scenario: Scenario, agent: str, users: int) -> int:
    """Number of places that an agent's networks are made for.

    Only a multi-layer perceptron has room for a fixed number of users. Those that learn from a replay buffer have
    more than they are trained with; REINFORCE has just those.

    Args:
        scenario: the scenario.
        agent: its name.
        users: number of users that it is trained with.
    """
    roomy = agent in OFF_POLICY and settings_of(scenario, agent).network == "mlp"
    return scenario.settings.cell.places if roomy else users


def actor_like(scenario: Scenario, agent: str, places: int) -> Network | Pair:
    """The shapes of an agent's actor.

    Args:
        scenario: the scenario.
        agent: its name.
        places: number of places.
    """
    s = settings_of(scenario, agent)
    channels = OFF_POLICY[agent].channels if agent in OFF_POLICY else 1
    # Shapes alone: to draw the weights would take a second to compile.
    box, models = scenario.params.box is not None, len(scenario.models)
    shapes: Network = jax.eval_shape(
        lambda key: init_actor(s, key, models, places, channels, box),
        jax.random.key(0),
    )
    if isinstance(s, TwoTimescale):
        caches = largest_caches(scenario.params)
        network: OfCaches = jax.eval_shape(lambda key: init_q(s, key), jax.random.key(0))
        return Pair(shapes, network, caches)
    return shapes


def refuse_no_storage(scenario: Scenario) -> None:
    """Refuses a scenario without storage, for networks over models.

    Args:
        scenario: the scenario.

    Raises:
        InputError: it has none.
    """
    if scenario.settings.server.storage_gb == 0:
        raise InputError(
            f"scenario {scenario.name} has no storage (server.storage_gb is 0); equivariant networks see models in "
            f"parts of it. Nothing can be held: 'cloud-only' is all there is"
        )


def refuse_scenario(scenario: Scenario, agent: str) -> None:
    """Refuses scenarios that an agent cannot be trained on.

    Args:
        scenario: the scenario.
        agent: its name.

    Raises:
        InputError: with the reason.
    """
    s, box = settings_of(scenario, agent), scenario.params.box
    if isinstance(s, AnyCell):
        catalogue_ranges(scenario)
    elif s.network == "equivariant":
        refuse_no_storage(scenario)
    if isinstance(s, Reinforce | AnyCell) and box is not None:
        raise InputError(
            f"scenario {scenario.name} is of a box, where a decision changes the slots to come; --agent {agent} "
            f"compares decisions of one slot. Choose ddpg, td3, sac or two-timescale"
        )
    if isinstance(s, TwoTimescale):
        if box is None or box.every is None:
            raise InputError(
                f"scenario {scenario.name} has no longer timescale for --agent two-timescale; set "
                f"server.cache_every_slots, as edge-box does"
            )
        T = scenario.settings.cell.slots_per_episode
        if 2 * int(box.every) > T:
            raise InputError(
                f"scenario {scenario.name}: --agent two-timescale learns from what happens between two decisions "
                f"on the cache; with server.cache_every_slots {box.every}, set cell.slots_per_episode to "
                f"{2 * box.every} or more, not {T}"
            )
        largest_caches(scenario.params)


def refuse_large_agent(scenario: Scenario, agent: str, places: int) -> None:
    """Refuses agents whose networks, batches or buffer would not fit into memory, before any is made.

    Args:
        scenario: the scenario.
        agent: its name.
        places: number of places that it is made for; of any-cell, the most users.

    Raises:
        InputError: names the settings that make it large.
    """
    s, T, name = settings_of(scenario, agent), scenario.settings.cell.slots_per_episode, agent.replace("-", "_")
    models = s.models[1] if isinstance(s, AnyCell) else len(scenario.models)
    of_cell = "the numbers of models and places"
    if isinstance(s, Reinforce | AnyCell):
        rows = T
        # A key and two metrics each.
        refuse_large(f"{name}.updates_per_episode", 4 * s.updates_per_episode)
        several = decided(T * s.decisions_per_slot, models, places)
        refuse_large(f"{name}.decisions_per_slot, cell.slots_per_episode, {of_cell}", several)
    else:
        rows = max(T, s.batch)
        # Two slots and an action; of a box also two rankings and memories.
        transition = 14 * places + 6 * models + 2
        refuse_large(f"{name}.replay_size and {of_cell}", s.replay_size * transition)
        refuse_large(f"{name}.batch and {of_cell}", decided(s.batch, models, places))
    if isinstance(s, TwoTimescale):
        said = len(largest_caches(scenario.params)) * models * s.cache_width
        refuse_large(
            f"{name}.cache_replay_size and the number of models", 2 * FEATURES * models * s.cache_replay_size
        )
        refuse_large(f"{name}.cache_batch, {name}.cache_width and the number of models", said * s.cache_batch)
        refuse_large(f"{name}.cache_width", s.cache_width**2)
    if s.network == "equivariant":
        refuse_large(f"{name}.width", s.width**2)
        refuse_large(f"{name}.width, the slots of a batch, {of_cell}", rows * s.width * (models + places))
        return
    assert not isinstance(s, AnyCell)
    sizes = observation_size(models, places, scenario.params.box is not None), 2 * action_size(models, places)
    layers = (sizes[0], *s.hidden_layers, sizes[1])
    refuse_large(f"{name}.hidden_layers and {of_cell}", max(a * b for a, b in pairwise(layers)))
    refuse_large(f"{name}.hidden_layers, the slots of a batch, {of_cell}", rows * max(layers))


def training(agent: str, scenario: Scenario, users: int, episodes: int, seed: int) -> Training:
    """An agent at work on one run.

    Args:
        agent: its name.
        scenario: what it trains on.
        users: number of users in every slot; of any-cell, the most.
        episodes: of the whole run.
        seed: of everything random.

    Raises:
        InputError: the agent cannot be trained on this scenario.
    """
    s = settings_of(scenario, agent)
    key = jax.random.key(seed)
    for_training, for_evaluation = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    params, models, T = scenario.params, len(scenario.models), scenario.settings.cell.slots_per_episode
    places = places_of(scenario, agent, users)

    if isinstance(s, Reinforce | AnyCell):
        plan = reinforce.Plan(s, users, models, T, episodes)
        ranges = None
        if isinstance(s, AnyCell):
            plan, ranges = plan._replace(models=s.models[1]), catalogue_ranges(scenario)
            cells, slots = reinforce.draw_cells(plan, params, ranges, for_evaluation, EVALUATION_EPISODES * T)
        else:
            cells = params
            slots = sample_episodes(params, for_evaluation, users, places, T, EVALUATION_EPISODES)
            slots = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), slots)
        return Training(
            init=lambda: reinforce.init(plan, for_training),
            train=lambda learner, more: reinforce.train(plan, params, ranges, learner, more),
            evaluate=lambda learner: reinforce.evaluate(plan, cells, learner, slots),
            last_actor=lambda learner: learner.actor,
        )

    algorithm, caches, decisions = OFF_POLICY[agent], None, 0
    if isinstance(s, TwoTimescale):
        assert params.box is not None
        assert params.box.every is not None
        caches, decisions = largest_caches(params), T // int(params.box.every)
    off_policy = loop.Plan(s, users, places, models, T, episodes, decisions)
    slots = sample_episodes(params, for_evaluation, users, places, T, EVALUATION_EPISODES)
    return Training(
        init=lambda: loop.init(algorithm, off_policy, params, for_training, slots, caches),
        train=lambda learner, more: loop.train(algorithm, off_policy, params, learner, more),
        evaluate=lambda learner: loop.evaluate(params, learner, slots),
        last_actor=lambda learner: learner.actor,
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
    return reinforce.ranges_of(drawn)
