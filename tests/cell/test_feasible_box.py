"""Decisions in a box: whatever the memory and the action, `decode` keeps every constraint; and what breaks one."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genedge.cell.feasible import action_size, admit, breaches, decode, first_memory, in_float64
from genedge.cell.types import Decision, Memory, Slot
from genedge.scenario import load_scenario

M, N = 5, 8
compiled_decode, compiled_admit = jax.jit(decode), jax.jit(admit)

NO_FLOOR = "server.quality_floor=null"
SCENARIOS = [
    load_scenario("edge-box", overrides)
    for overrides in (
        [],
        ["server.cache_every_slots=1", "server.pinned=[1]"],
        ["server.cache_every_slots=null"],
        ["server.cache_every_slots=null", "server.pinned=[4, 0]", "server.storage_gb=18"],
        ["server.quality_floor={largest_tv: 40}"],
        ["server.quality_floor={largest_tv: 80}", "server.total_steps=60", "server.cache_every_slots=null"],
        ["server.quality_floor={least_steps: 50}", "server.pinned=[2]"],
        ["server.quality_floor={least_steps: 1000}"],
        [NO_FLOOR],
        [NO_FLOOR, "server.offload=false", "server.pinned=[3]"],
        [NO_FLOOR, "server.offload=false", "server.cache_every_slots=null"],
        ["server.offload=false", "server.cache_every_slots=null", "models.load_s=0"],
        ["server.offload=false", "server.cache_every_slots=null", "models.load_s=0", "server.total_steps=90"],
        ["server.storage_gb=0", "server.total_steps=1"],
    )
]
edge_box = SCENARIOS[0].params


def unit(shape, width=32):
    return hnp.arrays(np.float32, shape, elements=st.floats(-1, 1, width=width, allow_subnormal=False))


memories = st.builds(
    lambda held, wait, until: Memory(held, np.where(held, wait, 0).astype(np.int32), np.int32(until)),
    hnp.arrays(bool, M),
    hnp.arrays(np.int32, M, elements=st.sampled_from([0, 0, 0, 1, 3])),
    st.integers(0, 2),
)
slots = st.builds(
    lambda requests, active, memory, size: Slot(
        skew=np.float32(0.8),
        requests=requests,
        input_bits=np.full(N, size, np.float32),
        gain=np.full(N, 1e-9, np.float32),
        position_m=np.zeros((N, 2), np.float32),
        active=active,
        ranking=np.arange(M, dtype=np.int32),
        memory=memory,
    ),
    hnp.arrays(np.int32, N, elements=st.integers(0, M - 1)),
    hnp.arrays(bool, N),
    memories,
    st.floats(1e6, 8e7),
)


def until_of(params, slot):
    """Where the cache is decided in every slot, no slot's decision is without account."""
    return slot if params.box.every is not None else slot._replace(memory=slot.memory._replace(until=np.int32(0)))


# --- Decoding


def cache_by_hand(params, slot, priority):
    """Pinned models first, then by descending priority each that fits; without offload, also its owed steps."""
    box, cache, storage, steps = params.box, np.zeros(M, bool), 0.0, 0.0
    order = sorted(range(M), key=lambda m: (not box.pinned[m], 0 if box.pinned[m] else -priority[m], m))
    for m in order:
        requests = np.sum((slot.requests == m) & slot.active)
        owed = requests * params.models.floor_steps[m] if requests and not box.offload else 0.0
        fits = storage + params.models.storage_gb[m] <= params.C * (1 + 1e-9) and steps + owed <= params.S * (
            1 + 1e-9
        )
        if (priority[m] > 0 or box.pinned[m]) and fits:
            cache[m] = True
            storage += params.models.storage_gb[m]
            steps += owed
    return cache


def admitted_by_hand(floor, priority, steps):
    """By descending priority, each that the steps suffice for; those of priority 0 or less not at all."""
    admitted, left = [False] * len(floor), steps
    for n in sorted(range(len(floor)), key=lambda n: -priority[n]):
        if priority[n] > 0 and floor[n] <= left:
            admitted[n] = True
            left -= floor[n]
    return admitted


