import math

import jax
import numpy as np
import pytest
from scipy import stats

from genedge.cell.sampling import sample_episodes
from genedge.scenario import load_scenario

LEAST_P = 0.003
SLOT_S, EPISODES = 20, 3000


def positions(*overrides, slots=10, episodes=EPISODES):
    params = load_scenario("paper", ["mobility.model=gauss-markov", *overrides]).params
    drawn = sample_episodes(params, jax.random.key(8), 1, 1, slots, episodes)
    return np.asarray(drawn.position_m[:, :, 0], np.float64)


@pytest.mark.parametrize("memory_s", [10, 60, 1000])
def test_velocities_are_gaussian_and_correlated_by_the_power_of_alpha(memory_s):
    # Far from every border.
    position_m = positions(
        "cell.area_m=[100000, 100000]", f"mobility.memory_s={memory_s}", "mobility.speed_m_per_s=10"
    )
    velocity = np.diff(position_m, axis=1) / SLOT_S
    assert np.linalg.norm(velocity, axis=-1).mean() == pytest.approx(10, rel=0.02)
    deviation = 10 * math.sqrt(2 / math.pi)
    for slot in (0, 8):
        for axis in (0, 1):
            assert stats.kstest(velocity[:, slot, axis] / deviation, "norm").pvalue > LEAST_P
    alpha = math.exp(-SLOT_S / memory_s)
    for k in (1, 2, 5):
        for axis in (0, 1):
            found = np.mean(velocity[:, 0, axis] * velocity[:, k, axis]) / deviation**2
            assert found == pytest.approx(alpha**k, abs=5 / math.sqrt(EPISODES))
    across = np.corrcoef(velocity[:, 0, 0], velocity[:, 3, 1])[0, 1]
    assert abs(across) < 4 / math.sqrt(EPISODES)


def test_at_the_border_users_turn_back():
    """They stay within, and remain as uniform as they began: reflection keeps that density."""
    position_m = positions("cell.area_m=[30, 80]", "mobility.speed_m_per_s=3", slots=30)
    for axis, side_m in ((0, 30), (1, 80)):
        assert (np.abs(position_m[..., axis]) <= side_m / 2).all()
        for slot in (0, 1, 29):
            assert stats.kstest(position_m[:, slot, axis], stats.uniform(-side_m / 2, side_m).cdf).pvalue > LEAST_P
