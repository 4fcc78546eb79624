"""What a slot costs in a box, against the reference and a queue simulated request by request."""

import heapq
import itertools
import math

import jax
import numpy as np
import pytest
import reference

from genedge.cell.service import congestion, rounds_waited, serve
from genedge.cell.types import Decision, Memory, Outcome
from genedge.scenario import load_scenario

M, N = 5, 8
# In a box nobody waits at the base station.
PARTS = [part for part in Outcome._fields if part != "wait_s"]
compiled = jax.jit(serve)
compiled_rounds = jax.jit(rounds_waited, static_argnums=2)


@pytest.fixture(scope="module")
def edge_box():
    return load_scenario("edge-box")


def any_memory(rng, load_slots, *batch):
    models = len(load_slots)
    held = rng.random((*batch, models)) < 0.6
    wait = np.where(held & (rng.random(held.shape) < 0.4), rng.integers(0, load_slots + 1, held.shape), 0)
    return Memory(held, wait.astype(np.int32), rng.integers(0, 3, batch).astype(np.int32))


def any_decision(rng, slot, models):
    weight = np.where(slot.active, rng.exponential(size=slot.active.shape), 0)
    bandwidth = weight / np.maximum(weight.sum(axis=-1, keepdims=True), 1e-9)
    steps = (
        rng.random(slot.active.shape) * (rng.random(slot.active.shape) < 0.6) * slot.active / slot.active.shape[-1]
    )
    return Decision(rng.random((*slot.active.shape[:-1], models)) < 0.5, bandwidth, steps)


def mean_wait(requests, at_once, time_s):
    """Mean wait of requests that each take the same time, at so many generators, first come first served."""
    if not requests or math.isinf(at_once):
        return 0.0
    free_s, waits = [0.0] * int(at_once), []
    for _ in range(requests):
        waits.append(heapq.heappop(free_s))
        heapq.heappush(free_s, waits[-1] + time_s)
    return sum(waits) / requests


def served_by_hand(box, memory, cache):
    """Which models serve in the slot, one by one."""
    serves = []
    for m in range(M):
        loaded = memory.held[m] and memory.wait[m] == 0
        if box.every is None:
            loaded = cache[m] and (loaded or (not memory.held[m] and box.load_slots[m] == 0))
        serves.append(bool(loaded))
    return serves


def costs_by_hand(scenario, box, slot, decision):
    """The parts of every user's cost: the paper's, of a hit or of a miss, and what misses do to each other."""
    told = {
        "requests": slot.requests.tolist(),
        "input_bits": slot.input_bits.tolist(),
        "channel_gain": slot.gain.tolist(),
        "active": slot.active.tolist(),
    }
    shares = {"bandwidth": decision.bandwidth.tolist(), "steps": decision.steps.tolist()}
    as_hit, as_miss = (
        reference.user_costs(scenario, told, shares | {"cache": [cached] * M}) for cached in (True, False)
    )
    serves = served_by_hand(box, slot.memory, decision.cache)
    users, misses = [], []
    for n, m in enumerate(slot.requests):
        hit = slot.active[n] and serves[m] and (decision.steps[n] > 0 or not box.offload)
        users.append(dict((as_hit if hit else as_miss)[n], queue_s=0.0))
        if slot.active[n] and not hit:
            misses.append(users[-1])
    mean_s = sum(user["generation_s"] for user in misses) / max(len(misses), 1)
    alpha = scenario["parameters"]["alpha"]
    for user in misses:
        user["queue_s"] = mean_wait(len(misses), float(box.generators), mean_s)
        if box.shared:
            user["backhaul_s"] *= len(misses)
    for user in users:
        parts = ("uplink_s", "downlink_s", "backhaul_s", "generation_s", "queue_s")
        user["delay_s"] = sum(user[part] for part in parts)
        user["utility"] = alpha * user["delay_s"] + (1 - alpha) * user["tv"]
    return users


@pytest.mark.parametrize("every", [None, 3])
def test_costs_against_the_reference(every, edge_box, draw_slot):
    rng, told = np.random.default_rng(1), edge_box.as_json()
    assert told["alpha_weighs"] == "delay"
    offloaded = 0
    for case in range(60):
        box = edge_box.params.box._replace(
            every=None if every is None else np.array(every, np.int32),
            load_slots=np.array([0, 0, 1, 2, 3], np.int32),
            offload=np.array(case % 2 == 0),
            shared=np.array(rng.random() < 0.5),
            generators=np.array(rng.choice([1.0, 2.0, 3.0, 8.0, math.inf])),
        )
        slot = draw_slot(rng, places=N, models=M)
        slot = slot._replace(memory=any_memory(rng, box.load_slots), active=rng.random(N) < rng.choice([0.2, 1.0]))
        decision = any_decision(rng, slot, M)
        expected = costs_by_hand(told, box, slot, decision)
        with jax.enable_x64(True):
            double = compiled(edge_box.params._replace(box=box), slot, decision)
        single = compiled(edge_box.params._replace(box=box), slot, decision)
        for part in PARTS:
            values = [user[part] for user in expected]
            np.testing.assert_allclose(getattr(double, part), values, rtol=1e-12, err_msg=f"{case} {part}")
            scale = 150 * 1e-5 if part in ("tv", "utility") else 0
            np.testing.assert_allclose(getattr(single, part), values, rtol=1e-5, atol=scale, err_msg=part)
        serves = np.array(served_by_hand(box, slot.memory, decision.cache))[slot.requests]
        offloaded += (serves & slot.active & ~np.asarray(double.hit)).sum()
    assert offloaded > 20


