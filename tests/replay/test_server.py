"""The server, its policies and the bounds, against brute force and by what must always hold."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genedge.registry import named
from genedge.replay.bound import most_saved
from genedge.replay.catalogue import TraceModels, load_catalogue
from genedge.replay.hindsight import Belady, Static, WholeTrace, most_hits_of_equal, neighbours, saved_if_held
from genedge.replay.idle import Idle
from genedge.replay.policies import CostAware, Popularity
from genedge.replay.server import Server
from genedge.replay.sketch import QuantileSketch
from genedge.replay.tally import Course
from genedge.replay.trace import Chunk
from genedge.spread import tail

ONLINE = [name for name, entry in named("trace policy").items() if "foresees" not in entry.traits]

OFFLINE = ("static", "belady")


def models_of(memory_gb, load_s=0.0, wait_s=0.0):
    """A catalogue of models a, b, c, ... with these sizes and load times, already numbered in that order."""
    load_s = [load_s] * len(memory_gb) if np.isscalar(load_s) else load_s
    tree = load_catalogue("load-free").model_dump()
    names = "abcdefgh"[: len(memory_gb)]
    tree["models"] = {
        n: {"memory_gb": size, "load_s": load} for n, size, load in zip(names, memory_gb, load_s, strict=True)
    }
    tree["cloud"]["wait_s"] = wait_s
    models = TraceModels(load_catalogue("load-free").model_validate(tree))
    for name in names:
        models.number(name)
    return models


def chunk_of(model, time=None, user=None, local_s=0.0, saved_s=None):
    n = len(model)
    time = [float(t) for t in (range(n) if time is None else time)]
    user = [0] * n if user is None else list(user)
    return Chunk(time, list(model), user, [local_s] * n, [1.0] * n if saved_s is None else list(saved_s))


def requests_of(chunk):
    return WholeTrace(np.array(chunk.time), np.array(chunk.model), np.array(chunk.saved_s))


def server_of(name, models, memory_mb, chunk):
    if name == "belady":
        return Server(memory_mb, models, Belady(models, requests_of(chunk)))
    if name == "static":
        return Server(memory_mb, models, Static(models, requests_of(chunk), memory_mb))
    return Server(memory_mb, models, named("trace policy")[name].load()(models))


def quiet(*_):
    pass


class Script:
    """A policy that does what it was told beforehand: at each miss, which models to give up, or None."""

    def __init__(self, choices):
        self.choices = choices

    def seen(self, time, model, user):
        pass

    def choose(self, time, model, idle, need_mb):
        return self.choices(time, model, idle, need_mb)


def brute_force(models, memory_mb, chunk):
    """The most that hits can save, over everything that any policy could do.

    Args:
        models: sizes and load times.
        memory_mb: for models.
        chunk: the trace.
    """
    states = {(): 0.0}  # Of each model in memory: when it serves, and until when it is busy.
    for time, m, local, saved in zip(chunk.time, chunk.model, chunk.local_s, chunk.saved_s, strict=True):
        following = {}

        def reach(state, value, following=following):
            key = tuple(sorted(state.items()))
            following[key] = max(following.get(key, -1.0), value)

        for key, value in states.items():
            state = dict(key)
            if m in state:
                ready, busy = state[m]
                if ready <= time:
                    reach(state | {m: (ready, max(busy, time + local))}, value + saved)
                else:
                    reach(state, value)
                continue
            reach(state, value)
            free = [x for x, (_, busy) in state.items() if busy <= time]
            for count in range(len(free) + 1):
                for gone in itertools.combinations(free, count):
                    left = {x: state[x] for x in state if x not in gone}
                    if sum(models.memory_mb[x] for x in left) + models.memory_mb[m] <= memory_mb:
                        done = time + models.load_s[m]
                        reach(left | {m: (done, done)}, value)
        states = following
    return max(states.values())


@st.composite
def small_traces(draw, equal=False, load_free=False):
    count = draw(st.integers(2, 4))
    sizes = [1] * count if equal else draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    load_s = 0.0 if load_free else draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=count, max_size=count))
    model = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=10))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=len(model), max_size=len(model)))
    saved = draw(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=len(model), max_size=len(model)))
    local = 0.0 if load_free else draw(st.sampled_from([0.0, 1.5]))
    user = draw(st.lists(st.integers(-1, 2), min_size=len(model), max_size=len(model)))
    memory_mb = 1000 * draw(st.integers(0, 6))
    models = models_of(sizes, load_s)
    return models, memory_mb, chunk_of(model, np.cumsum(gaps), user, local, saved)


@given(small_traces(equal=True, load_free=True))
def test_beladys_rule_has_the_most_hits_of_equal_models(case):
    models, memory_mb, chunk = case
    chunk = chunk._replace(saved_s=[1.0] * len(chunk.time))
    most = brute_force(models, memory_mb, chunk)
    assert most_hits_of_equal(requests_of(chunk), memory_mb // 1000).sum() == most
    assert sum(server_of("belady", models, memory_mb, chunk).serve(chunk).hit) == most
    ones = np.ones(len(chunk.time))
    bound = most_saved(requests_of(chunk), ones, memory_mb, models, True, quiet)
    assert bound.total == pytest.approx(most, abs=1e-6)


@given(small_traces(), st.sampled_from([20_000, 3]))
def test_nobody_saves_more_than_the_bound(case, window):
    models, memory_mb, chunk = case
    requests = requests_of(chunk)
    most = brute_force(models, memory_mb, chunk)
    bound = most_saved(requests, requests.saved_s, memory_mb, models, False, quiet, window)
    assert bound.total >= most * (1 - 1e-9)
    assert bound.course.sum() <= len(chunk.time)
    free = most_saved(requests, requests.saved_s, memory_mb, models, True, quiet, window)
    assert free.total >= bound.total - 1e-6
    for name in (*ONLINE, *OFFLINE):
        hit = server_of(name, models, memory_mb, chunk).serve(chunk).hit
        assert np.dot(hit, chunk.saved_s) <= most + 1e-9


def test_the_bound_is_close_where_it_can_be_checked():
    rng = np.random.default_rng(0)
    bounds, most = [], []
    for _ in range(30):
        models = models_of(rng.integers(1, 4, 4).tolist(), rng.choice([0.0, 1.0, 2.5], 4).tolist())
        chunk = chunk_of(rng.integers(0, 4, 14).tolist(), np.cumsum(rng.choice([0.5, 1.0, 3.0], 14)))
        requests = requests_of(chunk)
        bounds.append(most_saved(requests, requests.saved_s, 4000, models, False, quiet).total)
        most.append(brute_force(models, 4000, chunk))
    assert sum(most) <= sum(bounds) <= 1.1 * sum(most)


@given(small_traces())
def test_memory_is_never_exceeded_and_busy_models_stay(case):
    models, memory_mb, chunk = case
    for name in (*ONLINE, *OFFLINE):
        server = server_of(name, models, memory_mb, chunk)
        busy = {}
        for i in range(len(chunk.time)):
            one = Chunk(*([column[i]] for column in chunk))
            before, time, m = server.resident, one.time[0], one.model[0]
            served = server.serve(one)
            held = sum(models.memory_mb[x] for x in server.resident)
            assert held + server.free_mb == memory_mb
            assert server.free_mb >= 0
            assert all(busy[x] <= time for x in before - server.resident)
            assert server.resident - before == ({m} if served.loaded else set())
            assert not (served.hit[0] and served.loaded)
            if served.loaded:
                busy[m] = time + models.load_s[m]
            elif served.hit[0]:
                assert m in before
                busy[m] = max(busy[m], time + one.local_s[0])


@given(small_traces(), st.data())
def test_the_future_changes_no_decision(case, data):
    """Traces that agree up to some request have the same hits and loads up to there, whatever comes after."""
    models, memory_mb, chunk = case
    n = len(chunk.time)
    cut = data.draw(st.integers(0, n))
    other = data.draw(st.permutations(range(cut, n)))
    order = [*range(cut), *other]
    model, user = [chunk.model[i] for i in order], [chunk.user[i] for i in order]
    time = chunk.time[:cut] + [t + 1.7 for t in chunk.time[cut:]]
    changed = chunk._replace(time=time, model=model, user=user)
    for name in ONLINE:
        ours, theirs = (server_of(name, models, memory_mb, c).serve(c) for c in (chunk, changed))
        assert ours.hit[:cut] == theirs.hit[:cut]
        assert [i for i in ours.loaded if i < cut] == [i for i in theirs.loaded if i < cut]


def test_belady_is_caught_by_that_test():
    models, chunk = models_of([1, 1]), chunk_of([0, 1, 0, 1])
    hits = [server_of("belady", models, 1000, c).serve(c).loaded[:1] for c in (chunk, chunk_of([0, 1, 1, 1]))]
    assert hits[0] != hits[1]


def test_a_loading_model_serves_nobody_and_keeps_its_place():
    models = models_of([2, 2], load_s=[10, 10])
    chunk = chunk_of([0, 0, 1, 0, 1, 1], [0, 5, 5, 10, 10, 20])
    served = server_of("lru", models, 2000, chunk).serve(chunk)
    # At 5 model 1 cannot have the place; at 10 model 0 hits and, as it runs in no time, goes.
    assert served.hit == [False, False, False, True, False, True]
    assert served.loaded == [0, 4]


def test_a_generating_model_keeps_its_place():
    models = models_of([1, 1])
    chunk = chunk_of([0, 0, 1, 1], [0, 1, 2, 3], local_s=2.0)
    assert server_of("lru", models, 1000, chunk).serve(chunk).loaded == [0, 3]


@pytest.mark.parametrize("victims", [[1], [0, 0], [2], []])
def test_a_policy_that_breaks_the_rules_is_stopped(victims):
    models = models_of([1, 1, 1], load_s=[0, 100, 0])
    choices = iter([[], [], victims])
    policy = Script(lambda *_: next(choices))
    with pytest.raises(ValueError, match="the policy"):
        Server(2000, models, policy).serve(chunk_of([0, 1, 2]))


def hits_of(name, model, memory_gb, **trace):
    chunk = chunk_of(model, **trace)
    return server_of(name, models_of([1] * (max(model) + 1)), 1000 * memory_gb, chunk).serve(chunk).hit


def test_the_classics_give_up_what_their_names_say():
    model = [0, 0, 0, 1, 1, 2, 0, 1]
    assert hits_of("lru", model, 2) == [0, 1, 1, 0, 1, 0, 0, 0]
    assert hits_of("lfu", model, 2) == [0, 1, 1, 0, 1, 0, 1, 0]
    assert hits_of("keep-forever", model, 2) == [0, 1, 1, 0, 1, 0, 1, 1]
    assert hits_of("belady", model, 2) == [0, 1, 1, 0, 1, 0, 1, 1]
    assert hits_of("static", model, 1) == [0, 1, 1, 0, 0, 0, 1, 0]
    assert hits_of("cloud-only", model, 2) == [0] * 8


@given(small_traces(), st.sampled_from([1.0, 1.2]))
def test_static_saves_as_much_as_the_best_set_that_fits(case, unit):
    """Against a server that holds each set of models in turn."""
    models, memory_mb, chunk = case
    chunk = chunk._replace(saved_s=[unit * saved for saved in chunk.saved_s])
    requests = requests_of(chunk)
    static = Static(models, requests, memory_mb)

    def saved(policy):
        return np.dot(Server(memory_mb, models, policy).serve(chunk).hit, chunk.saved_s)

    def holding(held):
        return Script(lambda time, model, idle, need_mb: [] if model in held else None)

    count = len(models.names)
    sets = [set(s) for size in range(count + 1) for s in itertools.combinations(range(count), size)]
    best = max(saved(holding(s)) for s in sets if sum(models.memory_mb[m] for m in s) <= memory_mb)
    assert saved(static) == pytest.approx(best)
    assert saved_if_held(models, requests)[static.held].sum() == pytest.approx(best)


def test_static_is_not_greedy():
    """The densest model leaves no room for the two that save more together."""
    models = models_of([6, 5, 5])
    chunk = chunk_of([0] * 7 + [1] * 5 + [2] * 5)
    static = Static(models, requests_of(chunk), 10_000)
    assert static.held == [1, 2]
    assert sum(Server(10_000, models, static).serve(chunk).hit) == 8


def test_gdsf_prefers_the_small_and_ages():
    models, chunk = models_of([3, 1, 1]), chunk_of([0, 1, 2, 1])
    assert server_of("gdsf", models, 4000, chunk).serve(chunk).hit == [False, False, False, True]
    # A model that was popular once goes in the end.
    chunk = chunk_of([0] * 5 + [1, 2] * 30)
    assert server_of("gdsf", models_of([1] * 3), 2000, chunk).serve(chunk).hit[-2:] == [True, True]


def brute_saving_rate(models, history, now, model):
    """CostAware's saving rate from the whole history, without its recursion."""
    last = {user: i for i, (_, _, user) in enumerate(history) if user >= 0}
    rate = 0.0
    for of_users, half_life_s, weight in CostAware.KERNELS:
        counted = last.values() if of_users else range(len(history))
        ages = [now - history[i][0] for i in counted if history[i][1] == model]
        rate += weight * np.log(2) / half_life_s * sum(2 ** (-age / half_life_s) for age in ages)
    return rate * models.saving_s[model]


