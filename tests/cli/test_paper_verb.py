"""`genedge paper`: what it refuses, and a study of seconds from end to end."""

import csv
import json
from pathlib import Path

import pytest

OWN = f"{Path(__file__).parent.parent.parent / 'examples' / 'own_policy.py'}:densest"
TINY = [
    word
    for change in (
        "catalogues=1",
        "users=10",
        "episodes=10",
        "learner_episodes=10",
        "test_episodes=1",
        "learning_rates=[1e-4]",
        "watched_slots=1",
    )
    for word in ("--plan", change)
]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "slurm"], "--engine slurm: no such engine; there are local and ray"),
        (["--address", "host:1"], "give --engine ray with it"),
        (["--only", "hit"], "--only hit: no such section; there are claims"),
        (["--plan", "seeds=none"], "--plan seeds=none:"),
        (["--plan", "seed=1"], "the key one of catalogues"),
        (["--policies", "knapsak"], "did you mean knapsack?"),
        (["--policies", "rcars"], "it is in every figure already"),
        (["--policies", "missing.py:decide"], "missing.py: no such file"),
    ],
)
def test_refusals(genedge, tmp_path, options, message):
    answer = genedge("paper", "--out", tmp_path / "study", *options)
    assert answer.status == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "study").exists()


def test_a_file_is_no_folder(genedge, tmp_path):
    (tmp_path / "study").write_text("mine")
    answer = genedge("paper", "--out", tmp_path / "study")
    assert (answer.status, (tmp_path / "study").read_text()) == (2, "mine")
    assert "a file, not a folder" in answer.err


def test_a_list_of_what_to_remove_removes_nothing_of_others(genedge, tmp_path):
    victim, study = tmp_path / "victim.txt", tmp_path / "study"
    victim.write_text("mine")
    study.mkdir()
    for name in ("../victim.txt", str(victim)):
        (study / "written.json").write_text(json.dumps([name]))
        answer = genedge("paper", "--quick", "--out", study, "--only", "watch")
        assert (answer.status, victim.read_text()) == (2, "mine")
        assert answer.err.splitlines()[-1].startswith(f"genedge: {study}/written.json: damaged")
        assert [path.name for path in study.iterdir()] == ["written.json"]


def test_a_policy_that_fails_is_told_with_its_line(genedge, tmp_path):
    (tmp_path / "mine.py").write_text("def decide(params, slots, key):\n    return slots.nothing\n")
    answer = genedge("evaluate", "--policies", f"{tmp_path / 'mine.py'}:decide", "--episodes", "1")
    assert answer.status == 2
    assert "mine.py line 2: decide fails: AttributeError" in answer.err
    (tmp_path / "mine.py").write_text("1 / 0\n")
    answer = genedge("evaluate", "--policies", f"{tmp_path / 'mine.py'}:decide", "--episodes", "1")
    assert "mine.py: does not run: ZeroDivisionError" in answer.err
    (tmp_path / "mine.py").write_text("x = 1\n")
    answer = genedge("evaluate", "--policies", f"{tmp_path / 'mine.py'}:decide", "--episodes", "1")
    assert "there is no 'decide' in it" in answer.err


@pytest.mark.heavy
def test_a_study_from_end_to_end(genedge, tmp_path):
    """With a policy of the reader's own; the second time there is nothing left to do."""
    options = ["--out", tmp_path, "--quick", "--only", "convergence", "--policies", OWN, *TINY]
    answer = genedge("paper", *options)
    assert answer.status == 0, answer.err
    # At one number of users, on one catalogue, these show the same work.
    assert "report.html: convergence, hits, utility, quality, watch;" in answer.out
    with (tmp_path / "tables" / "convergence.csv").open(newline="") as file:
        rewards = {row["series"]: float(row["mean"]) for row in csv.DictReader(file)}
    # The reader's own policy is better than the cloud's here, and nobody than the optimum.
    assert rewards["cloud-only"] < rewards["densest"] < rewards["certified optimum"]
    assert max(rewards, key=lambda label: rewards[label]) == "certified optimum"

    page = (tmp_path / "report.html").read_bytes()
    results = {path: path.stat().st_mtime_ns for path in (tmp_path / "results").iterdir()}
    assert genedge("paper", *options).status == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "results").iterdir()} == results
    assert (tmp_path / "report.html").read_bytes() == page

    # A trained run of the study serves as a policy, on its own catalogue.
    (run,) = (tmp_path / "runs").glob("paper_catalogue-1_ddpg_10-users_*")
    answer = genedge("evaluate", "--policies", run, "--episodes", "1", "--set", "seed=1")
    assert answer.status == 0, answer.err
