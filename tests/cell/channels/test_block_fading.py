import math

import jax
import numpy as np
import pytest
from scipy import special, stats

from genedge.cell.channels.block_fading import bessel_j0
from genedge.cell.sampling import sample_episode, sample_episodes
from genedge.scenario import load_scenario

LEAST_P = 0.003
EPISODES, SLOTS = 3000, 6


def drawn(*overrides):
    """Gains over path loss: |g|², shape (EPISODES, SLOTS, users)."""
    params = load_scenario("paper", ["channel.model=block-fading", *overrides]).params
    slots = jax.tree.map(np.asarray, sample_episodes(params, jax.random.key(4), 2, 2, SLOTS, EPISODES))
    distance_m = np.hypot(*np.moveaxis(slots.position_m.astype(float), -1, 0))
    loss_db = 128.1 + 37.6 * np.log10(np.maximum(distance_m, 1) / 1000)
    return slots.gain * 10 ** (loss_db / 10)


def test_bessel_function():
    x = np.concatenate([np.linspace(0, 40, 4001), [100.0, 1000.0]])
    with jax.enable_x64(True):
        np.testing.assert_allclose(bessel_j0(x), special.j0(x), atol=2e-7)
    np.testing.assert_allclose(bessel_j0(x.astype(np.float32)), special.j0(x), atol=1e-4)


# Correlations of 0.64, 0.9, a negative one, and all but 1: Doppler shifts times 20 s.
@pytest.mark.parametrize("doppler_hz", [0.01, 0.005, 0.03, 0.0005])
def test_fading_is_rayleigh_and_correlated_as_jakes_says(doppler_hz):
    fading = drawn(f"channel.doppler_hz={doppler_hz}")
    correlation = special.j0(2 * math.pi * doppler_hz * 20)
    for slot in (0, 1, SLOTS - 1):
        assert stats.kstest(fading[:, slot].ravel(), "expon").pvalue > LEAST_P
    # Of a complex Gaussian process that is correlated by ρ, the powers are by ρ².
    for apart in (1, 2, 4):
        found = np.corrcoef(fading[:, 0].ravel(), fading[:, apart].ravel())[0, 1]
        assert found == pytest.approx(correlation ** (2 * apart), abs=4 / math.sqrt(2 * EPISODES))


def test_both_parts_of_the_fading_are_correlated_by_j0():
    channel = load_scenario("paper", ["channel.model=block-fading", "channel.doppler_hz=2"]).params.channel
    u = jax.random.uniform(jax.random.key(7), (2, 50_000, 4))
    here_m = np.full((50_000, 2), 50.0, np.float32)
    first = channel.first(here_m, u[0])
    for slot_s in (0.01, 0.1, 0.2, 0.35):
        later = channel.move(first, here_m, np.array(slot_s), u[1])
        for before, after in ((first.real, later.real), (first.imaginary, later.imaginary)):
            expected = special.j0(2 * math.pi * 2 * slot_s)
            assert np.mean(before * after) == pytest.approx(expected, abs=0.02)
            assert np.var(after) == pytest.approx(1, abs=0.03)


def test_its_first_slot_is_that_of_the_papers_channel(paper):
    params = load_scenario("paper", ["channel.model=block-fading"]).params
    ours, theirs = (sample_episode(p, jax.random.key(2), 5, 5, 3).gain for p in (params, paper.params))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=2e-5)
    assert not np.allclose(ours[1], theirs[1], rtol=0.1, atol=0)


def test_without_motion_fading_never_changes_and_fast_motion_forgets():
    still = drawn("channel.doppler_hz=0")
    np.testing.assert_allclose(still, np.broadcast_to(still[:, :1], still.shape), rtol=1e-3)
    fast = drawn("channel.doppler_hz=1000")
    assert abs(np.corrcoef(fast[:, 0].ravel(), fast[:, 1].ravel())[0, 1]) < 4 / math.sqrt(2 * EPISODES)
