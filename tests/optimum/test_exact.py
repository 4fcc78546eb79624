"""The exact solver against brute force on small cases, and against HiGHS on a thousand slots."""

import itertools

import jax
import numpy as np
import pytest

from genedge.cell.feasible import breaches
from genedge.cell.types import Decision, Params, Slot
from genedge.optimum import certify, solve, solve_optimal, solve_priced
from genedge.optimum.certificate import objective, radio_cost
from genedge.optimum.milp import solve_milp
from genedge.scenario import load_scenario

FLOORS = (
    "null",
    "{largest_tv: best}",
    "{largest_tv: 60}",
    "{largest_tv: 30}",
    "{least_steps: 20}",
    "{least_steps: 120}",
    "{least_steps: 260}",
)


def small(models: int, users: int, seed: int, *more: str) -> Params:
    return load_scenario(
        "paper",
        [
            f"seed={seed}",
            f"models.count={models}",
            f"cell.users={users}",
            f"cell.places={users}",
            "server.storage_gb=11",
            *more,
        ],
    ).params


def random_slots(params: Params, count: int, places: int, seed: int) -> Slot:
    """Slots with inactive users in any place."""
    random = np.random.default_rng(seed)
    models = len(params.models.A1)
    popularity = np.arange(1, models + 1) ** -random.uniform(0, 1.5)
    return Slot(
        skew=np.ones(count, np.float32),
        requests=random.choice(models, (count, places), p=popularity / popularity.sum()),
        input_bits=random.uniform(4e7, 8e7, (count, places)).astype(np.float32),
        gain=(10 ** random.uniform(-12, -8, (count, places))).astype(np.float32),
        position_m=np.zeros((count, places, 2), np.float32),
        active=random.random((count, places)) < 0.85,
    )


def cost_of(params: Params, slot: Slot, n: int, hit: bool, steps: float) -> float:
    """Eq. (14) of one user without its radio delays, from the paper's text."""
    m = slot.requests[n]
    A1, A2, A3, A4 = (float(getattr(params.models, key)[m]) for key in ("A1", "A2", "A3", "A4"))
    backhaul = 0.0
    if not hit:
        steps = A3
        backhaul = float(slot.input_bits[n]) / float(params.R_bc)
        backhaul += float(params.models.output_bits[m]) / float(params.R_cb)
    tv = A2 if steps <= A1 else A4 if steps >= A3 else A2 + (A4 - A2) * (steps - A1) / (A3 - A1)
    delay = backhaul + float(params.models.B1[m]) * steps + float(params.models.B2[m])
    # Of the base station's steps alone.
    energy = float(params.costs.energy) * steps if hit and params.costs is not None else 0.0
    return float(params.delay_weight) * delay + float(params.tv_weight) * tv + energy


def brute_force(params: Params, slot: Slot) -> float:
    """The least cost without radio, over all caches and all patterns of steps.

    A pattern gives every hit its floor or A3, and what is left over to one of them, or to none. A second pass over
    multiples of S/20 does not assume that this is enough.
    """
    models, S = len(params.models.A1), float(params.S)
    users = np.flatnonzero(slot.active)
    best = np.inf
    for cache in itertools.product((False, True), repeat=models):
        if np.array(cache) @ params.models.storage_gb > float(params.C):
            continue
        hits = [n for n in users if cache[slot.requests[n]]]
        misses = sum(cost_of(params, slot, n, False, 0) for n in users if n not in hits)
        floors = np.array([params.models.floor_steps[slot.requests[n]] for n in hits])
        if floors.sum() > S:
            continue
        useful = [max(f, float(params.models.A3[slot.requests[n]])) for f, n in zip(floors, hits, strict=True)]
        patterns = list(itertools.product(*zip(floors, useful, strict=True)))
        for pattern in [p for p in patterns if sum(p) <= S]:
            for extra in range(-1, len(hits)):
                steps = list(pattern)
                if extra >= 0:
                    steps[extra] += S - sum(pattern)
                cost = misses + sum(cost_of(params, slot, n, True, s) for n, s in zip(hits, steps, strict=True))
                best = min(best, cost)
        if len(hits) <= 3:
            for grid in itertools.product(np.arange(0, S + 1, S / 20), repeat=len(hits)):
                if sum(grid) <= S and np.all(np.array(grid) >= floors):
                    cost = sum(cost_of(params, slot, n, True, s) for n, s in zip(hits, grid, strict=True))
                    best = min(best, misses + cost)
    return best


