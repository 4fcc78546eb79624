"""What nobody who loads on demand could go below: a linear programme of loads and memory, on top of generating.

On demand means that a model is loaded only while somebody waits for it. Then a request comes to a model that was
kept since the request before, or it waits for a load that begins no sooner than it comes, or the request before
waits too, and one load serves both. What is kept must fit into memory together, beside the model that generates.

With one GPU, on which nothing is generated while it loads, that comes on top of what generating alone takes:

1. Cut the loads out of time. What is left is a schedule without loads, of requests that come closer together, and
   its delays are no less than those of the shortest remaining time first at the requests' own times.
2. What was cut out is, for each load, at least the time that those waited for it who waited.
3. A request that waits v besides may be taken out of 1. Without it, the shortest remaining time first loses at most
   what it would wait as the last of its busy period, to its end. So it costs what v is beyond that: `spare_s`.

Else requests are taken one by one: their own generation, and all of what they wait.

Requests for one model count here as if they began in the order in which they came: when so many have begun is all
that matters, and the sum of max(wait − spare, 0) is least in that order, where `spare_s` grows along it.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from genedge.edge.schedulers.foreseeing import NEVER, neighbours
from genedge.replay.linear import Least


class Demand(NamedTuple):
    """Requests that a box serves.

    Attributes:
        time: when they come, in order [s].
        model: of each, by number.
        spare_s: how long each may wait, besides for loads of its model, and add nothing [s].
    """

    time: Float[np.ndarray, "n"]
    model: Int[np.ndarray, "n"]
    spare_s: Float[np.ndarray, "n"]


class Room(NamedTuple):
    """What a box has for them.

    Attributes:
        unit: what each model takes of each thing of which there is one in all: memory, places.
        serving: what it takes of these while it generates.
        load_s: the least that a load of each model takes [s].
        pinned: whether it never leaves.
        warm: whether it may be there before anybody asks for it.
    """

    unit: Float[np.ndarray, "r M"]
    serving: Float[np.ndarray, "r M"]
    load_s: Float[np.ndarray, "M"]
    pinned: Bool[np.ndarray, "M"]
    warm: Bool[np.ndarray, "M"]


class Grid(NamedTuple):
    """How finely waits are told apart. Any values bound; more of them bound better.

    Attributes:
        steps_s: waits, rising [s].
        soon_s: who waits less, besides for a load of its model, begins soon; no more than the last step [s].
        window: how many requests are bounded together.
    """

    steps_s: Float[np.ndarray, "i"]
    soon_s: float
    window: int


class _Before(NamedTuple):
    """What the windows before say of each model.

    Attributes:
        last: when it was asked for last; −∞ if never [s].
        spare_s: the most of its requests' [s].
    """

    last: Float[np.ndarray, "M"]
    spare_s: Float[np.ndarray, "M"]


def busy_until(time: Float[np.ndarray, "n"], own_s: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """When one GPU that never loads would next have nothing to do, whatever it does first [s].

    Args:
        time: when requests come, in order [s].
        own_s: how long each generates [s].

    Returns:
        For each request, the end of the time in which it comes.
    """
    ends = np.empty(time.size)
    now, begin = -np.inf, 0
    for k, (came, takes) in enumerate(zip(time.tolist(), own_s.tolist(), strict=True)):
        if came >= now:
            ends[begin:k] = now
            begin, now = k, came
        now += takes
    ends[begin:] = now
    return ends


def least_for_loads(demand: Demand, room: Room, grid: Grid, report: Callable[[int, int], None]) -> float:
    """The least that loads add to the sum of all delays [s].

    Args:
        demand: the requests.
        room: what there is for them.
        grid: how finely waits are told apart.
        report: told how many requests are done, and how many steps the solver has made on those that follow.
    """
    total, n = 0.0, demand.time.size
    before = _Before(np.full(room.load_s.size, -np.inf), np.zeros(room.load_s.size))
    for start in range(0, n, grid.window):
        part = slice(start, min(start + grid.window, n))
        window = Demand(*(each[part] for each in demand))
        total += _Window(window, room, grid, before).least.solve(partial(report, start))
        np.maximum.at(before.last, window.model, window.time)
        np.maximum.at(before.spare_s, window.model, window.spare_s)
        report(part.stop, 0)
    # Sums of thousands of terms in float64 are off by less than this.
    return max(total * (1 - 1e-9) - 1e-9, 0.0)


class _Window:
    """The programme of some requests in a row, linear in how many.

    Variables, from 0 to 1 but for the last: load[k], whether the model is loaded anew between the beginnings of the
    request before and k; absent[k, i], whether the model is absent when k comes, or as long after as step i says,
    and k still waits; loading[k], for what share of a load it waits; late[k], whether it begins later than soon;
    carried[k], for the first request for a model, whether somebody of a window before still waits for the model;
    keep, whether a model is kept over a stretch of time; over[k], what k's wait is beyond its spare.
    """

    def __init__(self, demand: Demand, room: Room, grid: Grid, before: _Before) -> None:
        self.least = Least()
        self._room, self._grid, self._before = room, grid, before
        self._began = demand.time[0]
        self._time, self._model = demand.time - self._began, demand.model
        previous, after = neighbours(demand.model)
        self._free = ~room.pinned[demand.model]
        self._load_s = room.load_s[demand.model]
        self._spare = _rising(demand.spare_s, demand.model)
        self._first = np.flatnonzero(self._free & (previous < 0))
        self._pair = np.flatnonzero(self._free & (after != NEVER))
        self._next = after[self._pair]
        self._gap = self._time[self._next] - self._time[self._pair]
        self._steps = self._steps_of()
        self._waits()
        self._opens()
        self._merges()
        self._keeps()

    def _steps_of(self) -> Float[np.ndarray, "n i"]:
        """Waits of each request that are told apart, rising from none; the time to the next one is among them."""
        steps, n = self._grid.steps_s, self._time.size
        to_next = np.full(n, 2 * steps[-1])
        to_next[self._pair] = self._gap
        return np.sort(np.column_stack([np.zeros(n), np.tile(steps, (n, 1)), to_next]), axis=1)

    def _waits(self) -> None:
        least, n, free = self.least, self._time.size, np.flatnonzero(self._free)
        later = (free.size, self._steps[0].size - 1)
        self._load = np.full(n, -1)
        self._load[free] = least.variables((free.size,), 0.0, 1.0)
        waits = self._absent = np.full(self._steps.shape, -1)
        waits[free, 0] = least.variables((free.size,), 0.0, 1.0)
        waits[free, 1:] = least.variables(later, 0.0, 1.0)
        least.rows((free.size,), 0.0, np.inf, (waits[free, 0], 1.0), (self._load[free], -1.0))
        least.rows(later, 0.0, np.inf, (waits[free, :-1], 1.0), (waits[free, 1:], -1.0))
        self._loading(free)
        beyond = np.maximum(self._steps - self._spare[:, None], 0)
        soon = np.maximum(self._grid.soon_s - self._spare, 0)
        self._late = least.variables((n,), 0.0, 1.0)
        over = least.variables((n,), 1.0, np.maximum(beyond[:, -1], soon))
        least.rows((n,), 0.0, np.inf, (over, 1.0), (self._late, -soon))
        row = least.rows((n,), 0.0, np.inf, (over, 1.0))
        least.enter(row[:, None], waits[:, 1:], -np.diff(beyond, axis=1))

    def _loading(self, free: Int[np.ndarray, "f"]) -> None:
        """Who waits while the model is absent waits for a whole load, who comes then for what is left of it.

        Whoever comes next begins no sooner, so it waits as long for loads, less the time between the two.
        """
        least, load_s = self.least, self._load_s
        waits = np.full(self._time.size, -1)
        waits[free] = least.variables((free.size,), load_s[free], 1.0)
        least.rows((free.size,), 0.0, np.inf, (waits[free], 1.0), (self._absent[free, 0], -1.0))
        soon = self._gap < load_s[self._pair]
        one, following = self._pair[soon], self._next[soon]
        share = self._gap[soon] / load_s[one]
        least.rows((one.size,), 0.0, np.inf, (waits[following], 1.0), (self._absent[one, 0], share - 1))
        least.rows((one.size,), -share, np.inf, (waits[following], 1.0), (waits[one], -1.0))

    def _opens(self) -> None:
        """A model that nobody asked for before must be loaded, unless it is warm.

        One of a window before may still wait for the model, and have it loaded before this one comes. Then the last
        of those waits at least since it came: more than was charged for it there, by what is charged here.
        """
        first, room = self._first, self._room
        model = self._model[first]
        last = self._before.last[model]
        new = first[np.isinf(last) & ~room.warm[model]]
        self.least.rows((new.size,), 1.0, np.inf, (self._load[new], 1.0))
        old = first[np.isfinite(last)]
        model = self._model[old]
        charged = np.maximum(2 * self._grid.steps_s[-1], self._before.spare_s[model]) + self._load_s[old]
        waited = self._began - self._before.last[model]
        self._carried = np.full(self._time.size, -1)
        self._carried[old] = self.least.variables((old.size,), np.maximum(waited - charged, 0), 1.0)

    def _merges(self) -> None:
        """Who waits for an absent model, and no load divides it from the one before: that one waits as long."""
        pair, following, steps = self._pair, self._next, self._steps
        until = self._gap[:, None] + steps[following]
        step = (steps[pair][:, None, :] <= until[:, :, None]).sum(axis=2) - 1
        self.least.rows(
            until.shape,
            0.0,
            np.inf,
            (self._absent[pair[:, None], step], 1.0),
            (self._absent[following], -1.0),
            (self._load[following, None], 1.0),
        )

    def _keeps(self) -> None:
        """Between two requests a model is kept, or the first still waits, or the second has it loaded."""
        pair, first, time = self._pair, self._first, self._time
        steps = self._steps[pair]
        of, step = np.nonzero(steps < self._gap[:, None])
        begins = time[pair[of]] + steps[of, step]
        ends = time[pair[of]] + np.column_stack([steps[:, 1:], np.full(pair.size, np.inf)])[of, step]
        following = self._next[of]
        keep = self.least.variables((of.size,), 0.0, 1.0)
        waits = self._absent[pair[of], step]
        load = self._load[following]
        self.least.rows((of.size,), 1.0, np.inf, (keep, 1.0), (load, 1.0), (waits, 1.0))
        opens = self.least.variables((first.size,), 0.0, 1.0)
        carried = self._carried[first]
        load = self._load[first]
        self.least.rows((first.size,), 1.0, np.inf, (opens, 1.0), (load, 1.0), (carried, 1.0))
        # A stretch of time holds the requests that come after it begins, and no later than it ends.
        begin = np.concatenate([np.searchsorted(time, begins, side="right"), np.zeros(first.size, int)])
        until = np.concatenate([ends, np.full(first.size, np.inf)])
        asked = np.concatenate([time[following], time[first]])
        model = np.concatenate([self._model[pair[of]], self._model[first]])
        everything = np.concatenate([keep, opens])
        # Who is not late has begun by then, and its model is in memory beside those that are kept as long.
        soon = self._grid.soon_s + self._load_s.max()
        for unit, serving in zip(self._room.unit, self._room.serving, strict=True):
            self._fit(begin, np.minimum(until, asked), everything, unit[model], np.zeros(time.size))
            self._fit(begin, np.minimum(until, asked - soon), everything, unit[model], serving[self._model])

    def _fit(
        self,
        begin: Int[np.ndarray, "v"],
        until: Float[np.ndarray, "v"],
        keep: Int[np.ndarray, "v"],
        unit: Float[np.ndarray, "v"],
        serving: Float[np.ndarray, "n"],
    ) -> None:
        """What is kept fits into memory, when each request comes, together with what serving it takes."""
        least, n = self.least, self._time.size
        end = np.searchsorted(self._time, until, side="right")
        used = least.variables((n,), 0.0, 1.0)
        row = least.rows((n,), 0.0, 0.0, (used, 1.0))
        least.enter(row[1:], used[:-1], -1.0)
        there = end > begin
        least.enter(row[begin[there]], keep[there], -unit[there])
        ends = there & (end < n)
        least.enter(row[end[ends]], keep[ends], unit[ends])
        if serving.any():
            least.rows((n,), -np.inf, 1.0 - serving, (used, 1.0), (self._late, -serving))


def _rising(spare_s: Float[np.ndarray, "n"], model: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """The most of each request's and of those before for its model."""
    most: dict[int, float] = {}
    rising = spare_s.copy()
    for k, m in enumerate(model.tolist()):
        rising[k] = most[m] = max(most.get(m, 0.0), float(rising[k]))
    return rising
