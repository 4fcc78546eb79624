"""What no policy could exceed: certified bounds on hits and on saved delay, from a relaxation and its dual.

Between two requests for a model, a policy either keeps it all the time or not: a variable from 0 to 1, whose models
must fit into memory together. A request hits at most as far as its model was kept since the one before. With load
times, every stretch of keeping begins with a load at a request that misses, and the requests that come before the
load is done miss as well. Every policy's run is such a choice (models that are busy cannot be given up, which only
takes choices away), so the maximum over fractions bounds all of them. HiGHS solves the linear programme; the bound
that is reported is computed from its dual values in NumPy, and holds whatever they are.
"""

from collections.abc import Callable
from typing import NamedTuple

import highspy
import numpy as np
from jaxtyping import Float, Int

from genedge.replay.belady import NEVER, Requests, neighbours
from genedge.replay.catalogue import Models
from genedge.solver import quiet_solver

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
    requests: Requests,
    worth: Float[np.ndarray, "n"],
    memory_mb: int,
    models: Models,
    load_free: bool,
    report: Callable[[int], None],
    window: int = WINDOW,
) -> Bound:
    """The most that hits can be worth.

    Args:
        requests: the whole trace.
        worth: of a hit at each request, not negative: ones count hits, `saved_s` counts saved delay.
        memory_mb: for models.
        models: sizes and load times.
        load_free: whether loads take no time.
        report: told how many requests are done.
        window: how many requests are bounded together.
    """
    size = np.array(models.memory_mb, float)
    load_s = np.zeros(size.size) if load_free else np.array(models.load_s)
    total, course = 0.0, np.zeros(worth.size)
    for start in range(0, worth.size, window):
        part = slice(start, min(start + window, worth.size))
        programme = _programme(
            requests.time[part], requests.model[part], worth[part], memory_mb, size, load_s, first=start == 0
        )
        bound = programme.solve()
        total += bound.total
        course[part] = bound.course
        report(part.stop)
    # Sums of thousands of terms in float64 are off by less than this.
    return Bound(total * (1 + 1e-9), course)


class _Programme(NamedTuple):
    """max worth·x over lower ≤ A x ≤ upper, 0 ≤ x ≤ most; A by columns' entries in rows.

    Attributes:
        worth: of each variable.
        most: of each variable; the least is 0.
        lower: of each row.
        upper: of each row.
        start: where each row's entries begin, and the end of the last.
        column: variable of each entry.
        value: of each entry.
        hit: the variable that is the hit of each request, −1 where it cannot hit.
    """

    worth: Float[np.ndarray, "v"]
    most: Float[np.ndarray, "v"]
    lower: Float[np.ndarray, "r"]
    upper: Float[np.ndarray, "r"]
    start: Int[np.ndarray, "r+1"]
    column: Int[np.ndarray, "e"]
    value: Float[np.ndarray, "e"]
    hit: Int[np.ndarray, "n"]

    def solve(self) -> Bound:
        """Solves it, and certifies the value by weak duality."""
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = self.worth.size, self.lower.size
        lp.col_cost_, lp.sense_ = self.worth, highspy.ObjSense.kMaximize
        lp.col_lower_, lp.col_upper_ = np.zeros(self.worth.size), self.most
        lp.row_lower_, lp.row_upper_ = self.lower, self.upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = self.start, self.column, self.value
        highs = quiet_solver()
        highs.passModel(lp)
        highs.run()
        solution = highs.getSolution()
        x = np.array(solution.col_value) if solution.value_valid else np.zeros(self.worth.size)
        price = np.array(solution.row_dual) if solution.dual_valid else np.zeros(self.lower.size)
        # For any prices whose unbounded sides are at zero: worth·x ≤ max over rows of price·row + max over boxes.
        price = np.where(np.isinf(self.upper), np.minimum(price, 0), price)
        price = np.where(np.isinf(self.lower), np.maximum(price, 0), price)
        rows = np.where(price > 0, self.upper, np.where(price < 0, self.lower, 0.0)) * price
        row_of = np.repeat(np.arange(self.lower.size), np.diff(self.start))
        charged = np.bincount(self.column, self.value * price[row_of], self.worth.size)
        total = float(rows.sum() + (np.maximum(self.worth - charged, 0) * self.most).sum())
        can = self.hit >= 0
        course = np.zeros(self.hit.size)
        course[can] = x[self.hit[can]]
        return Bound(total, course)


