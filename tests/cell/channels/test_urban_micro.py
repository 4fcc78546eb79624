"""Against Table 7.4.1-1 and 7.4.2-1 of 3GPP TR 38.901, written out anew."""

import math

import jax
import numpy as np
import pytest
from scipy import stats

from genedge.cell.sampling import sample_episode
from genedge.scenario import load_scenario

LEAST_P = 0.003


def channel(*overrides):
    return load_scenario("paper", ["channel.model=urban-micro", *overrides]).params.channel


def path_losses_db(ground_m, fc, station_m=10.0, user_m=1.5):
    """With and without line of sight."""
    ground_m = max(ground_m, 10)
    direct_m = math.sqrt(ground_m**2 + (station_m - user_m) ** 2)
    break_m = 4 * (station_m - 1) * (user_m - 1) * fc * 1e9 / 3e8
    if ground_m <= break_m:
        sight = 32.4 + 21 * math.log10(direct_m) + 20 * math.log10(fc)
    else:
        sight = 32.4 + 40 * math.log10(direct_m) + 20 * math.log10(fc)
        sight -= 9.5 * math.log10(break_m**2 + (station_m - user_m) ** 2)
    none = 35.3 * math.log10(direct_m) + 22.4 + 21.3 * math.log10(fc) - 0.3 * (user_m - 1.5)
    return sight, max(sight, none)


@pytest.mark.parametrize(("fc", "station_m", "user_m"), [(2.0, 10.0, 1.5), (28.0, 10.0, 1.5), (3.5, 8.0, 6.0)])
def test_path_loss(fc, station_m, user_m):
    ours = channel(
        f"channel.carrier_ghz={fc}", f"channel.station_height_m={station_m}", f"channel.user_height_m={user_m}"
    )
    ground_m = np.array([0.0, 5.0, 10.0, 20.0, 50.0, 119.0, 120.0, 121.0, 300.0, 1000.0, 5000.0])
    with jax.enable_x64(True):
        found = np.stack(ours.path_losses_db(ground_m), axis=-1)
    np.testing.assert_allclose(found, [path_losses_db(d, fc, station_m, user_m) for d in ground_m], rtol=1e-12)


def test_path_loss_by_hand():
    """At 2 GHz the break is at 120 m: 100 m are 100.36 m through the air, 200 m are 200.18 m."""
    sight, none = (np.asarray(x) for x in channel().path_losses_db(np.array([100.0, 200.0])))
    # 32.4 + 21 · 2.00156 + 6.0206, and 32.4 + 40 · 2.30142 + 6.0206 − 9.5 · log10(120² + 8.5²).
    np.testing.assert_allclose(sight, [80.453, 90.951], atol=0.002)
    # 22.4 + 35.3 · 2.00156 + 21.3 · 0.30103.
    np.testing.assert_allclose(none, [99.467, 110.052], atol=0.002)


def test_probability_of_a_line_of_sight():
    ground_m = np.array([1.0, 18.0, 36.0, 72.0, 100.0])
    by_hand = [1, 1, 0.5 + 0.5 * math.exp(-1), 0.25 + 0.75 * math.exp(-2), 0.18 + 0.82 * math.exp(-100 / 36)]
    np.testing.assert_allclose(channel().sight_probability(ground_m), by_hand, rtol=1e-6)
    np.testing.assert_allclose(by_hand[2:], [0.6839, 0.3515, 0.2310], atol=1e-4)


# --- Drawn


def streets(positions_m, key=0, **changed):
    """What lasts, slot after slot, of users who walk along positions of shape (slots, users, 2)."""
    ours = channel()._replace(**changed)
    users = positions_m.shape[1]

    def slot(before, now):
        here_m, u = now
        after = ours.move(before, here_m, np.array(20.0), u)
        return after, after

    u = jax.random.uniform(jax.random.key(key), (*positions_m.shape[:2], 4))
    first = ours.first(positions_m[0], u[0])
    rest = jax.lax.scan(slot, first, (positions_m[1:], u[1:]))[1]
    assert first.sight.shape == (users,)
    return jax.tree.map(lambda a, b: np.concatenate([np.asarray(a)[None], np.asarray(b)]), first, rest)


