"""The same bits wherever a task is done; what is lost with a worker is done again; what is done is not."""

import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from genedge.engines import on_cores, perform
from genedge.errors import InputError
from genedge.learn.runs import create_run
from genedge.paper.folder import do, keep, load, run_folder
from genedge.paper.tasks import Measure, Train, fingerprint
from genedge.scenario import load_scenario

MEASURE = Measure("paper", (), 1, (3,), ("rcars", "knapsack"), 1, "")
# Small, so that a training takes seconds.
TRAIN = Train("paper", ("ddpg.warmup_slots=20", "ddpg.batch=8", "ddpg.hidden_layers=[8]"), 1, 3, "ddpg", 30, 0, 1)


@pytest.mark.heavy
def test_processes_and_this_one_agree(tmp_path):
    """Bit by bit, the trained actor included."""
    here = {task: perform(task, tmp_path / "here") for task in (MEASURE, TRAIN)}
    there = dict(on_cores({task: tmp_path / task.key for task in (TRAIN, MEASURE)}))
    for task, result in there.items():
        assert result.numbers == here[task].numbers
        for name in result.files.keys() - {"metrics.jsonl", "card.md", "run.json"}:  # These hold times.
            assert result.files[name] == here[task].files[name], name


KILLS_ITS_WORKER_ONCE = """
import os, signal
from pathlib import Path

import genedge
from genedge.extend import equal_shares

def decide(params, slots, key):
    killed = Path(__file__).with_name("killed")
    if not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    shares = equal_shares(slots)
    return genedge.Decision(shares[:, :1] > 2 * params.models.A1, shares, 0 * shares)
"""


@pytest.mark.heavy
def test_a_killed_worker_is_replaced(tmp_path):
    (tmp_path / "mine.py").write_text(KILLS_ITS_WORKER_ONCE)
    name = f"{tmp_path / 'mine.py'}:decide"
    tasks = [MEASURE, Measure("paper", (), 2, (3,), (name,), 1, fingerprint([name]))]
    found = dict(on_cores({task: tmp_path / task.key for task in tasks}))
    assert (tmp_path / "killed").exists()
    assert found.keys() == set(tasks)
    for task in tasks:
        assert found[task].numbers == perform(task, tmp_path / "here").numbers


def test_what_is_wrong_with_a_task_stops_the_study(tmp_path):
    broken = Measure("paper", ("server.storage_gb=-1",), 1, (3,), ("rcars",), 1, "")
    with pytest.raises(InputError, match="storage_gb"):
        list(on_cores({broken: tmp_path}))