def test_cost_aware_counts_what_it_says():
    rng = np.random.default_rng(1)
    models = models_of([1] * 4)
    policy = CostAware(models)
    time = np.cumsum(rng.exponential(300, 60)).tolist()
    history = list(zip(time, rng.integers(0, 4, 60).tolist(), rng.integers(-1, 5, 60).tolist(), strict=True))
    for request in history:
        policy.seen(*request)
    now = history[-1][0] + 50
    for model in range(4):
        expected = brute_saving_rate(models, history, now, model)
        assert policy.saving_rate(model, now, 0.0) == pytest.approx(expected, rel=1e-9)
        assert policy.saving_rate(model, now, 20.0) < expected


def test_cost_aware_minds_the_time_of_a_load():
    """What will hardly be wanted any more once it is loaded stays in the cloud."""

    def loads(load_s):
        models = models_of([1, 1], load_s=[0, load_s])
        chunk = chunk_of([0] * 8 + [1] * 9, np.arange(17) * 2.0, user=[0] * 8 + [1] * 9)
        return 1 in [chunk.model[i] for i in server_of("cost-aware", models, 1000, chunk).serve(chunk).loaded]

    assert loads(0.0)
    assert not loads(3600.0)


def test_popularity_needs_a_clear_lead():
    models = models_of([1, 1])
    policy = Popularity(models)
    for time, model in ((0, 0), (1, 0), (2, 1)):
        policy.seen(time, model, 0)
    idle = Idle(models.memory_mb)
    idle.load(0, until=0)
    idle.advance(2)
    assert policy.choose(2, 1, idle, 1000) is None
    for _ in range(3):
        policy.seen(2, 1, 0)
    assert policy.choose(2, 1, idle, 1000) == [0]


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
