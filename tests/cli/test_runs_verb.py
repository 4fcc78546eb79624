"""Runs are listed and compared."""

import json

import pytest

from genedge.learn.runs import create_run
from genedge.scenario import load_scenario

SMALL = [
    part
    for setting in (
        "reinforce.width=4",
        "reinforce.decisions_per_slot=2",
        "cell.slots_per_episode=4",
        "models.count=3",
    )
    for part in ("--set", setting)
]


@pytest.fixture(scope="module")
def folder(genedge, tmp_path_factory):
    """Two runs that differ in a setting and in their length."""
    folder = tmp_path_factory.mktemp("runs")
    for name, limit, episodes in (("a", 4, 10), ("b", 5, 20)):
        answer = genedge(
            *(
                "train",
                "--agent",
                "reinforce",
                "--users",
                2,
                "--episodes",
                episodes,
                "--out",
                folder / "deep" / name,
            ),
            *(*SMALL, "--set", f"reinforce.limit={limit}"),
        )
        assert answer.status == 0, answer.err
    return folder


@pytest.mark.heavy
def test_listed_with_what_sets_them_apart(folder, genedge):
    a, b = genedge("runs", folder, "--json").rows
    assert [row["run"] for row in (a, b)] == [str(folder / "deep" / name) for name in "ab"]
    assert (a["agent"], a["users"], a["episode"], b["episodes"]) == ("reinforce", 2, 10, 20)
    assert a["settings"] == {"reinforce.limit": 4}
    assert b["settings"] == {"reinforce.limit": 5}
    logged = [json.loads(line) for line in (folder / "deep" / "b" / "metrics.jsonl").read_text().splitlines()]
    assert b["best_utility"] == min(row["evaluated_utility"] for row in logged)
    assert b["last_utility"] == logged[-1]["evaluated_utility"]


@pytest.mark.heavy
def test_table_and_figure(folder, genedge, tmp_path):
    answer = genedge("runs", folder / "deep" / "b", folder / "deep" / "a", "--figure", tmp_path / "curves.png")
    assert answer.status == 0, answer.err
    assert answer.out.index("20 of 20") < answer.out.index("10 of 10")
    assert "reinforce.limit" in answer.out
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.heavy
def test_a_run_that_has_not_begun_is_listed(folder, genedge, tmp_path):
    empty = tmp_path / "new"
    empty.mkdir()
    for name in ("run.json", "scenario.yaml"):
        (empty / name).write_bytes((folder / "deep" / "a" / name).read_bytes())
    (row,) = genedge("runs", empty, "--json").rows
    assert (row["episode"], row["best_utility"]) == (0, None)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.mkdir(), "holds no run"),
        (lambda path: (path.mkdir(), (path / "run.json").write_text("{")), "not the description of a run"),
    ],
)
def test_what_is_no_run(prepare, words, genedge, tmp_path):
    prepare(tmp_path / "x")
    answer = genedge("runs", tmp_path / "x")
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.err
    assert "Traceback" not in answer.err


def test_a_run_that_cannot_be_read_hides_no_other(genedge, tmp_path):
    """It is told, in a line each, and the status says that not all are listed."""
    for name in ("a", "b", "c", "d"):
        create_run(tmp_path / name, load_scenario("paper"), None, "ddpg", None, 0)
    (tmp_path / "a" / "scenario.yaml").unlink()
    (tmp_path / "c" / "run.json").write_text("{")
    answer = genedge("runs", tmp_path, "--json")
    assert answer.status == 2
    assert [row["run"] for row in answer.rows] == [str(tmp_path / name) for name in ("b", "d")]
    assert answer.err.splitlines() == [
        f"genedge: scenario '{tmp_path}/a/scenario.yaml': no such preset or file; the presets are companion, "
        "edge-box, measured, measured-box, paper, paper-attainable",
        f"genedge: {tmp_path}/c/run.json: not the description of a run; 'genedge train' makes one",
    ]
