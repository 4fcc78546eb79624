import json

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import user_costs

from genedge.cell.service import hit_ratio, requested, serve, total_utility, used_cache_ratio
from genedge.cell.types import Decision, Outcome
from genedge.scenario import load_scenario

compiled = jax.jit(serve)

# Nobody queues in the paper's cell.
PARTS = [part for part in Outcome._fields if part not in ("queue_s", "wait_s")]


def overrides(settings_by_key):
    return [f"{key}={json.dumps(value)}" for key, value in settings_by_key.items()]


def wide(low, high):
    return st.floats(low, high, allow_nan=False)


scenarios = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "objective.alpha": st.just(0.0) | wide(1e-6, 1),
        "objective.alpha_weighs": st.sampled_from(["delay", "tv"]),
        "radio.noise_bandwidth": st.sampled_from(["own", "whole"]),
        "radio.uplink_bandwidth_mhz": wide(1, 100),
        "radio.downlink_bandwidth_mhz": wide(1, 100),
        "radio.user_power_dbm": wide(10, 40),
        "radio.bs_power_dbm": wide(20, 60),
        "radio.noise_dbm_per_hz": wide(-180, -165),
        "backhaul.to_cloud_mbit_per_s": wide(1, 1000),
        "backhaul.from_cloud_mbit_per_s": wide(1, 1000),
        "server.total_steps": wide(10, 5000),
        "server.quality_floor": st.sampled_from([None, {"largest_tv": "best"}, {"least_steps": 50.0}]),
    }
).map(lambda chosen: load_scenario("paper", overrides(chosen)))


def any_decision(rng, slot, params):
    """Shares as a policy might give them, and some users at the corners of Eq. (10)."""
    places, models = slot.requests.shape[-1], len(params.models.A1)
    weight = np.where(slot.active, rng.exponential(size=places), 0)
    corners = np.stack(
        [np.zeros(places), params.models.A1[slot.requests], params.models.A3[slot.requests]], axis=-1
    )
    corner = corners[np.arange(places), rng.integers(0, 3, places)] / params.S
    steps = np.where(rng.random(places) < 0.3, corner, rng.random(places))
    return Decision(rng.random(models) < 0.5, weight / max(weight.sum(), 1e-9), np.where(slot.active, steps, 0.0))


def by_user(scenario, slot, decision):
    """The reference's answer, as an outcome."""
    users = user_costs(
        scenario.as_json(),
        {
            "requests": slot.requests.tolist(),
            "input_bits": slot.input_bits.tolist(),
            "channel_gain": slot.gain.tolist(),
            "active": slot.active.tolist(),
        },
        {
            "cache": decision.cache.astype(int).tolist(),
            "bandwidth": decision.bandwidth.tolist(),
            "steps": decision.steps.tolist(),
        },
    )
    return Outcome(**{part: np.array([user[part] for user in users]) for part in PARTS})


@settings(max_examples=40)
@given(scenario=scenarios, seed=st.integers(0, 2**32))
def test_costs_against_the_reference(draw_slot, scenario, seed):
    rng = np.random.default_rng(seed)
    slot = draw_slot(rng)
    decision = any_decision(rng, slot, scenario.params)
    expected = by_user(scenario, slot, decision)

    with jax.enable_x64(True):
        double = compiled(scenario.params, slot, decision)
    assert double.queue_s is None
    for part in PARTS:
        assert getattr(double, part).dtype == (bool if part == "hit" else np.float64)
        np.testing.assert_allclose(getattr(double, part), getattr(expected, part), rtol=1e-12, err_msg=part)

    single = compiled(scenario.params, slot, decision)
    for part in PARTS:
        # Between A1 and A3 a TV value is a difference of larger ones, the largest being A2.
        scale = 150 * 1e-5 if part in ("tv", "utility") else 0
        np.testing.assert_allclose(
            getattr(single, part), getattr(expected, part), rtol=1e-5, atol=scale, err_msg=part
        )
    np.testing.assert_allclose(single.utility.sum(), expected.utility.sum(), rtol=1e-5)


