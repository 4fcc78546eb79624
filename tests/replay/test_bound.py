"""The bounds' programme is linear in the trace, and says what a plain one of quadratic size says."""

import os
import signal
import time as clock
from typing import NamedTuple

import numpy as np
import pytest
from scipy.optimize import linprog

from genedge.edge.schedulers.foreseeing import WholeTrace
from genedge.replay.bound import _programme, most_saved


class Takes(NamedTuple):
    """What models take, by number."""

    memory_mb: list[int]
    load_s: list[float]


def models_of(memory_gb, load_s):
    return Takes([max(round(gb * 1000), 1) for gb in memory_gb], [float(load) for load in load_s])


def plain_bound(time, model, worth, memory_mb, models, first):
    """The relaxation written down request by request, each load under way by name, with a dense matrix."""
    n, size, load_s = len(time), models.memory_mb, models.load_s
    names, rows = {}, []  # A row: coefficients by name, lower, upper.

    def previous(j):
        return next((i for i in range(j - 1, -1, -1) if model[i] == model[j]), None)

    for j in range(n):
        if size[model[j]] > memory_mb:
            continue
        i = previous(j)
        if i is not None or not first:
            names["kept", j] = 1.0  # From the request before, or the window's begin, until j.
            under_way = []
            while i is not None and time[i] + load_s[model[i]] > time[j]:
                under_way.append(("load", i))
                i = previous(i)
            names["hit", j] = worth[j]
            rows.append(({("hit", j): 1.0, ("kept", j): -1.0} | dict.fromkeys(under_way, 1.0), -np.inf, 0.0))
        after = next((k for k in range(j + 1, n) if model[k] == model[j]), None)
        if after is not None:
            names["load", j] = 0.0
            start = {("load", j): 1.0, ("kept", after): -1.0}
            rows.append((start | ({("kept", j): 1.0} if ("kept", j) in names else {}), 0.0, np.inf))
    worths = [worth[j] if kind == "hit" else 0.0 for kind, j in names]
    for j in range(n + 1):  # Over the gap before request j, what is kept fits.
        held = {}
        for kind, k in names:
            if kind == "kept" and k >= j and (previous(k) is None or previous(k) < j):
                held[kind, k] = size[model[k]] / max(memory_mb, 1)
        rows.append((held, -np.inf, 1.0))
    if not names:
        return 0.0
    matrix = np.array([[row.get(name, 0.0) for name in names] for row, _, _ in rows])
    lower, upper = (np.array([row[side] for row in rows]) for side in (1, 2))
    above, below = np.isfinite(upper), np.isfinite(lower)
    solved = linprog(
        -np.array(worths),
        np.concatenate([matrix[above], -matrix[below]]),
        np.concatenate([upper[above], -lower[below]]),
        bounds=(0, 1),
    )
    return -solved.fun


@pytest.mark.parametrize("first", [True, False])
def test_the_bound_is_that_of_the_plain_programme(first):
    rng = np.random.default_rng(first)
    some = 0.0
    for _ in range(150):
        count, n = int(rng.integers(1, 5)), int(rng.integers(1, 40))
        models = models_of(rng.choice([1, 2, 3, 1.234], count), rng.choice([0, 1, 2.5, 10, 1e6], count))
        time = np.cumsum(rng.choice([0, 0, 0.1, 0.5, 1, 3], n))
        model, worth = rng.integers(0, count, n), rng.choice([0, 1, 1.2, 2], n)
        memory_mb = int(rng.choice([0, 1000, 2500, 4000, 6000]))
        sizes, loads = np.array(models.memory_mb, float), np.array(models.load_s)
        ours = _programme(time, model, worth, memory_mb, sizes, loads, first).solve(quiet)
        assert ours.total == pytest.approx(plain_bound(time, model, worth, memory_mb, models, first), abs=1e-9)
        assert ours.course @ worth == pytest.approx(ours.total, abs=1e-6)
        some += ours.total
    assert some > 300


def quiet(*_):
    pass


@pytest.mark.parametrize("case", ["one model, all under way", "equal times", "loads of days"])
def test_a_programme_grows_with_the_trace_and_no_faster(case):
    """20,000 requests, of which up to 20,000 loads are under way at once."""
    n = 20_000
    count = 1 if case.startswith("one") else 3
    models = models_of([4.0] * count, [1e6 if case == "loads of days" else 22.5] * count)
    time = np.zeros(n) if case == "equal times" else np.arange(n) / 100
    model = np.arange(n) % count
    sizes, loads = np.array(models.memory_mb, float), np.array(models.load_s)
    programme = _programme(time, model, np.ones(n), 8000, sizes, loads, True)
    assert programme.worth.size < 5 * n + 10
    assert programme.lower.size < 5 * n + 10
    assert programme.value.size < 20 * n
    assert np.abs(programme.value).max() <= 1


def test_prices_of_any_kind_make_a_bound(monkeypatch):
    """The certificate does not believe the solver: wrong prices loosen the bound, and never break it."""
    import highspy

    models = models_of([2, 1, 3], [1.0, 2.5, 0.0])
    rng = np.random.default_rng(2)
    time, model = np.cumsum(rng.choice([0, 0.5, 2], 60)), rng.integers(0, 3, 60)
    requests, worth = WholeTrace(time, model, np.ones(60), ()), np.ones(60)
    honest = most_saved(requests, worth, 4000, *models, quiet)
    solution = highspy.Highs.getSolution

    def wrong(self):
        found = solution(self)
        found.row_dual = np.array(found.row_dual) + rng.normal(0, 0.1, len(found.row_dual))
        return found

    monkeypatch.setattr(highspy.Highs, "getSolution", wrong)
    for _ in range(20):
        assert most_saved(requests, worth, 4000, *models, quiet).total >= honest.total - 1e-9


def test_ctrl_c_ends_the_solver():
    """On a programme that takes it minutes; the steps that it has made by then were told."""
    n, told = 20_000, []
    rng = np.random.default_rng(0)
    models = models_of(rng.integers(2, 8, 50), [22.5] * 50)
    model = np.minimum(rng.zipf(1.3, n), 50) - 1
    requests = WholeTrace(np.arange(n) / 100, model, np.ones(n), ())

    def interrupt(done, steps):
        told.append((done, steps))
        if steps > 0:
            os.kill(os.getpid(), signal.SIGINT)

    # Tests that run in the background may have been told to ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    begin = clock.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            most_saved(requests, np.ones(n), 12_000, *models, interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert clock.monotonic() - begin < 30
    assert all(done == 0 for done, _ in told)