@pytest.mark.heavy
def test_a_training_goes_on_where_it_was_cut_off(tmp_path, monkeypatch):
    """Bit by bit."""
    from genedge.learn.training import train_run

    whole = TRAIN.run(tmp_path / "whole")
    rows = []

    def stop_after_two(run, report):
        def count(row):
            rows.append(row)
            if len(rows) == 2:
                raise KeyboardInterrupt

        train_run(run, count)

    monkeypatch.setattr("genedge.paper.tasks.train_run", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        TRAIN.run(tmp_path / "parts")
    monkeypatch.undo()
    resumed = TRAIN.run(tmp_path / "parts")
    assert resumed.numbers == whole.numbers
    assert resumed.files["best.npz"] == whole.files["best.npz"]


@pytest.mark.heavy
def test_what_is_done_is_not_done_again(tmp_path):
    asked = []

    def engine(work):
        asked.append(list(work))
        for task, folder in work.items():
            yield task, perform(task, folder)

    said = []
    first = do(tmp_path, [TRAIN, MEASURE], engine, lambda text, work: said.append(work))
    again = do(tmp_path, [MEASURE, TRAIN], engine, lambda text, work: said.append(work))
    assert asked == [[TRAIN, MEASURE]]
    assert first == again
    assert said[-1] == TRAIN.work + MEASURE.work
    assert (run_folder(tmp_path, TRAIN) / "best.npz").exists()
    assert not (tmp_path / "unfinished").exists()


def test_an_interrupted_study_keeps_what_is_done(tmp_path):
    def engine(work):
        yield next((task, perform(task, folder)) for task, folder in work.items())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(tmp_path, [TRAIN, MEASURE], engine, lambda text, work: None)
    assert load(tmp_path, TRAIN) is not None
    assert load(tmp_path, MEASURE) is None


def test_keys_tell_tasks_apart():
    others = [
        Measure("paper", (), 2, (3,), ("rcars", "knapsack"), 1, ""),
        Measure("paper", (), 1, (3,), ("rcars", "knapsack"), 1, "other files"),
        Measure("paper-attainable", (), 1, (3,), ("rcars", "knapsack"), 1, ""),
        Measure("paper", ("server.storage_gb=10",), 1, (3,), ("rcars", "knapsack"), 1, ""),
        Measure("paper", (), 1, (4,), ("rcars", "knapsack"), 1, ""),
        Measure("paper", (), 1, (3,), ("rcars",), 1, ""),
        Measure("paper", (), 1, (3,), ("rcars", "knapsack"), 2, ""),
        TRAIN,
        replace(TRAIN, seed=1),
        replace(TRAIN, episodes=31),
        replace(TRAIN, agent="td3"),
    ]
    assert len({task.key for task in (MEASURE, *others)}) == 1 + len(others)


def test_another_version_of_a_library_has_another_key(monkeypatch):
    before = MEASURE.key
    monkeypatch.setattr("genedge.paper.tasks._libraries", lambda: {"jax": "0.0"})
    assert MEASURE.key != before


def test_a_policy_that_changed_meanwhile_is_refused(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("def decide(params, slots, key): ...")
    name = f"{mine}:decide"
    task = Measure("paper", (), 1, (3,), (name,), 1, fingerprint([name]))
    mine.write_text("def decide(params, slots, key): return None")
    with pytest.raises(InputError, match="is not what it was when the study began"):
        task.run(tmp_path)


def test_a_training_cut_off_in_its_first_moment_goes_on(tmp_path):
    (tmp_path / TRAIN.name).mkdir()
    (tmp_path / TRAIN.name / "scenario.yaml").write_text("name: half")
    assert TRAIN.run(tmp_path).numbers["rows"]


def test_a_training_never_goes_on_with_another(tmp_path):
    folder = tmp_path / TRAIN.name
    scenario = load_scenario(TRAIN.preset, [f"seed={TRAIN.catalogue}", *TRAIN.changes])
    create_run(folder, scenario, TRAIN.users, TRAIN.agent, TRAIN.episodes, TRAIN.seed + 1)
    with pytest.raises(InputError, match=re.escape(f"{TRAIN.name}: damaged, or of another training; remove it")):
        TRAIN.run(tmp_path)


@pytest.mark.heavy
def test_a_training_that_diverges_is_a_finding(tmp_path):
    task = replace(
        TRAIN, changes=(*TRAIN.changes, "ddpg.critic_learning_rate=1e15", "ddpg.actor_learning_rate=1e15")
    )
    result = task.run(tmp_path)
    assert result.numbers["diverged"]
    assert result.numbers["metrics"]["utility"] == [None]
    keep(tmp_path, task, result)
    assert load(tmp_path, task)["found"] == result.numbers


@pytest.mark.heavy
def test_workers_end_with_their_parent(tmp_path):
    """However it ended: nobody goes on training for a study that is gone."""
    program = """
import os, sys, threading, time
from multiprocessing import active_children
from pathlib import Path
from genedge.engines import on_cores, perform
from genedge.paper.tasks import Train

def leave():
    while not active_children():
        time.sleep(0.05)
    time.sleep(3)
    print(*(child.pid for child in active_children()), flush=True)
    os.kill(os.getpid(), 9)

if __name__ == "__main__":
    threading.Thread(target=leave).start()
    tasks = [Train("paper", (), 1, 3, "ddpg", 500, seed, 1) for seed in range(4)]
    list(on_cores({task: Path(sys.argv[1]) / task.key for task in tasks}))
"""
    (tmp_path / "parent.py").write_text(program)
    command = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path / "scratch")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    workers = [int(pid) for pid in done.stdout.split()]
    assert workers
    deadline = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not [pid for pid in workers if os.path.exists(f"/proc/{pid}")]
