"""The box: its rules, its queue and memory, against a second simulator and by what must always hold."""

from collections import Counter
from itertools import pairwise

import pytest
from edge_boxes import box_of, models_of, order_named, requests_of, run, simulated_again, whole_of
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge.boxes.schedulers import scheduler_of
from genedge.edge.box import Cloud, Ram
from genedge.edge.scheduler import Load, Offload, Serve, Wait
from genedge.edge.schedulers.combined import Combined
from genedge.edge.schedulers.evictions import Lfu, Lru
from genedge.edge.schedulers.orders import (
    Affinity,
    BoundedAffinity,
    Dwell,
    Fifo,
    LookAhead,
    ResponseRatio,
    RoundRobin,
)
from genedge.edge.server import BrokenRuleError, Server
from genedge.errors import InputError
from genedge.registry import named

MODELS = models_of(a=(1, 5, 1), b=(2, 3, 1, 2), c=(3, 8, 0.5), d=(4, 2, 2, 0, 1), e=(1, 1, 1))
ORDERS = list(named("order"))
EVICTIONS = list(named("eviction"))


@st.composite
def traces(draw, models="abc"):
    n = draw(st.integers(1, 25))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.0, 40.0]), min_size=n, max_size=n))
    time, rows = 0.0, []
    for gap in gaps:
        time += gap
        rows.append(
            (time, draw(st.sampled_from(models)), draw(st.sampled_from("uv")), draw(st.sampled_from([0, 1, 4])))
        )
    return rows


# --- Against a second simulator


@settings(deadline=None, max_examples=200)
@given(traces(), st.sampled_from([3, 4, 5, 6]))
def test_first_come_first_served(rows, memory_gb):
    for eviction, other in ((Lru, {}), (Lfu, {"least_often": True})):
        ran = run(rows, MODELS, box_of(memory_gb), Fifo(), eviction)
        delays, loads = simulated_again(rows, MODELS, memory_gb * 1000, **other)
        assert ran.delays == pytest.approx(delays)
        assert ran.loads == loads


# --- What must always hold


@settings(deadline=None, max_examples=200)
@given(
    traces("abcd"),
    st.sampled_from(ORDERS),
    st.sampled_from(EVICTIONS),
    st.sampled_from([(5,), (6,), (5, 3), (3, 7, 5)]),
    st.sampled_from([None, Ram(4000, 0.25)]),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([None, 1.0, 1.5]),
    st.sampled_from([None, 0.0, 10.0]),
)
def test_whatever_decides(rows, order, eviction, gpus, ram, most_models, overlap, keep_alive_s):
    """Each request is served once, one at a time on a GPU, and what it waited for sums up; nobody is forgotten."""
    box = box_of(*gpus, ram=ram, most_models=most_models, overlap=overlap, keep_alive_s=keep_alive_s)
    scheduler = scheduler_of(f"{order}+{eviction}", box, MODELS, whole_of(rows, MODELS))
    ran = run(rows, MODELS, box, scheduler=scheduler)
    assert sorted(d.request.number for d in ran.done) == list(range(len(rows)))
    assert ran.server.waiting == {}
    by_gpu = {}
    for d in ran.done:
        request = d.request
        assert min(d.waited) >= -1e-9
        alone_s, took_s = MODELS[request.model].generation_s(request.steps), d.ended - d.began
        assert sum(d.waited) + took_s == pytest.approx(d.delay_s)
        assert alone_s - 1e-9 <= took_s <= alone_s * (overlap or 1) + 1e-9
        by_gpu.setdefault(d.gpu, []).append((d.began, d.ended))
    for busy in by_gpu.values():
        busy.sort()
        assert all(ended <= began + 1e-9 for (_, ended), (began, _) in pairwise(busy))
    for gpu in ran.server.gpus:
        held = sum(MODELS[name].memory_mb for name in gpu.resident)
        assert gpu.free_mb == gpu.memory_mb - held >= 0
        assert most_models is None or len(gpu.resident) <= most_models
    in_ram = ran.server.in_ram
    assert sum(MODELS[name].memory_mb for name in in_ram) <= (0 if ram is None else ram.memory_mb)


