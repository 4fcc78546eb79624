"""Evictions that know the whole trace. They are not to be used, but show what there was to gain."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.scheduler import View
from genedge.edge.schedulers.eviction import miss_s
from genedge.edge.schedulers.evictions import Ranked, Scanned
from genedge.edge.schedulers.knapsack import most_worth

NEVER = np.iinfo(np.int64).max


class WholeTrace(NamedTuple):
    """A whole trace in memory, for whoever looks ahead.

    Attributes:
        time: [s].
        model: number of the model.
        saved_s: what a hit saves [s].
        names: of the models.
    """

    time: Float[np.ndarray, "n"]
    model: Int[np.ndarray, "n"]
    saved_s: Float[np.ndarray, "n"]
    names: Sequence[str]


def neighbours(model: Int[np.ndarray, "n"]) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Of each request, the one before and the next for the same model.

    Args:
        model: asked for.

    Returns:
        Indices: the one before, −1 if there is none; the next, `NEVER` if there is none.
    """
    before = np.full(model.size, -1, np.int64)
    after = np.full(model.size, NEVER, np.int64)
    order = np.argsort(model, kind="stable")
    same = model[order[1:]] == model[order[:-1]]
    before[order[1:][same]] = order[:-1][same]
    after[order[:-1][same]] = order[1:][same]
    return before, after


class Belady(Scanned):
    """Gives up what is needed latest, times its size; loads what is worth more than all that must go.

    With equal models whose loads take no time nobody who loads on a miss, and may leave it, has more hits. With
    unequal ones it is no bound.
    """

    name = "belady"

    def __init__(self, models: Mapping[str, Model], box: Box, whole: WholeTrace) -> None:
        """An eviction that knows the whole trace.

        Args:
            models: what each takes.
            box: what it is for.
            whole: the trace, whose requests are numbered in its order.
        """
        super().__init__(models)
        known, first = np.unique(whole.model, return_index=True)
        self._after: list[int] = neighbours(whole.model)[1].tolist()
        self._next = {whole.names[m]: int(i) for m, i in zip(known, first, strict=True)}
        self._now = -1

    def asked(self, now: float, request: Request) -> None:
        """Looks up when the model is needed again."""
        self._now = request.number
        self._next[request.model] = self._after[request.number]

    def value(self, now: float, model: str, view: View) -> float:
        """The more, the sooner it is needed and the smaller it is; most of all if somebody waits for it."""
        return 0.0 if model in view.waiting else self._worth(model)

    def admits(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        """If it is needed again, and is worth more than each that must go."""
        if self._next[model] == NEVER:
            return False
        return all(self._worth(model) > self.value(now, victim, view) for victim in victims)

    def _worth(self, model: str) -> float:
        return -float(self._next.get(model, NEVER) - self._now) * self._models[model].memory_mb


def saved_if_held(models: Mapping[str, Model], whole: WholeTrace) -> Float[np.ndarray, "M"]:
    """What hits on each model save in the whole trace if it is loaded at its first request and never given up [s].

    That request misses, as do those that come while it loads.

    Args:
        models: their load times.
        whole: the trace.
    """
    known, first = np.unique(whole.model, return_index=True)
    ready = np.full(len(whole.names), np.inf)
    ready[known] = whole.time[first] + np.array([models[name].load_s for name in whole.names])[known]
    hit = whole.time >= ready[whole.model]
    hit[first] = False
    return np.bincount(whole.model[hit], whole.saved_s[hit], ready.size)


class Static(Ranked):
    """Holds the models that together save the most over the whole trace and fit; where it must, others go first.

    Attributes:
        held: the models, that which saves most first.
    """

    name = "static"

    def __init__(self, models: Mapping[str, Model], box: Box, whole: WholeTrace) -> None:
        """An eviction that knows the whole trace.

        Args:
            models: what each takes.
            box: for models, all its memory together counts.
            whole: the trace.
        """
        super().__init__(models)
        sizes = np.array([models[name].memory_mb for name in whole.names])
        best = most_worth(saved_if_held(models, whole), sizes, sum(box.gpus))
        self.held = tuple(whole.names[m] for m in best)
        self._held = {name: len(best) - i for i, name in enumerate(self.held)}

    def value(self, model: str, view: View) -> int:
        """Its place among those that are held; others have none."""
        return self._held.get(model, 0)

    def admits(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        """If it is to be held."""
        return model in self._held


class Forecast(Scanned):
    """Is told how often each model is asked for in the whole trace, but not when; or how often now, time and again.

    It gives up the least of that, times the cost of a miss, for its size; a model is worth loading if it is worth
    clearly more than all that must go.
    """

    name = "forecast"

    def __init__(
        self, models: Mapping[str, Model], box: Box, whole: WholeTrace, hysteresis: float, horizon_s: float | None
    ) -> None:
        """An eviction that knows the whole trace.

        Args:
            models: what each takes.
            box: what it is for.
            whole: the trace.
            hysteresis: how many times what must go a model must be worth to be loaded, where it may be left.
            horizon_s: for how long what is told holds, the time of a load included; None for good [s].
        """
        super().__init__(models)
        self._hysteresis, self._horizon_s = hysteresis, horizon_s
        counts = np.bincount(whole.model, minlength=len(whole.names)).tolist()
        self._often: Mapping[str, float] = dict(zip(whole.names, counts, strict=True))

    def told(self, often: Mapping[str, float]) -> None:
        """Is told anew.

        Args:
            often: how often each model is asked for, compared with the others.
        """
        self._often = often

    def value(self, now: float, model: str, view: View) -> float:
        """What is lost without it, for its memory."""
        return self._worth(model, view) / self._models[model].memory_mb

    def admits(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        """If it is worth clearly more than all that must go, in the time that is left when it is loaded."""
        if not victims:
            return True
        lost = sum(self._worth(victim, view) for victim in victims)
        left = 1.0 if self._horizon_s is None else max(1 - view.load_s(model) / self._horizon_s, 0.0)
        return left * self._worth(model, view) > self._hysteresis * lost

    def _worth(self, model: str, view: View) -> float:
        return self._often.get(model, 0.0) * miss_s(model, view)
