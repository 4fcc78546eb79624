"""Policies for a server: one class each, told of requests as they come.

Those that know the future are in `belady`; every other one here sees nothing but the past, because nothing else is
handed to it.
"""

import math
from collections.abc import Sequence
from typing import Protocol

from genedge.edge.schedulers.evictions import KERNELS
from genedge.replay.catalogue import TraceModels
from genedge.replay.idle import Idle

Victims = Sequence[int] | None


class TracePolicy(Protocol):
    """Decides, after a miss, whether to load the model and what to give up for it."""

    def seen(self, time: float, model: int, user: int) -> None:
        """A request has come, hit or miss; times never fall.

        Args:
            time: [s].
            model: asked for.
            user: who asks.
        """
        ...

    def choose(self, time: float, model: int, idle: Idle, need_mb: int) -> Victims:
        """The request just seen was for a model that is not in memory.

        Args:
            time: [s].
            model: asked for.
            idle: the models in memory that may be given up, which finds those of least value.
            need_mb: how much memory to free for the model; zero or less if there is room.

        Returns:
            The models to give up for it, or None: do not load it.
        """
        ...


class Lru:
    """Gives up what was asked for least recently."""

    def __init__(self, models: TraceModels) -> None:
        del models
        self._last: dict[int, float] = {}
        self._count = 0

    def seen(self, time: float, model: int, user: int) -> None:
        """Notes the order of requests, which tells more than times that may be equal."""
        self._count += 1
        self._last[model] = self._count

    def choose(self, time: float, model: int, idle: Idle, need_mb: int) -> Victims:
        """Always loads if there can be room."""
        return idle.least(need_mb, self._last.__getitem__)


class Lfu:
    """Gives up what was asked for least often since the trace began."""

    def __init__(self, models: TraceModels) -> None:
        del models
        self._count: dict[int, int] = {}

    def seen(self, time: float, model: int, user: int) -> None:
        """Counts."""
        self._count[model] = self._count.get(model, 0) + 1

    def choose(self, time: float, model: int, idle: Idle, need_mb: int) -> Victims:
        """Always loads if there can be room."""
        return idle.least(need_mb, self._count.__getitem__)


class Gdsf:
    """Greedy-Dual-Size-Frequency (Cherkasova, 1998): requests while in memory times saving over size, ageing."""

    def __init__(self, models: TraceModels) -> None:
        self._models = models
        self._age = 0.0
        self._count: dict[int, int] = {}
        self._priority: dict[int, float] = {}

    def seen(self, time: float, model: int, user: int) -> None:
        """Renews the model's priority."""
        count = self._count[model] = self._count.get(model, 0) + 1
        models = self._models
        self._priority[model] = self._age + count * models.saving_s[model] / models.memory_mb[model]

    def choose(self, time: float, model: int, idle: Idle, need_mb: int) -> Victims:
        """Always loads if there can be room; what is given up starts anew, and ages all others."""
        victims = idle.least(need_mb, self._priority.__getitem__)
        if victims is None:
            del self._count[model]
            return None
        for victim in victims:
            self._age = max(self._age, self._priority[victim])
            del self._count[victim]
        return victims


class KeepForever:
    """Loads while there is room, and never gives anything up."""

    def __init__(self, models: TraceModels) -> None:
        del models

    def seen(self, time: float, model: int, user: int) -> None:
        """Learns nothing."""

    def choose(self, time: float, model: int, idle: Idle, need_mb: int) -> Victims:
        """Loads if there is room."""
        return [] if need_mb <= 0 else None


class CloudOnly:
    """Loads nothing: every request goes to the cloud."""

    def __init__(self, models: TraceModels) -> None:
        del models

    def seen(self, time: float, model: int, user: int) -> None:
        """Learns nothing."""

    def choose(self, time: float, model: int, idle: Idle, need_mb: int) -> Victims:
        """Never loads."""
        return None