@settings(deadline=None, max_examples=200)
@given(
    traces("abcd"),
    st.sampled_from(ORDERS),
    st.sampled_from(EVICTIONS),
    st.sampled_from([(5,), (3, 7)]),
    st.sampled_from([None, 1.5]),
)
def test_where_there_is_a_cloud_an_eviction_may_refuse(rows, order, eviction, gpus, overlap):
    """Whom it refuses the cloud serves at once; nobody is lost, and who never loads serves nobody here."""
    box = box_of(*gpus, cloud=Cloud(2.0, 0.0), overlap=overlap)
    scheduler = scheduler_of(f"{order}+{eviction}", box, MODELS, whole_of(rows, MODELS))
    ran = run(rows, MODELS, box, scheduler=scheduler)
    assert sorted(d.request.number for d in ran.done) == list(range(len(rows)))
    by_cloud = {d.request.number: d for d in ran.done if d.gpu < 0}
    for d in by_cloud.values():
        assert d.ended == pytest.approx(d.began + 2 + d.request.own_s)
    if eviction == "cloud-only":
        assert (len(by_cloud), ran.loads) == (len(rows), 0)
    if eviction in ("lru", "lfu", "gdsf", "by-name", "smallest", "sets"):
        assert all(
            not any(ran.server.fits(g, d.request.model) for g in range(len(gpus))) for d in by_cloud.values()
        )
    if eviction == "keep-forever":
        assert all(stay.left == ran.end for gpu in ran.server.gpus for stay in gpu.stays)


