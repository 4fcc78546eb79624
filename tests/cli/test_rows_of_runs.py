"""Training runs as one row of `genedge evaluate`, in every form in which it tells of them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[2] / "docs/howto/learner.md").read_text(encoding="utf-8")
FILE = re.search(r"<<'END'\n(.*?)^END$", PAGE, re.DOTALL | re.MULTILINE).group(1)
CELL = ("--users", 3, "--set", "models.count=4", "--set", "cell.slots_per_episode=20")


@pytest.fixture(scope="module")
def runs(genedge, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    (folder / "search.py").write_text(FILE, encoding="utf-8")
    for seed in range(3):
        more = ("--episodes", 20, "--seed", seed, "--out", folder / "runs" / f"seed-{seed}")
        answer = genedge("train", "--agent", f"{folder / 'search.py'}:Search", *CELL, *more)
        assert answer.status == 0, answer.err
    return folder / "runs"


@pytest.fixture(scope="module")
def asked(runs):
    scenario = runs / "seed-0" / "scenario.yaml"
    return ("evaluate", "--scenario", scenario, "--users", 3, "--episodes", 2, "--policies")


def test_the_row_says_what_its_runs_do(genedge, runs, asked, tmp_path):
    table = tmp_path / "all.csv"
    (told,) = genedge(*asked, f"{runs}/*,cloud-only", "--csv", table, "--json").rows
    row = told["results"][0]
    assert (row["policy"], row["over"]) == (str(runs), "3 seeds × 2 episodes")
    costs = [np.mean(run["episodes"]["utility"]) for run in row["runs"]]
    assert row["utility"]["mean"] == pytest.approx(np.mean(costs))
    assert table.read_text(encoding="utf-8").splitlines()[1].startswith(f"{runs},3,3 seeds × 2 episodes,")
    (alone,) = genedge(*asked, runs / "seed-1", "--json").rows
    assert alone["results"][0]["episodes"] == row["runs"][1]["episodes"]


def test_tables_for_a_paper_alone_go_to_standard_output(genedge, runs, asked):
    answer = genedge(*asked, str(runs), "--latex", "-")
    assert answer.out.startswith("% \\usepackage{booktabs}")
    assert "┏" not in answer.out


def test_the_last_weights_serve_where_they_are_asked_for(genedge, runs, asked):
    (runs / "seed-1" / "best.npz").rename(runs / "best")
    try:
        assert genedge(*asked, runs / "seed-1", "--json", "--weights", "last").status == 0
        assert genedge(*asked, runs / "seed-1", "--json").status == 2
    finally:
        (runs / "best").rename(runs / "seed-1" / "best.npz")
    assert json.loads((runs / "seed-1" / "run.json").read_text())["seed"] == 1
    assert genedge(*asked, "rcars", "--weights", "worst").status == 2
