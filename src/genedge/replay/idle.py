"""The models in memory: which of them may be given up, and which of these are worth least."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace


class Idle:
    """The models in memory that neither load nor generate, so that they may be given up.

    All that happens to a model costs the logarithm of how many there are, and so does the search for the least
    valued, for each that is found. What is busy waits in a heap by the time until which it is. Values stand in
    another heap as they were when last looked at; they are looked at again when they come to its top.

    Attributes:
        mb: memory of all that are idle.
    """

    def __init__(self, memory_mb: list[int]) -> None:
        """Nothing in memory.

        Args:
            memory_mb: of each model; may grow as models are met.
        """
        self.mb = 0
        self._size = memory_mb
        self._loads = 0
        self._load: dict[int, int] = {}  # Of each model in memory, which load of all it was.
        self._until: dict[int, float] = {}
        self._idle: set[int] = set()
        self._busy: list[tuple[float, int]] = []
        self._ranking: list[tuple[float, int, int]] = []
        self._ranked: set[int] = set()
        self._unranked: set[int] = set()

    def __contains__(self, model: int) -> bool:
        return model in self._idle

    def load(self, model: int, until: float) -> None:
        """A model begins to load.

        Args:
            model: not in memory.
            until: when it is loaded [s].
        """
        self._loads += 1
        self._load[model] = self._loads
        self._until[model] = until
        heappush(self._busy, (until, model))

    def use(self, model: int, until: float) -> None:
        """A loaded model begins to generate.

        Args:
            model: in memory.
            until: when it is done [s].
        """
        if until <= self._until[model]:
            return
        self._until[model] = until
        if model in self._idle:
            self._idle.remove(model)
            self.mb -= self._size[model]
            heappush(self._busy, (until, model))

    def give_up(self, model: int) -> None:
        """A model leaves memory.

        Args:
            model: idle.
        """
        self._idle.remove(model)
        self.mb -= self._size[model]
        self._ranked.discard(model)
        self._unranked.discard(model)
        del self._load[model], self._until[model]

    def advance(self, time: float) -> None:
        """What is done by now becomes idle.

        Args:
            time: now, not before any other time of this object's [s].
        """
        while self._busy and self._busy[0][0] <= time:
            model = self._busy[0][1]
            if (until := self._until[model]) > time:
                heapreplace(self._busy, (until, model))
                continue
            heappop(self._busy)
            self._idle.add(model)
            if model not in self._ranked:
                self._unranked.add(model)
            self.mb += self._size[model]

    def least(self, need_mb: int, value: Callable[[int], float]) -> list[int] | None:
        """The idle models of least value that free enough memory together, equals in the order of their loads.

        Args:
            need_mb: to free.
            value: of a model. It is the same function in all calls, and never falls while a model is in memory.

        Returns:
            The models, least first; None if all of them do not free enough.
        """
        if need_mb <= 0:
            return []
        if self.mb < need_mb:
            return None
        ranking = self._ranking
        for model in self._unranked:
            heappush(ranking, (value(model), self._load[model], model))
        self._ranked |= self._unranked
        self._unranked.clear()
        victims = []
        while need_mb > 0:
            before, load, model = ranking[0]
            if self._load.get(model) != load:  # It was given up since, though not as the least.
                heappop(ranking)
            elif model not in self._idle:  # It is ranked again when it is idle.
                heappop(ranking)
                self._ranked.remove(model)
            elif (now := value(model)) > before:
                heapreplace(ranking, (now, load, model))
            else:
                heappop(ranking)
                self._ranked.remove(model)
                self._unranked.add(model)
                victims.append(model)
                need_mb -= self._size[model]
        return victims

    def least_now(self, need_mb: int, value: Callable[[int], float]) -> list[int] | None:
        """As `least`, for values that change with time, whatever is asked for: looks at every idle model.

        Args:
            need_mb: to free.
            value: of a model, now.

        Returns:
            The models, least first; None if all of them do not free enough.
        """
        if need_mb <= 0:
            return []
        if self.mb < need_mb:
            return None
        ranking = [(value(model), self._load[model], model) for model in self._idle]
        heapify(ranking)
        victims = []
        while need_mb > 0:
            model = heappop(ranking)[2]
            victims.append(model)
            need_mb -= self._size[model]
        return victims
