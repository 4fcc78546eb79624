"""Every policy is feasible and reproducible; each does what it says."""

import itertools

import jax
import numpy as np
import pytest
from installed import some_heavy

from genedge.cell.feasible import breaches, in_float64
from genedge.cell.sampling import sample_episode
from genedge.cell.service import serve, total_utility
from genedge.cell.types import Slot
from genedge.errors import InputError
from genedge.policies import policy
from genedge.precision import in_double
from genedge.registry import named
from genedge.scenario import load_scenario

SMALL_GA = ("hcras.population=10", "hcras.generations=4")
SCENARIOS = {
    "paper": (),
    "best-floor": ("server.quality_floor.largest_tv=best",),
    "tv-floor": ("server.quality_floor.largest_tv=60",),
    "steps-floor": ("server.quality_floor.least_steps=220",),
}
KEY = jax.random.key(3)


def slots_of(params, users=12, count=40, inactive=True) -> Slot:
    slots = jax.tree.map(np.asarray, sample_episode(params, jax.random.key(5), users, users, count))
    if inactive:
        active = np.random.default_rng(0).random(slots.active.shape) < 0.8
        active[0] = False
        slots = slots._replace(active=active)
    return slots


@pytest.mark.parametrize("overrides", SCENARIOS.values(), ids=SCENARIOS)
@pytest.mark.parametrize("name", named("policy"))
def test_feasible_and_reproducible(name, overrides):
    scenario = load_scenario("paper", (*SMALL_GA, *overrides))
    slots = slots_of(scenario.params)
    decide = policy(name, scenario)
    decision = in_float64(decide(scenario.params, slots, KEY))
    assert not breaches(scenario.params, slots, decision)
    again = in_float64(decide(scenario.params, slots, KEY))
    jax.tree.map(np.testing.assert_array_equal, decision, again)


@pytest.mark.parametrize("name", some_heavy(named("policy"), "hcras", "learned", "learned-search"))
def test_slots_are_decided_one_by_one(name):
    """A slot's decision does not depend on the slots after it in the batch."""
    scenario = load_scenario("paper", SMALL_GA)
    slots = slots_of(scenario.params, users=10, count=8)
    decide = policy(name, scenario)
    whole = in_float64(decide(scenario.params, slots, KEY))
    part = in_float64(decide(scenario.params, jax.tree.map(lambda x: x[:3], slots), KEY))
    np.testing.assert_array_equal(whole.cache[:3], part.cache)
    np.testing.assert_allclose(whole.bandwidth[:3], part.bandwidth, rtol=1e-5)
    np.testing.assert_allclose(whole.steps[:3], part.steps, rtol=1e-4, atol=1e-6)


def test_rcars_fills_the_storage_and_shares_equally():
    params = load_scenario("paper").params
    slots = slots_of(params, count=300)
    decision = in_float64(policy("rcars", load_scenario("paper"))(params, slots, KEY))
    users = slots.active.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(decision.bandwidth, slots.active / np.maximum(users, 1), rtol=1e-6)
    np.testing.assert_allclose(decision.steps, slots.active / np.maximum(users, 1), rtol=1e-6)
    free = params.C - decision.cache @ params.models.storage_gb
    smallest_left_out = np.where(decision.cache, np.inf, params.models.storage_gb).min(axis=1)
    assert (free < smallest_left_out).all()


def test_rcars_does_not_look_at_requests():
    """Models of one size are cached equally often, whatever is asked for."""
    scenario = load_scenario("paper", ["models.storage_gb=5"])
    slots = slots_of(scenario.params, count=2000)
    decision = policy("rcars", scenario)(scenario.params, slots, KEY)
    often = np.asarray(decision.cache).mean(axis=0)
    # Four of ten fit; five standard deviations of 2,000 draws.
    np.testing.assert_allclose(often, 0.4, atol=5 * np.sqrt(0.4 * 0.6 / 2000))


def test_cloud_only_never_serves():
    scenario = load_scenario("paper")
    slots = slots_of(scenario.params)
    decision = policy("cloud-only", scenario)(scenario.params, slots, KEY)
    assert not np.asarray(decision.cache).any()
    assert not np.asarray(decision.steps).any()


def all_caches(params) -> np.ndarray:
    caches = np.array(list(itertools.product([False, True], repeat=len(params.models.A1))))
    return caches[caches @ params.models.storage_gb <= params.C]


def test_greedy_serves_as_many_requests_as_any_cache():
    # Whole gigabytes, so that the knapsack's grid is exact.
    models = [
        {"storage_gb": g, "output_size_mb": 5, "A1_steps": 50, "A2_tv": 100, "A3_steps": 150, "A4_tv": 20}
        | {"B1_s_per_step": 0.1, "B2_s": 1}
        for g in (7, 3, 9, 4, 6, 5, 8, 2)
    ]
    scenario = load_scenario("paper", [f"models={models}"])
    params, slots = scenario.params, slots_of(scenario.params, users=18)
    decision = policy("greedy", scenario)(params, slots, KEY)
    hits = np.asarray(serve(params, slots, decision).hit).sum(axis=1)
    asked = (slots.requests[..., None] == np.arange(8)) & slots.active[..., None]
    most = (all_caches(params) @ asked.sum(axis=1).T).max(axis=0)
    np.testing.assert_array_equal(hits, most)


@pytest.mark.heavy
def test_knapsack_beats_the_benchmarks_and_cloud_only():
    """The bar for every learner: far below RCARS and cloud-only in every regime of the preset."""
    scenario = load_scenario("paper")
    slots = slots_of(scenario.params, users=10, count=100, inactive=False)

    def utility(name):
        decision = policy(name, scenario)(scenario.params, slots, KEY)
        return float(total_utility(scenario.params, slots, decision).mean())

    assert utility("knapsack") < 0.85 * min(utility("rcars"), utility("cloud-only"), utility("greedy"))


def test_knapsack_steps_are_never_worse_than_none():
    """Taking away the steps of any one user, down to its floor, never lowers the utility."""
    scenario = load_scenario("paper", ["server.total_steps=500"])
    params, slots = scenario.params, slots_of(scenario.params, inactive=False)
    decision, slots = in_float64(policy("knapsack", scenario)(params, slots, KEY)), in_double(slots)
    with jax.enable_x64(True):
        before = np.asarray(total_utility(params, slots, decision))
        for n in range(12):
            steps = decision.steps.copy()
            steps[:, n] = 0
            after = np.asarray(total_utility(params, slots, decision._replace(steps=steps)))
            assert (after >= before - 1e-3).all()


def test_unknown_policy_is_refused_with_a_hint():
    with pytest.raises(InputError, match="did you mean knapsack"):
        policy("knapsak", load_scenario("paper"))
