"""What a run asks of every agent, of all in the registry alike."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genedge.cell.feasible import breaches, in_float64
from genedge.cell.sampling import sample_episode
from genedge.errors import InputError
from genedge.learn.agent import Agent
from genedge.learn.agents import agent_class, load_agent
from genedge.learn.arrays import restore, save
from genedge.learn.hyperparameters import AgentSettings, TracedCount, falling, is_off
from genedge.learn.runs import create_run
from genedge.registry import named
from genedge.scenario import load_scenario
from genedge.settings.fields import Count, NotNegative, StepsRange
from genedge.settings.provenance import Provenance, defaults

USERS, MODELS, T = 2, 4, 6
SMALL_OF = {
    "width": 4,
    "hidden_layers": [4],
    "batch": 4,
    "replay_size": 50,
    "warmup_slots": 5,
    "decisions_per_slot": 3,
    "cache_width": 4,
    "cache_batch": 2,
    "cache_updates": 1,
}
# What cannot be small whatever the agent: only a box has two timescales, any-cell draws its users and models.
FURTHER = {
    "two-timescale": ("edge-box", ("server.cache_every_slots=2",)),
    "any-cell": ("paper", ("any_cell.users=[1, 3]", "any_cell.models=[2, 4]", f"models.count={MODELS}")),
}
agents = pytest.mark.parametrize("agent", named("agent"))


def scenario_for(agent, *further):
    """The smallest that an agent can be trained on."""
    section, fields = named("agent")[agent].section, agent_class(agent).Settings.model_fields
    name, changes = FURTHER.get(agent, ("paper", (f"models.count={MODELS}",)))
    small = [f"{section}.{key}={value}" for key, value in SMALL_OF.items() if key in fields]
    cell = [f"cell.slots_per_episode={T}", f"cell.users={USERS}", f"cell.places={USERS + 1}"]
    return load_scenario(name, [*cell, *small, *changes, *further])


def at_work(agent, *further, episodes=4):
    made = load_agent(agent, scenario_for(agent, *further))
    return made, made.training(made.users(None), episodes, 3)


# --- The same of all


@agents
def test_does_all_that_a_run_asks_of_it(agent, tmp_path):
    made, training = at_work(agent)
    learner = training.init()
    assert int(learner.episodes) == 0
    assert float(learner.best_utility) == np.inf
    learner, metrics = training.train(learner, 1)
    assert metrics._fields == made.metrics
    assert all(np.isfinite(values).all() and values.shape == (1,) for values in metrics)
    assert int(learner.episodes) == 1
    learner, utility = training.evaluate(learner)
    assert float(utility) == float(learner.best_utility) < np.inf
    jax.tree.map(np.testing.assert_array_equal, learner.best_actor, training.last_actor(learner))

    save(tmp_path / "learner.npz", learner, "mine")
    again = restore(tmp_path / "learner.npz", training.init(), "mine")
    _, after = training.train(again, 2)
    _, expected = training.train(learner, 2)
    assert jax.tree.map(lambda x: x.tobytes(), jax.device_get(tuple(after))) == jax.tree.map(
        lambda x: x.tobytes(), jax.device_get(tuple(expected))
    )


@agents
def test_its_actor_has_the_shapes_it_says_and_decides(agent):
    made, training = at_work(agent)
    users = made.users(None)
    actor = training.last_actor(training.init())
    like = made.actor_like(made.places(users))
    assert jax.tree.map(np.shape, actor) == jax.tree.map(np.shape, like)
    if made.scenario.params.box is not None:
        return  # What it decides with a memory is tested where boxes are.
    slots = sample_episode(made.scenario.params, jax.random.key(1), USERS, made.places(USERS), T)
    decision = in_float64(jax.jit(made.decide)(actor, made.scenario.params, slots))
    assert breaches(made.scenario.params, slots, decision) == []


@agents
def test_every_hyperparameter_has_a_default_that_says_where_it_comes_from(agent):
    made = load_agent(agent, load_scenario("paper"))
    assert type(made.settings) is named("agent")[agent].load_settings()
    assert made.settings == type(made.settings)()
    for setting in defaults(type(made.settings)).values():
        assert setting.provenance in get_args(Provenance)


@agents
@pytest.mark.parametrize("nonsense", ["episodes=0", "width=0.5", "layer_norm=3", "learning_rate_last=2"])
def test_refuses_nonsense(agent, nonsense):
    section = named("agent")[agent].section
    with pytest.raises(InputError, match=rf"{section}\.{nonsense.partition('=')[0]} must be"):
        load_scenario("paper", [f"{section}.{nonsense}"])


@agents
def test_refuses_networks_that_no_memory_holds(agent, tmp_path):
    scenario = scenario_for(agent, f"{named('agent')[agent].section}.width=1000000")
    made = load_agent(agent, scenario)
    if getattr(made.settings, "network", None) == "mlp":
        scenario = scenario_for(agent, f"{made.section}.hidden_layers=[1000000, 1000000]")
    with pytest.raises(InputError, match=rf"{made.section}\..* GB of memory"):
        create_run(tmp_path / "run", scenario, None, agent, 10, 0)
    assert not (tmp_path / "run").exists()


# --- Numbers are handed to compiled code, sizes are a part of it


def compilations(work):
    """How often XLA was asked to compile."""
    count = 0

    def listener(event, duration, **more):
        nonlocal count
        count += event == "/jax/core/compile/backend_compile_duration"

    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        work()
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)
    return count


def train_once(agent, *further, episodes):
    _, training = at_work(agent, *further, episodes=episodes)
    learner, _ = training.train(training.init(), 2)
    jax.block_until_ready(training.evaluate(learner))


@agents
def test_other_numbers_do_not_compile_anew(agent):
    """Each of ten runs has other learning rates, noises, discounts, target rates, temperatures and lengths."""
    section, settings = named("agent")[agent].section, agent_class(agent).Settings
    numbers = [name for name, value in settings() if isinstance(value, float) and not is_off(value)]
    assert any("learning_rate" in name for name in numbers)

    def sweep(i):
        # Of those with an upper bound of 1, too, each is allowed.
        shares = [f"{section}.{name}={getattr(settings(), name) * (1 - 0.05 * i)}" for name in numbers]
        train_once(agent, *shares, episodes=10 + i)

    sweep(0)
    assert compilations(lambda: [sweep(i) for i in range(1, 10)]) == 0


def test_another_size_or_switch_does_compile_anew():
    """Else the test above would say little."""
    train_once("ddpg", episodes=10)
    assert compilations(lambda: train_once("ddpg", episodes=10)) == 0
    for change in ("ddpg.batch=5", "ddpg.discount=0", "ddpg.target_noise=0.1", "ddpg.critics=2"):
        assert compilations(lambda change=change: train_once("ddpg", change, episodes=10)) > 0


class Some(AgentSettings):
    length: TracedCount = 3
    size: Count = 4
    switch: bool = True
    noise: NotNegative = 0.5
    off: NotNegative = 0.0
    steps: StepsRange = (1.0, 2.0)


def test_which_settings_are_numbers():
    some = Some(episodes=7)
    assert jax.tree.leaves(some) == [7, 3, 0.5, 1.0, 2.0]
    assert jax.tree.unflatten(jax.tree.structure(some), jax.tree.leaves(some)) == some
    assert jax.tree.structure(some) == jax.tree.structure(Some(episodes=8, noise=0.1, length=5, steps=(3.0, 4.0)))
    for other in ({"size": 5}, {"switch": False}, {"noise": 0.0}, {"off": 0.1}):
        assert jax.tree.structure(some) != jax.tree.structure(Some(episodes=7, **other))

    @jax.jit
    def seen(settings):
        assert settings.size == 4
        assert settings.switch is True
        assert is_off(settings.off)
        assert not is_off(settings.noise)
        return settings.noise * settings.length + settings.steps[1]

    assert float(seen(some)) == 3.5


def test_a_falling_rate():
    rate = jax.jit(lambda first, left, updates, done: falling(first, left, updates)(done))
    for done, expected in ((0, 0.2), (5, 0.15), (10, 0.1), (99, 0.1)):
        assert float(rate(0.2, 0.5, 10, jnp.int32(done))) == pytest.approx(expected, rel=1e-6)


def test_an_agent_must_say_what_only_it_can_say():
    assert Agent.__abstractmethods__ == {"actor_like", "decide", "training"}
