import json
import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference import broken_constraints

from genedge.cell.feasible import (
    TOLERANCE,
    action_size,
    breaches,
    decode,
    equal_shares,
    fill_cache,
    fit_steps,
    floor_of_hits,
    in_float64,
    owed_steps,
)
from genedge.cell.types import Decision, Slot
from genedge.scenario import load_scenario

M, N = 10, 18
compiled_decode = jax.jit(decode)
compiled_fill = jax.jit(fill_cache)
compiled_fit = jax.jit(fit_steps)
compiled_floor = jax.jit(floor_of_hits)


def scenario_with(floor=None, **catalogue):
    """The paper's cell, under a quality floor, and with some properties of its models replaced."""
    overrides = [f"server.quality_floor={json.dumps(floor)}"]
    if catalogue:
        models = [
            {
                key: catalogue[key][m] if key in catalogue else getattr(model, key)
                for key in type(model).model_fields
            }
            for m, model in enumerate(load_scenario("paper").models)
        ]
        overrides.append(f"models={json.dumps(models)}")
    return load_scenario("paper", overrides)


FLOORS = (
    None,
    {"largest_tv": "best"},
    {"largest_tv": 60.0},
    {"largest_tv": 10.0},
    {"largest_tv": 1000.0},
    {"least_steps": 0.0},
    {"least_steps": 90.0},
    {"least_steps": 1000.0 / 3},
    {"least_steps": 1000.0},
    {"least_steps": 1001.0},
)
STORAGES = (
    None,
    [2.0] * M,  # All of them fill the storage exactly.
    [20.0] * M,
    [25.0] * M,
    [0.1, 0.2, 0.3, 0.7, 1.1, 1.7, 2.3, 3.1, 4.2, 6.3],  # Exactly C again, but not in binary.
    [19.9, 0.1, 0.1, 0.05, 0.05, 30.0, 20.0, 20.000001, 20.00003, 1e-3],
)
SCENARIOS = [
    scenario_with(floor, **({"storage_gb": storage} if storage else {})) for floor in FLOORS for storage in STORAGES
]


def plain(slot, decision):
    """A slot and a decision as a foreign program sees them."""
    return (
        {"requests": slot.requests.tolist(), "active": slot.active.tolist()},
        {
            "cache": np.asarray(decision.cache).astype(int).tolist(),
            "bandwidth": np.asarray(decision.bandwidth, float).tolist(),
            "steps": np.asarray(decision.steps, float).tolist(),
        },
    )


actions = hnp.arrays(
    np.float32,
    action_size(M, N),
    elements=st.floats(-1, 1, width=32) | st.sampled_from([-1.0, 0.0, 1.0]),
    fill=st.sampled_from([-1.0, 0.0, 1.0, 0.5]),
)
slots = st.builds(
    lambda requests, active: Slot(
        np.array(0.8), requests, np.full(N, 6e7), np.full(N, 1e-10), np.zeros((N, 2)), active
    ),
    requests=hnp.arrays(np.int32, N, elements=st.integers(0, M - 1), fill=st.integers(0, M - 1)),
    active=hnp.arrays(bool, N, fill=st.booleans()),
)


# --- Decoding


@settings(max_examples=200)
@given(scenario=st.sampled_from(SCENARIOS), slot=slots, action=actions)
def test_every_action_decodes_into_a_feasible_decision(scenario, slot, action):
    decision = compiled_decode(scenario.params, slot, action)
    exact = in_float64(decision)
    for found in (decision, exact):
        assert breaches(scenario.params, slot, found) == []
        assert broken_constraints(scenario.as_json(), *plain(slot, found)) == set()
    assert sum(exact.bandwidth) <= 1
    assert sum(exact.steps) <= 1
    if slot.active.any():
        assert sum(exact.bandwidth) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_actions_that_are_all_equal(paper, draw_slot, value):
    slot = draw_slot(np.random.default_rng(0), places=N)._replace(active=np.arange(N) < 12)
    decision = compiled_decode(paper.params, slot, np.full(action_size(M, N), value, np.float32))
    np.testing.assert_allclose(decision.bandwidth, np.where(slot.active, 1 / 12, 0), rtol=1e-6)
    cache = np.asarray(decision.cache)
    assert cache.any() == (value > 0)
    hit = cache[slot.requests] & slot.active
    wanted = np.where(hit, (1 + value) / 2 * paper.params.models.A3[slot.requests], 0)
    np.testing.assert_allclose(
        np.asarray(decision.steps) * 1000, wanted / max(1, wanted.sum() / 1000), rtol=1e-5, atol=1e-6
    )


