"""Training from the command line: runs that are interrupted end with the same bits, and serve as policies."""

import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from alike import assert_same_end

from genedge import interval
from genedge.cell.sampling import sample_episodes
from genedge.evaluation.results import METRICS
from genedge.learn import off_policy as loop
from genedge.learn import runs, training
from genedge.registry import named
from genedge.scenario import load_scenario
from genedge.scenario.lines import slot_lines

USERS, PLACES, T = 2, 3, 5
EPISODES = 3 * runs.INTERVAL
SETTINGS = (
    "ddpg.hidden_layers=[16]",
    "ddpg.batch=8",
    "ddpg.warmup_slots=20",
    "ddpg.replay_size=200",
    f"cell.slots_per_episode={T}",
    f"cell.users={USERS}",
    f"cell.places={PLACES}",
    "models.count=4",
)
SET = [part for setting in SETTINGS for part in ("--set", setting)]
TRAIN = ("train", *SET, "--episodes", EPISODES, "--seed", 7)


@pytest.fixture(scope="module")
def run(genedge, tmp_path_factory):
    """A run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    answer = genedge(*TRAIN, "--out", folder)
    assert answer.status == 0, answer.err
    best = min(row["evaluated_utility"] for row in metrics(folder))
    assert answer.out == f"{folder}: {EPISODES} episodes, best evaluated utility {best:.1f}\n"
    assert all(line.startswith("[") for line in answer.err.splitlines())
    return folder


@pytest.fixture(scope="module")
def other(genedge, tmp_path_factory):
    """The same but for the seed."""
    folder = tmp_path_factory.mktemp("runs") / "other"
    assert genedge(*TRAIN[:-1], 8, "--out", folder).status == 0
    return folder


@pytest.fixture
def copy(run, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    return tmp_path / "copy"


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_describes_itself(run, genedge):
    assert {path.name for path in run.iterdir()} == {
        "run.json",
        "scenario.yaml",
        "metrics.jsonl",
        "checkpoint.npz",
        "best.npz",
        "last.npz",
        "card.md",
        "ended.json",
    }
    description = json.loads((run / "run.json").read_text())
    (scenario,) = genedge("scenario", "show", run / "scenario.yaml", "--json").rows
    told = {"users": USERS, "places": PLACES, "agent": "ddpg", "episodes": EPISODES, "seed": 7}
    assert description.items() >= (told | {"scenario_id": scenario["scenario_id"]}).items()
    assert [row["episode"] for row in metrics(run)] == [10, 20, 30]
    for earlier, later in zip(metrics(run), metrics(run)[1:], strict=False):
        assert later["best_utility"] == min(earlier["best_utility"], later["evaluated_utility"])
        assert later["seconds"] >= earlier["seconds"]


def test_the_same_seed_trains_the_same_run_and_another_seed_another(run, other, genedge, tmp_path):
    assert genedge(*TRAIN, "--out", tmp_path / "again").status == 0
    assert_same_end(tmp_path / "again", run)
    assert metrics(other)[0]["reward"] != metrics(run)[0]["reward"]


def test_the_card_names_the_command_that_makes_the_same_run(run, genedge, tmp_path):
    command = next(line for line in (run / "card.md").read_text().splitlines() if line.startswith("genedge train"))
    _, *words = shlex.split(command)
    assert words[-2:] == ["--out", "NEW"]
    answer = genedge(*words[:-1], tmp_path / "new")
    assert answer.status == 0, answer.err
    assert_same_end(tmp_path / "new", run)


def interrupt(owner, name, call, after):
    """Raises KeyboardInterrupt in the given call of a function: before its work, or after it."""
    real, calls = getattr(owner, name), 0

    def function(*arguments):
        nonlocal calls
        calls += 1
        if calls != call:
            return real(*arguments)
        if after:
            real(*arguments)
        raise KeyboardInterrupt

    return function


@pytest.mark.parametrize("often", [True, pytest.param(False, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("after", [True, pytest.param(False, marks=pytest.mark.heavy)])
@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (loop, "init", 1),
        (loop, "train", 1),
        (loop, "train", 2),
        (loop, "evaluate_actor", 2),
        (training, "_write_metrics", 2),
        (training, "save", 2),
        (training, "card", 1),
    ],
)
def test_an_interrupted_run_ends_with_the_same_bits(
    owner, name, call, after, often, run, genedge, tmp_path, monkeypatch
):
    folder = tmp_path / "run"
    if often:
        monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", 0)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupt(owner, name, call, after))
        answer = genedge(*TRAIN, "--out", folder)
    assert answer.status == 130
    assert f"interrupted; 'genedge train --resume {folder}' goes on" in answer.err
    assert "Traceback" not in answer.err
    answer = genedge("train", "--resume", folder)
    assert answer.status == 0, answer.err
    assert_same_end(folder, run)


KILLED_WHILE_SAVING = """
import os, signal
from genedge.cli import main
from genedge.learn import arrays, training

