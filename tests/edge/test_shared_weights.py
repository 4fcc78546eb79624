"""Weights that several models share: there once, loaded once, gone with the last; the ledger against a recount."""

import itertools

import pytest
from edge_boxes import box_of, eviction_named, models_of, order_named, run
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge.boxes.load import load_box
from genedge.edge.box import Ram
from genedge.edge.request import Request
from genedge.edge.scheduler import Load
from genedge.edge.schedulers.combined import Combined
from genedge.edge.schedulers.evictions import Lru
from genedge.edge.schedulers.orders import Fifo
from genedge.edge.server import BrokenRuleError, Server
from genedge.errors import InputError
from genedge.registry import named
from genedge.replay.least import Asked, bounds_of


def sharing(models, **needs):
    return {name: model._replace(needs=needs.get(name, ())) for name, model in models.items()}


# Ten adapters of 0.2 GB on a base of 7 GB, and a model of its own.
ADAPTERS = [f"adapter{i}" for i in range(10)]
STUDIO = sharing(
    models_of(base=(7, 9, 1), own=(7, 9, 1), **dict.fromkeys(ADAPTERS, (0.2, 1, 1))),
    **dict.fromkeys(ADAPTERS, ("base",)),
)
SMALL = sharing(
    models_of(a=(1, 5, 1), b=(2, 3, 1), x=(1, 2, 1), y=(1, 2, 1), z=(2, 4, 1, 0, 1)),
    x=("a",),
    y=("a", "b"),
    z=("b",),
)


def held_mb(models, resident):
    """What models take together, counted anew."""
    return sum(models[name].memory_mb for name in {w for model in resident for w in (model, *models[model].needs)})


def test_ten_adapters_of_one_base():
    rows = [(100.0 * i, name, "u", 1) for i, name in enumerate(ADAPTERS)]
    ran = run(rows, STUDIO, box_of(9), Fifo(), Lru)
    # The base comes with the first; all are there at once.
    assert ran.delays == [9 + 1 + 1, *[1 + 1] * 9]
    assert (len(ran.server.gpus[0].resident), ran.server.gpus[0].free_mb) == (10, 0)
    assert sum(stay.brought_mb for stay in ran.server.gpus[0].stays) == 0
    # Each for itself would need as much as ten of them.
    alone = {name: model._replace(needs=(), memory_mb=7200, load_s=10.0) for name, model in STUDIO.items()}
    assert run(rows, alone, box_of(9), Fifo(), Lru).delays == [11] * 10


def test_the_base_is_a_model_too_and_is_there_when_an_adapter_is():
    rows = [(0, "adapter0", "u", 1), (20, "base", "u", 1), (40, "own", "u", 1), (60, "base", "u", 1)]
    ran = run(rows, STUDIO, box_of(7.2), Fifo(), Lru)
    # For own both go; neither alone would free the base.
    assert ran.delays == [11, 1, 10, 10]
    gone = [(stay.model, stay.left, stay.brought_mb) for stay in ran.server.gpus[0].stays]
    assert gone == [("adapter0", 40, 7200), ("base", 40, 0), ("own", 60, 7000)]


def test_what_the_new_model_shares_stays():
    """An adapter goes for another; the base that it alone held is not loaded again."""
    rows = [(100.0 * i, name, "u", 1) for i, name in enumerate(("adapter0", "adapter1", "adapter0"))]
    assert run(rows, STUDIO, box_of(7.2), Fifo(), Lru).delays == [11, 2, 2]


def test_shared_weights_come_back_from_ram():
    rows = [(100.0 * i, name, "u", 1) for i, name in enumerate(("adapter0", "own", "adapter1"))]
    ran = run(rows, STUDIO, box_of(7.2, ram=Ram(20000, 0.5)), Fifo(), Lru)
    assert ran.delays == [11, 10, 9 * 0.5 + 1 + 1]
    assert list(ran.server.in_ram) == ["adapter0", "own"]


def test_a_load_for_which_too_little_is_freed_is_a_broken_rule():
    server = Server(box_of(7.4), STUDIO, Combined(Fifo(), Lru(STUDIO)))
    for i, name in enumerate(("adapter0", "adapter1")):
        server.arrive(i, Request(i, i, name, "u", 1, 1.0))
        server.next(i, 0)
        server.loaded(i, 0, 0.0)
        server.next(i, 0)
        server.finished(i, 0, 1.0)
    server.arrive(9.0, Request(2, 9.0, "own", "u", 1, 1.0))
    server._scheduler.next = lambda now, gpu, view: Load("own", ("adapter0",))
    with pytest.raises(BrokenRuleError, match="loads own on GPU 0, where 6800 MB are missing for it"):
        server.next(9.0, 0)


