"""Policies that know the whole trace. They are no policies to use, but show what there was to gain."""

from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from genedge.replay.catalogue import TraceModels
from genedge.replay.idle import Idle
from genedge.replay.knapsack import most_worth
from genedge.replay.policies import Victims

NEVER = np.iinfo(np.int64).max


class WholeTrace(NamedTuple):
    """A whole trace in memory, for whoever looks ahead.

    Attributes:
        time: [s].
        model: number of the model.
        saved_s: what a hit saves [s].
    """

    time: Float[np.ndarray, "n"]
    model: Int[np.ndarray, "n"]
    saved_s: Float[np.ndarray, "n"]


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


class Belady:
    """Gives up what is needed latest, the model asked for included: then it is bypassed.

    With equal models whose loads take no time no policy that loads on a miss has more hits. With unequal ones it
    ranks by memory times distance to the next request, and is no bound.
    """

    def __init__(self, models: TraceModels, requests: WholeTrace) -> None:
        self._models = models
        self._after = iter(neighbours(requests.model)[1].tolist())
        self._next: dict[int, int] = {}
        self._now = -1

    def seen(self, time: float, model: int, user: int) -> None:
        """Looks up when the model is needed again."""
        self._now += 1
        self._next[model] = next(self._after)

    def choose(self, time: float, model: int, idle: Idle, need_mb: int) -> Victims:
        """Loads if the model is worth more than what must go."""
        if self._next[model] == NEVER:
            return None
        victims = idle.least_now(need_mb, self._value)
        if not victims:
            return victims
        return victims if all(self._value(model) > self._value(victim) for victim in victims) else None

    def _value(self, model: int) -> float:
        return -float(self._next[model] - self._now) * self._models.memory_mb[model]


def saved_if_held(models: TraceModels, requests: WholeTrace) -> Float[np.ndarray, "M"]:
    """What hits on each model save in the whole trace if it is loaded at its first request and never given up [s].

    That request misses, as do those that come while it loads.

    Args:
        models: their load times.
        requests: the whole trace.
    """
    known, first = np.unique(requests.model, return_index=True)
    ready = np.full(len(models.names), np.inf)
    ready[known] = requests.time[first] + np.array(models.load_s)[known]
    hit = requests.time >= ready[requests.model]
    hit[first] = False
    return np.bincount(requests.model[hit], requests.saved_s[hit], ready.size)


class Static:
    """Holds the models that together save the most over the whole trace and fit, and never gives one up.

    Attributes:
        held: the models, that which saves most first.
    """

    def __init__(self, models: TraceModels, requests: WholeTrace, memory_mb: int) -> None:
        self.held = most_worth(saved_if_held(models, requests), np.array(models.memory_mb), memory_mb)
        self._held = frozenset(self.held)

    def seen(self, time: float, model: int, user: int) -> None:
        """Knew it all before."""

    def choose(self, time: float, model: int, idle: Idle, need_mb: int) -> Victims:
        """Loads what it holds at the first request for it."""
        return [] if model in self._held else None


def most_hits_of_equal(requests: WholeTrace, places: int) -> Bool[np.ndarray, "n"]:
    """Which requests hit under Belady's rule with bypass, for equal models that load in no time.

    Args:
        requests: the whole trace.
        places: how many models fit.
    """
    hit = np.zeros(requests.model.size, bool)
    if places == 0:
        return hit
    needed: dict[int, int] = {}  # Of each model held, when it is needed again.
    latest: list[tuple[int, int]] = []  # The same in a heap, latest first, with what was true before.
    after = neighbours(requests.model)[1].tolist()
    for i, model in enumerate(requests.model.tolist()):
        hit[i] = model in needed
        needed[model] = after[i]
        heappush(latest, (-after[i], model))
        if len(needed) > places:
            while needed.get(latest[0][1]) != -latest[0][0]:
                heappop(latest)
            del needed[heappop(latest)[1]]
    return hit
