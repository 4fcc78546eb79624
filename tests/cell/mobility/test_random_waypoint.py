import math

import jax
import numpy as np
import pytest
from scipy import stats

from genedge.cell.sampling import sample_episodes
from genedge.scenario import load_scenario

LEAST_P = 0.003


def positions(*overrides, slots=40, episodes=200, users=4):
    params = load_scenario("paper", ["mobility.model=random-waypoint", *overrides]).params
    drawn = sample_episodes(params, jax.random.key(6), users, users, slots, episodes)
    return np.asarray(drawn.position_m, np.float64)


def simulated(rng, walkers, hours, side_m, speed_m_per_s, rest_s):
    """Where walkers are after some time, leg by leg: no slots, no code of the package."""
    where = np.empty((walkers, 2))
    for i in range(walkers):
        here, left_s = rng.uniform(-side_m / 2, side_m / 2, 2), 3600 * hours
        while True:
            goal, speed = rng.uniform(-side_m / 2, side_m / 2, 2), rng.uniform(*speed_m_per_s)
            way_s = math.dist(here, goal) / speed
            if left_s <= way_s:
                where[i] = here + (goal - here) * left_s / way_s
                break
            here, left_s = goal, left_s - way_s
            rest = rng.uniform(*rest_s)
            if left_s <= rest:
                where[i] = here
                break
            left_s -= rest
    return where


def test_users_begin_anywhere_stay_in_the_area_and_are_never_too_fast():
    position_m = positions("cell.area_m=[200, 300]", "mobility.speed_m_per_s=[0.5, 2]")
    for axis, side_m in ((0, 200), (1, 300)):
        assert (
            stats.kstest(position_m[:, 0, :, axis].ravel(), stats.uniform(-side_m / 2, side_m).cdf).pvalue > LEAST_P
        )
        assert (np.abs(position_m[..., axis]) <= side_m / 2).all()
    way_m = np.linalg.norm(np.diff(position_m, axis=1), axis=-1)
    assert way_m.max() <= 2 * 20 * (1 + 1e-5)
    assert way_m.max() > 1.9 * 20


@pytest.mark.parametrize("rest_s", [(0, 0), (0, 60)])
def test_after_an_hour_they_are_where_walkers_are(rest_s):
    """As an independent simulation has it, and more often in the middle than at the border."""
    rest = f"mobility.rest_s=[{rest_s[0]}, {rest_s[1]}]"
    late_m = positions(rest, "cell.slot_duration_s=5", slots=721, episodes=500)[:, -1].reshape(-1, 2)
    theirs_m = simulated(np.random.default_rng(1), 2000, 1, 250, (0.5, 1.5), rest_s)
    for axis in (0, 1):
        assert stats.ks_2samp(late_m[:, axis], theirs_m[:, axis]).pvalue > LEAST_P
    assert stats.ks_2samp(np.linalg.norm(late_m, axis=1), np.linalg.norm(theirs_m, axis=1)).pvalue > LEAST_P


def test_without_rests_their_density_is_the_known_one():
    """On a line 6 x (1 − x), Bettstetter, Resta and Santi 2003."""
    late_m = positions(
        *("mobility.rest_s=0", "mobility.speed_m_per_s=1", "cell.slot_duration_s=5", "cell.area_m=[250, 0.01]"),
        slots=361,
        episodes=500,
    )[:, -1]
    assert stats.kstest(late_m[..., 0].ravel() / 250 + 0.5, stats.beta(2, 2).cdf).pvalue > LEAST_P


def test_those_who_rest_stay():
    """At first too: with 100 m/s a way ends in its slot or the next, between rests of 50 to 100 slots of 20 s."""
    position_m = positions("mobility.rest_s=[1000, 2000]", "mobility.speed_m_per_s=100", slots=121, episodes=50)
    moves = (np.diff(position_m, axis=1) != 0).any(axis=-1)
    assert not moves[:, :49].any()
    assert set(moves.sum(axis=1).ravel()) <= {1, 2, 3, 4}
    assert (moves[:, 49:100].any(axis=1)).all()


def test_the_rest_of_a_slot_is_walked_towards_the_next_goal():
    """Slots of 20 s or of 1 s: the same speeds over a long time."""
    long_m = positions("mobility.rest_s=0", "mobility.speed_m_per_s=1.0", "cell.area_m=[2000, 2000]", episodes=100)
    way_m = np.linalg.norm(np.diff(long_m, axis=1), axis=-1)
    # Nearly always straight ahead, 20 m a slot; only at a turn less.
    assert np.median(way_m) == pytest.approx(20, rel=1e-3)
    assert way_m.mean() == pytest.approx(20, rel=0.02)