def test_decoding_by_hand(paper, draw_slot):
    slot = draw_slot(np.random.default_rng(1), places=N)._replace(
        requests=np.array([0, 0, 1, 2] + [3] * 14), active=np.arange(N) < 4
    )
    scenario = scenario_with(storage_gb=[8.0, 13.0, 12.0, 1.0] + [9.0] * 6)
    priority = [0.5, 0.9, 0.7, -0.1] + [0.0] * 6  # 1 first (13 GB); 2 no longer fits; 0 does not either (21 GB).
    bandwidth = [1.0, -1.0, 0.0, 0.5] + [1.0] * 14
    steps = [1.0, 1.0, 0.5, 1.0] + [1.0] * 14
    decision = compiled_decode(scenario.params, slot, np.array(priority + bandwidth + steps, np.float32))
    assert np.flatnonzero(decision.cache).tolist() == [1]
    weights = np.exp([2.0, -2.0, 0.0, 1.0])
    np.testing.assert_allclose(decision.bandwidth[:4], weights / weights.sum(), rtol=1e-6)
    A3 = paper.params.models.A3[1]
    np.testing.assert_allclose(np.asarray(decision.steps), np.array([0, 0, 0.75 * A3 / 1000] + [0] * 15), rtol=1e-6)


def test_nobody_gets_more_than_55_times_anothers_bandwidth(paper, draw_slot):
    slot = draw_slot(np.random.default_rng(2), places=N)._replace(active=np.ones(N, bool))
    action = np.full(action_size(M, N), -1.0, np.float32)
    action[M] = 1.0
    share = np.asarray(compiled_decode(paper.params, slot, action).bandwidth)
    assert share.max() / share.min() == pytest.approx(math.exp(4), rel=1e-5)


def test_decoding_in_batches(draw_slot):
    params = scenario_with({"largest_tv": 60.0}).params
    rng = np.random.default_rng(3)
    many = draw_slot(rng, 3, 4, places=N)
    action = rng.uniform(-1, 1, (3, 4, action_size(M, N))).astype(np.float32)
    together = decode(params, many, action)
    assert together.cache.shape == (3, 4, M)
    assert breaches(params, many, together) == []
    for i in range(3):
        for j in range(4):
            alone = compiled_decode(params, jax.tree.map(lambda x, i=i, j=j: x[i, j], many), action[i, j])
            for whole, part in zip(together, alone, strict=True):
                np.testing.assert_allclose(whole[i, j], part, rtol=1e-5)


# --- The cache


def fill_by_hand(params, slot, priority):
    """First fit by descending priority, in exact arithmetic but for one part in a billion."""
    cache, storage, steps = np.zeros(M, bool), 0.0, 0.0
    for m in np.argsort(-priority, kind="stable"):
        requests = np.sum((slot.requests == m) & slot.active)
        owed = requests * params.models.floor_steps[m] if requests else 0
        fits = storage + params.models.storage_gb[m] <= params.C * (1 + 1e-9) and steps + owed <= params.S * (
            1 + 1e-9
        )
        if priority[m] > 0 and fits:
            cache[m] = True
            storage += params.models.storage_gb[m]
            steps += owed
    return cache


