"""Intervals by simulation and against SciPy, and the two readings of "better by"."""

import math

import numpy as np
import pytest
from scipy import stats

from genedge import InputError, interval
from genedge.statistics import excess_of_base, interval_of, mean, over_groups, saved_of_base

# How values are distributed, and their mean.
DRAWS = {
    "normal": (lambda rng, shape: rng.normal(0, 1, shape), 0.0),
    "exponential": (lambda rng, shape: rng.exponential(1, shape), 1.0),
    "skewed to the left": (lambda rng, shape: -rng.gamma(2, 1, shape), -2.0),
    "lognormal": (lambda rng, shape: rng.lognormal(0, 0.5, shape), math.exp(0.125)),
}


def coverage(intervals, truth):
    """In what share of cases the truth lies within."""
    return np.mean([i.low <= truth <= i.high for i in intervals])


@pytest.mark.parametrize("count", [3, 4, 5, 10, 20])
@pytest.mark.parametrize("name", DRAWS)
def test_intervals_hold_the_mean_as_often_as_promised(name, count):
    """At least 93 of 100: 1,500 cases may miss that by chance by 2 of 100, at three standard deviations."""
    draw, truth = DRAWS[name]
    cases = draw(np.random.default_rng(count), (1500, count))
    assert coverage([interval(case.tolist()) for case in cases], truth) >= 0.93 - 0.02


@pytest.mark.parametrize("groups", [3, 5, 10])
@pytest.mark.parametrize("name", DRAWS)
def test_intervals_over_two_levels_hold_the_mean_too(name, groups):
    """Catalogues that differ, and three seeds on each that differ as much again."""
    draw, truth = DRAWS[name]
    rng = np.random.default_rng(groups)
    upper, lower = draw(rng, (1500, groups, 1)), draw(rng, (1500, groups, 3))
    assert coverage([interval(case.tolist()) for case in upper + lower], 2 * truth) >= 0.93 - 0.02


def test_paired_ratios_hold_theirs():
    """The gap of a policy to an optimum that met the same five episodes."""
    rng = np.random.default_rng(5)
    optimum = rng.gamma(20, 1, (1500, 5))
    ours = 1.1 * optimum + rng.exponential(1, (1500, 5))
    found = [interval_of(lambda a, b: mean(a) / mean(b) - 1, a, b) for a, b in zip(ours, optimum, strict=True)]
    assert coverage(found, 0.1 + 1 / 20) >= 0.93 - 0.02


def test_intervals_are_not_wider_than_they_need_be():
    """With many normal values they are those of Student's t, which are the shortest that hold 95 of 100."""
    rng = np.random.default_rng(6)
    for case in rng.normal(10, 2, (20, 400)):
        found, t = interval(case.tolist()), stats.t.interval(0.95, 399, case.mean(), stats.sem(case))
        assert found.mean == pytest.approx(case.mean())
        assert found.low <= t[0]
        assert found.high >= t[1]
        assert found.high - found.low < 1.06 * (t[1] - t[0])


def test_an_interval_reaches_where_the_values_are_skewed():
    """Of a sample with one large value the mean may well be larger, and hardly smaller; mirrored, likewise."""
    found, mirrored = interval([1.0, 1.1, 0.9, 1.0, 3.0]), interval([-1.0, -1.1, -0.9, -1.0, -3.0])
    assert found.high - found.mean > 1.5 * (found.mean - found.low)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_halls_transformation_is_inverted():
    """The ends are where Hall's Eq. (2.3) equals Student's t, a little wider; solved here by bisection."""
    values = np.array([0.2, 0.1, 0.4, 1.2, 0.3, 0.8, 0.5, 0.6])
    n, spread = len(values), values.std(ddof=1)
    skewness = n / ((n - 1) * (n - 2)) * (((values - values.mean()) / spread) ** 3).sum()
    reach = stats.t.ppf(0.975, n - 1) * (1 + 3 / n**2) / math.sqrt(n)

    def transformed(x):
        return x + skewness * x**2 / 3 + skewness**2 * x**3 / 27 + skewness / (6 * n)

    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if transformed(middle) < -reach else (low, middle)
    assert -2 * reach < low < -reach
    assert interval(values.tolist()).high == pytest.approx(values.mean() - spread * low)