training.CHECKPOINT_EVERY_S = 0
saved, calls = arrays.np.savez, 0

def savez(file, **arrays):
    global calls
    calls += 1
    if calls == CALL:
        file.write(b"half an arch")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    saved(file, **arrays)

arrays.np.savez = savez
main()
"""


@pytest.mark.heavy
@pytest.mark.parametrize(("call", "file"), [(7, "checkpoint.npz"), (8, "best.npz")])
def test_a_killed_run_ends_with_the_same_bits(call, file, run, genedge, tmp_path):
    """Killed at the worst moments, in the midst of saving for the third time, by a signal that cannot be caught."""
    folder = tmp_path / "run"
    program = KILLED_WHILE_SAVING.replace("CALL", str(call))
    command = [sys.executable, "-c", program, *map(str, TRAIN), "--out", str(folder)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert [row["episode"] for row in metrics(folder)] == [10, 20, 30]  # Ahead of what was saved.
    assert list(folder.glob(f".{file}.*"))
    answer = genedge("train", "--resume", folder)
    assert answer.status == 0, answer.err
    assert_same_end(folder, run)
    assert not list(folder.glob(".*"))


def test_resuming_a_finished_run_changes_nothing(run, copy, genedge):
    assert genedge("train", "--resume", copy).status == 0
    assert_same_end(copy, run)
    for name in ("best.npz", "last.npz", "card.md"):
        (copy / name).unlink()
    assert genedge("train", "--resume", copy).status == 0
    assert_same_end(copy, run)
    assert (copy / "card.md").is_file()


def test_a_run_that_diverges_says_so(genedge, tmp_path, monkeypatch):
    def diverging(*arguments):
        learner, metrics = train(*arguments)
        nets = learner.nets._replace(actor=jax.tree.map(lambda x: x * np.nan, learner.nets.actor))
        return learner._replace(nets=nets), metrics

    train = loop.train
    monkeypatch.setattr(loop, "train", diverging)
    answer = genedge(*TRAIN, "--out", tmp_path / "run")
    assert (answer.status, answer.out) == (2, "")
    assert "training diverged before episode 10" in answer.err
    assert "with lower learning rates ('genedge scenario show --all' lists them under ddpg)" in answer.err
    assert "Traceback" not in answer.err


# --- Other agents: what they train is tested elsewhere ------------------------------------------------------


@pytest.fixture
def untrained(genedge, tmp_path, monkeypatch):
    """A function: options -> the run that they would have trained."""

    def interrupted(run, report):
        raise KeyboardInterrupt

    def make(*options):
        monkeypatch.setattr("genedge.cli.training.train_run", interrupted)
        folder = tmp_path / "run"
        answer = genedge("train", *SET, *options, "--out", folder)
        assert answer.status == 130
        assert answer.err.splitlines()[-1] == f"genedge: interrupted; 'genedge train --resume {folder}' goes on"
        return runs.open_run(folder)

    return make


# Only a box has two timescales, the longer one here of two slots.
SCENARIOS = {"two-timescale": ("edge-box", ("server.cache_every_slots=2",))}


def sets(changes):
    return [word for change in changes for word in ("--set", change)]


@pytest.mark.parametrize("agent", named("agent"))
def test_the_agent_is_the_one_asked_for(agent, untrained):
    scenario, changes = SCENARIOS.get(agent, ("paper", ()))
    run = untrained("--scenario", scenario, *sets(changes), "--agent", agent, "--episodes", 20, "--seed", 3)
    assert (run.agent, run.episodes, run.seed) == (agent, 20, 3)
    assert run.users == (run.scenario.hyperparameters("any_cell").users[1] if agent == "any-cell" else USERS)


@pytest.mark.parametrize("agent", [agent for agent in named("agent") if agent != "any-cell"])
@pytest.mark.parametrize("network", ["mlp", "equivariant"])
def test_the_network_is_the_one_asked_for(agent, network, untrained):
    """Of this agent, and of no other."""
    (scenario, changes), section = SCENARIOS.get(agent, ("paper", ())), agent.replace("-", "_")
    run = untrained("--scenario", scenario, *sets(changes), "--agent", agent, "--network", network)
    assert run.scenario.table[f"{section}.network"] == (network, "user", "")
    preset = load_scenario(scenario, [*SETTINGS, *changes])
    different = {key for key in preset.table if preset.table[key] != run.scenario.table[key]}
    assert different == {f"{section}.network"}
    assert run.most_users == (math.inf if network == "equivariant" else USERS if agent == "reinforce" else PLACES)


def test_without_a_choice_the_network_is_the_scenarios(untrained):
    assert untrained("--agent", "td3").scenario.table["td3.network"].value == "equivariant"


# --- A run as a policy --------------------------------------------------------------------------------------


def slots_of(genedge, users, count=6):
    answer = genedge("slots", *SET, "--users", users, "--count", count)
    assert answer.status == 0
    return answer.out


@pytest.mark.parametrize("users", [1, PLACES])
def test_a_run_serves_up_to_its_places(users, run, genedge, tmp_path):
    slots = slots_of(genedge, users)
    decided = genedge("decide", *SET, "--policy", run, stdin=slots)
    assert (decided.status, decided.err) == (0, "")
    path = tmp_path / "slots.jsonl"
    path.write_text(slots)
    assert genedge("score", *SET, "--slots", path, stdin=decided.out).status == 0
    assert {len(row["steps"]) for row in decided.rows} == {users}


def test_a_run_decides_alike_whether_a_place_is_empty_or_missing(run, genedge):
    slots = [json.loads(line) for line in slots_of(genedge, PLACES).splitlines()]
    for slot in slots:
        slot["active"][-1] = False
    shorter = [{k: v[:-1] if isinstance(v, list) else v for k, v in slot.items()} for slot in slots]
    empty, missing = (
        genedge("decide", *SET, "--policy", run, stdin="\n".join(map(json.dumps, some))).rows
        for some in (slots, shorter)
    )
    for ours, theirs in zip(empty, missing, strict=True):
        assert ours["cache"] == theirs["cache"]
        assert ours["bandwidth"] == pytest.approx([*theirs["bandwidth"], 0], rel=1e-6)
        assert ours["steps"] == pytest.approx([*theirs["steps"], 0], rel=1e-6)


def refused(answer, *words):
    assert (answer.status, answer.out) == (2, "")
    assert "Traceback" not in answer.err
    message = answer.err.splitlines()[-1]
    for word in words:
        assert word in message, message


def test_more_users_than_places_are_refused(run, genedge):
    slots = slots_of(genedge, PLACES + 1)
    refused(genedge("decide", *SET, "--policy", run, stdin=slots), str(run), "up to 3 users", "cell.places=4")


def test_another_scenario_is_refused(run, genedge):
    other = ("--set", "seed=9")
    slots = genedge("slots", *SET, *other, "--users", USERS, "--count", 6).out
    words = (str(run), "trained on scenario", str(run / "scenario.yaml"))
    refused(genedge("decide", *SET, *other, "--policy", run, stdin=slots), *words)
    refused(genedge("evaluate", *SET, *other, "--policies", run), *words)
    refused(genedge("evaluate", "--policies", run), *words)


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "no archive": lambda path: path.write_bytes(b"\xff\0junk"),
    "one array": lambda path: np.save(other := path.with_suffix(".npy"), np.zeros(3)) or other.replace(path),
    "other arrays": lambda path: np.savez(path, a=np.zeros(3)),
    "other shapes": lambda path: np.savez(path, **{f"{i:04d}": np.zeros(3) for i in range(4)}),
    "wrong bytes here and there": lambda path: path.write_bytes(
        bytes(byte ^ (i % 97 == 96) for i, byte in enumerate(path.read_bytes()))
    ),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_actor(damage, copy, genedge):
    DAMAGES[damage](copy / "best.npz")
    answer = genedge("decide", *SET, "--policy", copy, stdin=slots_of(genedge, USERS))
    refused(answer, "best.npz", f"genedge train --resume {copy}")


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "missing"])
def test_a_damaged_checkpoint(damage, copy, genedge):
    DAMAGES[damage](copy / "checkpoint.npz")
    refused(genedge("train", "--resume", copy), "checkpoint.npz", "damaged", "remove it")


def test_arrays_of_another_run(copy, other, genedge):
    """Of the same shapes, from another seed: they are not mistaken for this run's."""
    for name in ("checkpoint.npz", "best.npz"):
        shutil.copy(other / name, copy / name)
    words = ("of another run", "another seed", "remove it", f"genedge train --resume {copy}")
    refused(genedge("train", "--resume", copy), "checkpoint.npz", *words)
    decided = genedge("decide", *SET, "--policy", copy, stdin=slots_of(genedge, USERS))
    refused(decided, "best.npz", *words)


