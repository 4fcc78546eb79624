"""What is certified where requests wait for the base station: a bound, against every decision of small cells."""

import itertools

import jax
import numpy as np
import pytest
from every_decision import every_decision, small
from stations import simulated

import genedge
from genedge.cell.feasible import action_size, decode
from genedge.cell.types import Decision
from genedge.errors import InputError
from genedge.optimum import certify, solve_optimal, solve_priced
from genedge.optimum.bandwidth import least_radio
from genedge.optimum.certificate import certified, objective, radio_cost
from genedge.optimum.savings import savings
from genedge.optimum.waiting import least_waits, waited
from genedge.policies import policy
from genedge.scenario import load_scenario

ONE, SHORTEST = "server.generates_at_once=1", "server.generation_order=shortest-first"
OVERHEADS = ("radio.transfer_overhead_s=0.5", "backhaul.transfer_overhead_s=0.25")
# Long uploads, in which waits hide.
SLOW = ("radio.uplink_bandwidth_mhz=0.5",)
CASES = [
    (ONE,),
    (ONE, SHORTEST),
    (ONE, *SLOW),
    ("server.generates_at_once=2", *OVERHEADS),
    (ONE, "models.B1_s_per_step=[0, 0.02]", "models.B2_s=[5, 20]"),
    (ONE, "server.quality_floor.largest_tv=60", *OVERHEADS),
    (ONE, "radio.outage_gain_db=-95", "radio.outage_delay_s=40", "radio.noise_bandwidth=whole"),
    (ONE, *OVERHEADS, "objective.deadline_s=22", "objective.fairness_per_s=2", "objective.energy_per_step=0.02"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(part.rpartition(".")[2] for part in case))
def test_no_decision_of_a_small_cell_is_below_the_bound(case) -> None:
    params, slots = small(case)
    assert certified(params) == "bound"
    solved = solve_optimal(params, slots)
    assert (solve_priced(params, slots).lower_bound <= solved.lower_bound + 1e-6).all()
    assert (certify(params, slots, *solved).gap >= 0).all()
    for k in range(4):
        many, decided = every_decision(params, slots, k)
        least = objective(params, many, decided).min()
        assert solved.lower_bound[k] <= least
        # And it is no empty promise.
        assert solved.lower_bound[k] > 0.6 * least


def slots_of(scenario, users, count=30):
    drawn = genedge.sample_episode(scenario.params, jax.random.key(1), users=users, places=users + 1, slots=count)
    return jax.tree.map(np.asarray, drawn)


@pytest.mark.parametrize(
    "case", [CASES[1], (CASES[-1][0], SHORTEST, *CASES[-1][1:]), ("server.generates_at_once=3",)]
)
def test_what_a_decision_costs_is_computed_twice_and_never_below_the_bound(case) -> None:
    scenario = load_scenario("paper", [*case, "server.storage_gb=35"])
    slots = slots_of(scenario, 6)
    bound = solve_priced(scenario.params, slots).lower_bound
    rng = np.random.default_rng(0)
    waits = 0
    for _ in range(10):
        action = rng.uniform(-1, 1, (30, action_size(10, 7))).astype(np.float32)
        decision = jax.tree.map(np.asarray, decode(scenario.params, slots, action))
        cost, outcome = objective(scenario.params, slots, decision), genedge.score(scenario.params, slots, decision)
        np.testing.assert_allclose(cost, outcome.utility.sum(axis=-1), rtol=1e-9)
        assert (cost >= bound).all()
        waits += (outcome.wait_s > 0).sum()
    assert waits > 100


def test_waits_event_by_event_also_of_those_who_come_together() -> None:
    rng = np.random.default_rng(1)
    scenario = load_scenario("paper", [ONE])
    for shortest_first, generators in itertools.product((False, True), (1, 2, 3)):
        station = scenario.params.station._replace(
            generators=np.array(float(generators)), shortest_first=np.array(shortest_first)
        )
        hit = rng.random((50, 8)) < 0.8
        arrival_s, takes_s = rng.integers(0, 6, (2, 50, 8)).astype(float)
        found = waited(station, hit, arrival_s, takes_s)
        for k, here in enumerate(hit):
            users = arrival_s[k, here].tolist(), takes_s[k, here].tolist()
            assert found[k, here].tolist() == simulated(generators, shortest_first, *users)
            assert not found[k, ~here].any()


def test_the_least_waits_are_those_of_the_best_order() -> None:
    """Of a cache that serves some of five requests, against all ways to queue before two generators."""
    scenario = load_scenario("paper", ["server.generates_at_once=2", "models.count=4", "server.storage_gb=1000"])
    params, slots = scenario.params, slots_of(scenario, 5, 6)
    caches = np.array(list(itertools.product((False, True), repeat=4)))
    found = least_waits(params, savings(params, slots), caches)
    for k, c in itertools.product(range(6), range(16)):
        asked = slots.requests[k, slots.active[k]]
        takes_s = [float(params.models.B2[m]) for m in asked if caches[c, m]]
        together = [0.0] * len(takes_s)
        best = min(sum(simulated(2, False, together, order)) for order in itertools.permutations(takes_s))
        assert found[k, c] == pytest.approx(best, abs=1e-9)


def test_fixed_costs_alone_leave_the_optimum_exact() -> None:
    scenario, plain = load_scenario("paper", list(OVERHEADS)), load_scenario("paper")
    assert certified(scenario.params) == "exact"
    slots = slots_of(scenario, 8)
    solved = solve_optimal(scenario.params, slots)
    certificate = certify(scenario.params, slots, *solved)
    assert (certificate.gap >= 0).all()
    assert (certificate.gap <= 2e-9).all()
    # The radio's cannot be avoided; those of the backhaul can, by caching.
    before = certify(plain.params, slots, *solve_optimal(plain.params, slots)).objective
    radio = 0.7 * 2 * 0.5 * 8
    assert (certificate.objective >= before + radio - 1e-6).all()
    assert (certificate.objective <= before + radio + 0.7 * 2 * 0.25 * 8 + 1e-6).all()
    least = least_radio(scenario.params, slots)
    np.testing.assert_allclose(least.cost, least_radio(plain.params, slots).cost + radio, rtol=1e-12)
    np.testing.assert_allclose(least.cost, radio_cost(scenario.params, slots, Decision(None, least.share, None)))


def test_a_slot_without_users() -> None:
    scenario = load_scenario("paper", [ONE, *OVERHEADS])
    slots = slots_of(scenario, 4, 3)
    nobody = slots._replace(active=np.zeros_like(slots.active))
    certificate = certify(scenario.params, nobody, *solve_priced(scenario.params, nobody))
    assert not certificate.objective.any()
    assert certificate.lower_bound == pytest.approx(0, abs=1e-9)


def test_the_bound_counts_waits() -> None:
    scenario, plain = load_scenario("paper", [ONE]), load_scenario("paper")
    slots = slots_of(scenario, 10)
    with_waits = solve_priced(scenario.params, slots).lower_bound
    without = solve_priced(plain.params, slots).lower_bound
    assert (with_waits >= without).all()
    assert with_waits.mean() > 1.02 * without.mean()


def test_many_models_have_a_bound_too() -> None:
    scenario = load_scenario("paper", [ONE, "models.count=40", "server.storage_gb=80"])
    slots = slots_of(scenario, 6, 3)
    assert (certify(scenario.params, slots, *solve_priced(scenario.params, slots)).gap >= 0).all()


def test_the_optimum_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"^policy 'optimal': .*server.generates_at_once.*; take 'priced'$"):
        policy("optimal", load_scenario("paper", [ONE]))
