"""A learner of a reader's own, from one file, that of the docs: it trains, goes on, serves, and is told of."""

import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from genedge.learn.runs import create_run, open_run
from genedge.learn.training import load_actor, train_run

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
    assert run.scenario.table["search.tries"] == (24, "user", "")
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
        ("search.triess=3", "did you mean search.tries?"),
        ("ddpg.batch=0", "ddpg.batch must be"),
    ):
        answer = genedge("train", "--agent", search, "--set", change, "--out", tmp_path / "run")
        assert words in answer.err
    (tmp_path / "ddpg.py").write_text(FILE, encoding="utf-8")
    answer = genedge("train", "--agent", f"{tmp_path / 'ddpg.py'}:Search", "--out", tmp_path / "run")
    assert "a scenario cannot have another section 'ddpg'; rename the file" in answer.err


SAME = "its metrics must be a tuple of names, each once and none of episode, evaluated_utility"
# What stands in the file, what instead, and what is said of it: in training, and before there is a folder.
WRONG = {
    "raises": (
        "            return learner, Metrics",
        "            raise ValueError('no')\n            return learner, Metrics",
        r"search\.py line \d+: Search fails: ValueError: no",
    ),
    "begins with nothing": (
        "        return Training(",
        "        return None\n        return Training(",
        r"search\.py: Search fails: AttributeError",
    ),
    "other metrics": (
        "metrics = Metrics._fields",
        "metrics = ('cost',)",
        "its training logs reward, and its metrics are cost; they must be the same",
    ),
    "no finished episodes": (
        "episodes=learner.episodes + 1",
        "episodes=learner.episodes",
        "has finished 0 episodes, where it was to have finished 2",
    ),
}
REFUSED = {
    "metrics in one text": ("metrics = Metrics._fields", "metrics = 'reward'", SAME),
    "a run's own metrics": ("metrics = Metrics._fields", "metrics = ('seconds',)", SAME),
    "refuses in no words": (
        "    def actor_like",
        "    def refuse(self):\n        raise KeyError('r')\n\n    def actor_like",
        r"search\.py line \d+: Search fails: KeyError: 'r'",
    ),
    "a default that no file can say": (
        "    tries: Count",
        "    where: type = int\n    tries: Count",
        "Settings.where: its default must be what a scenario file can say",
    ),
}


@pytest.mark.parametrize("case", [*WRONG, *REFUSED])
def test_a_learner_that_fails_is_told_in_words(case, search, genedge, tmp_path):
    """One that cannot be trained has no folder; one that fails in training leaves what a run could go on from."""
    old, new, said = (WRONG | REFUSED)[case]
    assert old in FILE
    (tmp_path / "search.py").write_text(FILE.replace(old, new), encoding="utf-8")
    answer = genedge("train", "--agent", search, *CELL, "--episodes", 2, "--out", tmp_path / "run")
    assert answer.status == 2
    assert re.search(said, answer.err), answer.err
    assert "Traceback" not in answer.err
    assert (tmp_path / "run").exists() == (case in WRONG)


def test_what_it_decides_with_is_told_in_words_too(search, genedge, tmp_path):
    """It fails with two slots alone, so that it can be trained."""
    decide = "    def decide(actor, params, slots):\n"
    fails = "        if slots.gain.size == 6:\n            raise ValueError('six')\n"
    (tmp_path / "search.py").write_text(FILE.replace(decide, decide + fails), encoding="utf-8")
    run = trained(genedge, search, tmp_path / "run", "--episodes", 1)
    lines = genedge("slots", "--scenario", run.folder / "scenario.yaml", "--users", 3, "--count", 2).out
    answer = genedge("decide", "--scenario", run.folder / "scenario.yaml", "--policy", run.folder, stdin=lines)
    assert answer.status == 2
    assert re.search(r"search\.py line \d+: Search fails: ValueError: six", answer.err), answer.err