@settings(deadline=None)
@given(traces(), st.sampled_from(ORDERS))
def test_the_future_changes_no_decision(rows, order):
    """What comes after a time does not change what was begun before."""
    whole = run(rows, MODELS, box_of(4), order_named(order), Lru)
    half = rows[: len(rows) // 2]
    if half:
        until = rows[len(half)][0]
        earlier = run(half, MODELS, box_of(4), order_named(order), Lru)
        begun = {d.request.number: (d.began, d.gpu) for d in earlier.done}
        for d in whole.done:
            if d.began < until:
                assert begun[d.request.number] == (d.began, d.gpu)


def test_dwell_stays_while_it_pays_and_starves_nobody():
    models = models_of(a=(1, 10, 1), b=(1, 10, 1))
    rows = [(0, "a", "u", 1), (0, "b", "u", 1), *((float(t), "a", "u", 1) for t in range(1, 400))]
    ran = run(rows, models, box_of(1), Dwell(kappa=16), Lru)
    (b,) = (d for d in ran.done if d.request.model == "b")
    # From 10 s on it generates for a; after 160 s of that a load has paid.
    assert (b.began, b.waited.others_loads_s, b.waited.own_load_s) == (180, 10, 10)
    forever = run(rows, models, box_of(1), Affinity(), Lru)
    (b,) = (d for d in forever.done if d.request.model == "b")
    assert b.began == 420
    impatient = run(rows, models, box_of(1), Dwell(kappa=0), Lru)
    (b,) = (d for d in impatient.done if d.request.model == "b")
    assert b.began == 21


def test_a_model_that_somebody_waits_for_is_spared_if_another_can_go():
    models = models_of(a=(1, 1, 1), b=(1, 1, 1), c=(1, 1, 1))
    rows = [(0, "a", "u", 1), (0, "b", "u", 1), (10, "c", "u", 1), (10, "a", "u", 1)]
    # First come, first served gives up a, the least recently served, and loads it again.
    assert run(rows, models, box_of(2), Fifo(), Lru).loads == 4
    assert run(rows, models, box_of(2), ResponseRatio(), Lru).loads == 3


def test_working_memory_makes_others_go():
    models = models_of(large=(3, 1, 1, 0, 1), small=(1, 1, 1))
    rows = [(0, "large", "u", 1), (10, "small", "u", 1), (20, "large", "u", 1)]
    ran = run(rows, models, box_of(4), Fifo(), Lru)
    # While large generates there is no room for small; it is loaded afterwards, and goes again.
    assert (ran.loads, list(ran.server.gpus[0].resident)) == (2, ["large"])
    assert ran.delays == [2, 2, 1]


def test_what_leaves_stays_in_ram_until_others_come():
    models = models_of(a=(2, 8, 1), b=(2, 8, 1), c=(2, 8, 1))
    rows = [(100.0 * i, name, "u", 1) for i, name in enumerate("abacba")]
    ran = run(rows, models, box_of(2, ram=Ram(2000, 0.25)), Fifo(), Lru)
    # What leaves pushes out what is wanted.
    assert (ran.delays, list(ran.server.in_ram)) == ([9] * 6, ["b"])
    ran = run(rows, models, box_of(2, ram=Ram(4000, 0.25)), Fifo(), Lru)
    # a comes back, while there is room for b beside it; later what leaves pushes out the one that left before.
    assert (ran.delays, list(ran.server.in_ram)) == ([9, 9, 3, 9, 9, 9], ["c", "b"])
    ran = run(rows, models, box_of(2, ram=Ram(6000, 0.25)), Fifo(), Lru)
    assert (ran.delays, list(ran.server.in_ram)) == ([9, 9, 3, 9, 3, 3], ["c", "b"])


def test_pinned_and_warm_models():
    rows = [(0, "c", "u", 1), (20, "a", "u", 1), (40, "b", "u", 1)]
    ran = run(rows, MODELS, box_of(6, pins=("a",), warm=("b",)), Fifo(), Lru)
    assert ran.loads == 1
    assert list(ran.server.gpus[0].resident) == ["a", "b", "c"]
    ran = run(rows, MODELS, box_of(4, pins=("a",), warm=("b",)), Fifo(), Lru)
    assert ran.loads == 2
    assert list(ran.server.gpus[0].resident) == ["a", "b"]
    with pytest.raises(InputError, match=r"^c: to be in memory from the start, and there is no room for it$"):
        run(rows, MODELS, box_of(3, pins=("a", "c")), Fifo(), Lru)
    with pytest.raises(InputError, match=r"^x: to be in memory from the start, and there is no such model$"):
        run(rows, MODELS, box_of(3, pins=("x",)), Fifo(), Lru)


def test_cloud_takes_what_fits_nowhere_and_queues():
    models = models_of(large=(30, 20, 1), small=(1, 1, 1))
    rows = [(0, "large", "u", 5), (1, "large", "u", 5), (1, "small", "u", 2)]
    for generators, expected in ((None, [7, 7, 3]), (1, [7, 11, 3])):
        cloud = Cloud(wait_s=2, s_per_mb=0.0, generators=generators)
        ran = run(rows, models, box_of(24, cloud=cloud), Fifo(), Lru)
        assert (ran.delays, ran.refused) == (expected, [])


def test_a_client_that_leaves_is_not_served():
    server = Server(box_of(1), MODELS, Combined(Fifo(), Lru(MODELS)))
    first, second, third = requests_of([(0, "a", "u", 1), (0, "a", "u", 1), (0, "a", "u", 1)], MODELS)
    for request in (first, second, third):
        assert server.arrive(0.0, request)
    assert server.next(0.0, 0) == Load("a", ())
    server.cancel(1.0, second)
    server.loaded(5.0, 0, 5.0)
    assert server.next(5.0, 0) == Serve(first, 1, ())
    assert server.next(5.5, 0) is None  # It does one thing at a time.
    assert server.finished(6.0, 0, 1.0) is first
    assert server.next(6.0, 0) == Serve(third, 1, ())
    server.finished(7.0, 0, 1.0)
    assert server.next(7.0, 0) is None
    assert server.waiting == {}


def test_a_load_that_fails_is_tried_again():
    server = Server(box_of(1), MODELS, Combined(Fifo(), Lru(MODELS)))
    (request,) = requests_of([(0, "a", "u", 1)], MODELS)
    server.arrive(0.0, request)
    assert server.next(0.0, 0) == Load("a", ())
    server.loaded(5.0, 0, 5.0, failed=True)
    assert (server.gpus[0].free_mb, server.gpus[0].resident) == (1000, {})
    assert server.next(5.0, 0) == Load("a", ())
    server.loaded(10.0, 0, 5.0)
    assert server.next(10.0, 0) == Serve(request, 1, ())
    assert server.waited(10.0, 0, request) == (0, 10, 0)


# --- Rules


class Wants(Combined):
    """Wants one thing."""

    def __init__(self, wanted):
        super().__init__(Fifo(), Lru(MODELS))
        self.name, self.wanted = "mine", wanted

    def next(self, now, gpu, view):
        return self.wanted(view)


def of(view, model):
    return view.waiting[model][0]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (lambda v: Serve(of(v, "a"), 1), "serves request 0 for a on GPU 0, which has not loaded it"),
        (lambda v: Serve(of(v, "b"), 9), "serves request 1 for b with 9 of 1 steps"),
        (
            lambda v: Serve(requests_of([(0, "b", "u", 1)], MODELS)[0], 1),
            "serves request 0 for b, which does not wait",
        ),
        (lambda v: Serve(of(v, "d"), 1), "serves request 2 for d on GPU 0, without room for its working memory"),
        (lambda v: Load("b"), "loads b on GPU 0, which has it"),
        (lambda v: Load("x"), "loads x, which there is not"),
        (lambda v: Load("c"), "loads c on GPU 0, where 3000 MB are missing for it"),
        (lambda v: Load("a", ("c",)), "gives up c on GPU 0, which does not hold it or must keep it"),
        (lambda v: Load("a", ("b",)), "gives up b on GPU 0, which does not hold it or must keep it"),
        (lambda v: Offload(of(v, "a")), "sends request 0 for a to a cloud, and there is none"),
    ],
)
def test_a_broken_rule_is_named(wanted, told):
    scheduler = Wants(wanted)
    server = Server(box_of(7, pins=("b",), warm=("d", "e")), MODELS, scheduler)
    for request in requests_of([(0, "a", "u", 1), (0, "b", "u", 1), (0, "d", "u", 1)], MODELS):
        server.arrive(3.0, request)
    before = dict(server.gpus[0].resident), server.gpus[0].free_mb
    with pytest.raises(BrokenRuleError) as refused:
        server.next(3.0, 0)
    assert str(refused.value) == f"scheduler mine, at 3 s: it {told}"
    assert (dict(server.gpus[0].resident), server.gpus[0].free_mb) == before