# --- The backhaul and the cloud


def test_misses_that_share_the_backhaul_take_as_many_times_as_long(edge_box):
    backhaul_s = np.array([2.0, 3.0, 5.0, 7.0])
    for shared, expected in ((False, [2, 0, 5, 7]), (True, [6, 0, 15, 21])):
        box = edge_box.params.box._replace(shared=np.array(shared), generators=np.array(math.inf))
        miss = np.array([True, False, True, True])
        slowed, queue_s = congestion(box, jax.numpy.asarray(miss), jax.numpy.asarray(backhaul_s), jax.numpy.ones(4))
        assert np.asarray(slowed).tolist() == expected
        assert np.asarray(queue_s).tolist() == [0] * 4


def test_rounds_waited_are_the_mean_over_all_places_in_the_queue():
    for G in (1, 2, 3, 7, 12, math.inf):
        k = np.arange(13)
        expected = [0.0] + [sum(j // G for j in range(n)) / n for n in k[1:]]
        found = compiled_rounds(k.astype(np.int32), np.array(G, float), 12)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("generators", [1, 2, 3])
def test_rounds_waited_are_the_mean_over_all_orders(generators):
    """Every order of five requests, simulated: each request waits for the earliest generator to be free."""
    waits = np.zeros(5)
    orders = list(itertools.permutations(range(5)))
    for order in orders:
        free = [0.0] * generators
        for request in order:
            g = free.index(min(free))
            waits[request] += free[g]
            free[g] += 1
    found = float(compiled_rounds(np.int32(5), np.array(float(generators)), 5))
    np.testing.assert_allclose(waits / len(orders), found, rtol=1e-6)


def test_a_queue_by_hand(edge_box):
    """Three misses of mean 4 s at two generators: of the three places in the queue one waits a round."""
    box = edge_box.params.box._replace(shared=np.array(False), generators=np.array(2.0))
    miss, took_s = jax.numpy.array([True, True, False, True]), jax.numpy.array([2.0, 4.0, 100.0, 6.0])
    _, queue_s = congestion(box, miss, jax.numpy.zeros(4), took_s)
    np.testing.assert_allclose(queue_s, [4 / 3, 4 / 3, 0, 4 / 3], rtol=1e-6)


# --- A box in which nothing is different


def test_a_box_that_is_like_the_papers_cell_costs_the_same(paper, draw_slot, plain_box):
    rng = np.random.default_rng(2)
    slots = draw_slot(rng, 50, places=N)
    decisions = any_decision(rng, slots, 10)
    params = paper.params._replace(box=plain_box(10))
    memory = any_memory(rng, np.zeros(10, int), 50)._replace(until=np.zeros(50, np.int32))
    expected = compiled(paper.params, slots, decisions)
    assert 0 < np.asarray(expected.hit).mean() < 0.9
    for seen in (slots, slots._replace(memory=memory)):
        found = compiled(params, seen, decisions)
        assert not np.asarray(found.queue_s).any()
        for part in set(PARTS) - {"queue_s"}:
            np.testing.assert_array_equal(getattr(found, part), getattr(expected, part), err_msg=part)


def test_inactive_places_neither_cost_nor_queue_nor_slow_down_others(edge_box, draw_slot):
    rng = np.random.default_rng(3)
    slot = draw_slot(rng, places=N, models=M)
    slot = slot._replace(memory=any_memory(rng, edge_box.params.box.load_slots), active=np.arange(N) < 5)
    decision = any_decision(rng, slot, M)
    odd = slot._replace(
        gain=np.where(slot.active, slot.gain, 0.0), requests=np.where(slot.active, slot.requests, 0)
    )
    plain, strange = (compiled(edge_box.params, seen, decision) for seen in (slot, odd))
    assert np.asarray(plain.queue_s).any()
    for part in PARTS:
        np.testing.assert_array_equal(getattr(plain, part), getattr(strange, part))
        assert not np.asarray(getattr(plain, part))[5:].any()