class Popularity:
    """Exponentially weighted request rates over a short and a long half-life, with hysteresis.

    Tuned on the first half of the public part of GenTD26, with free loads.
    """

    HALF_LIVES_S = (60.0, 86400.0)
    WEIGHTS = (1.0, 10.0)
    HYSTERESIS = 1.2

    def __init__(self, models: TraceModels) -> None:
        self._models = models
        self._decay = [math.log(2) / half_life for half_life in self.HALF_LIVES_S]
        self._weights = [w * d for w, d in zip(self.WEIGHTS, self._decay, strict=True)]
        self._last: dict[int, float] = {}
        self._counts: dict[int, list[float]] = {}

    def seen(self, time: float, model: int, user: int) -> None:
        """Lets the model's counts decay, and adds one to each."""
        counts = self._counts.get(model)
        if counts is None:
            self._counts[model] = [1.0] * len(self._decay)
        else:
            age = time - self._last[model]
            for i, decay in enumerate(self._decay):
                counts[i] = counts[i] * math.exp(-decay * age) + 1.0
        self._last[model] = time

    def _rate(self, model: int, time: float) -> float:
        age = time - self._last[model]
        terms = zip(self._weights, self._counts[model], self._decay, strict=True)
        return sum(weight * count * math.exp(-decay * age) for weight, count, decay in terms)

    def choose(self, time: float, model: int, idle: Idle, need_mb: int) -> Victims:
        """Loads if the model's rate clearly exceeds that of what must go, both per memory and together."""
        size = self._models.memory_mb
        victims = idle.least_now(need_mb, lambda m: self._rate(m, time) / size[m])
        if not victims:
            return victims
        lost = sum(self._rate(victim, time) for victim in victims)
        return victims if self._rate(model, time) > self.HYSTERESIS * lost else None


class CostAware:
    """Ours: loads where the saving expected of the model, once loaded, clearly exceeds that of what must go.

    The rate of requests for a model is a weighed sum of exponentials. Some count the requests for the model, the
    others the users whose last request was for it, for most of those who come back ask for their last model again.
    The rate of a model that must be loaded is what is left of it when the load is done. Rates are weighed by the
    delay that a hit saves, and victims are those of least expected saving per memory.

    The weights were fitted on the first half of the public part of GenTD26, with free loads: the mean over four
    random searches for the most hits.
    """

    KERNELS = KERNELS
    HYSTERESIS = 1.2

    def __init__(self, models: TraceModels) -> None:
        self._models = models
        self._decay = [math.log(2) / kernel.half_life_s for kernel in self.KERNELS]
        self._weights = [kernel.weight * decay for kernel, decay in zip(self.KERNELS, self._decay, strict=True)]
        self._of_users = [i for i, kernel in enumerate(self.KERNELS) if kernel.of_users]
        self._of_models = [i for i, kernel in enumerate(self.KERNELS) if not kernel.of_users]
        self._counts: dict[int, list[float]] = {}
        self._when: dict[int, float] = {}
        self._last: dict[int, tuple[int, float]] = {}

    def counts(self, model: int, time: float) -> list[float]:
        """What each kernel counts of a model now.

        Args:
            model: any.
            time: now, not before the last request [s].
        """
        counts = self._counts.get(model)
        if counts is None:
            counts = self._counts[model] = [0.0] * len(self._decay)
        elif (age := time - self._when[model]) > 0:
            for i, decay in enumerate(self._decay):
                counts[i] *= math.exp(-decay * age)
        self._when[model] = time
        return counts

    def seen(self, time: float, model: int, user: int) -> None:
        """Adds the request to the model's counts, and moves the user from the last model to this one."""
        counts = self.counts(model, time)
        for i in self._of_models:
            counts[i] += 1.0
        if user < 0:
            return
        before = self._last.get(user)
        self._last[user] = model, time
        if before is not None:
            left = self.counts(before[0], time)
            for i in self._of_users:
                left[i] = max(left[i] - math.exp(self._decay[i] * (before[1] - time)), 0.0)
        for i in self._of_users:
            counts[i] += 1.0

    def saving_rate(self, model: int, time: float, after_s: float) -> float:
        """Delay that hits on the model are expected to save, `after_s` from now [s of delay per s].

        Args:
            model: one that was asked for.
            time: now [s].
            after_s: from now [s].
        """
        ahead = time + after_s - self._when[model]
        terms = zip(self._weights, self._counts[model], self._decay, strict=True)
        rate = sum(weight * count * math.exp(-decay * ahead) for weight, count, decay in terms)
        return rate * self._models.saving_s[model]

    def choose(self, time: float, model: int, idle: Idle, need_mb: int) -> Victims:
        """Loads if clearly more is expected to be saved, once it is loaded, than lost."""
        size = self._models.memory_mb
        victims = idle.least_now(need_mb, lambda m: self.saving_rate(m, time, 0.0) / size[m])
        if not victims:
            return victims
        lost = sum(self.saving_rate(victim, time, 0.0) for victim in victims)
        gained = self.saving_rate(model, time, self._models.load_s[model])
        return victims if gained > self.HYSTERESIS * lost else None