@pytest.mark.parametrize(
    ("floor", "energy"),
    [*((floor, 0) for floor in FLOORS), ("null", 0.03), ("{largest_tv: 60}", 0.3), ("{least_steps: 120}", 0.03)],
)
def test_brute_force_agrees(floor: str, energy: float) -> None:
    for seed in range(6):
        steps = (150, 260, 330, 420, 800, 40)[seed]
        params = small(
            4,
            4,
            seed,
            f"server.quality_floor={floor}",
            f"server.total_steps={steps}",
            f"objective.energy_per_step={energy}",
            "models.B1_s_per_step=[0, 0.3]",
        )
        slots = random_slots(params, 3, 4, seed)
        optimal = solve_optimal(params, slots)
        assert not breaches(params, slots, optimal.decision)
        ours = objective(params, slots, optimal.decision) - radio_cost(params, slots, optimal.decision)
        for k in range(3):
            slot = jax.tree.map(lambda x: x[k], slots)  # noqa: B023
            best = brute_force(params, slot)
            assert ours[k] == pytest.approx(best, rel=1e-8, abs=1e-9)
            milp = solve_milp(params, slot)
            assert milp.lower_bound == pytest.approx(best, rel=1e-6, abs=1e-6)
            cost = objective(params, *by_milp(slots, optimal.decision, k, milp.cache, milp.steps))
            radio = radio_cost(params, *by_milp(slots, optimal.decision, k, milp.cache, milp.steps))
            assert cost - radio == pytest.approx(best, rel=1e-6, abs=1e-6)


def by_milp(slots: Slot, ours: Decision, k: int, cache: np.ndarray, steps: np.ndarray) -> tuple[Slot, Decision]:
    """Slot k with HiGHS's cache and steps."""
    slot = jax.tree.map(lambda x: x[k : k + 1], slots)
    return slot, Decision(cache[None], ours.bandwidth[k : k + 1], steps[None])


@pytest.mark.heavy
@pytest.mark.parametrize("part", range(2))
def test_agrees_with_highs_on_a_thousand_random_slots(part: int) -> None:
    compared = 0
    for seed in range(part * 25, part * 25 + 25):
        random = np.random.default_rng(seed)
        users = int(random.integers(1, 19))
        params = load_scenario(
            ("paper", "paper-attainable", "companion")[seed % 3],
            [
                f"seed={seed}",
                f"server.quality_floor={FLOORS[seed % len(FLOORS)] if seed % 2 else 'null'}",
                f"server.total_steps={random.uniform(100, 1500)}",
                f"server.storage_gb={random.uniform(5, 25)}",
                f"objective.alpha={random.uniform(0.2, 1)}",
                f"objective.alpha_weighs={('delay', 'tv')[seed % 5 == 0]}",
            ],
        ).params
        slots = random_slots(params, 20, users, seed)
        optimal = solve_optimal(params, slots)
        assert not breaches(params, slots, optimal.decision)
        ours = certify(params, slots, *optimal)
        assert np.all(ours.gap <= 1e-6)
        for k in range(20):
            milp = solve_milp(params, jax.tree.map(lambda x: x[k], slots))  # noqa: B023
            slot, decision = by_milp(slots, optimal.decision, k, milp.cache, milp.steps)
            assert not breaches(params, slot, decision)
            theirs = objective(params, slot, decision)[0]
            assert theirs == pytest.approx(ours.objective[k], rel=1e-7)
            bound = milp.lower_bound + radio_cost(params, slot, decision)[0]
            assert bound == pytest.approx(ours.objective[k], rel=1e-6)
            compared += 1
    assert compared == 500


def test_priced_is_feasible_bounded_and_close() -> None:
    gaps = []
    for seed in range(4):
        params = load_scenario("paper", [f"seed={seed}"]).params
        slots = random_slots(params, 200, 18, seed)
        priced, optimal = solve_priced(params, slots), solve_optimal(params, slots)
        assert not breaches(params, slots, priced.decision)
        ours, best = certify(params, slots, *priced), certify(params, slots, *optimal)
        assert np.all(ours.objective >= best.lower_bound)
        assert np.all(best.objective >= ours.lower_bound)
        gaps.append(ours.gap.mean())
    assert np.mean(gaps) < 7e-4


def test_compiled_and_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_scenario("paper", ["seed=5"]).params
    slots = random_slots(params, 700, 10, 5)
    at_once = solve_optimal(params, slots)
    monkeypatch.setattr(solve, "COMPILED_FROM", 1)
    compiled = solve_optimal(params, slots)
    np.testing.assert_allclose(compiled.lower_bound, at_once.lower_bound, rtol=1e-12)
    np.testing.assert_array_equal(compiled.decision.cache, at_once.decision.cache)
    np.testing.assert_allclose(compiled.decision.steps, at_once.decision.steps, atol=1e-12)


def test_nobody_and_nothing_to_cache() -> None:
    params = small(3, 4, 1, "server.storage_gb=0")
    slots = random_slots(params, 3, 4, 1)
    slots = slots._replace(active=slots.active & (np.arange(3) > 0)[:, None])
    optimal = solve_optimal(params, slots)
    assert not optimal.decision.cache.any()
    found = certify(params, slots, *optimal)
    assert found.objective[0] == 0
    assert found.gap[0] == 0
    assert np.all(found.gap < 1e-9)
