"""Evictions: what is given up for a model. One class each; it ranks what is in memory, and the least goes first."""

import math
from collections.abc import Collection, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.scheduler import View
from genedge.edge.schedulers.combined import Need

# Outdated entries that a heap may hold for each that counts, before they are thrown out.
MOST_OUTDATED = 4


class Ranked:
    """Ranks models by values that change only when something happens to a model.

    A heap for each GPU holds a value for each change. One that is not a model's newest, or of a model that is no
    longer there, is thrown away when it comes to the top, so that a change costs the logarithm of how many there
    are, and so does each victim.
    """

    def __init__(self, models: Mapping[str, Model]) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
        """
        self._models = models
        self._newest: list[dict[str, tuple[Any, int]]] = []
        self._heaps: list[list[tuple[Any, int, str]]] = []
        self._ticks = 0

    def asked(self, now: float, request: Request) -> None:
        """Of no account."""

    def came(self, now: float, gpu: int, model: str) -> None:
        """Is ranked from now on."""
        self.rank(now, gpu, model)

    def used(self, now: float, gpu: int, model: str) -> None:
        """Is ranked anew."""
        self.rank(now, gpu, model)

    def value(self, now: float, model: str) -> Any:
        """What a model is worth; of equal ones that goes first which was used least recently.

        Args:
            now: [s].
            model: its name.
        """
        raise NotImplementedError

    def rank(self, now: float, gpu: int, model: str) -> None:
        """Ranks a model.

        Args:
            now: [s].
            gpu: where it is.
            model: its name.
        """
        while len(self._heaps) <= gpu:
            self._heaps.append([])
            self._newest.append({})
        self._ticks += 1
        value, heap, newest = self.value(now, model), self._heaps[gpu], self._newest[gpu]
        newest[model] = value, self._ticks
        heappush(heap, (value, self._ticks, model))
        if len(heap) > MOST_OUTDATED * len(newest) + 64:
            heap[:] = [(value, tick, name) for name, (value, tick) in newest.items()]
            heapify(heap)

    def victims(
        self, now: float, gpu: int, model: str, need: Need, keep: Collection[str], view: View
    ) -> list[str] | None:
        """The least valued that make room; those to spare only if the others do not."""
        found = self._victims(gpu, need, {model, *keep}, view)
        if found is None and keep:
            found = self._victims(gpu, need, {model}, view)
        return found

    def _victims(self, gpu: int, need: Need, keep: set[str], view: View) -> list[str] | None:
        if gpu >= len(self._heaps):
            return None
        heap, newest, models = self._heaps[gpu], self._newest[gpu], self._models
        resident = view.gpus[gpu].resident
        need_mb, places = need
        found: list[str] = []
        looked_at = []
        while heap and (need_mb > 0 or places > 0):
            entry = heappop(heap)
            value, tick, model = entry
            if newest[model] != (value, tick) or model not in resident:
                continue
            looked_at.append(entry)
            if model in keep or view.kept(gpu, model):
                continue
            found.append(model)
            need_mb -= models[model].memory_mb
            places -= 1
        for entry in looked_at:
            heappush(heap, entry)
        return None if need_mb > 0 or places > 0 else found


class Lru(Ranked):
    """Gives up what was served least recently."""

    name = "lru"

    def value(self, now: float, model: str) -> int:
        """All alike, so that the time of use decides."""
        return 0


class Lfu(Ranked):
    """Gives up what was served least often since the start."""

    name = "lfu"

    def __init__(self, models: Mapping[str, Model]) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
        """
        super().__init__(models)
        self._served: dict[str, int] = {}

    def used(self, now: float, gpu: int, model: str) -> None:
        """Counts."""
        self._served[model] = self._served.get(model, 0) + 1
        self.rank(now, gpu, model)

    def value(self, now: float, model: str) -> int:
        """How often it was served."""
        return self._served.get(model, 0)


class ByName(Ranked):
    """Gives up the first by name, as a program does that sorts what has equal rights."""

    name = "by-name"

    def value(self, now: float, model: str) -> str:
        """Its name."""
        return model


class Smallest(Ranked):
    """Gives up the smallest."""

    name = "smallest"

    def value(self, now: float, model: str) -> int:
        """Its memory."""
        return self._models[model].memory_mb


