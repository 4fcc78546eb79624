"""Runs that differ in their seed alone as one row: worked out by hand, and found in folders."""

import json
from dataclasses import replace

import numpy as np
import pytest

from genedge.errors import InputError
from genedge.evaluation.entries import _but_for_the_seed, entries_of
from genedge.evaluation.results import METRICS, Bounds, assembled
from genedge.evaluation.together import Entry, improvement_over, iqm_of, together
from genedge.evaluation.written import as_csv, as_latex
from genedge.learn.runs import create_run, find_runs
from genedge.results import Measured, single
from genedge.scenario import load_scenario
from genedge.statistics import interval

EPISODES = 4
# Of each run the utility in every episode, less 200.
COSTS = {
    "a0": [10, 30, 20, 20],
    "a1": [0, 10, 5, 5],
    "a2": [40, 60, 50, 50],
    "b0": [20, 20, 20, 20],
    "b1": [90, 90, 90, 90],
    "rcars": [30, 50, 40, 40],
}
ENTRIES = [Entry("a", ("a0", "a1", "a2"), (0, 1, 2)), Entry("b", ("b0", "b1"), (5, 6)), Entry("rcars", ("rcars",))]


def by_name(names):
    return dict(zip(names, names, strict=True))


def measured(name):
    samples = {metric: np.full(EPISODES, 0.5) for metric in METRICS} | {
        "utility": 200 + np.array(COSTS[name], float)
    }
    once = {"decision_ms": 1.0, "first_s": 2.0, "caches": 3.0, "decisions": 4.0}
    tails = {f"{metric}_{part}": 0.5 for metric in ("delay_s", "utility") for part in TAIL}
    return Measured(name, 7, samples, {key: single(value) for key, value in (once | tails).items()})


TAIL = ("mean", "largest_share", "median", "interquartile_mean")


@pytest.fixture
def results():
    rows = together([measured(name) for name in COSTS], ENTRIES, tuple(METRICS))
    bounds = Bounds(
        7, np.full(EPISODES, 100.0), rows[-1].samples["utility"], np.full(EPISODES, 20.0), np.ones(EPISODES)
    )
    return assembled(load_scenario("paper"), EPISODES, 0, rows, [bounds])


def test_a_row_of_runs_is_the_mean_over_their_seeds(results):
    assert results.policies == ("a", "b", "rcars")
    means = [220, 205, 250]
    assert results.value("a", 7, "utility") == interval(means)
    assert results.value("a", 7, "utility").mean == 225
    gaps = results.gaps("a", 7)
    assert gaps["of_optimum"] == pytest.approx(interval([1.2, 1.05, 1.5]))
    assert gaps["beyond_radio"] == pytest.approx(interval([120 / 80, 105 / 80, 150 / 80]))
    # Two seeds are too few for an interval.
    assert results.value("b", 7, "utility").mean == 255
    assert np.isnan(results.value("b", 7, "utility")[1:]).all()
    assert results.value("rcars", 7, "utility") == interval([230, 250, 240, 240])


def test_the_interquartile_mean_and_how_probably_a_run_is_better(results):
    row = results.of("a", 7)
    assert row.value(iqm_of("utility")).mean == pytest.approx((205 / 4 + 220 + 250 / 4) / 1.5)
    # Of six pairs a run of `a` costs less in the three with b1, and in one of those with b0, where one is a tie.
    assert row.value(improvement_over("b")).mean == pytest.approx((3 + 1 + 0.5) / 6)
    assert row.value(improvement_over("rcars")).mean == pytest.approx(2 / 3)
    assert results.of("b", 7).value(improvement_over("a")).mean == pytest.approx(1 - 4.5 / 6)
    assert improvement_over("a") not in results.of("rcars", 7).quantities


def test_rows_of_runs_are_compared_run_by_run(results):
    against = results.compare("a", "rcars", 7)["utility_difference"]
    assert against == pytest.approx(interval([-20, -35, 10]))
    assert results.compare("rcars", "a", 7)["utility_difference"].mean == pytest.approx(15)
    # Three runs and two: all pairs, which are not independent.
    against = results.compare("a", "b", 7)["utility_difference"]
    assert against.mean == pytest.approx(225 - 255)
    assert np.isnan(against.low)
    most = results.largest_advantage("a", 7)["better_by_of_base"]
    assert most == pytest.approx(interval([1 - 100 / 220, 1 - 100 / 205, 1 - 100 / 250]))