@settings(max_examples=100)
@given(
    scenario=st.sampled_from(SCENARIOS),
    slot=slots,
    priority=hnp.arrays(np.float32, M, elements=st.floats(-1, 1, width=32, allow_subnormal=False)),
)
def test_the_cache_is_filled_in_the_order_of_priority(scenario, slot, priority):
    # 20.000001 GB is over C by less than the tolerance: caching it or not is both right.
    close = np.abs(scenario.params.models.storage_gb / 20 - 1) < TOLERANCE
    if (close & (scenario.params.models.storage_gb != 20)).any():
        priority = np.where(close, -1, priority).astype(np.float32)
    cache = np.asarray(compiled_fill(scenario.params, slot, priority))
    np.testing.assert_array_equal(cache, fill_by_hand(scenario.params, slot, priority))


@pytest.mark.parametrize("storage", [STORAGES[1], STORAGES[4], [(20 - 7e-6) / 3] * 3 + [1e-6] * 7])
def test_models_that_fill_the_storage_exactly_all_fit(draw_slot, storage):
    params = scenario_with(storage_gb=storage).params
    slot = draw_slot(np.random.default_rng(4), places=N)
    for seed in range(20):
        priority = np.random.default_rng(seed).uniform(0.1, 1, M).astype(np.float32)
        assert np.asarray(compiled_fill(params, slot, priority)).all()


def test_a_model_that_cannot_reach_the_floor_is_cached_only_if_nobody_asks(draw_slot):
    params = scenario_with({"largest_tv": 30.0}, A4_tv=[40.0] + [20.0] * 9, storage_gb=[1.0] * 10).params
    assert math.isinf(params.models.floor_steps[0])
    slot = draw_slot(np.random.default_rng(5), places=N)._replace(requests=np.zeros(N, int))
    everything = np.ones(M, np.float32)
    assert not np.asarray(compiled_fill(params, slot, everything))[0]
    nobody = slot._replace(active=np.zeros(N, bool))
    assert np.asarray(compiled_fill(params, nobody, everything))[0]
    assert np.asarray(owed_steps(params, nobody)).tolist() == [0.0] * M


def test_steps_owed_by_hand(draw_slot):
    params = scenario_with({"least_steps": 90.0}).params
    slot = draw_slot(np.random.default_rng(6), places=N)._replace(
        requests=np.array([2, 2, 2, 7] + [5] * 14), active=np.array([True, True, False, True] + [False] * 14)
    )
    assert np.asarray(owed_steps(params, slot)).tolist() == [0, 0, 180, 0, 0, 0, 0, 90, 0, 0]
    floor = compiled_floor(params, slot, np.arange(M) == 2)
    assert np.asarray(floor).tolist() == [90, 90] + [0] * 16


# --- Steps and shares


@settings(max_examples=100)
@given(
    floor=hnp.arrays(np.float32, N, elements=st.floats(0, 50, width=32, allow_subnormal=False)),
    wanted=hnp.arrays(np.float32, N, elements=st.floats(0, 1000, width=32, allow_subnormal=False)),
)
def test_steps_are_the_floor_and_then_a_common_part_of_what_is_wanted_above_it(paper, floor, wanted):
    steps = np.asarray(compiled_fit(paper.params, floor, wanted), float) * 1000
    above = np.maximum(wanted.astype(float) - floor, 0)
    assert steps.sum() <= 1000 * (1 + TOLERANCE)
    assert (steps >= floor * (1 - TOLERANCE) - 1e-30).all()
    spare = 1000 - floor.astype(float).sum()
    scale = min(1, spare / above.sum()) if above.sum() > 0 else 1
    np.testing.assert_allclose(steps, floor + scale * above, rtol=1e-5, atol=1e-3)


def test_equal_shares(draw_slot):
    slot = draw_slot(np.random.default_rng(7), 3, places=4)._replace(
        active=np.array([[True, True, False, True], [False] * 4, [True] * 4])
    )
    np.testing.assert_allclose(equal_shares(slot), [[1 / 3, 1 / 3, 0, 1 / 3], [0, 0, 0, 0], [0.25] * 4], rtol=1e-6)


