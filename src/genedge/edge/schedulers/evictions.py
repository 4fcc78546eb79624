"""Evictions: what is given up for a model, one class each.

Where a cloud takes whoever misses, an eviction may also refuse to load; where there is none it has to give
something up. Those that know the whole trace are apart.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from heapq import heapify, heappop
from typing import Any, NamedTuple

from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.scheduler import View
from genedge.edge.schedulers.eviction import Eviction, Need, miss_s
from genedge.edge.schedulers.ranking import Ranking

# --- Worths that change only when something happens to a model


class Ranked(Eviction):
    """Gives up the least valued, by values that never fall while a model is in memory."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
        """
        super().__init__(models)
        self._rankings: dict[int, Ranking] = {}

    def value(self, model: str, view: View) -> Any:
        """What a model in memory is worth; of equal ones that goes first which came first.

        Args:
            model: its name.
            view: the box.
        """
        raise NotImplementedError

    def came(self, now: float, gpu: int, model: str) -> None:
        """Is ranked from now on."""
        if gpu not in self._rankings:
            self._rankings[gpu] = Ranking()
        self._rankings[gpu].came(model)

    def rests(self, now: float, gpu: int, model: str) -> None:
        """May be given up again."""
        ranking = self._rankings[gpu]
        if model in ranking.kept:
            ranking.rests(model)

    def victims(
        self, now: float, gpu: int, model: str, need: Need, spared: Collection[str], view: View
    ) -> Sequence[str] | None:
        """The least valued that make room; those to spare only if the others do not."""
        ranking = self._rankings.get(gpu)
        if ranking is None:
            return None
        found = ranking.least(gpu, model, need, spared, view, self.value)
        if found is None and spared:
            found = ranking.least(gpu, model, need, (), view, self.value)
        return found

    def outranks(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        """If its value is above that of all."""
        return all(self.value(model, view) > self.value(victim, view) for victim in victims)


class Lru(Ranked):
    """Gives up what was used least recently."""

    name = "lru"

    def __init__(self, models: Mapping[str, Model]) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
        """
        super().__init__(models)
        # Their order tells more than times that may be equal.
        self._uses = 0
        self._last: dict[str, int] = {}

    def came(self, now: float, gpu: int, model: str) -> None:
        """Counts as a use."""
        super().came(now, gpu, model)
        self.used(now, gpu, model)

    def used(self, now: float, gpu: int, model: str) -> None:
        """Is the last."""
        self._uses += 1
        self._last[model] = self._uses

    def value(self, model: str, view: View) -> int:
        """Which of all uses was its last."""
        return self._last[model]

    def says(self, now: float, model: str, view: View) -> str:
        """Which of all uses was its last."""
        return f"last use {self._last[model]} of {self._uses}"


class Lfu(Ranked):
    """Gives up what was used least often since the start."""

    name = "lfu"

    def __init__(self, models: Mapping[str, Model]) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
        """
        super().__init__(models)
        self._count: dict[str, int] = {}

    def used(self, now: float, gpu: int, model: str) -> None:
        """Counts."""
        self._count[model] = self._count.get(model, 0) + 1

    def value(self, model: str, view: View) -> int:
        """How often it was used."""
        return self._count.get(model, 0)

    def says(self, now: float, model: str, view: View) -> str:
        """How often it was used."""
        return f"uses: {self._count.get(model, 0)}"


class Gdsf(Ranked):
    """Greedy-Dual-Size-Frequency (Cherkasova, 1998): requests since it went, times a miss, over size; ageing."""

    name = "gdsf"

    def __init__(self, models: Mapping[str, Model]) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
        """
        super().__init__(models)
        self._age = 0.0
        # Of each model, the age at its last request, and how many requests there are since it last went.
        self._counted: dict[str, tuple[float, int]] = {}
        self._priority: dict[str, float] = {}

    def asked(self, now: float, request: Request) -> None:
        """Renews the model's priority."""
        self._counted[request.model] = self._age, self._counted.get(request.model, (0.0, 0))[1] + 1

    def value(self, model: str, view: View) -> float:
        """Its priority."""
        age, count = self._counted.get(model, (self._age, 0))
        priority = age + count * miss_s(model, view) / self._models[model].memory_mb
        self._priority[model] = priority
        return priority

    def victims(
        self, now: float, gpu: int, model: str, need: Need, spared: Collection[str], view: View
    ) -> Sequence[str] | None:
        """The least; what is not loaded for want of room starts anew."""
        found = super().victims(now, gpu, model, need, spared, view)
        if found is None:
            self._counted.pop(model, None)
        return found

    def gone(self, now: float, gpu: int, model: str) -> None:
        """What is given up starts anew, and ages all others."""
        self._age = max(self._age, self._priority[model])
        self._counted.pop(model, None)

    def says(self, now: float, model: str, view: View) -> str:
        """Its priority when it was last looked at."""
        return f"priority {self._priority[model]:.3g}" if model in self._priority else ""


class ByName(Ranked):
    """Gives up the first by name, as a program does that sorts what has equal rights."""

    name = "by-name"

    def value(self, model: str, view: View) -> str:
        """Its name."""
        return model


class Smallest(Ranked):
    """Gives up the smallest."""

    name = "smallest"

    def value(self, model: str, view: View) -> int:
        """Its memory."""
        return self._models[model].memory_mb


