"""Certificates: recomputed objectives, and bounds that hold."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge.cell.feasible import action_size, decode, in_float64
from genedge.cell.sampling import sample_episode
from genedge.cell.service import serve, total_utility
from genedge.optimum import certify, solve_optimal, solve_priced
from genedge.optimum.certificate import objective, radio_cost
from genedge.precision import in_double
from genedge.scenario import load_scenario

compiled_decode = jax.jit(decode)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    users=st.integers(1, 6),
    alpha=st.floats(0.05, 1),
    noise=st.sampled_from(["own", "whole"]),
    weighs=st.sampled_from(["delay", "tv"]),
    floor=st.sampled_from(["null", "{largest_tv: best}", "{largest_tv: 70}", "{least_steps: 90}"]),
    storage=st.just(0.0) | st.floats(1e-6, 40),
    steps=st.floats(10, 2000),
)
def test_no_decision_costs_less_than_the_bound(
    seed: int, users: int, alpha: float, noise: str, weighs: str, floor: str, storage: float, steps: float
) -> None:
    params = load_scenario(
        "paper",
        [
            f"seed={seed}",
            "models.count=6",
            f"objective.alpha={alpha}",
            f"objective.alpha_weighs={weighs}",
            f"radio.noise_bandwidth={noise}",
            f"server.quality_floor={floor}",
            f"server.storage_gb={storage}",
            f"server.total_steps={steps}",
        ],
    ).params
    slots = jax.tree.map(np.asarray, sample_episode(params, jax.random.key(seed), users, 6, 4))
    optimal, priced = solve_optimal(params, slots), solve_priced(params, slots)
    best, good = certify(params, slots, *optimal), certify(params, slots, *priced)
    assert np.all(best.lower_bound <= best.objective)
    assert np.all(good.lower_bound <= good.objective)
    assert np.all(best.gap <= 1e-6)
    assert np.all(good.lower_bound <= best.objective)

    for action_seed in range(5):
        shape = (4, action_size(6, 6))
        action = np.random.default_rng(action_seed).uniform(-1, 1, shape).astype(np.float32)
        decision = in_float64(compiled_decode(params, slots, action))
        assert np.all(objective(params, slots, decision) >= best.lower_bound)


def test_the_objective_is_recomputed_from_the_decision_as_returned() -> None:
    params = load_scenario("paper").params
    slots = in_double(sample_episode(params, jax.random.key(0), 10, 18, 30))
    optimal = solve_optimal(params, slots)
    found = certify(params, slots, *optimal)
    with jax.enable_x64(True):
        np.testing.assert_allclose(found.objective, total_utility(params, slots, optimal.decision), rtol=1e-12)
        outcome = serve(params, slots, optimal.decision)
        radio = float(params.delay_weight) * (outcome.uplink_s + outcome.downlink_s).sum(axis=-1)
        np.testing.assert_allclose(radio_cost(params, slots, optimal.decision), radio, rtol=1e-12)
    np.testing.assert_allclose(found.gap, 1 - found.lower_bound / found.objective, atol=1e-15)

    # A worse decision with the same bound: the certificate says so.
    worse = optimal.decision._replace(steps=optimal.decision.steps * 0.5)
    assert certify(params, slots, worse, optimal.lower_bound).gap.max() > 0.01


def test_a_user_without_any_channel_costs_infinitely_much_and_has_no_gap() -> None:
    params = load_scenario("paper").params
    slots = jax.tree.map(np.asarray, sample_episode(params, jax.random.key(0), 10, 10, 2))
    gain = slots.gain.copy()
    gain[0, 3] = 0
    slots = slots._replace(gain=gain)
    optimal = solve_optimal(params, slots)
    found = certify(params, slots, *optimal)
    assert np.isinf(found.objective[0])
    assert found.gap[0] == 0
    assert found.gap[1] == pytest.approx(0, abs=1e-6)
