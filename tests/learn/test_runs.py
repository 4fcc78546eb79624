"""Run folders of every agent: interrupted ones end with the same bits, foreign ones are refused, cards tell all."""

import json
import math
import platform
from importlib.metadata import version

import jax
import numpy as np
import pytest
from alike import assert_same_end

from genedge.cell.feasible import breaches, in_float64
from genedge.cell.sampling import sample_episode
from genedge.errors import InputError
from genedge.learn import off_policy as loop
from genedge.learn import reinforce, runs, training
from genedge.learn.agents import load_agent
from genedge.learn.arrays import restore, save
from genedge.learn.card import card
from genedge.learn.runs import create_run, open_run, rows_of
from genedge.learn.training import ARRAYS, load_actor, train_run
from genedge.policies import load_policy, policy
from genedge.registry import named
from genedge.scenario import load_scenario

AGENTS = tuple(named("agent"))
OFF_POLICY = ("ddpg", "td3", "sac", "two-timescale")
USERS, PLACES, T, SEED = 2, 3, 4, 7
EPISODES = 3 * runs.INTERVAL
OF_OFF_POLICY = ("hidden_layers=[8]", "width=4", "batch=4", "warmup_slots=20", "replay_size=100")
OF_REINFORCE = ("width=4", "decisions_per_slot=3")
SETTINGS = (
    *(f"{agent.replace('-', '_')}.{setting}" for agent in OFF_POLICY for setting in OF_OFF_POLICY),
    "two_timescale.cache_batch=4",
    "two_timescale.cache_width=4",
    "two_timescale.cache_updates=1",
    *(f"{agent}.{setting}" for agent in ("reinforce", "any_cell") for setting in OF_REINFORCE),
    # Of each kind of learner one with a multi-layer perceptron, as it is with DDPG.
    "reinforce.network=mlp",
    "reinforce.hidden_layers=[8]",
    "any_cell.users=[1, 3]",
    "any_cell.models=[2, 4]",
    f"cell.slots_per_episode={T}",
    f"cell.users={USERS}",
    f"cell.places={PLACES}",
    "models.count=4",
)
# As many places as the cell has, or as there were users in training; networks over users and models have no limit.
MOST = {"ddpg": PLACES, "reinforce": USERS}
# Only a box has two timescales, the longer one here of two slots.
SCENARIOS = {"two-timescale": ("edge-box", ("server.cache_every_slots=2",))}
agents = pytest.mark.parametrize("agent", AGENTS)


def quiet(row):
    pass


def scenario_of(agent, *further):
    name, changes = SCENARIOS.get(agent, ("paper", ()))
    return load_scenario(name, (*SETTINGS, *changes, *further))


