"""Boxes on the command line: evaluated and trained, and refused by what looks at each slot alone."""

import pytest
from pictures import dots, levels, names, written

FIVE = "cell.slots_per_episode=5"
QUICK = ("--set", "cell.slots_per_episode=6", "--episodes", 2)


def test_evaluate_tells_costs_loads_and_losses(genedge, tmp_path, monkeypatch):
    longer = ("--set", "cell.slots_per_episode=18", "--episodes", 4)
    box = ("evaluate", "--scenario", "edge-box", "--policies", "lru,optimal", *longer)
    with written(monkeypatch) as figures:
        answer = genedge(*box, "--figure", tmp_path / "box.png")
    assert answer.status == 0
    for word in ("edge-box, 8 users", "loads per hour", "cloud's queue [s]", "lost by cache", "optimum, exact"):
        assert word in answer.out
    assert (tmp_path / "box.png").exists()
    (told,) = genedge(*box, "--json").rows
    assert told["optimum"]["attained"] is True
    assert told["results"][1]["gap"]["mean"] == pytest.approx(0, abs=1e-9)
    assert told["results"][0]["gap"]["mean"] > 0
    (figure,) = figures
    for axes, metric in zip(
        figure.axes[:4], ("expected_utility", "delay_s", "hit_ratio", "loads_per_hour"), strict=True
    ):
        assert dots(axes) == {i: row[metric]["mean"] for i, row in enumerate(told["results"])}
    assert names(figure.axes[0]) == ["lru", "optimal"]
    assert levels(figure.axes[0]) == {"optimum, exact": told["optimum"]["utility"]}
    assert [axes.get_ylabel() for axes in figure.axes[4:]] == ["lru", "optimal"]


def test_evaluate_says_why_there_is_no_optimum(genedge):
    answer = genedge("evaluate", "--scenario", "edge-box", "--policies", "lfu", *QUICK, "--set", "models.count=9")
    assert answer.status == 0
    assert "The optimum is not known: 9 models and 8 users are too many" in answer.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "--scenario", "edge-box", "--policies", "priced"), ("'priced'", "edge-box", "cost-aware")),
        (("evaluate", "--scenario", "edge-box", "--policies", "lru", "--users", "2,3"), ("--users 2,3", "one")),
        (("slots", "--scenario", "edge-box", "--count", "1"), ("edge-box", "is of a box")),
        (("decide", "--scenario", "edge-box", "--policy", "rcars"), ("edge-box", "is of a box")),
        (("score", "--scenario", "edge-box", "--slots", "x"), ("edge-box", "is of a box")),
        (("watch", "--scenario", "edge-box", "--policy", "rcars"), ("edge-box", "is of a box")),
        (("export", "learned", "out", "--scenario", "edge-box"), ("edge-box", "is of a box")),
        (("train", "--scenario", "edge-box", "--agent", "reinforce", "--out", "r"), ("edge-box", "two-timescale")),
        (("train", "--scenario", "edge-box", "--agent", "any-cell", "--out", "r"), ("edge-box", "two-timescale")),
        (("train", "--agent", "two-timescale", "--out", "r"), ("paper", "server.cache_every_slots")),
        (("evaluate", "--policies", "learned", "--set", "server.storage_gb=0"), ("no storage", "cloud-only")),
        (
            ("train", "--scenario", "edge-box", "--agent", "td3", "--out", "r", "--set", "server.storage_gb=0"),
            ("no storage", "server.storage_gb"),
        ),
        (("evaluate", "--policies", "lru"), ("'lru'", "a rule for boxes", "edge-box")),
        (
            ("evaluate", "--scenario", "edge-box", "--policies", "lru", "--set", "server.cache_every_slots=50"),
            ("server.cache_every_slots (50)", "cell.slots_per_episode (50)"),
        ),
        (
            ("train", "--agent", "two-timescale", "--out", "r", "--scenario", "edge-box", "--set", FIVE),
            ("two decisions", "to 6 or more, not 5"),
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(genedge, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = genedge(*arguments)
    assert answer.status == 2
    assert all(word in answer.err for word in words), answer.err
    assert "Traceback" not in answer.err
    assert not any(tmp_path.iterdir())


@pytest.mark.heavy
@pytest.mark.parametrize("agent", ["two-timescale", "ddpg"])
def test_a_trained_run_serves_a_box(genedge, tmp_path, agent):
    small = [
        f"{agent.replace('-', '_')}.{s}"
        for s in ("width=4", "hidden_layers=[8]", "batch=4", "warmup_slots=5", "replay_size=50")
    ]
    changes = [word for change in (*small, "cell.slots_per_episode=6") for word in ("--set", change)]
    run = tmp_path / "run"
    train = ("train", "--scenario", "edge-box", "--agent", agent, "--episodes", 2, "--out", run, *changes)
    assert genedge(*train).status == 0
    (told,) = genedge(
        "evaluate", "--scenario", run / "scenario.yaml", "--policies", run, "--episodes", 2, "--json"
    ).rows
    assert told["results"][0]["gap"]["mean"] > 0
    refused = genedge("export", run, tmp_path / "out")
    assert refused.status == 2
    assert "is of a box" in refused.err


def test_the_same_number_of_users_twice_is_one(genedge):
    answer = genedge("evaluate", "--scenario", "edge-box", "--policies", "lru", "--users", "2,2", *QUICK)
    assert answer.status == 0
    assert "edge-box, 2 users" in answer.out
    assert "-0.00" not in answer.out


def test_an_own_policys_line_is_told_for_relative_paths_too(genedge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def boom(params, slots, key):\n    return 1 / 0\n")
    answer = genedge("evaluate", "--scenario", "edge-box", "--policies", "mine.py:boom", *QUICK)
    assert answer.status == 2
    assert "mine.py line 2: boom fails: ZeroDivisionError" in answer.err
