"""Other people's rules: what each does on a few requests, worked out by hand."""

import pytest
from edge_boxes import box_of, models_of, run
from hypothesis import given
from hypothesis import strategies as st

from genedge.boxes.schedulers import limited, scheduler_of
from genedge.edge.box import Cloud
from genedge.edge.schedulers.combined import Combined, Need
from genedge.edge.schedulers.evictions import Lru
from genedge.edge.schedulers.options import ChurnGuard
from genedge.edge.schedulers.orders import Affinity, Fifo
from genedge.edge.schedulers.sets import Sets

MODELS = models_of(a=(1, 10, 1), b=(1, 10, 1), c=(1, 10, 1), d=(1, 10, 1))


def served(name, rows, box):
    box = limited(name, box)
    ran = run(rows, MODELS, box, scheduler=scheduler_of(name, box, MODELS))
    return ran, [d.request.number for d in sorted(ran.done, key=lambda d: d.began)]


def test_ollama_gives_up_the_first_by_name_holds_three_and_forgets_after_five_minutes():
    rows = [(20.0 * i, name, "u", 1) for i, name in enumerate("abcd")]
    ran, _ = served("ollama", rows, box_of(9))
    assert list(ran.server.gpus[0].resident) == ["b", "c", "d"]
    ran, _ = served("ollama", [(0, "a", "u", 1), (310, "a", "u", 1), (620, "a", "u", 1)], box_of(9))
    # It rests from 11 on, and leaves at 311; then from 311.
    assert ran.delays == [11, 1, 11]
    # It serves them as they came.
    assert served("ollama", [(0, m, "u", 1) for m in "aba"], box_of(1))[1] == [0, 1, 2]


def test_llama_swap_holds_one_and_serves_what_runs_first():
    ran, order = served("llama-swap", [(0, m, "u", 1) for m in "abacb"], box_of(9))
    assert (order, ran.loads) == ([0, 2, 1, 4, 3], 3)


def test_invokeai_looks_ahead_and_gives_up_the_smallest():
    models = models_of(small=(1, 1, 1), large=(3, 1, 1), new=(1, 1, 1))
    box = box_of(4)
    rows = [(0, "small", "u", 1), (9, "large", "u", 1), (19, "new", "u", 1)]
    ran = run(rows, models, box, scheduler=scheduler_of("invokeai", box, models))
    assert list(ran.server.gpus[0].resident) == ["large", "new"]
    assert served("invokeai", [(0, m, "u", 1) for m in "aba"], box_of(1))[1] == [0, 2, 1]


def test_a_churn_guard_waits_until_what_is_there_was_not_asked_for_for_so_long():
    rows = [(0, "a", "u", 1), (100, "a", "u", 1), (200, "b", "u", 1)]
    ran, _ = served("model-mesh", rows, box_of(1))
    assert ran.delays == [11, 1, 500 + 11]  # 600 s after 100, b is loaded.
    assert served("model-mesh", rows, box_of(2))[0].delays == [11, 1, 11]  # There is room.
    cloud = Cloud(wait_s=5, s_per_mb=0.0)
    assert served("model-mesh", rows, box_of(1, cloud=cloud))[0].delays == [11, 1, 5 + 1]


def test_a_churn_guard_lets_others_be_served():
    rows = [(0, "a", "u", 1), (20, "b", "u", 1), (25, "a", "u", 1), (700, "a", "u", 1)]
    # First come, first served lets a wait behind b, though it is there.
    for order, expected in ((Affinity(), [11, 605 + 11, 1, 11]), (Fifo(), [11, 605 + 11, 622, 1])):
        guarded = Combined(order, Lru(MODELS), options=[ChurnGuard(600.0)])
        assert run(rows, MODELS, box_of(1), scheduler=guarded).delays == expected


class Present:
    """A box that holds models."""

    def __init__(self, names):
        self.gpus, self.resident = [self], names

    def kept(self, gpu, model):
        return False

    def freed_mb(self, gpu, model, victims):
        return 1000 * len(victims)


subsets = st.lists(st.sampled_from("abcd"), unique=True)


@given(st.lists(subsets, max_size=5), st.fixed_dictionaries(dict.fromkeys("abcd", st.integers(1, 4))), subsets)
def test_sets_keep_what_costs_most(sets, costs, present):
    """Against all sets, one by one."""
    present = [name for name in present if name != "a"]
    found = Sets(MODELS, sets, costs).victims(0.0, 0, "a", Need(1 if present else 0, 0), (), Present(present))
    ways = [[name for name in present if name not in each] for each in sets if "a" in each] or [present]
    least = min(sum(costs[name] for name in way) for way in ways)
    if least:
        assert sum(costs[name] for name in found) == least
        assert found in ways
    else:  # All may stay by the sets, and there is no room: the cheapest goes.
        assert [costs[name] for name in found] == [min((costs[name] for name in present), default=0)][: len(found)]


def test_sets_are_of_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "order: {name: affinity}\neviction: {name: sets, sets: [[a, b], [a, c], [c, d]], costs: {b: 5, c: 2}}\n"
    )
    box = box_of(2)
    rows = [(20.0 * i, name, "u", 1) for i, name in enumerate("bcad")]
    ran = run(rows, MODELS, box, scheduler=scheduler_of(str(path), box, MODELS))
    # With b and c there, a keeps b, whose loss costs more; d keeps neither.
    assert [(stay.model, stay.left) for stay in ran.server.gpus[0].stays] == [("c", 40), ("b", 60), ("a", 60)]


@pytest.mark.parametrize("name", ["ollama", "llama-swap", "invokeai", "model-mesh"])
def test_everybody_is_served(name):
    rows = [(7.0 * i, "abcdab"[i % 6], "uvw"[i % 3], 2) for i in range(60)]
    ran, order = served(name, rows, box_of(2))
    assert sorted(order) == list(range(60))
    assert ran.server.waiting == {}
