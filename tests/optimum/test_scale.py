"""Many models, whose caches are too many to list."""

import itertools

import jax
import numpy as np
import pytest

from genedge.cell.feasible import breaches
from genedge.cell.sampling import sample_episode
from genedge.cell.types import Params, Slot
from genedge.optimum import certify, solve, solve_optimal, solve_priced
from genedge.optimum.caches import best_knapsack, near_best
from genedge.optimum.certificate import radio_cost
from genedge.scenario import load_scenario


def large(*more: str) -> tuple[Params, Slot]:
    params = load_scenario(
        "paper",
        [
            "models.count=100",
            "server.storage_gb=120",
            "server.total_steps=100000",
            "radio.uplink_bandwidth_mhz=2000",
            "radio.downlink_bandwidth_mhz=4000",
            *more,
        ],
    ).params
    return params, jax.tree.map(np.asarray, sample_episode(params, jax.random.key(2), 1000, 1000, 2))


@pytest.mark.parametrize("more", [(), ("server.total_steps=20000",), ("server.quality_floor={largest_tv: best}",)])
def test_a_thousand_users_and_a_hundred_models(more: tuple[str, ...]) -> None:
    params, slots = large(*more)
    priced = solve_priced(params, slots)
    assert not breaches(params, slots, priced.decision)
    found = certify(params, slots, *priced)
    gap = (found.objective - found.lower_bound) / (found.objective - radio_cost(params, slots, priced.decision))
    assert np.all(gap >= 0)
    assert np.all(gap < 0.005)


@pytest.mark.parametrize(
    "more", [(), ("server.quality_floor={largest_tv: best}",), ("server.quality_floor={least_steps: 40}",)]
)
def test_without_a_list_the_answers_are_the_same(more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(4):
        params = load_scenario("paper", [f"seed={seed}", "server.total_steps=600", *more]).params
        slots = jax.tree.map(np.asarray, sample_episode(params, jax.random.key(seed), 10, 10, 20))
        listed = certify(params, slots, *solve_optimal(params, slots))
        with monkeypatch.context() as patch:
            patch.setattr(solve, "list_caches", lambda *_: None)
            optimal, priced = solve_optimal(params, slots), solve_priced(params, slots)
            assert not breaches(params, slots, optimal.decision)
            found, good = certify(params, slots, *optimal), certify(params, slots, *priced)
        np.testing.assert_allclose(found.objective, listed.objective, rtol=2e-9)
        assert np.all(found.gap <= 1e-6)
        assert np.all(found.lower_bound <= listed.objective)
        assert np.all(good.lower_bound <= listed.objective)
        assert good.gap.mean() < 0.01


def test_knapsack_and_what_is_near_it_by_brute_force() -> None:
    random = np.random.default_rng(0)
    for trial in range(300):
        count = int(random.integers(1, 10))
        worth, size = random.normal(3, 4, count), random.uniform(2, 10, count)
        if trial % 3 == 0:
            # Ties.
            worth, size = np.round(worth), np.round(size)
        capacity = random.uniform(0, 40)
        every = np.array(list(itertools.product((False, True), repeat=count)))
        value = np.where(every @ size <= capacity, every @ worth, -np.inf)
        chosen, found = best_knapsack(worth, size, capacity)
        assert found == pytest.approx(value.max(), abs=1e-9)
        assert chosen @ worth == pytest.approx(found, abs=1e-9)
        assert chosen @ size <= capacity
        least = value.max() - random.uniform(0.1, 5.3)
        near, complete = near_best(worth, size, capacity, least, 10_000)
        assert complete
        assert {tuple(row) for row in near} == {tuple(row) for row in every[value > least]}
        few, complete = near_best(worth, size, capacity, least, 1)
        assert len(few) <= 1
        assert not complete or len(few) == len(near)
