"""What a run asks of every agent, of all in the registry alike; and an agent of a reader's own, from one file."""

import json
import re
from pathlib import Path
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
from genedge.learn.runs import create_run, open_run
from genedge.learn.training import load_actor, train_run
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


# --- A reader's own: the file is that of the docs

PAGE = (Path(__file__).parents[2] / "docs/howto/learner.md").read_text(encoding="utf-8")
FILE = re.search(r"<<'END'\n(.*?)^END$", PAGE, re.DOTALL | re.MULTILINE).group(1)
CELL = ("--users", 3, "--set", "models.count=4", "--set", "cell.slots_per_episode=20")


@pytest.fixture
def search(tmp_path):
    (tmp_path / "search.py").write_text(FILE, encoding="utf-8")
    return f"{tmp_path / 'search.py'}:Search"


def trained(genedge, search, out, *more):
    answer = genedge("train", "--agent", search, *CELL, *more, "--out", out)
    assert answer.status == 0, answer.err
    return open_run(out)


def test_a_readers_own_learner_learns_and_serves(search, genedge, tmp_path):
    run = trained(genedge, search, tmp_path / "run", "--set", "search.tries=24")
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["best_utility"] < 0.9 * rows[0]["evaluated_utility"]
    assert run.learner.settings.tries == 24
    assert run.scenario.table["search.tries"] == (24, "user", "changes of the actor in every episode")
    assert "| search.spread | 0.1 | assumed |" in (run.folder / "card.md").read_text()

    asked = ("--policies", f"{run.folder},cloud-only", "--scenario", run.folder / "scenario.yaml", "--episodes", 2)
    answer = genedge("evaluate", *asked, "--users", 3, "--json")
    assert answer.status == 0, answer.err
    assert str(run.folder) in answer.out
    listed = json.loads(genedge("runs", tmp_path, "--json").out)
    assert (listed["agent"], listed["episode"], listed["users"]) == (search, 60, 3)
    assert genedge("cite", run.folder).status == 0
    answer = genedge("evaluate", *asked, "--users", 4)
    assert "serves up to 3 users, not 4; train it with --users 4" in answer.err


def test_a_readers_own_learner_goes_on_bit_by_bit(search, genedge, tmp_path, monkeypatch):
    whole = trained(genedge, search, tmp_path / "whole")
    monkeypatch.setattr("genedge.learn.training.CHECKPOINT_EVERY_S", 0)
    parts = create_run(tmp_path / "parts", whole.scenario, 3, search, None, 0)

    def stop(row):
        if row["episode"] == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(parts, stop)
    assert genedge("train", "--resume", parts.folder).status == 0
    jax.tree.map(np.testing.assert_array_equal, load_actor(parts), load_actor(whole))
    jax.tree.map(np.testing.assert_array_equal, load_actor(parts, "last"), load_actor(whole, "last"))


def test_a_readers_own_file_that_is_gone_or_changed_is_told(search, genedge, tmp_path):
    run = trained(genedge, search, tmp_path / "run", "--episodes", 1)
    file = tmp_path / "search.py"
    file.write_text(FILE.replace("assumed(0.1,", "assumed(0.2,"), encoding="utf-8")
    for asked in (("train", "--resume", run.folder), ("evaluate", "--policies", run.folder), ("runs", run.folder)):
        answer = genedge(*asked)
        assert answer.status == 2
        assert f"its agent is in {file}, which has changed since the run was made" in answer.err
    file.unlink()
    answer = genedge("runs", run.folder)
    assert f"its agent is in {file}, which is not there; restore that file" in answer.err
    file.write_text(FILE, encoding="utf-8")
    assert genedge("runs", run.folder).status == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x = 1", "there is no 'Search' in it"),
        ("Search = 1", "not an agent; it must be a subclass of genedge.learn.agent.Agent"),
        ("import nothing_of_that_name", "does not run: ModuleNotFoundError"),
        (
            "from genedge.learn.agent import Agent\nclass Search(Agent):\n    metrics = ('reward',)",
            "not a whole agent; it has no Settings, actor_like, decide, training",
        ),
        (FILE.replace("    Settings = Settings\n", "    Settings = dict\n"), "its Settings must be a subclass of"),
    ],
)
def test_a_file_without_a_learner_is_told(content, words, genedge, tmp_path):
    (tmp_path / "search.py").write_text(content, encoding="utf-8")
    answer = genedge("train", "--agent", f"{tmp_path / 'search.py'}:Search", "--out", tmp_path / "run")
    assert answer.status == 2
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "run").exists()


def test_its_hyperparameters_are_checked_and_have_a_name_of_their_own(search, genedge, tmp_path):
    for change, words in (
        ("search.tries=0", "search.tries must be greater than 0, not 0"),
        ("search.trys=3", "did you mean search.tries?"),
        ("ddpg.batch=0", "ddpg.batch must be"),
    ):
        answer = genedge("train", "--agent", search, "--set", change, "--out", tmp_path / "run")
        assert words in answer.err
    (tmp_path / "ddpg.py").write_text(FILE, encoding="utf-8")
    answer = genedge("train", "--agent", f"{tmp_path / 'ddpg.py'}:Search", "--out", tmp_path / "run")
    assert "a scenario cannot have another section 'ddpg'; rename the file" in answer.err


def test_an_agent_must_say_what_only_it_can_say():
    assert Agent.__abstractmethods__ == {"actor_like", "decide", "training"}