def test_nobody_runs_for_ever():
    """Who waits for ever, until now, or loads and loads is named."""
    models = models_of(a=(1, 0, 1), b=(1, 0, 1))
    rows = [(0, "a", "u", 1), (0, "b", "u", 1)]

    def loads(view):
        (there,) = view.gpus[0].resident or [None]
        return Load("b" if there == "a" else "a", [] if there is None else [there])

    for wanted, told in (
        (lambda view: Wait(), "waits for ever, and 2 requests are left"),
        (lambda view: Wait(0.0), "waits until 0 s, which is no later"),
        (lambda view: 3, "returns 3, which is no Serve, Load, Offload or Wait"),
        (loads, "has loaded 1000 times in a row and served nobody"),
    ):
        with pytest.raises(BrokenRuleError, match=f"^scheduler mine, at 0 s: it {told}$"):
            run(rows, models, box_of(1), scheduler=Wants(wanted))


def test_who_waits_until_a_time_is_asked_again():
    """A scheduler that waits for a second request before it loads."""

    class Patient(Combined):
        def next(self, now, gpu, view):
            if now < 5:
                return Wait(5.0)
            return super().next(now, gpu, view)

    ran = run([(0, "a", "u", 1), (20, "a", "u", 1)], MODELS, box_of(1), scheduler=Patient(Fifo(), Lru(MODELS)))
    assert ran.delays == [11, 1]
    assert Counter(d.gpu for d in ran.done) == {0: 2}


