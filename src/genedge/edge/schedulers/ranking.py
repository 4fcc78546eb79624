"""The models of a GPU in the order of their worth, without looking at all of them."""

from collections.abc import Callable, Collection
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any

from genedge.edge.scheduler import View
from genedge.edge.schedulers.eviction import Need

# Outdated entries that the heap may hold for each that counts, before they are thrown out.
MOST_OUTDATED = 4


class Ranking:
    """The models that came to one GPU, the least valued at the top of a heap.

    Values stand in the heap as they were when last looked at; they are looked at again when they come to its top.
    What must be kept when it comes there is taken out, and ranked again once it rests. So whatever happens to a
    model costs nothing or the logarithm of how many there are, and so does each one that is found.

    Attributes:
        kept: those that had to be kept when they were looked at.
    """

    def __init__(self) -> None:
        """Nothing came yet."""
        self._comings = 0
        self._came: dict[str, int] = {}  # Of each model, which coming of all was its last.
        self._heap: list[tuple[Any, int, str]] = []
        self._unranked: dict[str, None] = {}
        self.kept: set[str] = set()

    def came(self, model: str) -> None:
        """A model is in memory from now on.

        Args:
            model: its name.
        """
        self._comings += 1
        self._came[model] = self._comings
        self._unranked[model] = None
        self.kept.discard(model)

    def rests(self, model: str) -> None:
        """A model need no longer be kept.

        Args:
            model: its name, one of those that were kept.
        """
        self.kept.remove(model)
        self._unranked[model] = None

    def least(
        self,
        gpu: int,
        model: str,
        need: Need,
        spared: Collection[str],
        view: View,
        value: Callable[[str, View], Any],
    ) -> list[str] | None:
        """The models of least value that make room together, equals in the order in which they came.

        Args:
            gpu: its number.
            model: for which; not itself.
            need: how much is to be freed.
            spared: models that are not given up.
            view: the box.
            value: of a model, in this box. It never falls while a model is in memory.

        Returns:
            Their names, the least first; None if all of them do not make room.
        """
        need_mb, places = need
        if need_mb > view.idle_mb(gpu):
            return None
        heap, came, resident = self._heap, self._came, view.gpus[gpu].resident
        for name in self._unranked:
            if name in resident:
                heappush(heap, (value(name, view), came[name], name))
        self._unranked.clear()
        found: list[str] = []
        passed = []
        freed_mb = 0
        while heap and (need_mb > freed_mb or places > len(found)):
            entry = heap[0]
            before, coming, name = entry
            if name not in resident or came[name] != coming:
                heappop(heap)
            elif (now := value(name, view)) > before:
                heapreplace(heap, (now, coming, name))
            else:
                heappop(heap)
                if view.kept(gpu, name):
                    self.kept.add(name)
                elif name == model or name in spared:
                    passed.append(entry)
                else:
                    found.append(name)
                    freed_mb = view.freed_mb(gpu, model, found)
        # What is not given up after all is ranked again next time.
        for name in found:
            self._unranked[name] = None
        for entry in passed:
            heappush(heap, entry)
        if len(heap) > MOST_OUTDATED * len(resident) + 64:
            heap[:] = [entry for entry in heap if came[entry[2]] == entry[1] and entry[2] in resident]
            heapify(heap)
        return None if need_mb > freed_mb or places > len(found) else found
