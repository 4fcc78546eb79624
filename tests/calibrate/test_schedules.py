"""Which levels are visited: what Algorithm 1 of RePaint says, counted anew."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genedge.calibrate.schedules import levels, linear, respaced, truncated
from genedge.errors import InputError

ways = st.builds(
    lambda spacing, start, jump, r: truncated(min(start, spacing), spacing, jump, r),
    *(st.integers(1, 60), st.integers(1, 60), st.integers(1, 70), st.integers(1, 5)),
)


@given(ways)
def test_the_formula_counts_what_is_walked(schedule):
    """And each piece that lies between jumps is walked as often as it should be."""
    places = schedule.places()
    down = [(now, then) for now, then in pairwise(places) if then < now]
    up = [(now, then) for now, then in pairwise(places) if then > now]
    assert places[0] == schedule.start
    assert places[-1] == 0
    assert all(now - then == 1 for now, then in down)
    assert all(then - now == schedule.jump for now, then in up)
    assert len(down) == schedule.evaluations
    assert Counter(now for now, _ in up) == Counter(
        {
            place: schedule.resamplings - 1
            for place in range(0, schedule.start - schedule.jump, schedule.jump)
            if schedule.resamplings > 1
        }
    )
    assert max(places) == schedule.start


def test_jumps_by_hand():
    """T = 5, j = 2, r = 2: back up from 2, then from 0."""
    schedule = respaced(5, 2, 2)
    assert schedule.places() == (5, 4, 3, 2, 4, 3, 2, 1, 0, 2, 1, 0)
    assert schedule.evaluations == 9
    assert schedule.moves()[3:5] == ((2, 4), (4, 3))


def test_the_papers_own():
    """250 steps, jumps of 10, 10 resamplings."""
    assert respaced(250, 10, 10).evaluations == 2410
    assert respaced(250).evaluations == 250
    assert truncated(50, 250, 10, 10).evaluations == 410


@given(ways, st.integers(60, 1000))
def test_levels_are_evenly_spaced_and_reach_from_end_to_end(schedule, training_steps):
    grid = levels(schedule, training_steps)
    assert (grid[0], grid[-1]) == (0, training_steps)
    exact = np.arange(schedule.spacing + 1) * training_steps / schedule.spacing
    assert np.abs(grid - exact).max() <= 0.5
    assert (np.diff(grid) > 0).all()


def test_truncated_keeps_the_grid_and_starts_lower():
    np.testing.assert_array_equal(levels(truncated(3, 10), 1000), levels(respaced(10), 1000))
    assert truncated(3, 10).places() == (3, 2, 1, 0)
    np.testing.assert_array_equal(levels(respaced(4), 1000), [0, 250, 500, 750, 1000])


def test_more_steps_than_levels_are_refused():
    assert (levels(respaced(1000), 1000) == np.arange(1001)).all()
    with pytest.raises(InputError, match="1001 steps: the model was trained with 1000"):
        levels(respaced(1001), 1000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, 1, 1), "spacing 0: must be at least 1"),
        ((5, 0, 1), "jump 0: must be at least 1"),
        ((5, 1, 0), "resamplings 0: must be at least 1"),
    ],
)
def test_what_makes_no_way_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        respaced(*given)


def test_no_more_steps_than_the_whole_way():
    with pytest.raises(InputError, match="6 steps of 5: there are no more than 5"):
        truncated(6, 5)


def test_power_that_is_left():
    """Multiplied up by hand; and nothing but noise at the end."""
    alpha_bar = linear(1000, 1e-4, 0.02)
    assert alpha_bar[0] == 1
    assert alpha_bar[1] == pytest.approx(1 - 1e-4)
    assert alpha_bar[2] == pytest.approx((1 - 1e-4) * (1 - 1e-4 - (0.02 - 1e-4) / 999))
    assert alpha_bar[-1] == pytest.approx(4.0e-5, rel=0.02)
    assert (np.diff(alpha_bar) < 0).all()