def new_run(folder, agent, *further, seed=SEED, users=None, episodes=EPISODES):
    return create_run(folder, scenario_of(agent, *further), users, agent, episodes, seed)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A function: agent -> a run that nobody interrupted, and the actor and its utility at every evaluation."""
    made = {}

    def make(agent):
        if agent not in made:
            run = new_run(tmp_path_factory.mktemp("runs") / "run", agent)
            actors = []

            def watched(*arguments, of=run.learner.training):
                steps = of(*arguments)

                def evaluate(learner):
                    after, utility = steps.evaluate(learner)
                    actors.append((jax.tree.map(np.asarray, steps.last_actor(learner)), float(utility)))
                    return after, utility

                return steps._replace(evaluate=evaluate)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(run.learner, "training", watched)
                train_run(run, quiet)
            made[agent] = run, actors
        return made[agent]

    return make


def arrays_of(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


# --- Training to the end, in one go or not


@agents
def test_a_run_has_all_its_files_and_rows(agent, finished):
    run, actors = finished(agent)
    assert {path.name for path in run.folder.iterdir()} == {
        "run.json",
        "scenario.yaml",
        "metrics.jsonl",
        "checkpoint.npz",
        "best.npz",
        "last.npz",
        "card.md",
        "ended.json",
    }
    rows = rows_of(run)
    assert [row["episode"] for row in rows] == [10, 20, 30]
    assert [row["evaluated_utility"] for row in rows] == [utility for _, utility in actors]
    assert [row["best_utility"] for row in rows] == list(np.minimum.accumulate([utility for _, utility in actors]))
    assert rows_of(run, 20) == rows[:2]
    assert all(row["reward"] < 0 for row in rows)


@agents
def test_a_run_opens_as_it_was_made(agent, finished):
    run, _ = finished(agent)
    again = open_run(run.folder)
    assert (again.users, again.places, again.agent, again.episodes, again.seed) == (
        3 if agent == "any-cell" else USERS,
        {"ddpg": PLACES, "any-cell": 3}.get(agent, USERS),
        agent,
        EPISODES,
        SEED,
    )
    assert again.scenario.settings == run.scenario.settings
    assert again.id == run.id
    assert again.learner.any_cell == (agent == "any-cell")
    assert again.most_users == MOST.get(agent, math.inf)


@agents
def test_the_best_and_the_last_actor_are_kept(agent, finished):
    run, actors = finished(agent)
    (last, _), (best, _) = actors[-1], min(actors, key=lambda actor: actor[1])
    for kept, actor in ((load_actor(run), best), (restore(run.folder / "last.npz", best, run.id), last)):
        jax.tree.map(np.testing.assert_array_equal, kept, actor)


def test_the_best_is_not_always_the_last(finished):
    """Else the test above would say little."""
    assert any(min(actors, key=lambda actor: actor[1]) is not actors[-1] for _, actors in map(finished, AGENTS))


@agents
def test_an_interrupted_run_ends_with_the_same_bits(agent, finished, tmp_path, monkeypatch):
    """Interrupted when the second interval has been trained, which uses up what went into it."""
    whole, _ = finished(agent)
    run = new_run(tmp_path / "run", agent)
    owner, calls = loop if agent in OFF_POLICY else reinforce, 0
    train = owner.train

    def interrupted(*arguments):
        nonlocal calls
        calls += 1
        after = train(*arguments)
        if calls == 2:
            raise KeyboardInterrupt
        return after

    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", 0)
    with monkeypatch.context() as patch:
        patch.setattr(owner, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_run(run, quiet)
    assert [row["episode"] for row in rows_of(run)] == [10]
    reported = []
    train_run(open_run(tmp_path / "run"), reported.append)
    assert [row["episode"] for row in reported] == [10, 20, 30]
    assert_same_end(run.folder, whole.folder)


@agents
def test_what_is_restored_is_of_the_types_that_training_was_compiled_for(agent, finished):
    """Else every resumed run would compile anew."""
    run, _ = finished(agent)
    fresh = run.learner.training(run.users, run.episodes, run.seed).init()
    restored = restore(run.folder / "checkpoint.npz", fresh, run.id)
    assert jax.tree.map(jax.typeof, restored) == jax.tree.map(jax.typeof, fresh)


@pytest.mark.parametrize("agent", OFF_POLICY)
def test_the_checkpoint_holds_the_replay_buffer(agent, finished):
    run, _ = finished(agent)
    steps = run.learner.training(run.users, run.episodes, run.seed)
    learner = restore(run.folder / "checkpoint.npz", steps.init(), run.id)
    assert int(learner.replay.added) == int(learner.slots) == EPISODES * T
    rewards = np.asarray(learner.replay.data.reward)
    assert rewards.shape == (100, 1 if agent == "ddpg" else USERS)
    # In spreads from the mean under random actions, which most of these are.
    assert np.isfinite(rewards).all()
    assert abs(rewards[:, :USERS].mean()) < 2
    assert rewards.min() < 0 < rewards.max()
    active = np.asarray(learner.replay.data.slot.active)
    assert (active == np.tile(np.arange(run.places) < USERS, (100, 1))).all()


@agents
def test_another_seed_trains_another_run(agent, finished, tmp_path):
    run, _ = finished(agent)
    other = new_run(tmp_path / "other", agent, seed=8)
    train_run(other, quiet)
    assert rows_of(other)[0]["reward"] != rows_of(run)[0]["reward"]
    # Its arrays have the same shapes, and are none of this run's.
    for name in ARRAYS:
        ours, theirs = arrays_of(run.folder / name), arrays_of(other.folder / name)
        assert {key: ours[key].shape for key in ours} == {key: theirs[key].shape for key in theirs}
    copy = new_run(tmp_path / "copy", agent)
    for name in ("checkpoint.npz", "best.npz"):
        (copy.folder / name).write_bytes((other.folder / name).read_bytes())
    with pytest.raises(InputError, match=r"checkpoint\.npz: of another run.*another seed; remove it"):
        train_run(copy, quiet)
    with pytest.raises(InputError, match=r"best\.npz: of another run.*genedge train --resume"):
        load_actor(copy)
    with pytest.raises(InputError, match=r"best\.npz: of another run"):
        load_policy(str(copy.folder), copy.scenario, (), "best")


# --- Whose arrays


def test_the_id_is_of_everything_that_the_bits_follow_from(tmp_path):
    asked = {
        "seed": {"seed": 8},
        "users": {"users": 1},
        "episodes": {"episodes": EPISODES + 10},
    }
    ids = [new_run(tmp_path / "first", "ddpg").id]
    ids += [new_run(tmp_path / name, "ddpg", **changed).id for name, changed in asked.items()]
    ids += [new_run(tmp_path / "agent", "td3").id]
    ids += [
        new_run(tmp_path / f"{i}", "ddpg", setting).id
        for i, setting in enumerate(("ddpg.batch=5", "ddpg.learning_rate_last=0.5", "seed=2", "cell.places=4"))
    ]
    assert len(set(ids)) == len(ids)
    assert new_run(tmp_path / "again", "ddpg").id == ids[0]


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("agent", ["ddpg", "two-timescale"])
def test_weights_that_are_no_numbers_decide_nothing(agent, weight, finished, tmp_path):
    _, actors = finished(agent)
    copy = new_run(tmp_path / "copy", agent)
    leaves, structure = jax.tree.flatten(actors[-1][0])
    for i, leaf in enumerate(leaves):
        if np.issubdtype(leaf.dtype, np.floating):
            other = np.array(leaf)
            other.flat[-1] = weight
            save(copy.folder / "best.npz", structure.unflatten([*leaves[:i], other, *leaves[i + 1 :]]), copy.id)
            with pytest.raises(
                InputError, match=r"best\.npz: damaged, it has weights that are infinite or no numbers"
            ):
                load_actor(copy)


def test_a_checkpoint_that_holds_no_numbers_goes_on_with_nothing(finished, tmp_path):
    run, _ = finished("ddpg")
    copy = new_run(tmp_path / "copy", "ddpg")
    steps = run.learner.training(run.users, run.episodes, run.seed)
    learner = restore(run.folder / "checkpoint.npz", steps.init(), run.id)
    save(copy.folder / "checkpoint.npz", learner._replace(reward_level=learner.reward_level * np.nan), run.id)
    with pytest.raises(InputError, match=r"checkpoint\.npz: damaged, .* holds what is no number; remove it"):
        train_run(copy, quiet)


def test_every_number_that_is_logged_is_one(finished, tmp_path):
    """Each in each row; and the rows are those of the run's evaluations, in their order."""
    run, _ = finished("ddpg")
    rows = rows_of(run)
    copy = new_run(tmp_path / "copy", "ddpg")

    def refused(other):
        (copy.folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in other))
        with pytest.raises(InputError, match=r"metrics\.jsonl: damaged"):
            rows_of(copy)

    for i, row in enumerate(rows):
        for key in row:
            for value in (math.nan, math.inf, 10**400, None, "1", True, [1.0], {}):
                refused([*rows[:i], row | {key: value}, *rows[i + 1 :]])
            refused([*rows[:i], {name: value for name, value in row.items() if name != key}, *rows[i + 1 :]])
    for other in (rows[1:], rows[::-1], [*rows, rows[-1]], [rows[0], rows[2]], [rows], ["row"]):
        refused(other)
    (copy.folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:2]))
    assert rows_of(copy) == rows[:2]


