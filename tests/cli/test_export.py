"""`genedge export`, from a run's folder to decisions; the runs are made without training."""

import json
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from genedge.learn.actor import init_actor
from genedge.learn.arrays import save
from genedge.learn.runs import create_run
from genedge.scenario import load_scenario

USERS = 10
WEIGHTS = {"ddpg": "ddpg.hidden_layers=[8]", "any-cell": "any_cell.width=8"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each agent with random weights, and one that has no actor yet, by name."""
    folder = tmp_path_factory.mktemp("runs")
    for agent, setting in WEIGHTS.items():
        scenario = load_scenario("paper", [setting])
        run = create_run(folder / agent, scenario, None, agent, 1, 0)
        settings = scenario.hyperparameters(agent.replace("-", "_"))
        actor = init_actor(settings, jax.random.key(0), len(scenario.models), run.places)
        rng = np.random.default_rng(0)
        actor = jax.tree.map(lambda x, rng=rng: np.asarray(x + rng.normal(0, 0.3, x.shape), np.float32), actor)
        save(run.folder / "best.npz", actor, run.id)
    create_run(folder / "new", load_scenario("paper"), None, "ddpg", 1, 0)
    return folder


def run_alone(out, stdin):
    return subprocess.run(
        [sys.executable, "-I", out / "runner.py"], input=stdin, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("agent", "form", "cell"),
    [
        ("ddpg", "numpy", ()),
        ("any-cell", "onnx", ("--scenario", "paper-attainable", "--set", "models.count=6", "--set", "seed=3")),
    ],
)
def test_decides_like_the_run(agent, form, cell, runs, tmp_path, genedge):
    out = tmp_path / "deep" / "out"
    answer = genedge("export", runs / agent, out, "--format", form, *cell)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(
        f"{out}: actor.{'npz' if form == 'numpy' else form}, runner.py, cell.json; raw actions"
    )
    slots = genedge("slots", *cell, "--users", USERS, "--count", 30).out
    wanted = genedge("decide", *cell, "--policy", runs / agent, stdin=slots)
    assert wanted.status == 0, wanted.err
    done = run_alone(out, slots)
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    # Priorities closer to each other than rounding would be a rare accident of the seed.
    assert [row["cache"] for row in found] == [row["cache"] for row in wanted.rows]
    for row, wanted_row in zip(found, wanted.rows, strict=True):
        for key in ("bandwidth", "steps"):
            np.testing.assert_allclose(row[key], wanted_row[key], rtol=0, atol=1e-5)
    (tmp_path / "slots.jsonl").write_text(slots)
    assert genedge("score", *cell, "--slots", tmp_path / "slots.jsonl", stdin=done.stdout).status == 0


def test_slots_of_another_cell_are_refused(runs, tmp_path, genedge):
    genedge("export", runs / "any-cell", tmp_path / "out", "--format", "numpy")
    done = run_alone(tmp_path / "out", genedge("slots", "--set", "seed=4", "--count", 1).out)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("runner: standard input line 1: a slot of another scenario")


def test_without_onnx_the_answer_says_so(runs, tmp_path, genedge, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    answer = genedge("export", runs / "ddpg", tmp_path / "out")
    assert answer.status == 0, answer.err
    assert answer.out.startswith(
        "No ONNX file ('pip install onnx onnxruntime' installs what it needs); a NumPy archive"
    )
    assert (tmp_path / "out" / "actor.npz").exists()


REFUSED = {
    "not a run": (("export", "{tmp}/nowhere", "{tmp}/out"), "not a run folder"),
    "no actor yet": (("export", "{runs}/new", "{tmp}/out"), "best.npz: missing; the run has not come that far"),
    "in use": (("export", "{runs}/ddpg", "{runs}"), "already there and not empty; choose another folder"),
    "a file": (("export", "{runs}/ddpg", "{runs}/ddpg/run.json"), "already there and not empty"),
    "another catalogue": (
        ("export", "{runs}/ddpg", "{tmp}/out", "--set", "seed=9"),
        "its actor knows only its own catalogue. Leave out --scenario and --set",
    ),
    "another scenario": (
        ("export", "{runs}/ddpg", "{tmp}/out", "--scenario", "companion"),
        "trained on scenario paper",
    ),
    "no such scenario": (("export", "{runs}/any-cell", "{tmp}/out", "--scenario", "papr"), "did you mean paper?"),
    "no such format": (
        ("export", "{runs}/ddpg", "{tmp}/out", "--format", "tflite"),
        "--format tflite: no such format; there are onnx, numpy",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, runs, tmp_path, genedge):
    arguments, message = REFUSED[case]
    answer = genedge(*(argument.format(tmp=tmp_path, runs=runs) for argument in arguments))
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("genedge: ")
    assert message in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_actor_is_refused(runs, tmp_path, genedge):
    shutil.copytree(runs / "ddpg", tmp_path / "run")
    (tmp_path / "run" / "best.npz").write_bytes(b"nothing")
    answer = genedge("export", tmp_path / "run", tmp_path / "out")
    assert (answer.status, answer.out) == (2, "")
    assert "best.npz: damaged" in answer.err


def test_help(genedge):
    answer = genedge("export", "--help")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("Usage: genedge export")
    for word in ("RUN", "OUT", "--format", "--scenario", "--set", "runner.py", "onnxruntime"):
        assert word in answer.out


def test_the_shipped_policy_for_any_cell(genedge, tmp_path):
    """Its raw actions are compared on export; here, that it is exported for the cell that was asked for."""
    answer = genedge("export", "learned", tmp_path / "box", "--set", "models.count=4", "--format", "numpy")
    assert answer.status == 0, answer.err
    assert len(json.loads((tmp_path / "box" / "cell.json").read_text())["models"]) == 4