@given(
    shares=hnp.arrays(np.float64, (3, 7), elements=st.floats(0, 1)),
    excess=st.sampled_from([0.5, 1 - 1e-15, 1.0, 1 + 1e-15, 1 + 9e-7]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_exact_decisions_sum_to_at_most_1_in_any_order(shares, excess, dtype):
    shares = (shares / np.maximum(shares.sum(axis=-1, keepdims=True), 1e-3) * excess).astype(dtype)
    exact = in_float64(Decision(np.ones((3, 2), bool), shares, shares))
    for before, after in zip(shares.astype(float), exact.bandwidth, strict=True):
        assert sum(after) <= 1
        assert sum(after[::-1]) <= 1
        assert sum(sorted(after)) <= 1
        assert after.sum() <= 1
        np.testing.assert_allclose(after, before, rtol=2e-6)
        if before.sum() < 0.999:
            np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(exact.bandwidth, exact.steps)
    assert exact.cache.dtype == bool
    assert exact.steps.dtype == np.float64


# --- Checking


@pytest.fixture(scope="module")
def checked(draw_slot):
    """Three slots of four places under a floor, with decisions that keep everything."""
    scenario = scenario_with({"least_steps": 90.0}, storage_gb=[5.0] * 10)
    slot = draw_slot(np.random.default_rng(8), 3, places=4)._replace(
        requests=np.tile([0, 1, 2, 9], (3, 1)), active=np.tile([True, True, True, False], (3, 1))
    )
    decision = Decision(
        cache=np.tile(np.arange(10) < 2, (3, 1)),
        bandwidth=np.tile([0.2, 0.3, 0.4, 0.0], (3, 1)),
        steps=np.tile([0.09, 0.5, 0.0, 0.0], (3, 1)),
    )
    return scenario.params, slot, decision


def test_a_decision_that_keeps_everything_has_no_breach(checked):
    assert breaches(*checked) == []


NUMBER = "is a number from 0 to 1"


@pytest.mark.parametrize(
    ("field", "place", "value", "constraint", "excess"),
    [
        ("bandwidth", 0, -0.25, f"(11b) every bandwidth share {NUMBER}", 0.25),
        ("bandwidth", 3, -1e-12, f"(11b) every bandwidth share {NUMBER}", 1e-12),
        ("bandwidth", 1, 1.5, f"(11b) every bandwidth share {NUMBER}", 0.5),
        ("bandwidth", 1, math.nan, f"(11b) every bandwidth share {NUMBER}", math.nan),
        ("bandwidth", 1, math.inf, f"(11b) every bandwidth share {NUMBER}", math.inf),
        ("steps", 2, -0.5, f"(11c) every share of the steps {NUMBER}", 0.5),
        ("steps", 2, 1.25, f"(11c) every share of the steps {NUMBER}", 0.25),
        ("steps", 3, math.nan, f"(11c) every share of the steps {NUMBER}", math.nan),
        ("bandwidth", 2, 0.0, "an active user's bandwidth share is above 0", 0.0),
        ("bandwidth", 3, 1e-9, "an inactive user's bandwidth share is 0", 1e-9),
        ("steps", 3, 1e-9, "an inactive user's share of the steps is 0", 1e-9),
        ("steps", 0, 0.08, "quality floor: steps of a served request [steps]", 10.0),
        ("cache", slice(0, 5), True, "(11d) storage of the cached models is at most C [GB]", 5.0),
        ("bandwidth", 2, 0.75, "(11e) bandwidth shares sum to at most 1", 0.25),
        ("bandwidth", 2, 0.5 + 2e-6, "(11e) bandwidth shares sum to at most 1", 2e-6),
        ("steps", 1, 0.95, "(11f) shares of the steps sum to at most 1", 0.04),
    ],
)
def test_each_broken_constraint_is_named_with_its_slot_user_and_excess(
    checked, field, place, value, constraint, excess
):
    params, slot, decision = checked
    broken = getattr(decision, field).copy()
    broken[1:, place] = value  # The second slot is the first that breaks it.
    found = {b.constraint: b for b in breaches(params, slot, decision._replace(**{field: broken}))}
    breach = found[constraint]
    assert breach.index == (1,)
    assert breach.excess == pytest.approx(excess, rel=1e-6, nan_ok=True)
    per_slot = constraint.startswith(("(11d)", "(11e)", "(11f)"))
    assert breach.where == (None if per_slot else place)
    # Nothing else is blamed but what follows: sums of odd numbers, cached models that are now owed steps.
    consequences = {
        "(11d)": "quality",
        "(11b)": ("(11e)", "an active", "an inactive"),
        "(11c)": ("(11f)", "an inactive"),
    }
    assert all(name.startswith(consequences.get(constraint[:5], ())) for name in set(found) - {constraint})


@pytest.mark.parametrize(
    ("field", "place", "value"),
    [
        ("bandwidth", 2, 0.5 + 0.9e-6),
        ("steps", 1, 0.91 + 0.9e-6),
        ("steps", 0, 0.09 * (1 - 0.9e-6)),
        ("bandwidth", 3, -0.0),
    ],
)
def test_rounding_within_the_tolerance_is_accepted(checked, field, place, value):
    params, slot, decision = checked
    rounded = getattr(decision, field).copy()
    rounded[1, place] = value
    assert breaches(params, slot, decision._replace(**{field: rounded})) == []


def test_a_breach_in_a_single_slot_and_in_a_grid_of_slots(checked):
    params, slot, decision = checked
    decision = decision._replace(bandwidth=np.tile([0.5, 0.5, 0.5, 0.0], (3, 1)))
    one = [jax.tree.map(lambda x: x[0], part) for part in (slot, decision)]
    grid = [jax.tree.map(lambda x: x[None], part) for part in (slot, decision)]
    for parts, index in ((one, ()), (grid, (0, 0))):
        [breach] = breaches(params, *parts)
        assert (breach.index, breach.where, breach.excess) == (index, None, pytest.approx(0.5))


def test_serving_below_a_floor_that_a_model_cannot_reach_is_a_breach(checked):
    _, slot, decision = checked
    params = scenario_with({"largest_tv": 30.0}, A4_tv=[40.0] + [20.0] * 9, storage_gb=[5.0] * 10).params
    [breach] = breaches(params, slot, decision._replace(steps=np.tile([0.0, 0.5, 0.0, 0.0], (3, 1))))
    assert breach.constraint.startswith("quality floor")
    assert (breach.where, breach.excess) == (0, math.inf)


@settings(max_examples=150)
@given(scenario=st.sampled_from(SCENARIOS), slot=slots, seed=st.integers(0, 2**32))
def test_the_checker_agrees_with_the_reference_on_decisions_of_any_kind(scenario, slot, seed):
    rng = np.random.default_rng(seed)

    def shares():
        shares = rng.exponential(size=N) * (slot.active if rng.random() < 0.8 else 1)
        shares *= rng.choice([0.3, 1.0, 1.3]) / max(shares.sum(), 1e-9)
        if rng.random() < 0.2:
            shares[rng.integers(N)] = rng.choice([-0.1, 0.0, 1.2, np.nan])
        return shares

    decision = Decision(rng.random(M) < rng.choice([0, 0.1, 0.4]), shares(), shares())
    kinds = {
        "(11b)": "11b",
        "(11c)": "11c",
        "an active": "starved",
        "an inactive": "idle",
        "quality": "floor",
        "(11d)": "11d",
        "(11e)": "11e",
        "(11f)": "11f",
    }
    ours = {
        next(short for start, short in kinds.items() if breach.constraint.startswith(start))
        for breach in breaches(scenario.params, slot, decision)
    }
    theirs = broken_constraints(scenario.as_json(), *plain(slot, decision))
    # Comparisons with NaN are false in the reference: there, not being a number is broken once.
    if np.isnan(decision.bandwidth).any():
        ours, theirs = ours - {"starved", "idle", "11e"}, theirs - {"starved", "idle", "11e"}
    if np.isnan(decision.steps).any():
        ours, theirs = ours - {"floor", "idle", "11f"}, theirs - {"floor", "idle", "11f"}
    assert ours == theirs