# --- The card


@agents
def test_the_card_tells_what_was_trained_how_and_how_far(agent, finished):
    run, actors = finished(agent)
    told = (run.folder / "card.md").read_text()
    users = "up to 3 users" if agent == "any-cell" else f"{USERS} users"
    assert told.splitlines()[0] == f"# {agent} on scenario {run.scenario.name}, {users}, seed {SEED}"
    assert f"{EPISODES} of {EPISODES} episodes (finished)" in told
    best = int(np.argmin([utility for _, utility in actors]))
    assert f"| best | {10 * (best + 1)} | {actors[best][1]:.3f} |" in told
    assert f"| last | {EPISODES} | {actors[-1][1]:.3f} |" in told
    for name in ("genedge", "jax", "jaxlib", "numpy", "optax"):
        assert f"{name} {version(name)}" in told
    assert f"python {platform.python_version()}; {platform.platform()}" in told
    assert f"--agent {agent}" in told
    assert ("--users" in told) == (agent != "any-cell")
    section = agent.replace("-", "_")
    table = {key: setting for key, setting in run.scenario.table.items() if key.startswith(f"{section}.")}
    assert len(table) > 5
    for key, setting in table.items():
        assert f"| {key} | {setting.value} | {setting.provenance} |" in told
    other = next(name for name in ("ddpg.", "sac.") if not name.startswith(section))
    assert f"| {other}" not in told
    changed = next(line for line in told.splitlines() if "Set by the user" in line)
    for setting in SETTINGS:
        assert setting.partition("=")[0] in changed


def test_the_card_of_a_run_under_way(tmp_path, monkeypatch):
    run = new_run(tmp_path / "run", "ddpg")
    assert "Not evaluated yet." in card(run, [])
    row = {"episode": 10, "evaluated_utility": 3.25, "seconds": 1.0}
    assert "10 of 30 episodes (not finished)" in card(run, [row])
    assert "None was set by the user." in card(
        create_run(tmp_path / "plain", load_scenario("paper"), 3, "sac", 1, 0), []
    )