class Watched(Server):
    """Counts anew after each action, and looks whether what goes frees what was said."""

    def next(self, now, gpu):
        action = super().next(now, gpu)
        state = self.gpus[gpu]
        assert state.free_mb == state.memory_mb - held_mb(self.models, state.resident) >= 0
        assert set(state.uses) == {w for model in state.resident for w in self.models[model].weights}
        assert self.idle_mb(gpu) >= 0
        return action


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, 9.0, 60.0]), st.sampled_from("abxyz")), min_size=1, max_size=25),
    st.sampled_from(list(named("order"))),
    st.sampled_from(list(named("eviction"))),
    st.sampled_from([(5,), (6,), (4, 5)]),
    st.sampled_from([None, Ram(3000, 0.5)]),
    st.sampled_from([None, 1.5]),
    st.sampled_from([None, 20.0]),
    st.sampled_from([(), ("a",)]),
)
def test_the_ledger_is_right_whatever_decides(gaps, order, eviction, gpus, ram, overlap, keep_alive_s, warm):
    rows, time = [], 0.0
    for gap, model in gaps:
        time += gap
        rows.append((time, model, "u", 2))
    box = box_of(*gpus, ram=ram, overlap=overlap, keep_alive_s=keep_alive_s, warm=warm)
    scheduler = Combined(order_named(order), eviction_named(eviction, box, rows)(SMALL))
    ran = run(rows, SMALL, box, scheduler=scheduler, server_of=Watched)
    assert sorted(d.request.number for d in ran.done) == list(range(len(rows)))
    assert sum(SMALL[name].memory_mb for name in ran.server.in_ram) <= (0 if ram is None else ram.memory_mb)


@given(
    st.sets(st.sampled_from("abxyz"), min_size=1),
    st.sampled_from("abxyz"),
)
def test_what_is_freed_is_what_a_recount_says(there, new):
    """For all victims of all sets of models."""
    there = sorted(there - {new})
    server = Server(box_of(20, warm=there), SMALL, Combined(Fifo(), Lru(SMALL)))
    assert server.missing_mb(0, new) == held_mb(SMALL, [*there, new]) - held_mb(SMALL, there)
    for n in range(len(there) + 1):
        for victims in itertools.combinations(there, n):
            stay = [name for name in there if name not in victims]
            # What is there of the new model's weights stays.
            common = {w for name in there for w in SMALL[name].weights} & set(SMALL[new].weights)
            kept = {w for name in stay for w in SMALL[name].weights} | common
            expected = held_mb(SMALL, there) - sum(SMALL[w].memory_mb for w in kept)
            assert server.freed_mb(0, new, victims) == expected


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, 9.0]), st.sampled_from("abxyz")), min_size=1, max_size=15),
    st.sampled_from(["fifo", "affinity", "dwell"]),
    st.sampled_from([None, Ram(9000, 0.5)]),
)
def test_nobody_goes_below_the_bounds(gaps, order, ram):
    """What comes with another is no load of its own."""
    rows, time = [], 0.0
    for gap, model in gaps:
        time += gap
        rows.append((time, model, "u", 2))
    box = box_of(6, ram=ram)
    delays = run(rows, SMALL, box, order_named(order), Lru).delays
    takes = [SMALL[row[1]] for row in rows]
    asked = Asked([row[0] for row in rows], takes, [m.generation_s(2) for m in takes])
    found = bounds_of(asked, box, SMALL, None, lambda *told: None)
    assert found.anybody_s - 1e-9 <= found.on_demand_s <= sum(delays) / len(delays) + 1e-9


BOX = """
gpus: [{memory_gb: 9}]
models:
  defaults: {memory_gb: 0.2, load_s: 1, B1_s_per_step: 0.1, needs: [base]}
  base: {memory_gb: 7, load_s: 9}
  own: {memory_gb: 7, load_s: 9, needs: []}
"""


def test_a_box_says_what_models_need(tmp_path):
    path = tmp_path / "box.yaml"
    path.write_text(BOX)
    models = load_box(str(path)).models
    assert [models[name].needs for name in ("base", "own", "any other")] == [(), (), ("base",)]
    for override, told in (
        ("models.own.needs=[bse]", "models.own.needs: bse is no model of this catalogue (did you mean base?)"),
        ("models.base.needs=[own]", "needs: base needs others itself; name them here, and say base: {needs: []}"),
        ("models.own.needs=3", "models.own.needs must be a list, not 3"),
    ):
        with pytest.raises(InputError) as refused:
            load_box(str(path), [override]).models["any other"]
        assert told in str(refused.value)
