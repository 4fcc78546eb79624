"""An event box whose arrivals come at slot starts is the slot box, and the dynamic programme certifies it.

The event box is made here from the scenario's settings, in megabytes and seconds, and driven as a replay drives it.
The slot box is the cell's own: its memory, its service, its costs. They hold the same models, serve the same
requests at the edge and cost the same, slot by slot, if loads take whole slots, steps are enough, and the cloud is
idle.
"""

import jax
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from genedge.boxes.scheduler_file import eviction_in_slots
from genedge.boxes.schedulers import eviction_of
from genedge.cell.sampling import sample_episodes
from genedge.edge.box import Box, Cloud
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.schedulers.alone import Afterwards, Alone
from genedge.edge.unqueued import Unqueued
from genedge.env.episodes import follow
from genedge.evaluation.scoring import score
from genedge.optimum.dynamic import regret, solve_box
from genedge.policies.boxes import box_policy
from genedge.policies.evicting import in_order
from genedge.registry import for_boxes, named
from genedge.replay.side_by_side import SideBySide
from genedge.scenario import load_scenario

USERS, SLOTS, SLOT_S = 4, 12, 20.0
EVICTIONS = [
    name for name, entry in for_boxes().items() if name not in named("box rule") and "told" not in entry.traits
]
IDLE_CLOUD = ("backhaul.shared=false", "backhaul.cloud_generators=null", "server.total_steps=100000")


def slot_box(sizes_gb, load_slots, memory_gb, every=None, pinned=()):
    models = [
        f"{{storage_gb: {gb}, working_gb: 0, output_size_mb: {5 + i}, A1_steps: 5, A2_tv: 120, A3_steps: {25 + i}, "
        f"A4_tv: 20, B1_s_per_step: 0.1, B2_s: {1 + i}, load_s: {SLOT_S * slots}}}"
        for i, (gb, slots) in enumerate(zip(sizes_gb, load_slots, strict=True))
    ]
    return load_scenario(
        "edge-box",
        [
            *IDLE_CLOUD,
            f"models=[{', '.join(models)}]",
            f"server.storage_gb={memory_gb}",
            f"server.cache_every_slots={'null' if every is None else every}",
            f"server.pinned={list(pinned)}",
            *(f"cell.{key}={value}" for key, value in (("users", USERS), ("places", USERS))),
            f"cell.slots_per_episode={SLOTS}",
        ],
    )


def drawn(s, seed, episodes):
    return jax.tree.map(np.asarray, sample_episodes(s.params, jax.random.key(seed), USERS, USERS, SLOTS, episodes))


def event_box(name, s, asked):
    """An episode: of each slot what is held then, who is served here, and what requests cost but for the radio.

    Args:
        name: of the eviction.
        s: the scenario.
        asked: of each slot, (model, user) in the order in which they come.
    """
    every, box = s.settings.server.cache_every_slots, s.settings
    models = {
        str(i): Model(
            str(i), round(m.storage_gb * 1000), m.load_s, m.B1_s_per_step, m.B2_s, megabytes=1 + m.output_size_mb
        )
        for i, m in enumerate(s.models)
    }
    pins = tuple(map(str, box.server.pinned))
    memory_mb, warm = round(box.server.storage_gb * 1000), []
    left = memory_mb - sum(models[name].memory_mb for name in pins)
    for model in models.values():
        if model.name not in pins and model.memory_mb <= left:
            warm.append(model.name)
            left -= model.memory_mb
    has = Box((memory_mb,), Cloud(0.0, 8 / 100), pins=pins, warm=tuple(warm), queue=False)
    eviction = eviction_of(eviction_in_slots(name), models)
    server = Unqueued(has, models, (Alone if every is None else Afterwards)(eviction, name))
    drive, number = SideBySide(server), 0
    told = []
    for t, slot in enumerate(asked):
        requests = []
        for model, _ in slot:
            steps = s.models[model].A3_steps
            own_s = models[str(model)].generation_s(steps)
            requests.append(Request(number, t * SLOT_S, str(model), "", steps, own_s))
            number += 1
        hits = drive.serve(requests, loads=every is None).hit
        if every is not None and (t + 1) % every == 0:
            absent = [request for request in requests if request.model not in server.gpus[0].resident]
            for request in reversed(absent):
                request.time = (t + 1) * SLOT_S
                drive.again(request)
        served, cost = np.zeros(USERS, bool), np.zeros(USERS)
        for (model, user), request, hit in zip(slot, requests, hits, strict=True):
            served[user] = hit
            cost[user] = request.own_s + (0.0 if hit else models[str(model)].megabytes * has.cloud.s_per_mb)
        told.append((sorted(map(int, server.gpus[0].resident)), served, cost))
    return told