@pytest.mark.heavy
def test_what_made_a_run_is_in_its_description(finished):
    run, _ = finished("sac")
    description = json.loads((run.folder / "run.json").read_text())
    assert description["versions"]["jax"] == version("jax")
    assert description["machine"] == platform.platform()
    assert description["scenario_id"] == run.scenario.id


# --- A run as a policy


def slots_of(scenario, users, count=6):
    drawn = sample_episode(scenario.params, jax.random.key(3), users, users, count)
    return jax.tree.map(np.asarray, drawn)


def decided(run, scenario, users):
    slots = slots_of(scenario, users)
    decision = in_float64(policy(str(run.folder), scenario)(scenario.params, slots, jax.random.key(0)))
    assert breaches(scenario.params, slots, decision) == []
    return slots, decision


@pytest.mark.parametrize("agent", ["ddpg", "td3"])
def test_a_run_decides_as_its_best_actor(agent, finished):
    run, actors = finished(agent)
    users = MOST.get(agent, 5)
    slots, decision = decided(run, run.scenario, users)
    best, _ = min(actors, key=lambda actor: actor[1])
    expected = in_float64(jax.jit(run.learner.decide)(best, run.scenario.params, slots))
    for ours, theirs in zip(decision, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("agent", "remedy"), [("ddpg", "--set cell.places=4"), ("reinforce", "--users 3")])
def test_a_multi_layer_perceptron_serves_fewer_users_but_not_more(agent, remedy, finished):
    run, _ = finished(agent)
    _, decision = decided(run, run.scenario, 1)
    assert decision.bandwidth.shape == (6, 1)
    most = MOST[agent]
    with pytest.raises(InputError, match=f"serves up to {most} users, not {most + 1}; train it with {remedy}"):
        decided(run, run.scenario, most + 1)


OTHERS = (("seed=9",), ("models.count=12", "server.storage_gb=40", "server.quality_floor.largest_tv=best"))


@pytest.mark.heavy
@pytest.mark.parametrize("other", OTHERS)
def test_a_run_over_cells_of_any_size_serves_other_scenarios(other, finished):
    run, _ = finished("any-cell")
    scenario = load_scenario("paper", [*SETTINGS, *other])
    _, decision = decided(run, scenario, 20)
    assert decision.cache.shape == (6, len(scenario.models))


@pytest.mark.parametrize("agent", [name for name in AGENTS if name != "any-cell"])
def test_a_run_on_one_cell_serves_no_other(agent, finished):
    run, _ = finished(agent)
    with pytest.raises(InputError, match="its actor knows only its own catalogue"):
        load_policy(str(run.folder), scenario_of(agent, "seed=9"), (), "best")
    # Another number of users, or other settings of an agent, make no other cell.
    load_policy(str(run.folder), scenario_of(agent, "cell.users=1", "hcras.population=4"), (), "best")


# --- What cannot be trained


def test_an_agent_that_there_is_not(tmp_path):
    with pytest.raises(
        InputError,
        match="agent 'ppo': no such agent; there are ddpg, td3, sac, ",
    ):
        new_run(tmp_path / "run", "ppo")
    assert not (tmp_path / "run").exists()
    for agent in AGENTS:
        assert load_agent(agent, load_scenario("paper")).settings.episodes > 0


def test_cells_of_any_size_draw_their_users(tmp_path):
    with pytest.raises(InputError, match=r"--users 2: --agent any-cell draws them; set any_cell\.users"):
        new_run(tmp_path / "run", "any-cell", users=2)
    assert not (tmp_path / "run").exists()


MODEL = {"storage_gb": 4, "output_size_mb": 6, "A1_steps": 60, "A2_tv": 110, "A3_steps": 170, "A4_tv": 28}
GIVEN = json.dumps([MODEL | {"B1_s_per_step": 0.2, "B2_s": 5}])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((f"models={GIVEN}",), "gives its models one by one; --agent any-cell needs ranges"),
        (("models.A1_steps=[50, 160]", "seed=3"), "never cross: models.A1_steps below models.A3_steps"),
        (("models.A4_tv=[1, 110]", "seed=3"), "models.A4_tv not above models.A2_tv"),
    ],
)
def test_cells_of_any_size_need_ranges_that_make_sense(settings, words, tmp_path):
    """Which is said before there is a folder."""
    scenario = load_scenario("paper", settings)
    with pytest.raises(InputError, match=words):
        train_run(create_run(tmp_path / "run", scenario, None, "any-cell", 10, 0), quiet)
    assert not (tmp_path / "run").exists()