@pytest.mark.parametrize("change", [{"seed": 8}, {"episodes": EPISODES + 10}, {"users": 1}])
def test_a_description_of_another_run(change, run, copy, genedge):
    """It makes sense, but is not that of the arrays beside it."""
    path = copy / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused(genedge("train", "--resume", copy), "checkpoint.npz", "of another run")
    refused(genedge("evaluate", *SET, "--policies", copy), "best.npz", "of another run")


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "no archive", "a folder"])
def test_damaged_metrics(damage, copy, genedge):
    DAMAGES[damage](copy / "metrics.jsonl")
    refused(genedge("train", "--resume", copy), "metrics.jsonl", "remove checkpoint.npz")


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "no archive", "a folder"])
@pytest.mark.parametrize("name", ["run.json", "scenario.yaml"])
def test_a_damaged_description(name, damage, copy, genedge):
    DAMAGES[damage](copy / name)
    place = str(copy) if (name, damage) == ("run.json", "missing") else name
    refused(genedge("train", "--resume", copy), place)
    refused(genedge("evaluate", *SET, "--policies", copy), place)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another"},
        {"scenario_id": "0123456789abcdef"},
        {"agent": "ppo"},
        {"users": "2"},
        {"users": 0},
        {"users": PLACES + 1},
        {"places": PLACES + 1},
        {"episodes": True},
        {"episodes": 0},
        {"episodes": 10**30},
        {"seed": -1},
        {"seed": 10**30},
    ],
)
def test_a_description_that_does_not_fit(change, copy, genedge):
    path = copy / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused(genedge("train", "--resume", copy), "run.json")
    refused(genedge("evaluate", *SET, "--policies", copy), "run.json")