def test_batches_are_slots_side_by_side(paper, draw_slot):
    rng = np.random.default_rng(3)
    slots = draw_slot(rng, 4, 2)
    single = [[jax.tree.map(lambda x, i=i, j=j: x[i, j], slots) for j in range(2)] for i in range(4)]
    decisions = [[any_decision(rng, slot, paper.params) for slot in row] for row in single]
    together = jax.tree.map(
        lambda *leaves: np.stack(leaves).reshape(4, 2, -1), *[d for row in decisions for d in row]
    )
    outcome = serve(paper.params, slots, together)
    utility = total_utility(paper.params, slots, together)
    assert utility.shape == (4, 2)
    for i in range(4):
        for j in range(2):
            alone = compiled(paper.params, single[i][j], decisions[i][j])
            np.testing.assert_allclose(outcome.utility[i, j], alone.utility, rtol=1e-6)
            np.testing.assert_allclose(utility[i, j], alone.utility.sum(), rtol=1e-6)


def test_hit_or_miss_the_radio_delay_is_the_same(paper, draw_slot):
    rng = np.random.default_rng(4)
    slot = draw_slot(rng)._replace(active=np.ones(18, bool))
    decision = any_decision(rng, slot, paper.params)
    hit = compiled(paper.params, slot, decision._replace(cache=np.ones(10, bool)))
    miss = compiled(paper.params, slot, decision._replace(cache=np.zeros(10, bool)))
    assert hit.hit.all()
    assert not miss.hit.any()
    np.testing.assert_array_equal(hit.uplink_s, miss.uplink_s)
    np.testing.assert_array_equal(hit.downlink_s, miss.downlink_s)
    assert (np.asarray(hit.backhaul_s) == 0).all()
    assert (np.asarray(miss.backhaul_s) > 0).all()
    # The cloud takes A3 steps whatever the share: the steps of a miss change nothing.
    idle = compiled(paper.params, slot, decision._replace(cache=np.zeros(10, bool), steps=decision.steps * 0))
    np.testing.assert_array_equal(idle.utility, miss.utility)
    np.testing.assert_allclose(miss.tv, paper.params.models.A4[slot.requests], rtol=1e-6)


def test_inactive_places_cost_nothing_whatever_they_hold(paper, draw_slot):
    rng = np.random.default_rng(5)
    slot = draw_slot(rng)
    decision = any_decision(rng, slot, paper.params)
    idle = ~slot.active
    odd = slot._replace(gain=np.where(idle, 0.0, slot.gain), input_bits=np.where(idle, 1e30, slot.input_bits))
    plain, strange = (compiled(paper.params, s, decision) for s in (slot, odd))
    assert plain.queue_s is strange.queue_s is None
    for part in PARTS:
        a, b = getattr(plain, part), getattr(strange, part)
        np.testing.assert_array_equal(a, b)
        assert (np.asarray(a)[idle] == 0).all()
    nobody = compiled(paper.params, slot._replace(active=np.zeros(18, bool)), decision)
    assert float(nobody.utility.sum()) == 0


def test_ratios_by_hand(paper, draw_slot):
    slot = draw_slot(np.random.default_rng(6), places=4)._replace(
        requests=np.array([0, 0, 3, 5]), active=np.array([True, True, True, False])
    )
    cache = np.isin(np.arange(10), [0, 4, 5])
    decision = Decision(cache, np.array([0.3, 0.3, 0.4, 0.0]), np.zeros(4))
    outcome = serve(paper.params, slot, decision)
    assert np.asarray(outcome.hit).tolist() == [True, True, False, False]
    assert float(hit_ratio(slot, outcome)) == pytest.approx(2 / 3)
    # Of the cached models 0, 4 and 5 only 0 was asked for: the user who wants 5 is not there.
    assert float(used_cache_ratio(slot, decision)) == pytest.approx(1 / 3)
    assert np.flatnonzero(requested(slot, 10)).tolist() == [0, 3]


def test_ratios_of_nothing_are_not_numbers(paper, draw_slot):
    slot = draw_slot(np.random.default_rng(7), places=4)._replace(active=np.zeros(4, bool))
    decision = Decision(np.zeros(10, bool), np.zeros(4), np.zeros(4))
    assert np.isnan(hit_ratio(slot, serve(paper.params, slot, decision)))
    assert np.isnan(used_cache_ratio(slot, decision))