def test_what_rests_too_long_leaves():
    models = models_of(a=(1, 5, 1), b=(1, 5, 1))
    rows = [(0, "a", "u", 1), (100, "a", "u", 1), (402, "a", "u", 1), (450, "b", "u", 1), (1000, "b", "u", 1)]
    ran = run(rows, models, box_of(4, keep_alive_s=300), Fifo(), Lru)
    # a has generated until 101, and is given up at 401; then it, and b, 300 s after their last.
    assert ran.delays == [6, 1, 6, 6, 6]
    (gpu,) = ran.server.gpus
    assert [(s.model, s.came, s.loaded, s.left) for s in gpu.stays] == [
        ("a", 0, 5, 401),
        ("a", 402, 407, 708),
        ("b", 450, 455, 756),
    ]
    assert (list(gpu.resident), gpu.free_mb) == (["b"], 3000)
    pinned = run(rows, models, box_of(4, keep_alive_s=300, pins=("a",)), Fifo(), Lru)
    assert pinned.delays == [1, 1, 1, 6, 6]
    in_ram = run(rows, models, box_of(4, keep_alive_s=300, ram=Ram(2000, 0.2)), Fifo(), Lru)
    assert in_ram.delays == [6, 1, 2, 6, 2]


# --- Loads beside generating


def test_the_next_model_loads_while_the_last_generates():
    models = models_of(a=(1, 10, 1), b=(1, 10, 1))
    rows = [(0, "a", "u", 20), (1, "b", "u", 20)]
    for order in ("fifo", "affinity", "dwell", "response-ratio"):
        one_by_one = run(rows, models, box_of(2), order_named(order), Lru)
        assert [d.ended for d in one_by_one.done] == [30, 60]
        together = run(rows, models, box_of(2, overlap=1.0), order_named(order), Lru)
        # b loads from 10 to 20, while a generates until 30.
        assert [(d.ended, d.waited.own_load_s) for d in together.done] == [(30, 10), (50, 10)]
        slowed = run(rows, models, box_of(2, overlap=2.0), order_named(order), Lru)
        # Ten seconds beside the load do what five do alone.
        assert [d.ended for d in slowed.done] == [35, 55]


def test_what_begins_beside_a_load_is_slowed_until_that_ends():
    models = models_of(a=(1, 2, 1), b=(1, 10, 1))
    rows = [(0, "a", "u", 4), (1, "b", "u", 1), (1, "a", "u", 8)]
    ran = run(rows, models, box_of(2, overlap=2.0), Affinity(), Lru)
    # From 2 to 12 b loads. The first takes 8 s instead of 4, the second 2 s at half speed and then 7.
    assert [(d.request.number, d.ended) for d in ran.done] == [(0, 10), (2, 19), (1, 20)]


def test_nothing_that_somebody_waits_for_goes_for_a_load_ahead():
    models = models_of(a=(1, 5, 1), b=(1, 5, 1), c=(1, 5, 1))
    rows = [(0, "a", "u", 1), (0, "b", "u", 1), (20, "a", "u", 9), (20, "b", "u", 9), (21, "c", "u", 1)]
    ran = run(rows, models, box_of(2, overlap=1.0), Affinity(), Lru)
    # While a generates from 20 on, b waits; while b does from 29 on, a can go.
    assert [d.ended for d in ran.done][2:] == [29, 38, 39]


# --- Other people's rules


def served(ran):
    return [d.request.number for d in sorted(ran.done, key=lambda d: d.began)]


def test_affinity_with_a_bound_of_five_minutes():
    models = models_of(a=(1, 10, 1), b=(1, 10, 1))
    rows = [(0, "a", "u", 1), (0, "b", "u", 1), *((float(t), "a", "u", 1) for t in range(1, 500))]
    ran = run(rows, models, box_of(1), BoundedAffinity(300.0), Lru)
    (b,) = (d for d in ran.done if d.request.model == "b")
    assert b.began == 301 + 10


def test_looking_ahead_in_the_queue():
    models = models_of(a=(1, 10, 1), b=(1, 10, 1))
    rows = [(0, "a", "u", 1), (1, "b", "u", 1), (2, "b", "u", 1), (3, "a", "u", 1)]
    assert served(run(rows, models, box_of(1), LookAhead(3), Lru)) == [0, 3, 1, 2]
    assert served(run(rows, models, box_of(1), LookAhead(2), Lru)) == [0, 1, 2, 3]


def test_users_take_turns():
    models = models_of(a=(1, 10, 1))
    rows = [(float(i), "a", user, 1) for i, user in enumerate("uuuvuw")]
    assert served(run(rows, models, box_of(1), RoundRobin(), Lru)) == [0, 1, 3, 5, 2, 4]