def decode_by_hand(params, slot, action):
    """What an action decides, by loops over models and users."""
    box, models, memory = params.box, params.models, slot.memory
    priority, bandwidth, x = (part.astype(float) for part in np.split(action, [M, M + N]))
    cache = cache_by_hand(params, slot, priority)
    serves = [
        memory.held[m] and memory.wait[m] == 0
        if box.every is not None
        else cache[m] and (memory.wait[m] == 0 if memory.held[m] else box.load_slots[m] == 0)
        for m in range(M)
    ]
    hit = [bool(slot.active[n] and serves[slot.requests[n]]) for n in range(N)]
    floor = [float(models.floor_steps[slot.requests[n]]) if hit[n] else 0.0 for n in range(N)]
    if box.offload:
        admitted = admitted_by_hand(floor, [x[n] if hit[n] else -1.0 for n in range(N)], float(params.S))
        hit = [hit[n] and admitted[n] for n in range(N)]
    least = [floor[n] if hit[n] else 0.0 for n in range(N)]
    above = [max((1 + x[n]) / 2 * models.A3[slot.requests[n]] - least[n], 0) if hit[n] else 0.0 for n in range(N)]
    spare = max(float(params.S) - sum(least), 0)
    scale = min(1, spare / sum(above)) if sum(above) > 0 else 1
    weight = [np.exp(2 * bandwidth[n]) if slot.active[n] else 0.0 for n in range(N)]
    return (
        cache,
        np.array(weight) / max(sum(weight), 1e-9),
        (np.array(least) + scale * np.array(above)) / float(params.S),
    )


@settings(max_examples=200)
@given(scenario=st.sampled_from(SCENARIOS), slot=slots, action=unit(action_size(M, N)))
def test_decode_is_always_feasible_and_as_documented(scenario, slot, action):
    params = scenario.params
    slot = until_of(params, slot)
    decision = in_float64(compiled_decode(params, slot, action))
    assert breaches(params, slot, decision) == []
    cache, bandwidth, steps = decode_by_hand(params, slot, action)
    np.testing.assert_array_equal(decision.cache, cache)
    np.testing.assert_allclose(decision.bandwidth, bandwidth, rtol=1e-5)
    np.testing.assert_allclose(decision.steps, steps, rtol=1e-4, atol=1e-6)
    # By the constraints themselves:
    assert decision.cache[params.box.pinned].all()
    assert params.models.storage_gb[decision.cache].sum() <= params.C * (1 + 1e-6)
    if params.box.offload:
        served = decision.steps > 0
        assert (action[M + N :][served] > 0).all()
        floor = params.models.floor_steps[slot.requests][served]
        assert (decision.steps[served] * params.S >= floor * (1 - 1e-6)).all()


def test_decode_in_batches(draw_slot):
    rng = np.random.default_rng(1)
    held = rng.random((3, 2, M)) < 0.6
    memory = Memory(held, np.zeros((3, 2, M), np.int32), rng.integers(0, 3, (3, 2)).astype(np.int32))
    many = draw_slot(rng, 3, 2, places=N, models=M)._replace(memory=memory)
    action = rng.uniform(-1, 1, (3, 2, action_size(M, N))).astype(np.float32)
    together = compiled_decode(edge_box, many, action)
    assert breaches(edge_box, many, in_float64(together)) == []
    for i in range(3):
        for j in range(2):
            alone = compiled_decode(edge_box, jax.tree.map(lambda x, i=i, j=j: x[i, j], many), action[i, j])
            for whole, part in zip(together, alone, strict=True):
                np.testing.assert_allclose(whole[i, j], part, rtol=1e-5)


@settings(max_examples=150)
@given(
    floor=hnp.arrays(
        np.float32, N, elements=st.one_of(st.integers(0, 120).map(float), st.sampled_from([0.0, 200.0, np.inf]))
    ),
    priority=st.one_of(
        unit(N), hnp.arrays(np.float32, N, elements=st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]))
    ),
)
def test_admitted_by_descending_priority_while_steps_last(floor, priority):
    """Whole floors, so that single precision adds them exactly."""
    assert edge_box.S == 200
    found = np.asarray(compiled_admit(edge_box, floor, priority))
    assert found.tolist() == admitted_by_hand(floor.tolist(), priority.tolist(), 200.0)


