"""What nobody could go below, against everything that could be done."""

import itertools
import math

import numpy as np
import pytest
from edge_boxes import box_of, models_of
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge.boxes.load import load_box
from genedge.edge.request import Request
from genedge.edge.scheduler import Load, Serve
from genedge.edge.server import Server
from genedge.replay.exact import most_hits_of_sets
from genedge.replay.least import shortest_remaining_first
from genedge.replay.queueing import replay_queue
from genedge.replay.simulate import Open, simulate
from genedge.replay.trace import Row, write_trace


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), min_size=1, max_size=5))
def test_nobody_is_faster_than_shortest_remaining_first(jobs):
    """Against every order, jobs interrupted at whole seconds."""
    jobs.sort()
    found = shortest_remaining_first([t for t, _ in jobs], [float(s) for _, s in jobs])

    def least(now, left):
        there = [i for i, s in enumerate(left) if s and jobs[i][0] <= now]
        if not any(left):
            return 0
        if not there:
            return least(now + 1, left)
        waiting = len(there)
        best = math.inf
        # Of equal jobs it does not matter which.
        for i in {left[i]: i for i in there}.values():
            after = (*left[:i], left[i] - 1, *left[i + 1 :])
            best = min(best, memo(now + 1, after))
        return waiting + best

    cache = {}

    def memo(now, left):
        if (now, left) not in cache:
            cache[now, left] = least(now, left)
        return cache[now, left]

    assert found == pytest.approx(memo(0, tuple(s for _, s in jobs)))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=7),
    st.lists(st.integers(1, 5), min_size=4, max_size=4),
    st.integers(1, 9),
    st.booleans(),
)
def test_the_most_hits_of_sets_against_everything_that_could_be_held(asked, sizes, room, must_load):
    """Against all sets after all requests."""
    sets = [s for n in range(5) for s in itertools.combinations(range(4), n) if sum(sizes[m] for m in s) <= room]

    def may_follow(before, after, model):
        if not set(after) <= {*before, model}:
            return False
        return not must_load or model in after or sizes[model] > room

    best = {(): 0}
    for model in asked:
        following = {}
        for before, hits in best.items():
            for after in sets:
                if model in before and after == before:
                    following[after] = max(following.get(after, 0), hits + 1)
                elif model not in before and may_follow(before, after, model):
                    following[after] = max(following.get(after, 0), hits)
        best = following
    assert most_hits_of_sets(asked, sizes, room, must_load) == max(best.values())


# The GenTD26 box: 18 s and 0.04 s a step.
def replayed(path, rows):
    write_trace(path, rows, ["generation_s"])
    file = load_box("gentd26")
    return replay_queue(path, file, ["fifo+lru"], "fifo+lru", True, True, lambda *_: None), file


def test_measured_times_give_the_delays_their_tail(tmp_path):
    """Where nobody waits and nothing loads again, delays are what was measured."""
    measured = np.random.default_rng(0).lognormal(3, 0.7, 2000).round(1)
    rows = [Row(1000.0 * i, "a", "", 30, generation_s=float(s)) for i, s in enumerate(measured)]
    done, file = replayed(tmp_path / "t.csv", rows)
    told = done.as_json()["schedulers"]["fifo+lru"]
    alone = measured + np.r_[file.models["a"].load_s, np.zeros(1999)]
    assert told["mean_s"] == pytest.approx(alone.mean())
    for q in (50, 95, 99):
        assert told[f"p{q}_s"] == pytest.approx(np.percentile(alone, q, method="lower"), rel=0.02)
    assert told["parts"]["generation_s"] == pytest.approx(measured.mean())
    assert done.bounds.anybody_s == pytest.approx(measured.mean())
    # Three quarters of the steps take each request's own time down in the proportion of the model's.
    share = (18 + 0.04 * 22.5) / (18 + 0.04 * 30)
    assert done.as_json()["levers"]["steps"]["mean_s"] == pytest.approx(
        measured.mean() * share + (alone - measured).mean()
    )
    usual, _ = replayed(tmp_path / "t.csv", [row._replace(generation_s=None) for row in rows])
    assert usual.as_json()["schedulers"]["fifo+lru"]["p95_s"] == pytest.approx(18 + 0.04 * 30, rel=0.01)


class FewerSteps:
    """Half of the steps for everybody."""

    name = "fewer"

    def __init__(self):
        self.came = []

    def arrived(self, now, request):
        self.came.append(request)

    def cancelled(self, now, request): ...

    def finished(self, now, gpu, request, took_s): ...

    def loaded(self, now, gpu, model, took_s, failed): ...

    def next(self, now, gpu, view):
        request = self.came[0]
        if request.model not in view.gpus[gpu].resident:
            return Load(request.model)
        return Serve(self.came.pop(0), request.steps / 2)


@pytest.mark.parametrize(("measured", "takes"), [(30, 20), (60, 40), (6, 4), (0, 0)])
def test_fewer_steps_shorten_a_measured_time_in_proportion(measured, takes):
    models = models_of(m=(1, 0, 1, 10))  # 10 s and 1 s a step.
    done = []
    requests = [Request(0, 0.0, "m", "", 20, measured)]
    simulate(Server(box_of(4), models, FewerSteps()), Open(requests), done.append, lambda request: None)
    assert [d.delay_s for d in done] == [pytest.approx(takes)]


def test_a_model_that_takes_no_time_says_nothing_of_fewer_steps():
    model = models_of(m=(1, 0, 0, 0))["m"]
    assert model.with_steps_s(7, 20, 10) == 7
    assert model.with_steps_s(0, 20, 10) == 0
    model = models_of(m=(1, 0, 0.1, 1))["m"]
    assert model.with_steps_s(model.generation_s(30), 30, 7) == model.generation_s(7)
