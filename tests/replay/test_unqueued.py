"""A box in which nothing queues, its evictions and the bounds, against brute force and by what must always hold."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from unqueued_boxes import FORESEEING, ONLINE, Plain, Trace, drive_of, letters_of, trace_of

from genedge.boxes.scheduler_file import load_scheduler
from genedge.boxes.schedulers import scheduler_of
from genedge.edge.box import Box, Ram
from genedge.edge.scheduler import Load, Offload, Serve, Wait
from genedge.edge.schedulers.evictions import CostAware
from genedge.edge.schedulers.foreseeing import Static, neighbours, saved_if_held
from genedge.edge.server import BrokenRuleError
from genedge.errors import InputError
from genedge.replay.bound import most_saved
from genedge.replay.hindsight import most_hits_of_equal
from genedge.replay.sketch import QuantileSketch
from genedge.replay.tally import Course
from genedge.spread import tail

EVERY = (*ONLINE, *FORESEEING)
PLAIN = [name for name in EVERY if name not in ("sets", "static")]


def kernels_of(name):
    """The numbers of an eviction, as tuned."""
    return load_scheduler(f"fifo+{name}").eviction.numbers


class Script:
    """A scheduler that does what it was told beforehand: at each miss, which models to give up, or None."""

    name = "script"

    def __init__(self, choices):
        self.choices = choices

    def arrived(self, *told):
        pass

    cancelled = finished = loaded = arrived

    def next(self, now, gpu, view):
        (model,) = view.waiting
        victims = self.choices(model)
        return Wait() if victims is None else Load(model, victims)


def brute_force(models, memory_mb, trace):
    """The most that hits can save, over everything that anybody could do who loads on a miss.

    Args:
        models: sizes and load times.
        memory_mb: for models.
        trace: the requests.
    """
    states = {(): 0.0}  # Of each model in memory: when it serves, and until when it is busy.
    for time, m, own_s, saved in zip(trace.time, trace.model, trace.own_s, trace.saved_s, strict=True):
        following = {}

        def reach(state, value, following=following):
            key = tuple(sorted(state.items()))
            following[key] = max(following.get(key, -1.0), value)

        for key, value in states.items():
            state = dict(key)
            if m in state:
                ready, busy = state[m]
                if ready <= time:
                    reach(state | {m: (ready, max(busy, time + own_s))}, value + saved)
                else:
                    reach(state, value)
                continue
            reach(state, value)
            free = [x for x, (_, busy) in state.items() if busy <= time]
            for count in range(len(free) + 1):
                for gone in itertools.combinations(free, count):
                    left = {x: state[x] for x in state if x not in gone}
                    if sum(models[x].memory_mb for x in left) + models[m].memory_mb <= memory_mb:
                        done = time + models[m].load_s
                        reach(left | {m: (done, done)}, value)
        states = following
    return max(states.values())


@st.composite
def small_traces(draw, equal=False, load_free=False, most=10):
    count = draw(st.integers(2, 4))
    sizes = [1] * count if equal else draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    load_s = 0.0 if load_free else draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=count, max_size=count))
    model = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=most))
    n = len(model)
    gaps = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=n, max_size=n))
    saved = draw(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=n, max_size=n))
    own_s = 0.0 if load_free else draw(st.lists(st.sampled_from([0.0, 1.5, 1.5, 4.0]), min_size=n, max_size=n))
    user = draw(st.lists(st.sampled_from(["", "u", "v", "w"]), min_size=n, max_size=n))
    memory_mb = 1000 * draw(st.integers(0, 6))
    return letters_of(sizes, load_s), memory_mb, trace_of(model, np.cumsum(gaps), user, own_s, saved)


def served(name, case):
    models, memory_mb, trace = case
    return drive_of(name, models, memory_mb, trace).serve(trace.requests)


def sizes_and_loads(models, load_free=False):
    return [m.memory_mb for m in models.values()], None if load_free else [m.load_s for m in models.values()]


def quiet(*_):
    pass


@settings(deadline=None, max_examples=300)
@given(small_traces(most=40), st.sampled_from(PLAIN))
def test_a_second_plain_server_says_the_same(case, name):
    plain = Plain(name, *case, **{"kernels": kernels_of(name).get("kernels", ())})
    ours, expected = served(name, case), plain.serve()
    assume(not plain.close)
    assert (ours.hit, ours.loaded) == expected


@given(small_traces(equal=True, load_free=True))
def test_beladys_rule_has_the_most_hits_of_equal_models(case):
    models, memory_mb, trace = case
    trace = trace._replace(saved_s=[1.0] * len(trace.time))
    most = brute_force(models, memory_mb, trace)
    whole = trace.whole(models)
    assert most_hits_of_equal(whole, memory_mb // 1000).sum() == most
    assert sum(served("belady", (models, memory_mb, trace)).hit) == most
    ones = np.ones(len(trace.time))
    bound = most_saved(whole, ones, memory_mb, *sizes_and_loads(models, True), quiet)
    assert bound.total == pytest.approx(most, abs=1e-6)


@settings(deadline=None)
@given(small_traces(), st.sampled_from([20_000, 3]))
def test_nobody_saves_more_than_the_bound(case, window):
    models, memory_mb, trace = case
    whole = trace.whole(models)
    most = brute_force(models, memory_mb, trace)
    bound = most_saved(whole, whole.saved_s, memory_mb, *sizes_and_loads(models), quiet, window)
    assert bound.total >= most * (1 - 1e-9)
    assert bound.course.sum() <= len(trace.time)
    free = most_saved(whole, whole.saved_s, memory_mb, *sizes_and_loads(models, True), quiet, window)
    assert free.total >= bound.total - 1e-6
    for name in EVERY:
        assert np.dot(served(name, case).hit, trace.saved_s) <= most + 1e-9


def test_the_bound_is_close_where_it_can_be_checked():
    rng = np.random.default_rng(0)
    bounds, most = [], []
    for _ in range(30):
        models = letters_of(rng.integers(1, 4, 4).tolist(), rng.choice([0.0, 1.0, 2.5], 4).tolist())
        trace = trace_of(rng.integers(0, 4, 14).tolist(), np.cumsum(rng.choice([0.5, 1.0, 3.0], 14)))
        whole = trace.whole(models)
        bounds.append(most_saved(whole, whole.saved_s, 4000, *sizes_and_loads(models), quiet).total)
        most.append(brute_force(models, 4000, trace))
    assert sum(most) <= sum(bounds) <= 1.1 * sum(most)


@settings(deadline=None)
@given(small_traces(most=25), st.sampled_from(EVERY))
def test_the_ledger_is_right_after_every_request(case, name):
    models, memory_mb, trace = case
    drive = drive_of(name, models, memory_mb, trace)
    server, busy = drive.server, {}
    (gpu,) = server.gpus
    for request in trace.requests:
        before, time, m = set(gpu.resident), request.time, request.model
        one = drive.serve([request])
        held = {x: models[x].memory_mb for x in gpu.resident}
        assert gpu.free_mb == memory_mb - sum(held.values()) >= 0
        assert server.idle_mb(0) == sum(mb for x, mb in held.items() if not server.kept(0, x))
        assert all(busy[x] <= time for x in before - set(gpu.resident))
        assert set(gpu.resident) - before == ({m} if one.loaded else set())
        assert not (one.hit[0] and one.loaded)
        if one.loaded:
            busy[m] = time + models[m].load_s
        elif one.hit[0]:
            assert m in before
            busy[m] = max(busy[m], time + request.own_s)


@settings(deadline=None)
@given(small_traces(most=25), st.sampled_from(EVERY), st.integers(1, 10))
def test_requests_may_come_little_by_little(case, name, size):
    models, memory_mb, trace = case
    drive, requests = drive_of(name, models, memory_mb, trace), trace.requests
    parts = [drive.serve(requests[i : i + size]).hit for i in range(0, len(requests), size)]
    assert list(itertools.chain(*parts)) == served(name, case).hit


@settings(deadline=None)
@given(small_traces(), st.data())
def test_the_future_changes_no_decision(case, data):
    """Traces that agree up to some request have the same hits and loads up to there, whatever comes after."""
    models, memory_mb, trace = case
    n = len(trace.time)
    cut = data.draw(st.integers(0, n))
    order = [*range(cut), *data.draw(st.permutations(range(cut, n)))]
    changed = Trace(
        trace.time[:cut] + [t + 1.7 for t in trace.time[cut:]],
        *([column[i] for i in order] for column in (trace.model, trace.user)),
        trace.own_s[:cut] + [trace.own_s[i] for i in order[cut:]],
        trace.saved_s,
    )
    for name in ONLINE:
        ours, theirs = served(name, case), served(name, (models, memory_mb, changed))
        assert ours.hit[:cut] == theirs.hit[:cut]
        assert [i for i in ours.loaded if i < cut] == [i for i in theirs.loaded if i < cut]


def test_belady_is_caught_by_that_test():
    models = letters_of([1, 1])
    loaded = [served("belady", (models, 1000, trace_of(model))).loaded[:1] for model in ("abab", "abbb")]
    assert loaded[0] != loaded[1]


def test_who_knows_the_whole_trace_must_be_handed_it():
    box = Box((1000,), None)
    for name in FORESEEING:
        with pytest.raises(InputError, match="it knows the whole trace before it comes, as only a replay can"):
            scheduler_of(f"fifo+{name}", box, letters_of([1]))


def test_a_loading_model_serves_nobody_and_keeps_its_place():
    models = letters_of([2, 2], load_s=[10, 10])
    found = served("lru", (models, 2000, trace_of("aababb", [0, 5, 5, 10, 10, 20])))
    # At 5 b cannot have the place; at 10 a hits and, as it runs in no time, goes.
    assert found.hit == [False, False, False, True, False, True]
    assert found.loaded == [0, 4]


def test_a_generating_model_keeps_its_place():
    case = letters_of([1, 1]), 1000, trace_of("aabb", [0, 1, 2, 3], own_s=2.0)
    assert served("lru", case).loaded == [0, 3]


@pytest.mark.parametrize("victims", ["b", "aa", "c", ""])
def test_a_scheduler_that_gives_up_what_it_may_not_is_named(victims):
    models = letters_of([1, 1, 1], load_s=[0, 100, 0])
    choices = iter(["", "", victims])
    with pytest.raises(BrokenRuleError, match=r"^scheduler script, at 2 s: it "):
        served(Script(lambda model: list(next(choices))), (models, 2000, trace_of("abc")))


class Wants(Script):
    """Wants one thing whenever it is asked."""

    def arrived(self, now, request):
        self.request = request

    def next(self, now, gpu, view):
        assert [list(queue) for queue in view.waiting.values()] == [[self.request]]
        return self.choices(self.request)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (lambda request: Serve(request, 1), "serves request 0 for a, whose model is not loaded"),
        (lambda request: Load("b"), "loads b behind request 0 for a"),
    ],
)
def test_who_wants_what_cannot_be_is_named(wanted, told):
    with pytest.raises(BrokenRuleError, match=f"^scheduler script, at 0 s: it {told}$"):
        served(Wants(wanted), (letters_of([1, 1]), 1000, trace_of("a")))


def test_who_does_not_load_sends_all_to_the_cloud():
    assert served(Wants(Offload), (letters_of([1]), 1000, trace_of("aaa"))) == ([False] * 3, [])


def hits_of(name, model, memory_gb, **trace):
    return served(name, (letters_of([1] * (max(model) + 1)), 1000 * memory_gb, trace_of(model, **trace))).hit


def test_the_classics_give_up_what_their_names_say():
    model = [0, 0, 0, 1, 1, 2, 0, 1]
    assert hits_of("lru", model, 2) == [0, 1, 1, 0, 1, 0, 0, 0]
    assert hits_of("lfu", model, 2) == [0, 1, 1, 0, 1, 0, 1, 0]
    assert hits_of("keep-forever", model, 2) == [0, 1, 1, 0, 1, 0, 1, 1]
    assert hits_of("belady", model, 2) == [0, 1, 1, 0, 1, 0, 1, 1]
    assert hits_of("static", model, 1) == [0, 1, 1, 0, 0, 0, 1, 0]
    assert hits_of("forecast", model, 1) == [0, 1, 1, 0, 0, 0, 1, 0]
    assert hits_of("forecast", [1, 0, 0, 0, 1], 1) == [0, 0, 1, 1, 0]
    assert hits_of("cloud-only", model, 2) == [0] * 8


@settings(deadline=None)
@given(small_traces(), st.sampled_from([1.0, 1.2]))
def test_static_saves_as_much_as_the_best_set_that_fits(case, unit):
    """Against a scheduler that holds each set of models in turn."""
    models, memory_mb, trace = case
    trace = trace._replace(saved_s=[unit * saved for saved in trace.saved_s])
    whole, case = trace.whole(models), (models, memory_mb, trace)
    held = Static(models, Box((memory_mb,)), whole).held

    def saved(name):
        return np.dot(served(name, case).hit, trace.saved_s)

    def holding(some):
        return Script(lambda model: [] if model in some else None)

    sets = [set(s) for size in range(len(models) + 1) for s in itertools.combinations(models, size)]
    best = max(saved(holding(s)) for s in sets if sum(models[m].memory_mb for m in s) <= memory_mb)
    assert saved("static") == pytest.approx(best)
    assert saved_if_held(models, whole)[[list(models).index(m) for m in held]].sum() == pytest.approx(best)


def test_static_is_not_greedy():
    """The densest model leaves no room for the two that save more together."""
    case = letters_of([6, 5, 5]), 10_000, trace_of("a" * 7 + "b" * 5 + "c" * 5)
    assert Static(case[0], Box((10_000,)), case[2].whole(case[0])).held == ("b", "c")
    assert sum(served("static", case).hit) == 8


def test_gdsf_prefers_the_small_and_ages():
    assert served("gdsf", (letters_of([3, 1, 1]), 4000, trace_of("abcb"))).hit == [False, False, False, True]
    # A model that was popular once goes in the end.
    assert served("gdsf", (letters_of([1] * 3), 2000, trace_of("a" * 5 + "bc" * 30))).hit[-2:] == [True, True]


def test_cost_aware_counts_what_it_says():
    rng = np.random.default_rng(1)
    models, numbers = letters_of([1] * 4), kernels_of("cost-aware")
    policy = CostAware(models, **numbers)
    trace = trace_of(
        rng.integers(0, 4, 60).tolist(),
        np.cumsum(rng.exponential(300, 60)),
        ["" if u < 0 else f"u{u}" for u in rng.integers(-1, 5, 60)],
    )
    for request in trace.requests:
        policy.asked(request.time, request)
    now = trace.time[-1] + 50
    plain = Plain("cost-aware", models, 0, trace, numbers["kernels"])
    plain.now, plain.seen = now, len(trace.time)
    for model in models:
        assert policy.rate(model, now) == pytest.approx(plain._rate(model, 0.0), rel=1e-9)
        assert policy.rate(model, now + 20) < policy.rate(model, now)


def test_cost_aware_minds_the_time_of_a_load():
    """What will hardly be wanted any more once it is loaded stays in the cloud."""

    def loads(load_s):
        models = letters_of([1, 1], load_s=[0, load_s])
        trace = trace_of("a" * 8 + "b" * 9, np.arange(17) * 2.0, user="u" * 8 + "v" * 9)
        return "b" in [trace.model[i] for i in served("cost-aware", (models, 1000, trace)).loaded]

    assert loads(0.0)
    assert not loads(3600.0)


def test_popularity_needs_a_clear_lead():
    def loads(model):
        return [model[i] for i in served("popularity", (letters_of([1, 1]), 1000, trace_of(model))).loaded]

    assert loads("aab") == ["a"]
    assert loads("aabbbb") == ["a", "b"]


def test_what_rests_too_long_leaves_and_pins_stay():
    models = letters_of([1, 1])
    trace = trace_of("aaab", [0, 10, 400, 401])
    for more, expected in (
        ({}, [False, True, True, False]),
        ({"keep_alive_s": 300.0}, [False, True, False, False]),
        ({"keep_alive_s": 300.0, "pins": ("a",)}, [True, True, True, False]),
    ):
        drive = drive_of("lru", models, 2000, trace, **more)
        assert drive.serve(trace.requests).hit == expected


def test_what_comes_back_from_ram_loads_sooner():
    models = letters_of([1, 1], load_s=10.0)
    trace = trace_of("abaa", [0, 20, 40, 43])
    assert drive_of("lru", models, 1000, trace).serve(trace.requests).hit == [False] * 4
    drive = drive_of("lru", models, 1000, trace, ram=Ram(2000, 0.25))
    assert drive.serve(trace.requests).hit == [False, False, False, True]


def test_neighbours():
    before, after = neighbours(np.array([3, 1, 3, 3, 1]))
    assert before.tolist() == [-1, -1, 0, 2, 1]
    assert after[:3].tolist() == [2, 4, 3]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_the_sketch_keeps_its_word(values, q):
    sketch = QuantileSketch()
    sketch.add(np.array(values[: len(values) // 2]))
    sketch.add(np.array(values[len(values) // 2 :]))
    exact = np.quantile(values, q, method="inverted_cdf")
    assert sketch.quantile(q) == pytest.approx(exact, rel=QuantileSketch.ERROR * 1.0001, abs=QuantileSketch.LEAST)


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=50), st.integers(1, 60))
def test_the_sketch_tells_what_a_mean_hides(values, times):
    sketch, values = QuantileSketch(), np.repeat(values, times)
    sketch.add(values[::2])
    sketch.add(values[1::2])
    found, exact = sketch.tail(), tail(values)
    assert (found.mean, found.largest_share) == pytest.approx((exact.mean, exact.largest_share), rel=0.03)
    assert found.interquartile_mean == pytest.approx(exact.interquartile_mean, rel=0.03)
    assert found.median == sketch.quantile(0.5)


def test_a_course_keeps_sums_while_its_bins_double():
    course = Course(100.0, columns=1)
    time = 100 + np.sort(np.random.default_rng(0).uniform(0, 1e6, 5000))
    for part in np.split(time, 10):
        course.add(part, np.ones(part.size))
    assert course.sums.sum() == 5000
    width = course.width_s
    assert 1e6 / width <= Course.BINS < 2e6 / width * 1.01
    assert course.sums[0, 3] == ((time - 100) // width == 3).sum()
