"""The same bits wherever a task is done; what is lost with a worker is done again; what is done is not."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from genedge.errors import InputError
from genedge.study.engines import on_cores
from genedge.study.folder import do, keep, load
from genedge.study.tasks import Measure, Train, key_of, perform

MEASURE = Measure("paper", (), 1, (3,), ("rcars", "knapsack"), 1, "")
# Small, so that a training takes seconds.
TRAIN = Train("paper", ("ddpg.warmup_slots=20", "ddpg.batch=8", "ddpg.hidden_layers=[8]"), 1, 3, "ddpg", 30, 0, 1)


def test_processes_and_this_one_agree(tmp_path):
    """Bit by bit, the trained actor included."""
    here = {task: perform(task, tmp_path / "here") for task in (MEASURE, TRAIN)}
    there = dict(on_cores([TRAIN, MEASURE], tmp_path / "there"))
    for task, result in there.items():
        assert result.found == here[task].found
        for name in result.files.keys() - {"metrics.jsonl", "card.md", "run.json"}:  # These hold times.
            assert result.files[name] == here[task].files[name], name


def test_a_killed_worker_is_replaced(tmp_path):
    def kill_one() -> None:
        for _ in range(200):
            if children := multiprocessing.active_children():
                time.sleep(1)
                os.kill(children[0].pid, signal.SIGKILL)
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill_one)
    killer.start()
    tasks = [MEASURE, *(Measure("paper", (), c, (3,), ("rcars",), 1, "") for c in (2, 3))]
    found = dict(on_cores(tasks, tmp_path))
    killer.join()
    assert found.keys() == set(tasks)
    assert found[MEASURE].found == perform(MEASURE, tmp_path).found


def test_what_is_wrong_with_a_task_stops_the_study(tmp_path):
    broken = Measure("paper", ("server.storage_gb=-1",), 1, (3,), ("rcars",), 1, "")
    with pytest.raises(InputError, match="storage_gb"):
        list(on_cores([broken], tmp_path))


def test_a_training_goes_on_where_it_was_cut_off(tmp_path, monkeypatch):
    """Bit by bit."""
    from genedge.learn import runs

    whole = TRAIN.run(tmp_path / "whole")
    rows = []

    def stop_after_two(run, report):
        def count(row):
            rows.append(row)
            if len(rows) == 2:
                raise KeyboardInterrupt

        runs.train_run(run, count)

    monkeypatch.setattr("genedge.study.tasks.train_run", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        TRAIN.run(tmp_path / "parts")
    monkeypatch.undo()
    resumed = TRAIN.run(tmp_path / "parts")
    assert resumed.found == whole.found
    assert resumed.files["best.npz"] == whole.files["best.npz"]


def test_what_is_done_is_not_done_again(tmp_path):
    asked = []

    def engine(tasks, scratch):
        asked.append(list(tasks))
        for task in tasks:
            yield task, perform(task, scratch / key_of(task))

    said = []
    first = do(tmp_path, [TRAIN, MEASURE], engine, lambda text, work: said.append(work))
    again = do(tmp_path, [MEASURE, TRAIN], engine, lambda text, work: said.append(work))
    assert asked == [[TRAIN, MEASURE]]
    assert first == again
    assert said[-1] == TRAIN.work + MEASURE.work
    assert (tmp_path / "runs" / TRAIN.name / "best.npz").exists()
    assert not (tmp_path / "unfinished").exists()


def test_an_interrupted_study_keeps_what_is_done(tmp_path):
    def engine(tasks, scratch):
        yield tasks[0], perform(tasks[0], scratch)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(tmp_path, [TRAIN, MEASURE], engine, lambda text, work: None)
    assert load(tmp_path, TRAIN) is not None
    assert load(tmp_path, MEASURE) is None


def test_a_damaged_result_is_named(tmp_path):
    keep(tmp_path, MEASURE, perform(MEASURE, tmp_path))
    (path,) = (tmp_path / "results").iterdir()
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match=f"{path.name}: damaged; remove it"):
        load(tmp_path, MEASURE)


def test_keys_tell_tasks_apart():
    others = [
        Measure("paper", (), 2, (3,), ("rcars", "knapsack"), 1, ""),
        Measure("paper", (), 1, (3,), ("rcars", "knapsack"), 1, "other files"),
        Measure("paper-attainable", (), 1, (3,), ("rcars", "knapsack"), 1, ""),
        TRAIN,
    ]
    assert len({key_of(task) for task in (MEASURE, *others)}) == 5