def side_by_side(name, s, slots):
    """Both boxes on the same episodes.

    Returns:
        The slots that the slot box met, its decisions, and what requests cost in the event box, radio apart [s].
    """
    every = s.settings.server.cache_every_slots
    met, decision = follow(s.params, box_policy(name, s, None), slots, jax.random.key(0))
    outcome = score(s.params, met, decision)
    costs = np.zeros(met.requests.shape)
    for e in range(len(met.requests)):
        asked = []
        for t in range(SLOTS):
            loaded = met.memory.held[e, t] & (met.memory.wait[e, t] == 0)
            models = met.requests[e, t].tolist()
            asked.append([(models[n], n) for n in in_order(models, loaded, every is not None)])
        for t, (held, served, cost) in enumerate(event_box(name, s, asked)):
            assert held == np.flatnonzero(decision.cache[e, t]).tolist(), (name, e, t)
            np.testing.assert_array_equal(served, outcome.hit[e, t], err_msg=f"{name} {e} {t}")
            costs[e, t] = cost
    np.testing.assert_allclose(costs, outcome.backhaul_s + outcome.generation_s, rtol=1e-9)
    np.testing.assert_array_equal(outcome.queue_s, 0)
    return met, decision, costs


def uneven(sizes_gb):
    """Sizes that make no two models worth exactly the same: such a tie is broken by rounding."""
    return [gb + 0.13 * i * i for i, gb in enumerate(sizes_gb)]


FOUR = (uneven([5, 4, 6, 3]), [1, 2, 1, 3], 12)


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(EVICTIONS),
    boxes=st.lists(st.tuples(st.integers(2, 9), st.integers(1, 3)), min_size=4, max_size=4),
    memory_gb=st.integers(9, 20),
    every=st.sampled_from([None, 1, 3]),
    pinned=st.sampled_from([(), (1,)]),
    seed=st.integers(0, 99),
)
@example("lru", [(5, 1)] * 4, 10, None, (), 0)
@example("lfu", [(5, 2)] * 4, 10, 1, (), 1)
def test_both_hold_and_serve_the_same(name, boxes, memory_gb, every, pinned, seed):
    sizes, load_slots = zip(*boxes, strict=True)
    s = slot_box(uneven(sizes), load_slots, memory_gb, every, pinned)
    side_by_side(name, s, drawn(s, seed, 2))


@pytest.mark.parametrize("every", [None, 1, 3])
@pytest.mark.parametrize("name", EVICTIONS)
def test_the_dynamic_programme_certifies_the_event_box(name, every):
    """It says what each slot of the event box costs, and nobody goes below its optimum."""
    s = slot_box(*FOUR, every)
    episodes = 40
    met, decision, seconds = side_by_side(name, s, drawn(s, 5, episodes))
    best = np.array([m.A4_tv for m in s.models])[met.requests]
    cost = (s.params.delay_weight * seconds + s.params.tv_weight * best).sum(axis=-1)
    solution = solve_box(s.params, USERS, SLOTS)
    assert solution.exact
    held, shared = regret(s.params, solution, met, decision, cost)
    np.testing.assert_allclose(shared, 0, atol=1e-6 * cost.mean())
    assert (held >= 0).all()
    # What it costs more than the optimum is, in expectation, what its decisions lost.
    total, lost = cost.sum(axis=1), held.sum(axis=1)
    luck = total - lost
    assert abs(luck.mean() - solution.value) <= 4 * luck.std(ddof=1) / np.sqrt(episodes)
    assert total.mean() >= solution.value - 4 * total.std(ddof=1) / np.sqrt(episodes)


def test_where_loading_takes_no_time_the_slot_box_serves_one_request_more():
    s = slot_box([5, 5, 5, 5], [0, 0, 0, 0], 10)
    slots = drawn(s, 0, 1)
    asked = np.array([[2, 2, 0, 0]] * SLOTS)[None]
    met, decision = follow(s.params, box_policy("lru", s, None), slots._replace(requests=asked), jax.random.key(0))
    assert score(s.params, met, decision).hit[0, 0].all()
    _, served, _ = event_box("lru", s, [[(0, 2), (0, 3), (2, 0), (2, 1)]])[0]
    assert served.tolist() == [False, True, True, True]