@pytest.mark.parametrize(
    ("cost", "verdict"),
    [
        (400, "a beats constant"),
        (250, "whether a beats constant is undecided"),
        (100, "a does not beat constant"),
    ],
)
def test_whether_runs_beat_constant_is_told_over_their_seeds(cost, verdict):
    bar = replace(measured("rcars"), policy="constant")
    bar = replace(bar, samples=dict(bar.samples) | {"utility": np.full(EPISODES, float(cost))})
    entries = [*ENTRIES[:2], Entry("constant", ("constant",))]
    rows = together([*map(measured, ("a0", "a1", "a2", "b0", "b1")), bar], entries, tuple(METRICS))
    bounds = Bounds(7, np.full(EPISODES, 90.0), bar.samples["utility"], np.full(EPISODES, 20.0), np.ones(EPISODES))
    told = assembled(load_scenario("paper"), EPISODES, 0, rows, [bounds]).remarks
    by = interval([1 - mean / cost for mean in (220, 205, 250)])
    said = f"{verdict}: better by {by.mean:+.1%} [{by.low:+.1%}, {by.high:+.1%}]; it uses 3 caches"
    assert said in told
    # Two seeds have no interval, so that nothing is decided.
    mean = 1 - 255 / cost
    assert f"whether b beats constant is undecided: better by {mean:+.1%}; it uses 3 caches" in told


def test_what_they_are_over_stands_in_titles_and_json(results):
    assert results.over == "4 episodes, of runs 3 seeds × 4 episodes or 2 seeds × 4 episodes"
    assert results.sheets[0].title.startswith(f"paper, 7 users: mean and 95 % interval over {results.over}")
    rows = {row["policy"]: row for row in json.loads(json.dumps(results.as_json(), allow_nan=False))["results"]}
    assert (rows["a"]["over"], rows["rcars"]["over"]) == ("3 seeds × 4 episodes", "4 episodes")
    assert rows["a"]["seeds"] == [0, 1, 2]
    assert rows["a"]["runs"][1]["run"] == "a1"
    assert rows["a"]["runs"][1]["episodes"]["utility"] == [200, 210, 205, 205]
    assert rows["a"]["iqm"]["utility"] == pytest.approx(222.5)
    assert rows["a"]["probability_of_improvement"] == {"b": 0.75, "rcars": pytest.approx(2 / 3)}
    assert rows["rcars"]["episodes"]["utility"] == [230, 250, 240, 240]
    assert "seeds" not in rows["rcars"]


def test_with_two_episodes_no_interval_is_shown():
    def short(row):
        return Measured(row.policy, 7, {key: value[:2] for key, value in row.samples.items()}, row.derived)

    rows = [short(measured(name)) for name in ("rcars", "b0")]
    bounds = Bounds(7, np.full(2, 100.0), rows[0].samples["utility"], np.full(2, 20.0), np.ones(2))
    results = assembled(load_scenario("paper"), 2, 0, rows, [bounds])
    assert results.sheets[0].title.startswith("paper, 7 users: mean over 2 episodes")
    assert not any("[" in cell for sheet in results.sheets for row in results.texts(sheet) for cell in row)


def test_records_are_a_table_of_all_values(results):
    records = results.records()
    (cost,) = [each for each in records if (each["policy"], each["metric"]) == ("a", "utility")]
    low, high = results.value("a", 7, "utility")[1:]
    assert cost == {
        **{"policy": "a", "users": 7, "metric": "utility", "unit": "", "mean": 225.0, "low": low, "high": high},
        "over": "3 seeds × 4 episodes",
    }
    assert len({(each["policy"], each["metric"]) for each in records}) == len(records)


# --- Files --------------------------------------------------------------------------------------------------


def test_the_csv_has_a_row_for_each_and_every_interval(results):
    import csv

    rows = {row["policy"]: row for row in csv.DictReader(as_csv(results).splitlines())}
    assert list(rows) == ["a", "b", "rcars"]
    for name, row in rows.items():
        assert (row["users"], row["over"]) == ("7", results.over_of(results.of(name, 7)))
        for key in ("utility", "of_optimum"):
            told = [float(row[column] or "nan") for column in (key, f"{key}_low", f"{key}_high")]
            assert told == pytest.approx(list(results.value(name, 7, key)), nan_ok=True)
    assert "decision_ms" in rows["a"]
    assert "decision_ms_low" not in rows["a"]


def test_a_name_is_no_formula_and_no_command(results):
    entries = [*ENTRIES[:2], Entry('=1+1&\\input{x}_$~^#%<|>"', ("rcars",))]
    rows = together([measured(name) for name in COSTS], entries, tuple(METRICS))
    renamed = Measured(entries[2].name, 7, rows[2].samples, rows[2].derived)
    bounds = Bounds(
        7, np.full(EPISODES, 100.0), rows[2].samples["utility"], np.full(EPISODES, 20.0), np.ones(EPISODES)
    )
    made = assembled(results.scenario, EPISODES, 0, [*rows[:2], renamed], [bounds])
    assert "'=1+1&" in as_csv(made)
    told = r"=1+1\&\textbackslash{}input\{x\}\_\$\textasciitilde{}\textasciicircum{}\#\%$<$$|$$>${''}"
    assert told in as_latex(made)