# --- The first memory


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_at_first_memory_holds_pinned_models_and_then_by_number_what_fits(scenario):
    params, box = scenario.params, scenario.params.box
    held, left = [], float(params.C)
    for m in sorted(range(M), key=lambda m: (not box.pinned[m], m)):
        if params.models.storage_gb[m] <= left:
            held.append(m)
            left -= params.models.storage_gb[m]
    memory = first_memory(params)
    assert np.flatnonzero(memory.held).tolist() == sorted(held)
    assert set(np.flatnonzero(box.pinned)) <= set(held)
    assert not np.asarray(memory.wait).any()
    assert int(memory.until) == (0 if box.every is None else int(box.every) - 1)


# --- Checking


@pytest.fixture(scope="module")
def checked(draw_slot):
    """Three slots of four places where models 0 and 1 are loaded and 2 loads; 0 is pinned; 50 steps at least."""
    params = load_scenario("edge-box", ["server.pinned=[0]", "server.quality_floor={least_steps: 50}"]).params
    memory = Memory(
        np.tile([True, True, True, False, False], (3, 1)),
        np.tile(np.array([0, 0, 2, 0, 0], np.int32), (3, 1)),
        np.array([2, 1, 0], np.int32),
    )
    slot = draw_slot(np.random.default_rng(8), 3, places=4, models=M)._replace(
        requests=np.tile([0, 1, 2, 3], (3, 1)), active=np.ones((3, 4), bool), memory=memory
    )
    decision = Decision(
        cache=np.tile(np.arange(M) == 0, (3, 1)),
        bandwidth=np.full((3, 4), 0.25),
        steps=np.tile([0.25, 0.3, 0.0, 0.0], (3, 1)),
    )
    return params, slot, decision


def test_a_decision_that_keeps_everything_has_no_breach(checked):
    assert breaches(*checked) == []


def test_a_missing_pinned_model_is_found(checked):
    params, slot, decision = checked
    cache = decision.cache.copy()
    cache[1, 0] = False
    [breach] = breaches(params, slot, decision._replace(cache=cache))
    assert breach.constraint == "a pinned model stays in memory"
    assert (breach.index, breach.where) == ((1,), None)


def test_a_request_served_below_the_floor_is_found_and_one_that_goes_to_the_cloud_is_not(checked):
    params, slot, decision = checked
    steps = decision.steps.copy()
    steps[1, 1] = 0.24  # 48 of 200 steps
    [breach] = breaches(params, slot, decision._replace(steps=steps))
    assert breach.constraint.startswith("quality floor")
    assert (breach.index, breach.where, breach.excess) == ((1,), 1, pytest.approx(2))
    steps[1, 1] = 0.0
    assert breaches(params, slot, decision._replace(steps=steps)) == []
    # Where no request may go there, no steps are too few.
    must = params._replace(box=params.box._replace(offload=np.array(False)))
    [breach] = breaches(must, slot, decision._replace(steps=steps))
    assert (breach.index, breach.where, breach.excess) == ((1,), 1, pytest.approx(50))


def test_a_model_that_loads_or_is_not_there_owes_no_steps(checked):
    params, slot, decision = checked
    steps = decision.steps.copy()
    steps[:, 2:] = 0.01
    assert breaches(params, slot, decision._replace(steps=steps)) == []
    done = slot._replace(memory=slot.memory._replace(wait=np.zeros((3, M), np.int32)))
    [breach] = breaches(params, done, decision._replace(steps=steps))
    assert (breach.index, breach.where, breach.excess) == ((0,), 2, pytest.approx(48))


def test_models_decided_when_requests_are_known_count_in_the_slot_itself(checked):
    params, slot, decision = checked
    now = params._replace(box=params.box._replace(every=None))
    steps = decision.steps.copy()
    steps[:, 1] = 0.01  # Model 1 is dropped, so its request goes to the cloud.
    assert breaches(now, slot, decision._replace(steps=steps)) == []
    kept = decision.cache | (np.arange(M) == 1)
    [breach] = breaches(now, slot, decision._replace(cache=kept, steps=steps))
    assert (breach.index, breach.where) == ((0,), 1)


def test_floors_that_add_up_to_all_steps_exactly_are_all_admitted():
    params = load_scenario("edge-box", ["server.total_steps=1000"]).params
    for users in (3, 6, 7):
        floor = np.full(users, 1000 / users, np.float32)
        assert np.asarray(admit(params, floor, np.linspace(0.9, 0.1, users, dtype=np.float32))).all()
