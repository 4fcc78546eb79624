"""Two commands on one folder: the second is told of the first, and changes nothing."""

import os

import pytest

from genedge.folders import one_writer
from genedge.learn.runs import create_run, open_run
from genedge.scenario import load_scenario

# Every verb that writes to a folder over some time; export makes its own in one stroke.
VERBS = {
    "train": ("train", "--episodes", "10", "--out"),
    "train, going on": ("train", "--resume"),
    "demo": ("demo", "--out"),
    "demo, whose run somebody else trains": ("demo", "--out"),
    "train, several": ("train", "--seeds", "0,1", "--out"),
    "sweep": ("sweep", "--vary", "ddpg.batch=8", "--out"),
    "paper": ("paper", "--quick", "--only", "watch", "--out"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_that_is_being_written_is_refused(verb, genedge, tmp_path):
    out = tmp_path / "out"
    held = out / "ddpg" if "whose run" in verb else out
    if "going on" in verb or "whose run" in verb:
        create_run(held, load_scenario("paper"), None, "ddpg", None, 0)
    with one_writer(held):
        before = {path: path.read_bytes() for path in held.iterdir()}
        answer = genedge(*VERBS[verb], out)
        assert {path: path.read_bytes() for path in held.iterdir()} == before
    assert answer.status == 2
    assert answer.err.splitlines()[-1] == (
        f"genedge: {held}: is being written by another genedge (process {os.getpid()}); wait for it, or choose "
        "another --out"
    )


def test_of_two_trainings_at_once_one_is_refused_and_none_is_lost(genedge, tmp_path, monkeypatch):
    """The first is in its midst when others come: with other settings, and to go on with it."""
    out, answers = tmp_path / "run", []

    def meanwhile(*arguments):
        answers.extend(genedge("train", *more) for more in (("--out", out, "--seed", 1), ("--resume", out)))
        raise KeyboardInterrupt

    monkeypatch.setattr("genedge.learn.ddpg.DDPG.training", meanwhile)
    genedge("train", "--out", out, "--seed", 7)
    assert [answer.status for answer in answers] == [2, 2]
    assert all("is being written by another genedge" in answer.err for answer in answers)
    assert open_run(out).seed == 7
    assert sorted(path.name for path in out.iterdir()) == ["run.json", "scenario.yaml"]
