import math

import jax
import numpy as np
import pytest

from genedge.cell.sampling import sample_episode
from genedge.env.observation import observe
from genedge.env.tokens import tokens
from genedge.scenario import load_scenario


@pytest.fixture
def two_slopes():
    overrides = ["channel.near_db_per_decade=22", "channel.break_distance_m=40", "radio.least_distance_m=2"]
    return load_scenario("paper", ["channel.model=two-slopes", *overrides]).params.channel


def loss_db(distance_m):
    """By the words: 37.6 dB a decade beyond 40 m, 22 up to there, the same at 40 m, nothing nearer than 2 m."""
    at_break = 128.1 + 37.6 * math.log10(0.04)
    distance_m = max(distance_m, 2)
    return at_break + (37.6 if distance_m > 40 else 22) * math.log10(distance_m / 40)


def test_each_slope_holds_on_its_side_and_they_meet(two_slopes):
    distance_m = np.array([0.0, 1.0, 2.0, 5.0, 39.0, 40.0, 41.0, 100.0, 1000.0])
    with jax.enable_x64(True):
        loss = np.asarray(two_slopes.path_loss_db(distance_m))
        around = np.asarray(two_slopes.path_loss_db(np.array([40 - 1e-9, 40 + 1e-9])))
    np.testing.assert_allclose(loss, [loss_db(d) for d in distance_m], rtol=1e-12)
    assert loss[-1] == pytest.approx(128.1, rel=1e-12)
    assert around[1] - around[0] == pytest.approx(0, abs=1e-8)


def test_with_slopes_alike_it_is_the_papers_channel(paper):
    alike = load_scenario("paper", ["channel.model=two-slopes", "channel.near_db_per_decade=37.6"]).params
    key = jax.random.key(3)
    ours, theirs = (sample_episode(params, key, 5, 6, 20) for params in (alike, paper.params))
    np.testing.assert_allclose(ours.gain, theirs.gain, rtol=2e-5)
    # And looks so: to flat networks and to those over users and models.
    np.testing.assert_allclose(observe(alike, ours), observe(paper.params, theirs), atol=1e-5)
    np.testing.assert_allclose(tokens(alike, ours).users, tokens(paper.params, theirs).users, atol=1e-5)
