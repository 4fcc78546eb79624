"""Verdicts on claims, on numbers made up for the purpose."""

import numpy as np
import pytest

from genedge.paper.claims import CLAIMS, Claim, judge, judge_lower, judge_rise, judge_rise_and_fall, percentage
from genedge.statistics import Interval

CLAIM = Claim("utility", "DDPG", "RCARS", (25.0, 25.0))


def measured(**costs: list[list[float]]):
    """How to look up made-up values, whatever the metric and the number of users."""
    return lambda who, metric, users: np.array(costs[who])


@pytest.mark.parametrize(
    ("ours", "most", "verdict", "says"),
    [
        ([[74.0], [76.0], [75.0]], 60.0, "reproduced", "lies within the interval"),
        ([[70.0], [70.0], [70.0]], 60.0, "exceeded", "more than the 25 % claimed"),
        ([[90.0], [91.0], [90.0]], 60.0, "not reproduced", "not 25 %; no policy could have more than 66.7 %"),
        ([[90.0], [91.0], [90.0]], 85.0, "impossible", "above what the certificate allows"),
        ([[60.0], [90.0], [90.0]], 55.0, "undecided", "too wide to tell"),
        ([[75.0], [75.0], [np.nan]], 60.0, "not reproduced", "undefined"),
    ],
)
def test_verdicts(ours, most, verdict, says):
    values = measured(DDPG=ours, RCARS=[[100.0]] * 3, most=[[most]] * 3)
    found = judge(CLAIM, 10, values, "DDPG")
    assert found.verdict == verdict
    assert says in found.why
    assert found.telling in found.found
    first, second = found.found
    assert first.measured.mean == pytest.approx(np.mean([100 - x[0] for x in ours]), nan_ok=True)
    assert second.measured.mean == pytest.approx(np.mean([100 * (100 / x[0] - 1) for x in ours]), nan_ok=True)
    assert first.largest.mean == pytest.approx(100 - most)
    assert second.largest.mean == pytest.approx(100 * (100 / most - 1))


def test_the_reading_counts_that_favours_the_paper():
    """20 % of the base's is 25 % of ours."""
    found = judge(
        CLAIM, 10, measured(DDPG=[[79.5], [80.5], [80.0]], RCARS=[[100.0]] * 3, most=[[79.0]] * 3), "DDPG"
    )
    assert found.verdict == "reproduced"
    assert "base / ours − 1" in found.why
    assert found.telling == found.found[1]


def test_the_impossible_is_told_by_the_reading_that_leaves_most():
    """With 85 left of 100, 15 % of the base's or 17.6 % of ours."""
    found = judge(CLAIM, 10, measured(DDPG=[[90.0]] * 3, RCARS=[[100.0]] * 3, most=[[85.0]] * 3), "DDPG")
    assert found.verdict == "impossible"
    assert found.telling.reading == "base / ours − 1"


def test_numbers_below_zero_and_none():
    assert percentage(Interval(-1.25, -2.0, 0.04)) == "−1.2 % [−2.0, 0.0]"
    assert percentage(Interval(-0.001, np.nan, np.nan)) == "0.0 %"
    assert percentage(Interval(0.256, 0.1, 0.5), 2) == "0.26 % [0.10, 0.50]"
    assert percentage(Interval(np.nan, np.nan, np.nan)) == "undefined"


def test_a_claim_possible_in_one_reading_is_not_impossible():
    found = judge(CLAIM, 10, measured(DDPG=[[99.0]] * 3, RCARS=[[100.0]] * 3, most=[[79.0]] * 3), "DDPG")
    assert found.verdict == "not reproduced"


@pytest.mark.parametrize("most", [60.0, 85.0])
def test_two_catalogues_decide_nothing(most):
    """Not even what is impossible: a third might allow it."""
    found = judge(CLAIM, 10, measured(DDPG=[[75.0]] * 2, RCARS=[[100.0]] * 2, most=[[most]] * 2), "DDPG")
    assert found.verdict == "undecided"
    assert "fewer than three catalogues or seeds have no interval" in found.why


def test_hit_ratios_rise():
    claim = Claim("hit ratio", "DDPG", "RCARS", (50.0, 50.0))
    found = judge(claim, 18, measured(DDPG=[[0.61], [0.59], [0.6]], RCARS=[[0.4]] * 3, most=[[0.7]] * 3), "DDPG")
    assert found.verdict == "reproduced"
    assert len(found.found) == 4  # Two meanings of the metric, two readings of "better by".
    assert {round(f.measured.mean, 1) for f in found.found} == {50.0, 33.3}