# --- Evaluation ---------------------------------------------------------------------------------------------

E, SEED = 3, 5
POLICIES = ("rcars", "whole", "knapsack")
EVALUATE = ("evaluate", *SET, "--policies", ",".join(POLICIES), "--episodes", E, "--seed", SEED)


@pytest.fixture(scope="module")
def evaluated(run, genedge):
    """A run, by a name that is short enough for a table, and two policies over two numbers of users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(run.parent)
        answer = genedge(*EVALUATE, "--users", f"{USERS},{PLACES}", "--json")
    assert answer.status == 0, answer.err
    return answer.rows[0]


def test_evaluation_as_json(evaluated):
    assert {"scenario", "scenario_id", "episodes", "slots_per_episode", "seed", "metrics"} < set(evaluated)
    assert (evaluated["episodes"], evaluated["slots_per_episode"], evaluated["seed"]) == (E, T, SEED)
    results = {(row["policy"], row["users"]): row for row in evaluated["results"]}
    assert list(results) == [(name, users) for users in (USERS, PLACES) for name in POLICIES]
    for row in results.values():
        for metric in METRICS:
            assert row[metric]["low"] <= row[metric]["mean"] <= row[metric]["high"], metric
        assert row["decision_ms"] > 0
        assert row["first_s"] > 0
    pairs = {(row["policy"], row["base"], row["users"]): row for row in evaluated["comparisons"]}
    assert len(pairs) == len(POLICIES) * (len(POLICIES) - 1) * 2
    for (policy, base, users), row in pairs.items():
        ours, others = (results[name, users]["utility"]["mean"] for name in (policy, base))
        assert row["utility_difference"]["mean"] == pytest.approx(ours - others)
        assert row["utility_better_by_of_base"]["mean"] == pytest.approx((others - ours) / others)
        assert row["utility_better_by_of_ours"]["mean"] == pytest.approx(others / ours - 1)


@pytest.mark.heavy
@pytest.mark.parametrize("users", [USERS, PLACES])
@pytest.mark.parametrize("policy", ["whole", "knapsack"])
def test_policies_met_the_very_same_slots(users, policy, evaluated, run, genedge, tmp_path, monkeypatch):
    """`decide` and `score` on the slots of the evaluation give its means; those of RCARS depend on its draws."""
    monkeypatch.chdir(run.parent)
    scenario = load_scenario("paper", SETTINGS)
    slots = sample_episodes(scenario.params, jax.random.key(SEED), users, users, T, E)
    flat = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), slots)
    path = tmp_path / "slots.jsonl"
    path.write_text("\n".join(slot_lines(scenario, flat)))
    decided = genedge("decide", *SET, "--policy", policy, stdin=path.read_text())
    rows = genedge("score", *SET, "--slots", path, stdin=decided.out).rows

    result = next(r for r in evaluated["results"] if (r["policy"], r["users"]) == (policy, users))
    episodes = np.array([row["utility"] for row in rows]).reshape(E, T).mean(axis=1)
    assert result["utility"]["mean"] == pytest.approx(episodes.mean(), rel=1e-5)
    told = interval(episodes.tolist())
    assert (result["utility"]["low"], result["utility"]["high"]) == pytest.approx(told[1:], rel=1e-4, abs=1e-3)
    assert result["hit_ratio"]["mean"] == pytest.approx(np.mean([row["hit_ratio"] for row in rows]))
    assert result["delay_s"]["mean"] == pytest.approx(np.mean([row["user_delay_s"] for row in rows]), rel=1e-5)
    assert result["tv"]["mean"] == pytest.approx(np.mean([row["user_tv"] for row in rows]), rel=1e-5)


def test_evaluation_as_table_with_figure(run, evaluated, genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(run.parent)
    for users in (f"{USERS}", f"{USERS},{PLACES}"):
        figure = tmp_path / "new" / f"{users}.png"
        answer = genedge(*EVALUATE, "--users", users, "--figure", figure)
        assert answer.status == 0, answer.err
        assert figure.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert figure.stat().st_size > 20_000
        for result in evaluated["results"]:
            if str(result["users"]) in users.split(","):
                mean = f"{result['utility']['mean']:.1f} ["
                assert any(result["policy"] in line and mean in line for line in answer.out.splitlines())
        assert "against rcars on the same slots" in answer.out
        assert "Traceback" not in answer.err


def test_a_figure_never_replaces_a_device(run, evaluated, genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(run.parent)
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    answer = genedge(*EVALUATE, "--users", USERS, "--figure", pipe)
    assert answer.status == 2
    assert "pipe.png: cannot be written" in answer.err
    assert "choose another name" in answer.err
    assert pipe.is_fifo()


def test_a_single_episode_has_no_interval(genedge):
    command = ("evaluate", *SET, "--policies", "rcars", "--users", USERS, "--episodes", 1, "--seed", SEED)
    (row,) = genedge(*command, "--json").rows
    utility = row["results"][0]["utility"]
    assert utility["mean"] > 0
    assert (utility["low"], utility["high"]) == (None, None)


def test_names_in_brackets_are_shown(run, genedge, tmp_path, monkeypatch):
    """They are styles to the library that draws the tables."""
    monkeypatch.chdir(tmp_path)
    os.symlink(run, "[bold]")
    answer = genedge("evaluate", *SET, "--policies", "[bold]", "--users", USERS, "--episodes", E)
    assert answer.status == 0, answer.err
    assert "[bold]" in answer.out
