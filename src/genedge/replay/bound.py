"""What no policy could exceed: certified bounds on hits and on saved delay, from a relaxation and its dual.

Between two requests for a model, a policy either keeps it all the time or not: a variable from 0 to 1, whose models
must fit into memory together. A request hits at most as far as its model was kept since the one before. With load
times, every stretch of keeping begins with a load at a request that misses, and the requests that come before the
load is done miss as well. Every policy's run is such a choice (models that are busy cannot be given up, which only
takes choices away), so the maximum over fractions bounds all of them. HiGHS solves the linear programme; the bound
that is reported is computed from its dual values in NumPy, and holds whatever they are.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import highspy
import numpy as np
from jaxtyping import Bool, Float, Int

from genedge.edge.schedulers.foreseeing import NEVER, WholeTrace, neighbours
from genedge.highs import quiet_solver, run_watched

# Longer traces are cut into windows of this many requests. What is in memory when a window begins is then free to
# choose, and loaded: the bound still holds, and is a little looser.
WINDOW = 20_000


class Bound(NamedTuple):
    """An upper bound on a sum over requests.

    Attributes:
        total: no policy has more.
        course: the relaxation's optimum at each request; its sum is the total but for the
            solver's tolerance.
    """

    total: float
    course: Float[np.ndarray, "n"]


def most_saved(
    requests: WholeTrace,
    worth: Float[np.ndarray, "n"],
    memory_mb: int,
    size_mb: Sequence[int],
    load_s: Sequence[float] | None,
    report: Callable[[int, int], None],
    window: int = WINDOW,
) -> Bound:
    """The most that hits can be worth.

    Args:
        requests: the whole trace.
        worth: of a hit at each request, not negative: ones count hits, `saved_s` counts saved delay.
        memory_mb: for models.
        size_mb: of each model.
        load_s: time to load each; None if loads take no time [s].
        report: told how many requests are done, and how many steps the solver has made on those that follow.
        window: how many requests are bounded together.
    """
    size = np.array(size_mb, float)
    takes_s = np.zeros(size.size) if load_s is None else np.array(load_s)
    total, course = 0.0, np.zeros(worth.size)
    for start in range(0, worth.size, window):
        part = slice(start, min(start + window, worth.size))
        programme = _programme(
            requests.time[part], requests.model[part], worth[part], memory_mb, size, takes_s, first=start == 0
        )
        bound = programme.solve(partial(report, start))
        total += bound.total
        course[part] = bound.course
        report(part.stop, 0)
    # Sums of thousands of terms in float64 are off by less than this.
    return Bound(total * (1 + 1e-9), course)


class _Programme(NamedTuple):
    """max worth·x over lower ≤ A x ≤ upper, 0 ≤ x ≤ 1; A by columns' entries in rows.

    Attributes:
        worth: of each variable.
        lower: of each row.
        upper: of each row.
        start: where each row's entries begin, and the end of the last.
        column: variable of each entry.
        value: of each entry.
        hit: the variable that is the hit of each request, −1 where it cannot hit.
    """

    worth: Float[np.ndarray, "v"]
    lower: Float[np.ndarray, "r"]
    upper: Float[np.ndarray, "r"]
    start: Int[np.ndarray, "r+1"]
    column: Int[np.ndarray, "e"]
    value: Float[np.ndarray, "e"]
    hit: Int[np.ndarray, "n"]

    def solve(self, report: Callable[[int], None]) -> Bound:
        """Solves it, and certifies the value by weak duality.

        Args:
            report: told now and then how many steps the solver has made.
        """
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = self.worth.size, self.lower.size
        lp.col_cost_, lp.sense_ = self.worth, highspy.ObjSense.kMaximize
        lp.col_lower_, lp.col_upper_ = np.zeros(self.worth.size), np.ones(self.worth.size)
        lp.row_lower_, lp.row_upper_ = self.lower, self.upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = self.start, self.column, self.value
        highs = quiet_solver()
        highs.passModel(lp)
        run_watched(highs, report)
        solution = highs.getSolution()
        x = np.array(solution.col_value) if solution.value_valid else np.zeros(self.worth.size)
        price = np.array(solution.row_dual) if solution.dual_valid else np.zeros(self.lower.size)
        # For any prices whose unbounded sides are at zero: worth·x ≤ max over rows of price·row + max over boxes.
        price = np.where(np.isinf(self.upper), np.minimum(price, 0), price)
        price = np.where(np.isinf(self.lower), np.maximum(price, 0), price)
        rows = np.where(price > 0, self.upper, np.where(price < 0, self.lower, 0.0)) * price
        row_of = np.repeat(np.arange(self.lower.size), np.diff(self.start))
        charged = np.bincount(self.column, self.value * price[row_of], self.worth.size)
        total = float(rows.sum() + np.maximum(self.worth - charged, 0).sum())
        can = self.hit >= 0
        course = np.zeros(self.hit.size)
        course[can] = x[self.hit[can]]
        return Bound(total, course)


class _Rows:
    """A programme as it is written down: variables from 0 to 1, rows, and their entries."""

    def __init__(self) -> None:
        self._columns = self._count = 0
        self._bounds: list[tuple[int, float, float]] = []
        self._entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def variables(self, which: Bool[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
        """New variables, numbered where they are wanted; elsewhere −1."""
        number = np.where(which, self._columns + np.cumsum(which) - 1, -1)
        self._columns += int(which.sum())
        return number

    def add(self, which: Bool[np.ndarray, "n"], lower: float, upper: float) -> Int[np.ndarray, "n"]:
        """New rows, numbered where they are wanted; elsewhere −1."""
        number = np.where(which, self._count + np.cumsum(which) - 1, -1)
        self._count += int(which.sum())
        self._bounds.append((int(which.sum()), lower, upper))
        return number

    def enter(self, row: np.ndarray, column: np.ndarray, value: np.ndarray | float) -> None:
        """Writes entries, where there are both the row and the variable."""
        row, column, value = np.broadcast_arrays(row, column, value)
        there = (row >= 0) & (column >= 0)
        self._entries.append((row[there], column[there], value[there]))

    def programme(self, hit: Int[np.ndarray, "n"], worth: Float[np.ndarray, "n"]) -> _Programme:
        """All of it.

        Args:
            hit: the variable that is the hit of each request, −1 where it cannot hit.
            worth: of a hit at each request.
        """
        row, column, value = (np.concatenate(parts) for parts in zip(*self._entries, strict=True))
        order = np.argsort(row, kind="stable")
        lengths, lower, upper = zip(*self._bounds, strict=True)
        can = hit >= 0
        return _Programme(
            np.bincount(hit[can], worth[can], self._columns),
            np.repeat(lower, lengths),
            np.repeat(upper, lengths),
            np.concatenate([[0], np.cumsum(np.bincount(row, minlength=self._count))]).astype(np.int32),
            column[order].astype(np.int32),
            value[order],
            hit,
        )


def _oldest_under_way(
    time: Float[np.ndarray, "n"], model: Int[np.ndarray, "n"], load_s: Float[np.ndarray, "M"]
) -> Int[np.ndarray, "n"]:
    """Of each place, that of the first request for its model whose load would not be done; its own if all would.

    Args:
        time: in the order of models, and of time for each.
        model: likewise.
        load_s: of each model.
    """
    oldest = np.arange(time.size)
    begins = np.flatnonzero(np.diff(model, prepend=-1))
    for begin, end in zip(begins, [*begins[1:], time.size], strict=True):
        own = time[begin:end]
        done = own + load_s[model[begin]]
        oldest[begin:end] = np.minimum(begin + np.searchsorted(done, own, side="right"), oldest[begin:end])
    return oldest


def _programme(
    time: Float[np.ndarray, "n"],
    model: Int[np.ndarray, "n"],
    worth: Float[np.ndarray, "n"],
    memory_mb: int,
    size: Float[np.ndarray, "M"],
    load_s: Float[np.ndarray, "M"],
    first: bool,
) -> _Programme:
    """The relaxation for one window, linear in its requests.

    Variables: since[j], whether the model was kept from the request before to j, or from the window's begin (not in
    the first window: it begins with an empty server); used[i], memory kept over the gap before request i, in units
    of the memory; load[i], a load at i; loading[j], the loads under way at j, and hit[j], both only where there can
    be any.

    What is under way at a request is what was at the one before for the same model, and the load there, less those
    that are done since. A sum over all loads so far would be as short, but would grow with the trace, and the
    certificate's errors with it; these stay between 0 and 1 like every other variable.
    """
    n = time.size
    prev, after = neighbours(model)
    unit = size[model] / max(memory_mb, 1)
    fits = size[model] <= memory_mb
    keeps = fits & (after != NEVER)
    slow = keeps & (load_s[model] > 0)
    # Requests in the order of their models. Under way at a place are the loads from the oldest's place on.
    at = np.argsort(model, kind="stable")
    place = np.arange(n)
    oldest = _oldest_under_way(time[at], model[at], load_s)
    under_way = np.zeros(n, bool)
    under_way[at] = fits[at] & (oldest < place)

    rows = _Rows()
    since = rows.variables(fits if not first else fits & (prev >= 0))
    keep = np.where(keeps, since[np.where(keeps, after, 0)], -1)
    used = rows.variables(np.ones(n + 1, bool))
    load, loading, hits = rows.variables(slow), rows.variables(under_way), rows.variables(under_way)
    hit = np.where(under_way, hits, since)

    opens = np.flatnonzero((since >= 0) & (prev < 0))
    gap = rows.add(np.ones(n + 1, bool), 0.0, 0.0)
    rows.enter(gap, used, 1.0)
    rows.enter(gap[1:], used[:-1], -1.0)
    rows.enter(gap[0], since[opens], -unit[opens])
    rows.enter(gap[1:], since, unit)
    rows.enter(gap[1:], keep, -unit)

    begin = rows.add(slow, 0.0, np.inf)
    rows.enter(begin, load, 1.0)
    rows.enter(begin, keep, -1.0)
    rows.enter(begin, since, 1.0)

    course = rows.add(under_way, 0.0, 0.0)
    rows.enter(course, loading, 1.0)
    rows.enter(course[at[1:]], loading[at[:-1]], -1.0)
    rows.enter(course[at[1:]], load[at[:-1]], -1.0)
    done = np.searchsorted(oldest, place, side="right")  # Each load's first place where it is no more under way.
    ends = done < n
    rows.enter(course[at[done[ends]]], load[at[ends]], 1.0)

    late = rows.add(under_way, -np.inf, 0.0)
    rows.enter(late, hits, 1.0)
    rows.enter(late, since, -1.0)
    rows.enter(late, loading, 1.0)
    # Where all loads so far are under way nothing can hit. That follows, but the solver finds it step by step.
    begins = np.maximum.accumulate(np.where(prev[at] < 0, place, 0))
    early = np.zeros(n, bool)
    early[at] = first & (oldest <= begins)
    return rows.programme(hit, np.where(early & under_way, 0.0, worth))
