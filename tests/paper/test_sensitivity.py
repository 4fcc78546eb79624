"""Every assumed value is varied, and every conclusion is judged by its number."""

import numpy as np
import pytest

from genedge.paper.sensitivity import (
    BACKHAUL_MBIT_PER_S,
    CONCLUSIONS,
    FLOOR,
    SPEEDS,
    VARIATIONS,
    Conclusion,
    faster,
    within_one_percent,
)
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
    assumed -= {"radio.outage_delay_s", "objective.late_penalty"}
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
        knapsack_utility=[303.0],
        learned_utility=[301.5],
        greedy_hit_ratio=[0.7],
        **{"cloud-only_utility": [360.0]},
    )
    found = [round(conclusion.judge(values)[0].mean, 6) for conclusion in CONCLUSIONS]
    assert found == [23.5, 10.0, 25.0, 2.0, 1.0, 0.5, 75.0, 15.0, round(100 / 6, 6), 0.0]
    assert within_one_percent("knapsack", "mine").judge(values)[0].mean == pytest.approx(1.0)
