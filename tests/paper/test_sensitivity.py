"""Every assumed value is varied, and every conclusion is judged by its number."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_up import made_up

from genedge.evaluation.by_name import evaluate_by_name
from genedge.evaluation.together import Entry
from genedge.paper.plan import QUICK, changed
from genedge.paper.records import fits
from genedge.paper.sections.sensitivity import BOXES as ROWS
from genedge.paper.sections.sensitivity import _box_measure, _values_in_box, sensitivity_pictures, sensitivity_tasks
from genedge.paper.sensitivity import (
    BACKHAUL_MBIT_PER_S,
    BOUND,
    BOXES,
    CERTIFIED_BOXES,
    CONCLUSIONS,
    FLOOR,
    SPEEDS,
    VARIATIONS,
    Conclusion,
    faster,
    within_one_percent,
)
from genedge.paper.study import study_of
from genedge.paper.tasks import TEST_SEED, MeasureBox
from genedge.scenario import load_scenario

# Settings of agents change how they learn, not the cell; the seed is the catalogue; what the text lost of the radio
# is restored, not assumed.
OF_THE_CELL = ("cell", "radio", "backhaul", "requests", "server", "objective", "models")


def test_every_assumed_value_of_the_cell_is_varied(paper):
    assumed = {
        key
        for key, setting in paper.table.items()
        if setting.provenance == "assumed" and key.split(".")[0] in OF_THE_CELL
    }
    # Of account only with settings that the paper's cell has not.
    assumed -= {"radio.outage_delay_s", "objective.late_penalty", "server.generation_order"}
    varied = {change.partition("=")[0] for changes in VARIATIONS.values() for change in changes}
    assert assumed <= varied
    # A range or a number is varied to both sides; a choice has one other side.
    for key in assumed - {"objective.alpha_weighs"}:
        assert sum(key in change for changes in VARIATIONS.values() for change in changes) >= 2, key


def test_every_variation_is_a_cell_of_its_own(paper):
    cells = [load_scenario("paper", changes) for changes in VARIATIONS.values()]
    assert len({(cell.id, cell.hyperparameters("hcras")) for cell in cells}) == len(VARIATIONS)
    assert cells[0].id == paper.id


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("rate", BACKHAUL_MBIT_PER_S)
def test_faster_cells(paper, speed, rate):
    """Time per step and fixed time shrink alike, in every model; nothing else changes but backhaul and floor."""
    cell = load_scenario("paper", faster(speed, rate))
    np.testing.assert_allclose(cell.params.models.B1 * speed, paper.params.models.B1, rtol=1e-5)
    np.testing.assert_allclose(cell.params.models.B2 * speed, paper.params.models.B2, rtol=1e-5)
    assert cell.params.R_bc == cell.params.R_cb == rate * 1e6
    assert FLOOR.startswith("server.quality_floor")
    np.testing.assert_array_equal(cell.params.models.A3, cell.params.models.floor_steps)


def lookup(**values: list[float]):
    """Made-up values, one for each catalogue, whatever the number of users."""
    return lambda policy, metric, users, floor: np.array(values[f"{policy}_{metric}"])[:, None]


def test_a_conclusion_holds_fails_or_stays_open():
    above = Conclusion("x", lambda v: v("a", "b", 10, False), 5.0, True, ".1f")
    below = above._replace(above=False)
    for values, holds in (([7, 7.1, 7.2], True), ([1, 1.1, 1.2], False), ([2, 8, 5], None)):
        assert above.judge(lookup(a_b=values))[1] is holds
        assert below.judge(lookup(a_b=values))[1] is (None if holds is None else not holds)
    # Two catalogues do not tell.
    assert above.judge(lookup(a_b=[7, 7.1]))[1] is None
    # What was not measured neither holds nor fails.
    assert above.judge(lookup(a_b=[np.nan]))[1] is None
    assert below.judge(lookup(a_b=[np.nan]))[1] is None


def test_the_conclusions_numbers():
    values = lookup(
        optimum_utility=[300.0],
        optimal_utility=[300.0],
        optimal_tv=[70.0],
        optimal_unimproved_ratio=[0.75],
        rcars_utility=[400.0],
        rcars_tv=[55.0],
        hcras_utility=[306.0],
        constant_utility=[404.0],
        knapsack_utility=[303.0],
        learned_utility=[301.5],
        greedy_hit_ratio=[0.7],
        **{"cloud-only_utility": [360.0]},
    )
    found = [round(conclusion.judge(values)[0].mean, 6) for conclusion in CONCLUSIONS]
    assert found == [23.5, 10.0, 25.0, 25.0, 2.0, 1.0, 0.5, 75.0, 15.0, round(100 / 6, 6), 0.0]
    assert within_one_percent("knapsack", "mine").judge(values)[0].mean == pytest.approx(1.0)


# --- Boxes --------------------------------------------------------------------------------------------------

ONE = study_of(changed(QUICK, ["sensitivity_catalogues=1", "sensitivity_episodes=2"]), {})


def test_every_row_of_a_box_is_one_and_no_other(paper):
    rows = {**BOXES, **CERTIFIED_BOXES}
    assert len(rows) == len(BOXES) + len(CERTIFIED_BOXES)
    boxes = [load_scenario("paper", changes) for changes in rows.values()]
    assert len({box.id for box in boxes}) == len(rows)
    assert all(box.params.box is not None for box in boxes)
    assert paper.params.box is None


def test_what_has_no_meaning_in_a_box_is_left_empty():
    """No agent decides there; and of the optimum nothing is said where it is not known."""
    grid, _ = sensitivity_pictures(ONE, {task: made_up(task) for task in sensitivity_tasks(ONE)})
    told = {label: [] for label in grid.labels}
    for row in grid.rows:
        told[row["assumption"]].append(row["conclusion"].partition(" (")[0])
    assert all(len(told[label]) == len(CONCLUSIONS) for label in VARIATIONS)
    for label in BOXES:
        assert told[label] == ["HCRAS beats RCARS", "the cloud beats RCARS", "knapsack beats constant"]
    for label in CERTIFIED_BOXES:
        assert told[label] == [
            *("HCRAS beats RCARS", "the cloud beats RCARS", "knapsack beats constant"),
            *(
                "30.19 % over RCARS is out of reach",
                "HCRAS is within 1 %",
                "knapsack is within 1 %",
                "with the floor, caching saves less than 5 %",
            ),
        ]


def test_rows_of_boxes_have_their_tasks_numbers():
    tasks = [task for task in sensitivity_tasks(ONE) if isinstance(task, MeasureBox)]
    records = {task: made_up(task) for task in tasks}
    grid, _ = sensitivity_pictures(ONE, {task: made_up(task) for task in sensitivity_tasks(ONE)})
    shown = {(row["assumption"], row["conclusion"].partition(" (")[0]): row["mean"] for row in grid.rows}
    for certified, rows in ROWS.items():
        for label, changes in rows.items():
            found = records[_box_measure(ONE, 1, changes, certified)]["found"]
            metric = "expected_utility" if certified else "utility"
            cost = {name: np.mean(each["10"][metric]) for name, each in found["policies"].items()}
            saved = 100 * (1 - cost["hcras"] / cost["rcars"])
            assert shown[label, "HCRAS beats RCARS"] == pytest.approx(saved)
            if certified:
                gap = 100 * (cost["knapsack"] / np.mean(found["optimum"]["10"]) - 1)
                assert shown[label, "knapsack is within 1 %"] == pytest.approx(gap)


@pytest.mark.heavy
@pytest.mark.parametrize("certified", ROWS)
def test_a_box_is_measured_as_evaluate_does_it(certified):
    """The numbers of the report are those of `genedge evaluate`, on the same slots."""
    changes = ROWS[certified][next(label for label in ROWS[certified] if "60" in label)]
    names = ("cloud-only", "knapsack", "optimal") if certified else ("cloud-only", "knapsack")
    task = MeasureBox("paper", changes, 2, 10, names, 1)
    record = json.loads(json.dumps({"found": task.run(Path()).numbers, "times": made_up(task)["times"]}))
    assert fits(record, task)
    scenario = load_scenario("paper", ["seed=2", *changes])
    entries = [Entry(name, (name,)) for name in names]
    theirs = evaluate_by_name(scenario, entries, "best", [10], 1, TEST_SEED, lambda text: None)
    ours = _values_in_box([task], {task: record})
    for name in names:
        for metric in ("utility", "delay_s", "hit_ratio"):
            asked = "expected_utility" if certified and metric == "utility" else metric
            assert ours(name, metric, 10, False) == pytest.approx(theirs.value(name, 10, asked).mean)
        assert record["found"]["caches"][name]["10"] == theirs.value(name, 10, "caches").mean
    assert (theirs.optimum is None) is not certified
    if certified:
        assert theirs.exact
        assert ours(BOUND, "utility", 10, False) == theirs.optimum <= ours("knapsack", "utility", 10, False)
