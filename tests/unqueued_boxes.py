"""Boxes in which nothing queues, for tests: models by letters, traces as columns, and a second, plain server."""

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from genedge.boxes.schedulers import scheduler_of
from genedge.edge.box import Box, Cloud
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.schedulers.foreseeing import WholeTrace
from genedge.edge.unqueued import Unqueued
from genedge.registry import named
from genedge.replay.side_by_side import SideBySide

LETTERS = "abcdefgh"
FORESEEING = [name for name, entry in named("eviction").items() if "foresees" in entry.traits]
ONLINE = [name for name in named("eviction") if name not in FORESEEING]


class Trace(NamedTuple):
    """Requests: times, letters of models, users, what each generates and saves [s]."""

    time: list[float]
    model: list[str]
    user: list[str]
    own_s: list[float]
    saved_s: list[float]

    @property
    def requests(self) -> list[Request]:
        columns = zip(*self, strict=True)
        return [Request(i, t, m, u, 1.0, own, saved) for i, (t, m, u, own, saved) in enumerate(columns)]

    def whole(self, models: dict[str, Model]) -> WholeTrace:
        names = list(models)
        numbers = np.array([names.index(m) for m in self.model])
        return WholeTrace(np.array(self.time, float), numbers, np.array(self.saved_s, float), names)


def letters_of(memory_gb, load_s=0.0) -> dict[str, Model]:
    """Models a, b, c, ... of these sizes and load times, a miss of which usually costs 1.2 s."""
    load_s = [load_s] * len(memory_gb) if np.isscalar(load_s) else load_s
    sizes = zip(LETTERS, memory_gb, load_s, strict=False)
    return {name: Model(name, round(gb * 1000), load, 1.0, 0.0, 0, 1.2) for name, gb, load in sizes}


def trace_of(model, time=None, user=None, own_s=0.0, saved_s=None) -> Trace:
    """A trace of letters, or of their numbers."""
    n = len(model)
    letters = [m if isinstance(m, str) else LETTERS[m] for m in model]
    time = [float(t) for t in (range(n) if time is None else time)]
    user = ["u"] * n if user is None else list(user)
    own = list(own_s) if isinstance(own_s, list) else [own_s] * n
    return Trace(time, letters, user, own, [1.0] * n if saved_s is None else list(saved_s))


def drive_of(name, models: dict[str, Model], memory_mb: int, trace: Trace, **more) -> SideBySide:
    """A box under an eviction, by name, or under a scheduler of its own."""
    box = Box(**{"gpus": (memory_mb,), "cloud": Cloud(0.0, 1.0), "queue": False, **more})
    scheduler: Any = scheduler_of(name, box, models, trace.whole(models)) if isinstance(name, str) else name
    return SideBySide(Unqueued(box, models, scheduler, trace.time[0]))


class Plain:
    """The same rules written a second time, plainly: no events, no heaps, all of the past looked at again.

    It serves the trace, and says which requests hit, and behind which their model is loaded.
    """

    def __init__(self, name: str, models: dict[str, Model], memory_mb: int, trace: Trace, kernels=(), most=1.2):
        self.name, self.models, self.memory_mb, self.trace = name, models, memory_mb, trace
        self.kernels, self.most = kernels, most
        self.ready, self.busy = (
            {},
            {},
        )  # In the order of loads: when each model serves, until when it does something.
        self.age, self.priority, self.since = 0.0, {}, {}
        self.close = False  # Whether two rates that were compared are as good as equal: rounding decides then.

    def serve(self) -> tuple[list[bool], list[int]]:
        hits, loaded = [], []
        for i, (time, model, own_s) in enumerate(zip(*self.trace[:2], self.trace.own_s, strict=True)):
            self.now, self.seen = time, i + 1
            self.since[model] = self.since.get(model, 0) + 1
            self.priority[model] = self.age + self.since[model] * self._miss(model) / self._mb(model)
            hit = self.ready.get(model, math.inf) <= time
            hits.append(hit)
            if hit:
                self.busy[model] = max(self.busy[model], time + own_s)
            elif model not in self.ready and self._mb(model) <= self.memory_mb and self._makes_room(model):
                self.ready[model] = self.busy[model] = time + self.models[model].load_s
                loaded.append(i)
        return hits, loaded

    def _makes_room(self, model: str) -> bool:
        idle = [m for m in self.ready if self.busy[m] <= self.now]
        need_mb = self._mb(model) + sum(map(self._mb, self.ready)) - self.memory_mb
        victims = []
        if self.kernels and need_mb > 0:
            rates = sorted(map(self._value, idle))
            self.close |= any(b - a <= 1e-9 * b for a, b in pairwise(rates))
        for victim in sorted(idle, key=self._value):
            if need_mb <= 0:
                break
            victims.append(victim)
            need_mb -= self._mb(victim)
        if need_mb > 0:
            self.since.pop(model)
            return False
        if not self._worth_it(model, victims):
            return False
        for victim in victims:
            self.age = max(self.age, self.priority[victim])
            for held in (self.ready, self.busy, self.since):
                held.pop(victim)
        return True

    def _mb(self, model: str) -> int:
        return self.models[model].memory_mb

    def _miss(self, model: str) -> float:
        return self.models[model].megabytes

    def _value(self, model: str):
        asked = [i for i in range(self.seen) if self.trace.model[i] == model]
        return {
            "lru": lambda: asked[-1],
            "lfu": lambda: len(asked),
            "gdsf": lambda: self.priority[model],
            "by-name": lambda: model,
            "smallest": lambda: self._mb(model),
            "popularity": lambda: self._rate(model, 0.0) / self._mb(model),
            "cost-aware": lambda: self._rate(model, 0.0) * self._miss(model) / self._mb(model),
            "belady": lambda: -self._ahead(model) * self._mb(model),
            "forecast": lambda: self.trace.model.count(model) * self._miss(model) / self._mb(model),
        }.get(self.name, lambda: 0)()

    def _worth_it(self, model: str, victims: list[str]) -> bool:
        if self.name in ("popularity", "cost-aware", "forecast"):

            def worth(m: str, after_s: float = 0.0) -> float:
                if self.name == "forecast":
                    return self.trace.model.count(m)
                return self._rate(m, after_s)

            after_s = self.models[model].load_s if self.name == "cost-aware" else 0.0
            most = 1.0 if self.name == "forecast" else self.most
            return not victims or worth(model, after_s) > most * sum(worth(v) for v in victims)
        if self.name == "belady":
            worth_of = {m: -self._ahead(m) * self._mb(m) for m in (model, *victims)}
            return self._ahead(model) < math.inf and all(worth_of[model] > worth_of[v] for v in victims)
        return {"keep-forever": not victims, "cloud-only": False}.get(self.name, True)

    def _ahead(self, model: str) -> float:
        later = self.trace.model[self.seen :]
        return later.index(model) + 1 if model in later else math.inf

    def _rate(self, model: str, after_s: float) -> float:
        """From the whole past, without recursion."""
        last = {user: i for i, user in enumerate(self.trace.user[: self.seen]) if user}
        rate = 0.0
        for of_users, half_life_s, weight in self.kernels:
            counted = last.values() if of_users else range(self.seen)
            ages = [self.now + after_s - self.trace.time[i] for i in counted if self.trace.model[i] == model]
            rate += weight * math.log(2) / half_life_s * sum(2 ** (-age / half_life_s) for age in ages)
        return rate
