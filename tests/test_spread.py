"""What means hide: against samples worked out by hand, and against counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genedge.spread import Tail, interquartile_mean, probability_of_improvement, tail

COSTS = st.lists(st.integers(0, 50), min_size=1, max_size=30).map(lambda values: np.array(values, float))


def test_two_requests_in_two_thousand_are_a_third_of_the_mean():
    values = np.ones(2000)
    values[[3, 1700]] = 501.0
    assert tail(values) == Tail(mean=1.5, largest_share=1002 / 3000, median=1.0, interquartile_mean=1.0)
    # One more request, and three of them are the largest 0.1 %.
    assert tail(np.append(values, 1.0)).largest_share == 1003 / 3001


def test_of_few_requests_the_largest_one_counts():
    assert tail(np.array([1.0, 2.0, 3.0, 14.0])) == Tail(5.0, 0.7, 2.5, 2.5)
    assert tail(np.zeros(3))[2:] == (0, 0)
    assert np.isnan(tail(np.zeros(3)).largest_share)
    assert np.isnan(tail(np.array([1.0, np.inf])).largest_share)


@given(COSTS)
def test_the_interquartile_mean_is_that_of_the_middle_half_of_all_quarters(values):
    quarters = np.sort(np.repeat(values, 4))
    assert interquartile_mean(values) == pytest.approx(quarters[values.size : 3 * values.size].mean())
    assert interquartile_mean(np.append(values, np.nan)) == interquartile_mean(values)


def test_of_nothing_there_is_no_interquartile_mean():
    assert np.isnan(interquartile_mean(np.array([np.nan])))


@given(COSTS, COSTS)
def test_a_tie_is_half_an_improvement(ours, theirs):
    wins = sum(1.0 if a < b else 0.5 if a == b else 0.0 for a in ours for b in theirs)
    assert probability_of_improvement(ours, theirs) == pytest.approx(wins / ours.size / theirs.size)