def test_pairing_removes_what_both_share():
    rng = np.random.default_rng(4)
    shared = rng.normal(0, 100, 50)
    difference = interval_of(lambda a, b: mean(a) - mean(b), shared + 1, shared + rng.normal(0, 0.1, 50))
    assert 0.9 < difference.low < difference.high < 1.1


def test_both_readings():
    ours, base = np.array([60.0, 80.0]), np.array([100.0, 100.0])
    assert saved_of_base(ours, base) == pytest.approx(0.3)
    assert excess_of_base(ours, base) == pytest.approx(100 / 70 - 1)


def test_undefined_values_are_left_out():
    assert mean(np.array([1.0, np.nan, 3.0])) == 2
    assert np.isnan(mean(np.array([np.nan, np.nan])))
    assert interval_of(mean, np.array([np.nan, np.nan])).as_json() == {"mean": None, "low": None, "high": None}
    assert interval([1.0, math.nan, 2.0, 4.0]) == interval([1.0, 2.0, 4.0])
    assert np.isnan(saved_of_base(np.array([1.0]), np.array([0.0])))


@pytest.mark.parametrize("values", [[2.0], [2.0, 4.0], [2.0, 4.0, math.nan], [[1.0, 3.0], [5.0, 5.0, 5.0]]])
def test_fewer_than_three_values_have_no_interval(values):
    found = interval(values)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    means = [np.mean(value) for value in values]
    assert found.mean == pytest.approx(np.nanmean(means))


def test_groups_are_over_their_means():
    groups = [[1.0, 3.0], [4.0], [5.0, 5.0, 8.0]]
    assert interval(groups) == interval([2.0, 4.0, 6.0])
    assert interval([[1.0, 2.0, 4.0]]) == interval([1.0, 2.0, 4.0])
    assert over_groups(np.array([[1.0, 3.0], [4.0, np.nan], [5.0, 7.0]])) == interval([2.0, 4.0, 6.0])
    assert np.isnan(over_groups(np.full((4, 2), np.nan))).all()


def test_equal_values_have_an_interval_of_no_width():
    assert interval([0.1 + 0.2, 0.3, 0.3]) == pytest.approx((0.3, 0.3, 0.3))


def test_very_many_values_are_left_out_in_parts():
    values = np.random.default_rng(7).exponential(1, 5000)
    found = interval_of(mean, values)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(5000), rel=0.15)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ("1,2,3", "values must be numbers, such as"),
        (7, "values must be numbers, such as"),
        ([], "values must be numbers, such as"),
        ([1.0, "2", 3.0], "values[1] must be a number, not '2'"),
        ([1.0, math.inf, 3.0], "values[1] is infinite"),
        ([1.0, True, 3.0], "values[1] must be a number, not True"),
        ([math.nan, math.nan], "values must hold at least one number"),
        ([[1.0], 2.0], "values must be all numbers, or all lists of numbers"),
        ([[1.0], [None]], "values[1][0] must be a number, not None"),
        ([[1.0], []], "values[1] must hold at least one number"),
    ],
)
def test_what_is_no_number_is_named(values, told):
    with pytest.raises(InputError) as caught:
        interval(values)
    assert told in str(caught.value)


def test_arrays_of_other_libraries_are_numbers():
    import jax.numpy as jnp

    assert interval(jnp.array([1.0, 2.0, 4.0])) == interval([1.0, 2.0, 4.0])
    with pytest.raises(InputError, match="values must be numbers"):
        interval(np.array(3.0))