class Kernel(NamedTuple):
    """One exponential in a rate of requests.

    Attributes:
        of_users: it counts the users whose last request was for the model, else the requests for the model.
        half_life_s: after which half is forgotten.
        weight: of the rate.
    """

    of_users: bool
    half_life_s: float
    weight: float


# Fitted on the first half of the public part of GenTD26: the mean over four random searches for the most hits.
KERNELS = (
    Kernel(False, 60.0, 0.019),
    Kernel(False, 180.0, 0.012),
    Kernel(False, 600.0, 0.04),
    Kernel(False, 1800.0, 0.012),
    Kernel(False, 21600.0, 0.11),
    Kernel(False, 86400.0, 0.16),
    Kernel(False, 172800.0, 0.31),
    Kernel(True, 60.0, 0.023),
    Kernel(True, 180.0, 0.1),
    Kernel(True, 600.0, 0.051),
    Kernel(True, 1800.0, 0.013),
    Kernel(True, 21600.0, 0.093),
    Kernel(True, 86400.0, 0.057),
)


class CostAware:
    """Ours: gives up what is missed least: expected requests times what loading it again takes, over its memory.

    The rate of requests for a model is a weighed sum of exponentials. Some count the requests for the model, the
    others the users whose last request was for it, for most of those who come back ask for their last model again.
    """

    name = "cost-aware"

    def __init__(self, models: Mapping[str, Model], kernels: tuple[Kernel, ...] = KERNELS) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
            kernels: of the rate.
        """
        self._models = models
        self._decay = [math.log(2) / kernel.half_life_s for kernel in kernels]
        self._weights = [kernel.weight * decay for kernel, decay in zip(kernels, self._decay, strict=True)]
        self._of_users = [i for i, kernel in enumerate(kernels) if kernel.of_users]
        self._of_models = [i for i, kernel in enumerate(kernels) if not kernel.of_users]
        self._counts: dict[str, list[float]] = {}
        self._when: dict[str, float] = {}
        self._last: dict[str, tuple[str, float]] = {}

    def asked(self, now: float, request: Request) -> None:
        """Adds the request to the model's counts, and moves the user from the last model to this one."""
        model, user = request.model, request.user
        counts = self._counted(model, now)
        for i in self._of_models:
            counts[i] += 1.0
        if not user:
            return
        before = self._last.get(user)
        self._last[user] = model, now
        if before is not None:
            left = self._counted(before[0], now)
            for i in self._of_users:
                left[i] = max(left[i] - math.exp(self._decay[i] * (before[1] - now)), 0.0)
        for i in self._of_users:
            counts[i] += 1.0

    def came(self, now: float, gpu: int, model: str) -> None:
        """Of no account."""

    def used(self, now: float, gpu: int, model: str) -> None:
        """Of no account."""

    def rate(self, model: str, now: float) -> float:
        """Expected requests for a model [1/s].

        Args:
            model: its name.
            now: [s].
        """
        counts = self._counts.get(model)
        if counts is None:
            return 0.0
        age = now - self._when[model]
        terms = zip(self._weights, counts, self._decay, strict=True)
        return sum(weight * count * math.exp(-decay * age) for weight, count, decay in terms)

    def victims(
        self, now: float, gpu: int, model: str, need: Need, keep: Collection[str], view: View
    ) -> list[str] | None:
        """Those of least expected loss for their memory; those to spare only if the others do not make room."""
        models = self._models
        ranking = sorted(
            (name in keep, self.rate(name, now) * models[name].load_s / models[name].memory_mb, i, name)
            for i, name in enumerate(view.gpus[gpu].resident)
            if name != model and not view.kept(gpu, name)
        )
        need_mb, places = need
        found = []
        for _, _, _, name in ranking:
            if need_mb <= 0 and places <= 0:
                break
            found.append(name)
            need_mb -= models[name].memory_mb
            places -= 1
        return None if need_mb > 0 or places > 0 else found

    def _counted(self, model: str, now: float) -> list[float]:
        counts = self._counts.get(model)
        if counts is None:
            counts = self._counts[model] = [0.0] * len(self._decay)
        elif (age := now - self._when[model]) > 0:
            for i, decay in enumerate(self._decay):
                counts[i] *= math.exp(-decay * age)
        self._when[model] = now
        return counts