def on_a_ring(radius_m, step_m, slots, users):
    """Positions at one distance from the base station, each so many metres from the one before."""
    turn = 2 * np.arcsin(step_m / 2 / radius_m)
    angle = turn * np.arange(slots)[:, None] + np.linspace(0, 6, users)
    return radius_m * np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32)


@pytest.mark.parametrize(("in_sight", "deviation_db", "correlated_m"), [(True, 4.0, 10.0), (False, 7.82, 13.0)])
def test_shadowing(in_sight, deviation_db, correlated_m):
    """Its standard deviation, and exp(−d/d_corr) over d metres of a way."""
    positions_m = on_a_ring(60.0, 3.0, 12, 20_000)
    # So slowly does the line of sight change, that it stays; who has none is chosen by the first draw.
    found = streets(positions_m, sight_m=np.array(1e9))
    chosen = found.in_sight[0] == in_sight
    assert (found.in_sight[:, chosen] == in_sight).mean() > 0.999
    loss_db = path_losses_db(60.0, 2.0)[0 if in_sight else 1]
    u = jax.random.uniform(jax.random.key(0), (*positions_m.shape[:2], 4))
    fading = -np.log1p(-np.asarray(u)[..., 0].astype(float))
    shadow_db = -10 * np.log10(found.gain.astype(float) / fading)[:, chosen] - loss_db
    shadow_db = shadow_db[:, (found.in_sight == found.in_sight[0])[:, chosen].all(axis=0)]
    assert stats.kstest(shadow_db[0] / deviation_db, "norm").pvalue > LEAST_P
    assert stats.kstest(shadow_db[-1] / deviation_db, "norm").pvalue > LEAST_P
    for slots in (1, 3, 7, 11):
        correlation = np.corrcoef(shadow_db[0], shadow_db[slots])[0, 1]
        assert correlation == pytest.approx(math.exp(-3 * slots / correlated_m), abs=4 / math.sqrt(chosen.sum()))


def test_line_of_sight_has_its_probability_wherever_and_lasts_along_the_way():
    still, users = np.zeros((3, 20_000, 2), np.float32), 20_000
    still[..., 0] = 50.0
    found = streets(still)
    # Who stays keeps what is seen; at 50 m that is 18/50 + exp(−50/36) (1 − 18/50).
    assert (found.in_sight == found.in_sight[0]).all()
    chance = 0.36 + 0.64 * math.exp(-50 / 36)
    assert stats.binomtest(int(found.in_sight[0].sum()), users, chance).pvalue > LEAST_P
    moving = streets(on_a_ring(50.0, 5.0, 12, users), key=1)
    for slots in (0, 1, 5, 11):
        assert stats.binomtest(int(moving.in_sight[slots].sum()), users, chance).pvalue > LEAST_P
        # Two jointly Gaussian numbers, correlated by exp(−d/50 m), are both below the same quantile.
        correlation = math.exp(-5 * slots / 50)
        below = stats.norm.ppf(chance)
        if slots:
            both = stats.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]]).cdf([below, below])
            count = int((moving.in_sight[0] & moving.in_sight[slots]).sum())
            assert stats.binomtest(count, users, both).pvalue > LEAST_P


def test_far_corners_and_small_heights_are_computed():
    params = load_scenario(
        "paper", ["channel.model=urban-micro", "cell.area_m=[3000, 2000]", "channel.user_height_m=1.1"]
    ).params
    gain = np.asarray(sample_episode(params, jax.random.key(0), 50, 50, 50).gain)
    low, high = params.channel.bounds(params.area_m)
    assert ((gain >= low) & (gain <= high)).all()
