"""What a scheduler may do besides: each option on a few requests, by hand, and what must always hold."""

from collections import Counter

import pytest
from edge_boxes import box_of, eviction_named, models_of, order_named, requests_of, run
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge.boxes.schedulers import scheduler_of
from genedge.edge.box import Cloud
from genedge.edge.scheduler import Serve
from genedge.edge.schedulers.cloud_by_delay import CloudByDelay
from genedge.edge.schedulers.combined import Combined
from genedge.edge.schedulers.evictions import Lru
from genedge.edge.schedulers.options import Anticipation, ChurnGuard, FairShare, FewerSteps
from genedge.edge.schedulers.orders import Affinity, Fifo
from genedge.edge.server import Server
from genedge.registry import named

MODELS = models_of(a=(1, 10, 1), b=(1, 10, 1), c=(2, 5, 1, 2))
FEWER = {name: model._replace(least_steps=2.0) for name, model in MODELS.items()}


def decided(rows, box, *options, order=None, models=MODELS, think_s=None):
    scheduler = Combined(order or Affinity(), Lru(models), options=options)
    return run(rows, models, box, scheduler=scheduler, think_s=think_s)


# --- Anticipation

AGENTS = [(0.0 if i < 2 else 1.0, "ab"[i % 2], "uv"[i % 2], 5) for i in range(40)]


def test_a_model_whose_record_says_so_is_waited_for():
    """Two agents, each at a model of its own, whose next request comes a second after the last result."""
    plain = decided(AGENTS, box_of(1), think_s=1)
    waits = decided(AGENTS, box_of(1), Anticipation(3.0), think_s=1)
    # One by one, each request costs a load; an agent that is waited for has its model as long as it comes back.
    assert plain.loads == 40
    assert waits.loads < 6
    assert waits.end < 0.6 * plain.end


def test_nobody_waits_without_a_record_or_for_long():
    rows = [(0, "a", "u", 1), (5, "b", "v", 1)]
    assert decided(rows, box_of(1), Anticipation(3.0)).delays == [11, 17]  # Nothing is known of a.
    # After each of its results, at 11, 22 and 33, a comes again a second later, but for the last time.
    rows = [(0, "a", "u", 1), (12, "a", "u", 1), (14, "a", "u", 1), (14.5, "b", "v", 1)]
    ran = decided(rows, box_of(1), Anticipation(3.0))
    assert ran.delays == [11, 1, 1, 15 + 3 + 11 - 14.5]
    # With room for both nothing is given up, and nobody waits.
    assert decided(rows, box_of(2), Anticipation(3.0)).delays == [11, 1, 1, 11.5]


def test_a_model_that_does_not_come_back_is_not_waited_for():
    rows = [(50.0 * i, "ab"[i % 2], "u", 1) for i in range(20)]
    assert decided(rows, box_of(1), Anticipation(3.0)).delays == decided(rows, box_of(1)).delays


# --- Fewer steps


def test_steps_fall_to_the_least_while_much_waits_and_nowhere_below():
    rows = [(0, "a", "u", 10), (0, "a", "u", 10), (0, "a", "u", 1)]
    served = [d.ended - d.began for d in decided(rows, box_of(1), FewerSteps(5.0), models=FEWER).done]
    # While the first is served 11 s of work wait, then 1, then none.
    assert served == [2, 10, 1]
    assert [d.ended - d.began for d in decided(rows, box_of(1), FewerSteps(0.5), models=FEWER).done] == [2, 2, 1]
    # Who has not been allowed to, does not.
    assert [d.ended - d.began for d in decided(rows, box_of(1), FewerSteps(0.5)).done] == [10, 10, 1]


def test_work_of_who_leaves_is_no_work():
    server = Server(box_of(1, warm=("a",)), FEWER, Combined(Fifo(), Lru(FEWER), options=[FewerSteps(5.0)]))
    first, second = requests_of([(0, "a", "u", 10), (0, "a", "u", 10)], FEWER)
    server.arrive(0.0, first)
    server.arrive(0.0, second)
    server.cancel(0.0, second)
    assert server.next(0.0, 0) == Serve(first, 10)


# --- Fair share


def test_who_asks_for_much_is_not_let_far_ahead():
    rows = [(0, "a", "u", 10)] * 6 + [(1, "a", "v", 10)] * 2
    assert [d.request.user for d in decided(rows, box_of(1)).done] == list("uuuuuuvv")
    fair = decided(rows, box_of(1), order=FairShare(Fifo(), 10.0))
    # Two of u's are shown; the third is not until v has had one, and is behind v's second.
    assert [d.request.user for d in fair.done] == list("uuvvuuuu")
    assert sorted(d.request.number for d in fair.done) == list(range(8))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abc"), st.integers(1, 9)), min_size=1, max_size=30),
    st.sampled_from(list(named("order"))),
    st.sampled_from([0.0, 5.0, 20.0]),
)
def test_unfairness_is_bounded(asked, order, ahead_s):
    """All come at once: while two users wait, what was generated for them differs by no more than the docs say."""
    rows = [(0, model, user, steps) for user, model, steps in asked]
    ran = decided(rows, box_of(2), order=FairShare(order_named(order), ahead_s))
    assert len(ran.done) == len(rows)
    left = Counter(user for user, _, _ in asked)
    most_s = max(d.request.own_s for d in ran.done)
    generated = dict.fromkeys(left, 0.0)
    for d in ran.done:
        waiting = [user for user in left if left[user]]
        amounts = [generated[user] for user in waiting]
        assert max(amounts) - min(amounts) <= ahead_s + most_s + 1e-9
        generated[d.request.user] += d.request.own_s
        left[d.request.user] -= 1