def _programme(
    time: Float[np.ndarray, "n"],
    model: Int[np.ndarray, "n"],
    worth: Float[np.ndarray, "n"],
    memory_mb: int,
    size: Float[np.ndarray, "M"],
    load_s: Float[np.ndarray, "M"],
    first: bool,
) -> _Programme:
    """The relaxation for one window.

    Variables: keep[i], from request i to the next for its model; before[m], from the window's begin to the first
    request for m (not in the first window: it begins with an empty server); used[i], memory kept over the gap after
    request i, in units of the memory; load[i], a load at i; hit[j], only where a load can be under way.
    """
    n = time.size
    prev, after = neighbours(model)
    unit = size / max(memory_mb, 1)
    keepable = (after != NEVER) & (size[model] <= memory_mb)
    opening = np.flatnonzero((prev < 0) & (size[model] <= memory_mb)) if not first else np.zeros(0, np.int64)
    costs: list[float] = []
    most: list[float] = []

    def variables(count: int, worths: np.ndarray, largest: float) -> np.ndarray:
        at = np.arange(len(costs), len(costs) + count)
        costs.extend(worths.tolist())
        most.extend([largest] * count)
        return at

    keep = np.full(n, -1, np.int64)
    keep[keepable] = variables(int(keepable.sum()), np.zeros(int(keepable.sum())), 1.0)
    since = np.full(n, -1, np.int64)  # The variable that says whether the model was kept until request j.
    since[prev >= 0] = keep[prev[prev >= 0]]
    since[opening] = variables(opening.size, np.zeros(opening.size), 1.0)
    used = variables(n + 1, np.zeros(n + 1), 1.0)
    rows: list[tuple[float, float, list[int], list[float]]] = []
    begin = [int(used[0]), *since[opening].tolist()]
    rows.append((0.0, 0.0, begin, [1.0, *(-unit[model[opening]]).tolist()]))
    hit = since.copy()
    load = np.full(n, -1, np.int64)
    slow = keepable & (load_s[model] > 0)
    load[slow] = variables(int(slow.sum()), np.zeros(int(slow.sum())), 1.0)
    for j in range(n):
        m = model[j]
        index, value = [int(used[j + 1]), int(used[j])], [1.0, -1.0]
        if since[j] >= 0:
            index.append(int(since[j]))
            value.append(float(unit[m]))
        if keep[j] >= 0:
            index.append(int(keep[j]))
            value.append(-float(unit[m]))
        rows.append((0.0, 0.0, index, value))
        if load[j] >= 0:
            index, value = [int(load[j]), int(keep[j])], [1.0, -1.0]
            if since[j] >= 0:
                index.append(int(since[j]))
                value.append(1.0)
            rows.append((0.0, np.inf, index, value))
        if since[j] < 0:
            continue
        i, under_way = prev[j], []
        while i >= 0 and time[i] + load_s[m] > time[j]:
            under_way.append(int(load[i]))
            i = prev[i]
        if under_way:
            (hit[j],) = variables(1, np.zeros(1), 1.0)
            rows.append(
                (-np.inf, 0.0, [int(hit[j]), int(since[j]), *under_way], [1.0, -1.0] + [1.0] * len(under_way))
            )
        costs[hit[j]] += float(worth[j])
    lengths = [len(row[2]) for row in rows]
    return _Programme(
        np.array(costs),
        np.array(most),
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        np.array([i for row in rows for i in row[2]], np.int32),
        np.array([v for row in rows for v in row[3]]),
        hit,
    )
