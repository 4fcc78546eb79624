"""Intervals against SciPy's bootstrap, and the two readings of "better by"."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from genedge.statistics import (
    RESAMPLES,
    excess_of_base,
    interval,
    interval_over_runs,
    mean,
    saved_of_base,
)


def test_interval_is_scipys_percentile_bootstrap():
    sample = np.random.default_rng(1).normal(10, 2, 40)
    ours = interval(mean, sample)
    theirs = bootstrap((sample,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(2))
    assert ours.mean == pytest.approx(sample.mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.05)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.05)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    covered = [i.low <= 0 <= i.high for i in (interval(mean, rng.normal(0, 1, 60)) for _ in range(300))]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.04)


def test_pairing_removes_what_both_share():
    rng = np.random.default_rng(4)
    shared = rng.normal(0, 100, 50)
    difference = interval(lambda a, b: mean(a) - mean(b), shared + 1, shared + rng.normal(0, 0.1, 50))
    assert 0.9 < difference.low < difference.high < 1.1


def test_both_readings():
    ours, base = np.array([60.0, 80.0]), np.array([100.0, 100.0])
    assert saved_of_base(ours, base) == pytest.approx(0.3)
    assert excess_of_base(ours, base) == pytest.approx(100 / 70 - 1)


def test_undefined_episodes_are_left_out():
    assert mean(np.array([1.0, np.nan, 3.0])) == 2
    assert np.isnan(mean(np.array([np.nan, np.nan])))
    assert interval(mean, np.array([np.nan, np.nan])).as_json() == {"mean": None, "low": None, "high": None}
    alone = interval(mean, np.array([2.0]))
    assert alone.as_json() == {"mean": 2.0, "low": None, "high": None}
    assert np.isnan(saved_of_base(np.array([1.0]), np.array([0.0])))


def test_interval_over_runs_covers_catalogues_and_seeds():
    """The 95 % interval of the mean holds the true mean in about 95 of 100 draws, with enough catalogues."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        catalogues = rng.normal(10, 2, (20, 1))
        found = interval_over_runs(catalogues + rng.normal(0, 1, (20, 3)))
        inside += found.low <= 10 <= found.high
    assert 0.88 <= inside / 200 <= 0.99


def test_interval_over_runs_against_plain_loops():
    values = np.array([[1.0, 2.0, 4.0], [8.0, np.nan, 32.0]])
    rng = np.random.default_rng(0)
    catalogues = rng.integers(0, 2, (RESAMPLES, 2))
    seeds = rng.integers(0, 3, (RESAMPLES, 2, 3))
    means = [
        mean(np.array([values[catalogues[r, i], seeds[r, i, j]] for i in range(2) for j in range(3)]))
        for r in range(RESAMPLES)
    ]
    found = interval_over_runs(values)
    assert found.mean == pytest.approx(np.nanmean(values))
    assert (found.low, found.high) == pytest.approx(tuple(np.nanquantile(means, [0.025, 0.975])))


def test_interval_over_runs_of_one_value_or_none():
    assert interval_over_runs(np.array([[3.0]])).mean == 3.0
    assert np.isnan(interval_over_runs(np.array([[3.0]])).low)
    assert np.isnan(interval_over_runs(np.full((2, 2), np.nan))).all()