def test_time_of_rest_is_not_saved_up():
    rows = [(0, "a", "u", 10), *[(100, "a", "v", 10)] * 4, *[(105, "a", "u", 10)] * 4]
    fair = decided(rows, box_of(1), order=FairShare(Fifo(), 0.0))
    # u is behind by what v had in the meantime, and no more.
    assert [d.request.user for d in fair.done] == list("uvvuvuvuu")


# --- Cloud by expected delay


def in_a_box_with_a_cloud(rows, generators=None, wait_s=5.0):
    return decided(rows, box_of(1, warm=("a",), cloud=Cloud(wait_s, 0.0, generators)), CloudByDelay())


def test_whoever_is_done_sooner_in_the_cloud_goes_there():
    rows = [(0, "a", "u", 10), (1, "a", "u", 10), (6, "a", "u", 10), (12, "a", "u", 10)]
    ran = in_a_box_with_a_cloud(rows)
    # The second would wait 9 s, and goes; the third 4 s, and stays; the fourth waits for 8 s of it, and goes.
    assert sorted((d.request.number, d.gpu) for d in ran.done) == [(0, 0), (1, -1), (2, 0), (3, -1)]
    assert ran.delays == [10, 15, 14, 15]
    # With one generator, busy until 16, the third would begin there at 16, and the fourth too.
    assert sorted(d.request.number for d in in_a_box_with_a_cloud(rows, 1).done if d.gpu < 0) == [1, 3]
    alone = decided(rows, box_of(1, warm=("a",), cloud=Cloud(5.0, 0.0)))
    assert all(d.gpu == 0 for d in alone.done)


def test_a_model_is_loaded_when_what_its_requests_lost_repays_that():
    rows = [(100.0 * i, "b", "u", 1) for i in range(6)]
    ran = in_a_box_with_a_cloud(rows, wait_s=4.0)
    # Each loses 4 s in the cloud; with the third that is more than the load of 10 s: it stays, and so do the rest.
    assert [d.gpu for d in sorted(ran.done, key=lambda d: d.request.number)] == [-1, -1, 0, 0, 0, 0]
    assert ran.delays == [5, 5, 11, 1, 1, 1]


# --- Any with any


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 9.0, 60.0]), st.sampled_from("abc"), st.sampled_from("uv")),
        min_size=1,
        max_size=25,
    ),
    st.sampled_from(list(named("order"))),
    st.sampled_from(list(named("eviction"))),
    st.sampled_from([(2,), (3,), (2, 3)]),
    st.sampled_from([None, 1.5]),
    st.sampled_from([None, Cloud(3.0, 0.0), Cloud(1.0, 0.0, 1)]),
)
def test_all_of_them_together_serve_everybody_once(gaps, order, eviction, gpus, overlap, cloud):
    rows, time = [], 0.0
    for gap, model, user in gaps:
        time += gap
        rows.append((time, model, user, 4))
    options = [ChurnGuard(20.0), Anticipation(3.0), FewerSteps(6.0), CloudByDelay()]
    box = box_of(*gpus, overlap=overlap, cloud=cloud)
    victims = eviction_named(eviction, box, rows)(FEWER)
    scheduler = Combined(FairShare(order_named(order), 5.0), victims, options=options)
    ran = run(rows, FEWER, box, scheduler=scheduler)
    assert sorted(d.request.number for d in ran.done) == list(range(len(rows)))
    assert ran.server.waiting == {}
    for d in ran.done:
        if d.gpu < 0:
            continue
        slow = overlap or 1.0
        assert FEWER[d.request.model].generation_s(2) - 1e-9 <= d.ended - d.began <= slow * d.request.own_s + 1e-9


def test_options_stand_in_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("order: {name: affinity}\neviction: {name: lru}\nanticipate_s: 3\n")
    ran = run(AGENTS, MODELS, box_of(1), scheduler=scheduler_of(str(path), box_of(1), MODELS), think_s=1)
    assert ran.loads == decided(AGENTS, box_of(1), Anticipation(3.0), think_s=1).loads
    path.write_text("order: {name: fifo}\neviction: {name: lru}\nfewer_steps_s: 5\nfair_share_s: 0\n")
    rows = [(0, "a", "u", 10), (0, "a", "u", 10), (0, "a", "v", 1)]
    ran = run(rows, FEWER, box_of(1), scheduler=scheduler_of(str(path), box_of(1), FEWER))
    assert [(d.request.number, d.ended - d.began) for d in ran.done] == [(0, 2), (2, 1), (1, 10)]


@pytest.mark.parametrize("key", ["churn_guard_s", "anticipate_s", "fewer_steps_s", "fair_share_s"])
def test_off_unless_said(tmp_path, key):
    rows = [(7.0 * i, "abcab"[i % 5], "uv"[i % 2], 4) for i in range(40)]
    path = tmp_path / "mine.yaml"
    path.write_text(f"order: {{name: dwell}}\neviction: {{name: lru}}\n{key}: null\n")
    box = box_of(2)
    off, plain = (
        run(rows, FEWER, box, scheduler=scheduler_of(name, box, FEWER)) for name in (str(path), "dwell+lru")
    )
    assert off.delays == plain.delays
