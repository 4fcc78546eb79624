"""An evaluation's numbers, recomputed slot by slot; and facts of the model that it must show."""

import jax
import numpy as np
import pytest

from genedge.cell.sampling import sample_episodes
from genedge.cell.service import serve
from genedge.cell.types import Decision
from genedge.errors import InputError
from genedge.evaluation.cells import evaluate
from genedge.evaluation.results import METRICS
from genedge.policies import policy
from genedge.scenario import load_scenario


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def evaluation():
    scenario = load_scenario("paper", ["cell.slots_per_episode=20"])
    policies = {name: policy(name, scenario) for name in ("rcars", "knapsack", "cloud-only")}
    return evaluate(scenario, policies, [4, 9], 3, 7, quiet)


def test_metrics_recomputed(evaluation):
    """Those of `knapsack` at 9 users, from the samplers and the service alone."""
    scenario = evaluation.scenario
    slots = sample_episodes(scenario.params, jax.random.key(7), 9, 9, 20, 3)
    for e in range(3):
        batch = jax.tree.map(lambda x, e=e: x[e], slots)
        decision = policy("knapsack", scenario)(scenario.params, batch, jax.random.key(0))
        outcome = jax.tree.map(np.asarray, serve(scenario.params, batch, decision))
        cached = [set(np.flatnonzero(row)) for row in np.asarray(decision.cache)]
        asked = [set(row) for row in np.asarray(batch.requests).tolist()]
        expected = {
            "utility": outcome.utility.sum() / 20,
            "delay_s": outcome.delay_s.mean(),
            "delay_p95_s": np.quantile(outcome.delay_s, 0.95),
            "late_ratio": (outcome.delay_s > 20).mean(),
            "tv": outcome.tv.mean(),
            "unimproved_ratio": (
                np.asarray(decision.steps) * 1000 <= scenario.params.models.A1[np.asarray(batch.requests)]
            )[outcome.hit].mean(),
            "hit_ratio": outcome.hit.mean(),
            "used_cache_ratio": sum(len(c & a) for c, a in zip(cached, asked, strict=True)) / sum(map(len, cached)),
        }
        for metric in METRICS:
            assert evaluation.of("knapsack", 9).samples[metric][e] == pytest.approx(expected[metric], rel=1e-4)


def test_all_policies_meet_the_same_slots(evaluation):
    """What no decision changes, equal shares' radio delay, is the same for both policies with equal bandwidth."""
    again = evaluate(evaluation.scenario, {"x": policy("rcars", evaluation.scenario)}, [9], 3, 7, quiet)
    for metric in METRICS:
        np.testing.assert_array_equal(again.of("x", 9).samples[metric], evaluation.of("rcars", 9).samples[metric])


def test_comparisons(evaluation):
    ours, base = (evaluation.of(p, 9).samples["utility"].mean() for p in ("knapsack", "rcars"))
    against = evaluation.compare("knapsack", "rcars", 9)
    assert against["utility_difference"].mean == pytest.approx(ours - base)
    assert against["utility_better_by_of_base"].mean == pytest.approx((base - ours) / base)
    assert against["utility_better_by_of_ours"].mean == pytest.approx(base / ours - 1)
    hits, base_hits = (evaluation.of(p, 9).samples["hit_ratio"].mean() for p in ("knapsack", "rcars"))
    assert against["hit_ratio_better_by_of_base"].mean == pytest.approx((hits - base_hits) / base_hits)
    assert against["hit_ratio_better_by_of_ours"].mean == pytest.approx(1 - base_hits / hits)


def test_json_is_complete_and_undefined_is_null(evaluation):
    document = evaluation.as_json()
    assert len(document["results"]) == 6
    assert len(document["comparisons"]) == 2 * 3 * 2
    cloud = next(r for r in document["results"] if r["policy"] == "cloud-only")
    assert cloud["hit_ratio"]["mean"] == 0
    assert cloud["used_cache_ratio"] == {"mean": None, "low": None, "high": None}


def test_a_policy_that_breaks_a_constraint_is_found_out():
    scenario = load_scenario("paper", ["cell.slots_per_episode=5"])

    def greedy_for_bandwidth(params, slots, key):
        fine = policy("cloud-only", scenario)(params, slots, key)
        return Decision(fine.cache, np.asarray(slots.active, float), fine.steps)

    with pytest.raises(InputError, match=r"\(11e\)"):
        evaluate(scenario, {"greedy": greedy_for_bandwidth}, [3], 1, 0, quiet)


@pytest.fixture(scope="module")
def crowd():
    scenario = load_scenario("paper")
    policies = {name: policy(name, scenario) for name in ("rcars", "cloud-only", "greedy", "knapsack")}
    return evaluate(scenario, policies, [10, 18], 12, 3, quiet)


@pytest.mark.heavy
def test_hit_ratio_of_rcars_does_not_depend_on_the_number_of_users(crowd):
    """It chooses its cache without looking at requests."""
    few, many = (crowd.value("rcars", users, "hit_ratio") for users in (10, 18))
    assert few.mean == pytest.approx(many.mean, abs=0.02)


@pytest.mark.heavy
def test_largest_hit_ratio_falls_and_used_cache_rises_with_users(crowd):
    few, many = (crowd.value("greedy", users, "hit_ratio") for users in (10, 18))
    assert few.low > many.high
    few, many = (crowd.value("rcars", users, "used_cache_ratio") for users in (10, 18))
    assert few.high < many.low


@pytest.mark.heavy
def test_total_utility_rises_with_users(crowd):
    for name in crowd.policies:
        assert crowd.value(name, 10, "utility").high < crowd.value(name, 18, "utility").low


@pytest.mark.heavy
def test_cloud_only_beats_rcars_in_most_catalogues():
    """Fact of the assumed catalogues: more than 95 % of them; here 20, so at least 17."""
    wins = 0
    for seed in range(20):
        scenario = load_scenario("paper", [f"seed={seed}"])
        policies = {name: policy(name, scenario) for name in ("rcars", "cloud-only")}
        found = evaluate(scenario, policies, [10], 2, 0, quiet)
        wins += found.value("cloud-only", 10, "utility").mean < found.value("rcars", 10, "utility").mean
    assert wins >= 17


def test_gaps_are_measured_from_the_certified_optimum():
    scenario = load_scenario("paper", ["cell.slots_per_episode=25"])
    names = ("optimal", "priced", "knapsack", "rcars", "cloud-only")
    found = evaluate(scenario, {name: policy(name, scenario) for name in names}, [10], 3, 5, quiet)
    best = found.optimum(10).mean
    for name in names:
        cost = found.value(name, 10, "utility").mean
        gaps = found.gaps(name, 10)
        assert cost >= best * (1 - 1e-9)
        assert gaps["of_optimum"].mean == pytest.approx(cost / best - 1, abs=1e-12)
        rcars = found.value("rcars", 10, "utility").mean
        assert gaps["of_distance"].mean == pytest.approx((cost - best) / (rcars - best), abs=1e-12)
        advantage = found.largest_advantage(name, 10)
        assert advantage["better_by_of_base"].mean == pytest.approx(1 - best / cost, abs=1e-12)
        assert advantage["better_by_of_ours"].mean == pytest.approx(cost / best - 1, abs=1e-12)
    assert found.gaps("optimal", 10)["of_optimum"].mean < 1e-6
    assert found.gaps("priced", 10)["of_optimum"].mean < 5e-3
    assert found.gaps("rcars", 10)["of_distance"].mean == pytest.approx(1)