class KeepForever(Ranked):
    """Loads while there is room, and gives nothing up; where it must, what came last."""

    name = "keep-forever"

    def __init__(self, models: Mapping[str, Model]) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
        """
        super().__init__(models)
        self._comings = 0
        self._came: dict[str, int] = {}

    def came(self, now: float, gpu: int, model: str) -> None:
        """Is the first to go."""
        super().came(now, gpu, model)
        self._comings += 1
        self._came[model] = self._comings

    def value(self, model: str, view: View) -> int:
        """The more, the earlier it came."""
        return -self._came[model]

    def admits(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        """If there is room."""
        return not victims


class CloudOnly(Ranked):
    """Never loads; where it must, what came first goes."""

    name = "cloud-only"

    def value(self, model: str, view: View) -> int:
        """All alike."""
        return 0

    def admits(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        """Never."""
        return False


# --- Worths that change with time: every model that may go is looked at


class Scanned(Eviction):
    """Gives up the least valued, by values that change with time."""

    def value(self, now: float, model: str, view: View) -> float:
        """What a model in memory is worth now; of equal ones that goes first which came first.

        Args:
            now: [s].
            model: its name.
            view: the box.
        """
        raise NotImplementedError

    def victims(
        self, now: float, gpu: int, model: str, need: Need, spared: Collection[str], view: View
    ) -> Sequence[str] | None:
        """The least valued that make room; those to spare only if the others do not."""
        need_mb, places = need
        if need_mb > view.idle_mb(gpu):
            return None
        ranking = [
            (name in spared, self.value(now, name, view), i, name)
            for i, name in enumerate(view.gpus[gpu].resident)
            if name != model and not view.kept(gpu, name)
        ]
        heapify(ranking)
        found: list[str] = []
        freed_mb = 0
        while ranking and (need_mb > freed_mb or places > len(found)):
            found.append(heappop(ranking)[3])
            freed_mb = view.freed_mb(gpu, model, found)
        return None if need_mb > freed_mb or places > len(found) else found


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


class Rated(Scanned):
    """Expects requests for a model at a rate that is a weighed sum of exponentials.

    Some count the requests for the model, the others the users whose last request was for it.

    Attributes:
        decay: of each exponential [1/s].
    """

    def __init__(self, models: Mapping[str, Model], kernels: Sequence[Kernel], hysteresis: float) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
            kernels: of the rate.
            hysteresis: how many times what must go a model must be worth to be loaded, where it may be left.
        """
        super().__init__(models)
        self._hysteresis = hysteresis
        self.decay = [math.log(2) / kernel.half_life_s for kernel in kernels]
        self._weights = [kernel.weight * decay for kernel, decay in zip(kernels, self.decay, strict=True)]
        self._of_users = [i for i, kernel in enumerate(kernels) if kernel.of_users]
        self._of_models = [i for i, kernel in enumerate(kernels) if not kernel.of_users]
        self._counts: dict[str, list[float]] = {}
        self._when: dict[str, float] = {}
        self._last: dict[str, tuple[str, float]] = {}

    def asked(self, now: float, request: Request) -> None:
        """Adds the request to the model's counts, and moves the user from the last model to this one."""
        model, user = request.model, request.user
        counts = self.counts(model, now)
        for i in self._of_models:
            counts[i] += 1.0
        if not user or not self._of_users:
            return
        before = self._last.get(user)
        self._last[user] = model, now
        if before is not None:
            left = self.counts(before[0], now)
            for i in self._of_users:
                left[i] = max(left[i] - math.exp(self.decay[i] * (before[1] - now)), 0.0)
        for i in self._of_users:
            counts[i] += 1.0

    def counts(self, model: str, now: float) -> list[float]:
        """What each kernel counts of a model now.

        Args:
            model: its name.
            now: not before the last request [s].
        """
        counts = self._counts.get(model)
        if counts is None:
            counts = self._counts[model] = [0.0] * len(self.decay)
        elif (age := now - self._when[model]) > 0:
            for i, decay in enumerate(self.decay):
                counts[i] *= math.exp(-decay * age)
        self._when[model] = now
        return counts

    def rate(self, model: str, now: float) -> float:
        """Expected requests for a model [1/s].

        Args:
            model: its name.
            now: now, or a time to come [s].
        """
        counts = self._counts.get(model)
        if counts is None:
            return 0.0
        age = now - self._when[model]
        terms = zip(self._weights, counts, self.decay, strict=True)
        return sum(weight * count * math.exp(-decay * age) for weight, count, decay in terms)


class Popularity(Rated):
    """Gives up the least rate of requests for its memory; loads what leads clearly."""

    name = "popularity"

    def value(self, now: float, model: str, view: View) -> float:
        """Its rate over its memory."""
        return self.rate(model, now) / self._models[model].memory_mb

    def admits(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        """If its rate clearly exceeds that of all that must go."""
        return not victims or self.rate(model, now) > self._hysteresis * sum(self.rate(v, now) for v in victims)

    def says(self, now: float, model: str, view: View) -> str:
        """Its rate."""
        return f"{3600 * self.rate(model, now):.3g} requests/h expected"


class CostAware(Rated):
    """Ours: gives up what is missed least: expected requests times what a miss costs, over its memory.

    It counts users too, for most of those who come back ask for their last model again. A model is worth loading if
    what it is expected to save, once it is loaded, clearly exceeds what is lost with what must go.
    """

    name = "cost-aware"

    def value(self, now: float, model: str, view: View) -> float:
        """What is expected to be lost with it, over its memory."""
        return self.rate(model, now) * miss_s(model, view) / self._models[model].memory_mb

    def admits(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        """If clearly more is expected to be saved, once it is loaded, than lost."""
        if not victims:
            return True
        lost = sum(self.rate(victim, now) * miss_s(victim, view) for victim in victims)
        gained = self.rate(model, now + view.load_s(model)) * miss_s(model, view)
        return gained > self._hysteresis * lost

    def says(self, now: float, model: str, view: View) -> str:
        """What it saves while it is there."""
        return f"saves {3.6e6 * self.value(now, model, view):.3g} s/h for each GB"