def test_no_hits_on_one_catalogue_leave_a_reading_undefined():
    """(0 − 0.4) / 0 is no number; the others must not stand for it."""
    claim = Claim("hit ratio", "DDPG", "RCARS", (50.0, 50.0))
    values = measured(DDPG=[[0.0], [0.0], [0.5]], RCARS=[[0.4]] * 3, most=[[0.7]] * 3)
    of_base, of_ours = judge(claim, 10, values, "DDPG").found[:2]
    assert of_base.measured.mean == pytest.approx((-100 - 100 + 25) / 3)
    assert np.isnan(of_ours.measured.mean)


def test_undefined_hit_ratios_are_told_so():
    claim = Claim("hit ratio", "DDPG", "RCARS", (50.0, 50.0))
    found = judge(claim, 10, measured(DDPG=[[np.nan]] * 3, RCARS=[[0.4]] * 3, most=[[0.7]] * 3), "DDPG")
    assert found.verdict == "not reproduced"
    assert "undefined" in found.why


def test_another_contender_stands_for_the_agent():
    values = measured(mine=[[75.0]], RCARS=[[100.0]], most=[[70.0]])
    assert judge(CLAIM, 10, values, "mine").text == "mine is better than RCARS in utility, 10 users"


def test_every_claim_follows_from_the_other_two():
    """(1 + DDPG over HCRAS) (1 + HCRAS over RCARS) = 1 + DDPG over RCARS, and so for costs."""
    for metric in ("hit ratio", "utility"):
        over_hcras, over_rcars, between = (c.percent for c in CLAIMS if c.metric == metric)
        for a, b, c in zip(over_hcras, over_rcars, between, strict=True):
            if metric == "hit ratio":
                assert (1 + b / 100) / (1 + a / 100) - 1 == pytest.approx(c / 100, abs=1e-3)
            else:
                assert 1 - (1 - b / 100) / (1 - a / 100) == pytest.approx(c / 100, abs=1e-3)


def point(x: float) -> Interval:
    return Interval(x, x - 1, x + 1)


@pytest.mark.parametrize(
    ("rewards", "verdict"),
    [
        ([-400, -370, -500], "reproduced"),
        ([-370, -400, -500], "not reproduced"),
        ([-500, -400, -370], "not reproduced"),
        ([-370.5, -370, -500], "undecided"),
    ],
)
def test_rise_and_fall(rewards, verdict):
    assert judge_rise_and_fall("actor", [1e-5, 1e-4, 1e-2], [point(r) for r in rewards]).verdict == verdict


def test_divergence_is_worse_than_any_reward():
    undefined = Interval(np.nan, np.nan, np.nan)
    found = judge_rise_and_fall("actor", [1e-5, 1e-4, 1e-2], [point(-400), point(-370), undefined])
    assert found.verdict == "reproduced"
    assert "divergence at 0.01" in found.why


def test_rises_with_the_number_of_users():
    values = {10: np.array([[1.0, 1.1, 1.05]]), 18: np.array([[2.0, 2.1, 2.2]])}  # Of the best, too.
    up = judge_rise("x", "utility", "DDPG", lambda who, metric, n: values[n])
    down = judge_rise("x", "utility", "DDPG", lambda who, metric, n: values[28 - n])
    assert (up.verdict, down.verdict) == ("reproduced", "not reproduced")


def test_lower_than_a_benchmark():
    values = measured(DDPG=[[1.0, 1.2], [1.1, 1.0], [1.1, 1.1]], RCARS=[[2.0]] * 3, most=[[0.5]] * 3)
    assert judge_lower("less", "tv", "DDPG", "RCARS", 10, values).verdict == "reproduced"
    assert judge_lower("less", "tv", "RCARS", "DDPG", 10, values).verdict == "not reproduced"
    mixed = measured(DDPG=[[1.0], [2.5], [2.0]], RCARS=[[2.0]] * 3, most=[[0.5]] * 3)
    assert judge_lower("less", "tv", "DDPG", "RCARS", 10, mixed).verdict == "undecided"
    best = measured(DDPG=[[2.5]] * 3, RCARS=[[2.0]] * 3, most=[[2.0]] * 3)
    assert judge_lower("less", "tv", "DDPG", "RCARS", 10, best).verdict == "impossible"
