import math

import jax
import numpy as np
import pytest
import reference

from genedge.cell.radio import (
    backhaul_delay,
    downlink_delay,
    rate,
    uplink_delay,
)


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def test_rate_by_hand():
    # 2 MHz held of 20, signal 4e-13 W, noise 1e-19 W/Hz over 2 MHz: SNR 2, or 0.2 over the whole band.
    arguments = [np.array(x) for x in (0.1, 20e6, 0.2, 2e-12, 1e-19)]
    own = rate(*arguments, noise_over_own_band=np.array(True))
    whole = rate(*arguments, noise_over_own_band=np.array(False))
    assert float(own) == pytest.approx(2e6 * math.log2(3), rel=1e-12)
    assert float(whole) == pytest.approx(2e6 * math.log2(1.2), rel=1e-12)


@pytest.mark.parametrize("own", [True, False])
def test_rate_grows_with_the_share_and_the_delay_is_convex_in_it(paper, own):
    params = paper.params
    share = np.linspace(0.01, 1, 200)
    gain, bits = np.full(200, 1e-10), np.full(200, 60e6)
    rates = np.asarray(rate(share, params.W_up, params.p_n, gain, params.N0, np.array(own)))
    delay_s = bits / rates
    assert (np.diff(rates) > 0).all()
    assert (np.diff(delay_s, 2) > 0).all()


def test_uplink_uses_the_users_power_and_downlink_the_base_stations(paper):
    scenario, params = paper.as_json(), paper.params
    p = scenario["parameters"]
    rng = np.random.default_rng(1)
    share, gain, bits = rng.uniform(0.01, 0.3, 20), 10 ** rng.uniform(-13, -7, 20), rng.uniform(4e7, 8e7, 20)
    up, down = uplink_delay(params, share, gain, bits), downlink_delay(params, share, gain, bits)
    for n in range(20):
        arguments = gain[n], p["N0"], "own"
        assert float(up[n]) == pytest.approx(
            bits[n] / reference.rate(share[n], p["W_up"], p["p_n"], *arguments), rel=1e-12
        )
        assert float(down[n]) == pytest.approx(
            bits[n] / reference.rate(share[n], p["W_dw"], p["p_BS"], *arguments), rel=1e-12
        )


def test_backhaul_takes_both_ways(paper):
    # 5 MB up and 10 MB down at 100 Mbit/s each.
    assert float(backhaul_delay(paper.params, np.array([40e6]), np.array([80e6]))[0]) == pytest.approx(0.4 + 0.8)
