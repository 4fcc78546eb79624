"""What the base station sees of channels: late, and not exactly; what happens follows from what is."""

import json

import jax
import numpy as np
import pytest
from command_line import call
from scipy import stats

import genedge
from genedge.cell.sampling import sample_episode, sample_episodes
from genedge.cell.sight import MOST_DEVIATIONS
from genedge.cell.types import as_seen
from genedge.env.functional import reset, step
from genedge.env.observation import observation_bounds, observe

T, USERS, PLACES = 6, 4, 5
SMALL = ("cell.users=4", "cell.places=5", "cell.slots_per_episode=6")
KEY = jax.random.key(5)


def drawn(*observation, key=KEY, slots=T):
    scenario = genedge.load_scenario("paper", [*SMALL, *(f"observation.{setting}" for setting in observation)])
    return scenario, jax.tree.map(np.asarray, sample_episode(scenario.params, key, USERS, PLACES, slots))


def test_off_it_is_not_there():
    scenario, slots = drawn()
    assert scenario.params.observation is None
    assert slots.seen_gain is None
    assert as_seen(slots) is slots


@pytest.mark.parametrize("stale", [1, 3, 9])
def test_stale_gains_are_those_of_so_many_slots_ago(stale):
    """In the first slots that of the first; and nothing else changes."""
    plain, (_, slots) = drawn()[1], drawn(f"stale_slots={stale}")
    np.testing.assert_array_equal(slots.seen_gain, slots.gain[np.maximum(np.arange(T) - stale, 0)])
    for field, value in plain._replace(seen_gain=slots.seen_gain)._asdict().items():
        # Compiled with what is seen, gains may differ in their last bits.
        np.testing.assert_allclose(getattr(slots, field), value, rtol=1e-5) if value is not None else None


def test_errors_are_normal_and_each_its_own():
    params = genedge.load_scenario("paper", ["observation.gain_noise_db=3"]).params
    slots = sample_episodes(params, KEY, 4, 4, 50, 40)
    error_db = 10 * np.log10(np.asarray(slots.seen_gain, float)) - 10 * np.log10(np.asarray(slots.gain, float))
    assert stats.kstest(error_db.ravel() / 3, stats.norm.cdf).pvalue > 0.003
    for shift in (np.roll(error_db, 1, axis=1), np.roll(error_db, 1, axis=2), np.roll(error_db, 1, axis=0)):
        assert abs(np.corrcoef(error_db.ravel(), shift.ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(error_db.ravel(), np.log(slots.gain).ravel())[0, 1]) < 0.05
    assert np.sqrt(-2 * np.log(2.0**-24)) < MOST_DEVIATIONS


def test_an_error_is_of_the_measurement_not_of_when_it_is_known():
    (_, late), (_, now) = drawn("stale_slots=2", "gain_noise_db=3"), drawn("gain_noise_db=3")
    np.testing.assert_array_equal(late.seen_gain, now.seen_gain[np.maximum(np.arange(T) - 2, 0)])


@pytest.mark.parametrize("block", [2, 3])
def test_blocks_of_long_episodes_do_not_show(block, monkeypatch):
    expected = drawn("stale_slots=3", "gain_noise_db=2")[1]
    monkeypatch.setattr("genedge.cell.sampling.USERS_AT_ONCE", block * PLACES)
    sample_episode.clear_cache()
    np.testing.assert_array_equal(drawn("stale_slots=3", "gain_noise_db=2")[1].seen_gain, expected.seen_gain)
    sample_episode.clear_cache()


def test_the_environment_shows_what_is_seen_and_costs_what_is():
    scenario, slots = drawn("stale_slots=2", "gain_noise_db=3", slots=T + 1)
    params = scenario.params
    expected = observe(params, slots._replace(gain=slots.seen_gain, seen_gain=None))
    assert not np.allclose(expected, observe(params, slots._replace(seen_gain=None)))
    observation, state = reset(params, KEY, USERS, PLACES)
    action = np.full(20, 0.5, np.float32)
    for t in range(T):
        np.testing.assert_allclose(observation, expected[t], rtol=1e-5, atol=1e-5)
        told = step(params, state, action, T)
        np.testing.assert_allclose(state.slot.gain, slots.gain[t], rtol=1e-5)
        observation, state = told.observation, told.state
    (low, high), (tight_low, _) = (observation_bounds(p, PLACES) for p in (params, drawn()[0].params))
    assert (low <= expected).all()
    assert (expected <= high).all()
    assert (low < tight_low).sum() == PLACES


def test_policies_are_given_what_is_seen_and_pay_for_what_is():
    scenario, _ = drawn("stale_slots=2")
    exact = drawn()[0]
    given = []

    def spy(params, slots, key):
        given.append(slots)
        return genedge.policy("rcars", scenario)(params, slots, key)

    policies = {"spy": spy, "optimal": genedge.policy("optimal", scenario)}
    found = genedge.evaluate(scenario, policies, [USERS], 1, 0, lambda text: None)
    best = genedge.evaluate(exact, {"rcars": genedge.policy("rcars", exact)}, [USERS], 1, 0, lambda text: None)
    # What cannot be better than with perfect observation, and is measured from it.
    assert found.optimum(USERS).mean == pytest.approx(best.optimum(USERS).mean, rel=1e-6)
    assert found.value("optimal", USERS, "utility").mean > best.optimum(USERS).mean * 1.0001
    # RCARS looks at no gain.
    paid = [e.value(name, USERS, "utility").mean for e, name in ((found, "spy"), (best, "rcars"))]
    assert paid[0] == pytest.approx(paid[1], rel=1e-6)
    truth = sample_episodes(scenario.params, jax.random.key(0), USERS, USERS, T, 1)
    assert found.remarks[-1].startswith("Policies see channel gains of 2 slots ago, with errors of 0 dB. ")
    assert not any("channel gains" in remark for remark in best.remarks)
    np.testing.assert_array_equal(given[0].gain, truth.seen_gain[0])
    assert given[0].seen_gain is None


def test_down_a_pipe():
    """Slots say both; they are decided by what is seen and scored by what is."""
    told = [f"--set={setting}" for setting in (*SMALL, "observation.stale_slots=2")]
    lines = call("slots", "--count", 4, *told).out
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["seen_channel_gain"] for row in rows] == [rows[max(t - 2, 0)]["channel_gain"] for t in range(4)]
    decided = call("decide", "--policy", "knapsack", *told, stdin=lines)
    blind = "".join(json.dumps(row | {"channel_gain": row["seen_channel_gain"]}) + "\n" for row in rows)
    assert call("decide", "--policy", "knapsack", *told, stdin=blind).out == decided.out
    bad = json.dumps(rows[0] | {"seen_channel_gain": [0.0] * USERS})
    refused = call("decide", "--policy", "knapsack", *told, stdin=bad)
    assert (refused.status, "seen_channel_gain[0] is 0" in refused.err) == (2, True)
