"""The nearest curve is the nearest of all: no other of its family comes nearer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge.calibrate.curves import diminishing, exponential, power, rates, three_pieces, values

STEPS = np.array([1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 50.0, 100.0])
FAMILIES = {"three_pieces": three_pieces, "exponential": exponential, "power": power}
TRUTHS = {
    "three_pieces": (7.0, 110.0, 45.0, 28.0),
    "exponential": (1.5, 4.0, 0.06),
    "power": (1.5, 4.0, 0.6),
}
qualities = st.lists(st.floats(-100, 100, width=32), min_size=len(STEPS), max_size=len(STEPS))


def left(fitted, quality):
    return ((quality - fitted) ** 2).sum(axis=-1)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_curve_of_the_family_is_found_again(family):
    truth = np.array(TRUTHS[family])
    curves = FAMILIES[family](STEPS, values(family, truth, STEPS)[None])
    np.testing.assert_allclose(curves.parameters[0], truth, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_fitted_is_what_the_parameters_say(family):
    quality = np.random.default_rng(1).normal(0, 1, (50, len(STEPS))) + values(family, TRUTHS[family], STEPS)
    curves = FAMILIES[family](STEPS, quality)
    for parameters, fitted in zip(*curves, strict=True):
        np.testing.assert_allclose(values(family, parameters, STEPS), fitted, rtol=1e-9, atol=1e-6)


def nearest_by_force(quality, count):
    """Three pieces with breakpoints on a fine grid, the flat parts by least squares: an independent search."""
    grid = np.linspace(STEPS[0], STEPS[-1], count)
    best = np.inf
    for first in grid:
        for last in grid[grid > first]:
            done = np.interp(STEPS, [first, last], [0.0, 1.0])
            design = np.stack([1 - done, done], axis=-1)
            coefficients = np.linalg.lstsq(design, quality, rcond=None)[0]
            best = min(best, left(design @ coefficients, quality))
    return best


@pytest.mark.parametrize("seed", range(2))
def test_no_three_pieces_come_nearer(seed):
    """Noise alone, whose sum of squares has many local minima in the breakpoints."""
    quality = np.random.default_rng(seed).normal(0, 1, len(STEPS))
    found = left(three_pieces(STEPS, quality[None]).fitted[0], quality)
    forced = nearest_by_force(quality, 70)
    assert found <= forced + 1e-12
    assert found >= 0.9 * forced - 1e-12  # The grid is near, so what was found is a curve of the family.


@given(qualities, st.tuples(st.floats(1, 100), st.floats(1, 100), st.floats(-200, 200), st.floats(-200, 200)))
@settings(max_examples=100, deadline=None)
def test_no_three_pieces_that_somebody_thinks_of_come_nearer(quality, told):
    first, last, A2, A4 = told
    if abs(last - first) < 1e-3:
        return
    quality = np.array(quality, float)
    other = values("three_pieces", (min(first, last), A2, max(first, last), A4), STEPS)
    found = left(three_pieces(STEPS, quality[None]).fitted[0], quality)
    assert found <= left(other, quality) * (1 + 1e-9) + 1e-6


@pytest.mark.parametrize("family", ["exponential", "power"])
@pytest.mark.parametrize("seed", range(3))
def test_no_rate_comes_nearer(family, seed):
    quality = np.random.default_rng(seed).normal(0, 1, len(STEPS))
    x = STEPS if family == "exponential" else np.log(STEPS)
    found = left(FAMILIES[family](STEPS, quality[None]).fitted[0], quality)
    forced = np.inf
    for c in np.geomspace(*rates(x), 4000):
        design = np.stack([np.ones(len(x)), np.exp(-c * (x - x[0]))], axis=-1)
        forced = min(forced, left(design @ np.linalg.lstsq(design, quality, rcond=None)[0], quality))
    assert found == pytest.approx(forced, rel=1e-4)
    assert found <= forced * (1 + 1e-9)


def test_scale_and_units_change_nothing():
    quality = np.random.default_rng(3).normal(0, 1, (20, len(STEPS)))
    A1, A2, A3, A4 = three_pieces(STEPS, quality).parameters.T
    scaled = three_pieces(7 * STEPS, 1000 - 3 * quality).parameters.T
    np.testing.assert_allclose(scaled, [7 * A1, 1000 - 3 * A2, 7 * A3, 1000 - 3 * A4], rtol=1e-6)


def test_what_falls_less_and_less_is_left_as_it_is():
    steps = np.array([1.0, 2, 5, 10, 40])
    for quality in (5 / steps, np.exp(-steps / 9) - 3, np.full(5, 2.0)):
        np.testing.assert_allclose(diminishing(steps, quality), quality, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_values_that_fall_less_and_less(seed):
    """No other such values, mixed in, are nearer: that is what being the nearest of a convex set means."""
    rng = np.random.default_rng(seed)
    steps = np.array([1.0, 2, 3, 6, 10, 25])
    quality = rng.normal(0, 1, 6) + 5 / steps
    nearest = diminishing(steps, quality)
    slopes = np.diff(nearest) / np.diff(steps)
    assert (slopes <= 1e-9).all()
    assert (np.diff(slopes) >= -1e-9).all()
    for _ in range(200):
        ends = rng.choice(steps, 3)
        other = rng.normal(0, 3) + np.maximum(ends[:, None] - steps, 0).T @ rng.exponential(1, 3)
        assert (quality - nearest) @ (other - nearest) <= 1e-7