def test_latex_has_the_tables_cell_by_cell(results):
    import re

    text = as_latex(results)
    assert text.isascii()
    assert text.count("{") == text.count("}")
    tables = re.findall(r"\\begin\{tabular\}\{(l+r+)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
    found = {}
    for columns, body in tables:
        rows = [line.strip().removesuffix(r" \\").split(" & ") for line in body.splitlines() if "&" in line]
        assert {len(row) for row in rows} == {len(columns)}
        for row in rows[1:]:
            found |= {(row[0], heading): cell for heading, cell in zip(rows[0][1:], row[1:], strict=True)}
    low, high = results.value("a", 7, "utility")[1:]
    assert found["a", "utility"] == f"225.0 {{[}}{low:.1f}, {high:.1f}{{]}}"
    assert found["b", "utility"] == "255.0"
    assert found["a", r"better than rcars"] == "0.67"


# --- Folders ------------------------------------------------------------------------------------------------

SMALL = ("cell.slots_per_episode=5", "cell.users=3", "cell.places=3")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together") / "sweep"
    for rate in ("0.001", "0.0001"):
        scenario = load_scenario("paper", [*SMALL, f"ddpg.actor_learning_rate={rate}"])
        for seed in (2, 0, 1):
            create_run(folder / f"rate={rate}" / f"seed-{seed}", scenario, 3, "ddpg", 10, seed)
    (folder / "empty").mkdir()
    return folder


def test_a_pattern_is_a_row_for_each_setting(sweep):
    rows = entries_of(by_name(["rcars", f"{sweep}/*"]), print)
    assert [(row.name, row.seeds) for row in rows] == [
        ("rcars", ()),
        ("ddpg.actor_learning_rate=0.0001", (0, 1, 2)),
        ("ddpg.actor_learning_rate=0.001", (0, 1, 2)),
    ]
    assert rows[1].members == tuple(f"{sweep}/rate=0.0001/seed-{seed}" for seed in (0, 1, 2))
    # The folder that holds them, its parts, and all of it twice are the same.
    assert entries_of(by_name(["rcars", str(sweep), f"{sweep}/rate=0.001"]), print) == rows
    assert entries_of(by_name(["rcars", f"{sweep}/rate=*/seed-*"]), print) == rows


def test_a_group_alone_is_called_by_its_folder_and_a_run_alone_is_a_policy(sweep):
    assert entries_of({"slow": f"{sweep}/rate=0.001/*"}, print)[0].name == "slow"
    assert entries_of({"mine": "x.py:f"}, print) == [Entry("mine", ("x.py:f",))]
    with pytest.raises(InputError, match=r"policy all=.*: these are \d rows; give each a label, or none"):
        entries_of({"all": f"{sweep}/*"}, print)
    assert [row.name for row in entries_of(by_name([f"{sweep}/rate=0.001/*"]), print)] == [f"{sweep}/rate=0.001"]
    one = f"{sweep}/rate=0.001/seed-1"
    alone = entries_of(by_name([f"{sweep}/rate=0.001/*1"]), print)
    assert alone == entries_of(by_name([one]), print) == [Entry(one, (one,))]


def test_what_diverged_is_left_out_and_told(sweep):
    ends = [sweep / "rate=0.001" / f"seed-{seed}" / "ended.json" for seed in (0, 1, 2)]
    told = []
    try:
        ends[1].write_text('{"ended": "diverged"}')
        rows = entries_of(by_name([f"{sweep}/*"]), told.append)
        assert [row.seeds for row in rows] == [(0, 1, 2), (0, 2)]
        assert told == [f"{sweep}/rate=0.001/seed-1: training diverged; it is left out"]
        for end in ends:
            end.write_text('{"ended": "diverged"}')
        with pytest.raises(InputError, match=r"rate=0.001': training diverged in every run there"):
            entries_of(by_name([f"{sweep}/rate=0.001"]), told.append)
        assert [row.seeds for row in entries_of(by_name([str(sweep)]), told.append)] == [(0, 1, 2)]
    finally:
        for end in ends:
            end.unlink(missing_ok=True)


def test_what_holds_no_run_and_the_same_run_twice_are_refused(sweep):
    with pytest.raises(InputError, match=r"policy '.*/none\*': no folder of that pattern holds a run"):
        entries_of(by_name([f"{sweep}/none*"]), print)
    with pytest.raises(InputError, match=r"empty: holds no run; 'genedge train --out"):
        entries_of(by_name([f"{sweep}/empty"]), print)
    scenario = load_scenario("paper", [*SMALL, "ddpg.actor_learning_rate=0.001"])
    again = sweep.parent / "again"
    create_run(again / "seed-1", scenario, 3, "ddpg", 10, 1)
    with pytest.raises(InputError, match=r"seed-1 and .*again/seed-1 are the same run, with seed 1; name"):
        entries_of(by_name([f"{sweep}/rate=0.001", str(again)]), print)


def test_runs_on_other_slots_are_another_row(sweep):
    """Slots of another file are other training, whatever the seed."""
    runs = [
        replace(run, slots=f"/{'ab'[i % 2]}.jsonl", slots_sha256="ab"[i % 2])
        for i, run in enumerate(find_runs([sweep / "rate=0.001"]))
    ]
    assert len(runs) > 1
    assert len({_but_for_the_seed(run) for run in runs}) == 2
