"""A box's memory against a simulation of each model alone, which keeps times instead of counting down."""

import jax
import numpy as np
import pytest

from genedge.cell.memory import advance, hold, loads, serving
from genedge.cell.types import Memory
from genedge.scenario import load_scenario

T, B, M = 40, 12, 5


@jax.jit
def move(params, slot, cache):
    """What serves and begins to load in a slot, and the memory when the next one begins."""
    return serving(params, slot, cache), loads(params, slot.memory, cache), advance(params, slot.memory, cache)


@pytest.fixture(scope="module")
def empty_slot(draw_slot):
    return draw_slot(np.random.default_rng(0), B, places=2, models=M)


@pytest.fixture(scope="module")
def edge_box():
    return load_scenario("edge-box").params


def box_of(params, every, load_slots):
    every = None if every is None else np.array(every, np.int32)
    return params._replace(box=params.box._replace(every=every, load_slots=np.array(load_slots, np.int32)))


def lazy_caches(rng):
    """Caches of which most models stay as they were, so that loads of three slots come to their end."""
    cache, caches = rng.random((B, M)) < 0.5, []
    for _ in range(T):
        cache = np.where(rng.random((B, M)) < 0.25, ~cache, cache)
        caches.append(cache)
    return np.stack(caches)


def one_model(asked, load, every, held, wait, until):
    """One model through an episode, by the slot in which its load began.

    Yields what it is when each slot begins (held, wait, until), and whether in that slot it serves, and whether by
    that slot's decision a load begins.
    """
    begun = wait - load if held else None
    for t, ask in enumerate(asked):
        before = begun is not None, 0 if begun is None else max(begun + load - t, 0), until
        decides = until == 0
        starts = decides and bool(ask) and begun is None
        if every is None:
            # The decision comes first, then the slot.
            begun = (t if starts else begun) if ask else None
            yield *before, begun is not None and begun + load <= t, starts
        else:
            yield *before, begun is not None and begun + load <= t, starts
            if decides:
                begun = (t + 1 if starts else begun) if ask else None
            until = every - 1 if decides else until - 1


@pytest.mark.parametrize("every", [None, 1, 2, 3])
def test_memory_slot_by_slot_against_models_alone(every, edge_box, empty_slot):
    rng = np.random.default_rng(0 if every is None else every)
    load = np.array([0, 1, 2, 3, 3])
    params, caches = box_of(edge_box, every, load), lazy_caches(rng)
    held = rng.random((B, M)) < 0.5
    wait = np.where(held, rng.integers(0, load + 1, (B, M)), 0).astype(np.int32)
    until = rng.integers(0, every or 1, B).astype(np.int32)
    expected = [
        [list(one_model(caches[:, b, m], load[m], every, held[b, m], wait[b, m], until[b])) for m in range(M)]
        for b in range(B)
    ]
    memory, found = Memory(held, wait, until), []
    for cache in caches:
        serves, begins, after = move(params, empty_slot._replace(memory=memory), cache)
        known = np.broadcast_to(np.asarray(memory.until)[:, None], (B, M))
        found.append(np.stack([memory.held, memory.wait, known, serves, begins], axis=-1))
        memory = after
    expected = np.moveaxis(np.array(expected, int), 2, 0)
    for i, name in enumerate(("held", "wait", "until", "serves", "begins to load")):
        np.testing.assert_array_equal(np.stack(found)[..., i], expected[..., i], err_msg=name)
    # Every model at some time serves, is away, and is there without serving where it takes time to load.
    held, serves = expected[..., 0].astype(bool), expected[..., 3].astype(bool)
    assert serves.any(axis=(0, 1)).all()
    assert (~held).any(axis=(0, 1)).all()
    assert (held & ~serves)[..., 1:].any(axis=(0, 1)).all()


def history(params, slot, memory, asked):
    """Of one model, what is held and what serves in each slot; the others are never asked for."""
    held, serves = [], []
    for ask in asked:
        cache = np.zeros((B, M), bool)
        cache[:, 3] = ask
        now, _, after = move(params, slot._replace(memory=memory), cache)
        held.append(int(after.held[0, 3]))
        serves.append(int(now[0, 3]))
        memory = after
    return held, serves


@pytest.mark.parametrize(
    ("every", "asked", "held", "serves"),
    [
        # A load of three slots that begins in slot 1 is done when slot 4 begins.
        (None, [0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1]),
        # Dropped in its last slot and asked for again, it begins anew; dropped when loaded, too.
        (None, [1, 1, 0, 1, 1, 1, 1, 0, 1, 1], [1, 1, 0, 1, 1, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
        # Decided before the requests are known, it begins one slot later.
        (1, [0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]),
        (1, [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 0]),
        # With decisions in slots 0, 2, 4 only, what is asked for in between is not heard.
        (2, [0, 1, 0, 1, 1, 0, 1, 0, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]),
    ],
)
def test_a_load_of_three_slots_by_hand(every, asked, held, serves, edge_box, empty_slot):
    params = box_of(edge_box, every, [3] * M)
    nothing = Memory(np.zeros((B, M), bool), np.zeros((B, M), np.int32), np.zeros(B, np.int32))
    assert history(params, empty_slot, nothing, asked) == (held, serves)


def test_without_loads_and_decided_when_requests_are_known_what_is_cached_serves(edge_box, empty_slot):
    params, rng = box_of(edge_box, None, [0] * M), np.random.default_rng(5)
    memory = Memory(rng.random((B, M)) < 0.5, np.zeros((B, M), np.int32), np.zeros(B, np.int32))
    for cache in lazy_caches(rng)[:5]:
        serves, begins, after = move(params, empty_slot._replace(memory=memory), cache)
        np.testing.assert_array_equal(serves, cache)
        np.testing.assert_array_equal(begins, cache & ~np.asarray(memory.held))
        np.testing.assert_array_equal(after.held, cache)
        memory = after


def test_without_a_memory_what_is_cached_serves(paper, edge_box, empty_slot):
    cache = np.random.default_rng(6).random((B, M)) < 0.5
    for params in (paper.params, edge_box, box_of(edge_box, None, [3] * M)):
        np.testing.assert_array_equal(serving(params, empty_slot, cache), cache)


def test_only_a_box_has_a_memory(paper, empty_slot):
    memory = Memory(np.ones((B, M), bool), np.zeros((B, M), np.int32), np.zeros(B, np.int32))
    with pytest.raises(ValueError, match="only a box"):
        serving(paper.params, empty_slot._replace(memory=memory), memory.held)


def test_told_what_to_hold_a_memory_keeps_its_loads_under_way(edge_box):
    box = box_of(edge_box, None, [1, 2, 3, 3, 2]).box
    memory = Memory(np.array([1, 1, 0, 0, 1], bool), np.array([0, 1, 0, 0, 2], np.int32), np.int32(0))
    told = hold(box, memory, np.array([1, 1, 1, 0, 0], bool))
    assert np.asarray(told.held).tolist() == [True, True, True, False, False]
    assert np.asarray(told.wait).tolist() == [0, 1, 3, 0, 0]
