"""The simulated driver of a box in which nothing queues."""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import NamedTuple

from genedge.edge.request import Request
from genedge.edge.unqueued import Unqueued


class Served(NamedTuple):
    """What became of requests.

    Attributes:
        hit: of each, whether the box generated for it; if not, the cloud did.
        loaded: indices of those behind which their model was loaded.
    """

    hit: list[bool]
    loaded: list[int]


class SideBySide:
    """Drives a box: its clock jumps from request to request, and durations are from the catalogue.

    What becomes of a request is known when it comes. So requests can be handed in little by little, and what is
    kept does not grow with how many they are.

    Attributes:
        server: the box.
    """

    def __init__(self, server: Unqueued) -> None:
        """No request has come.

        Args:
            server: the box, at rest.
        """
        self.server = server
        # What is under way since a request came: when it ends, for which, and whether it is a load.
        self._ends: list[tuple[float, int, Request, bool]] = []

    def serve(self, requests: Iterable[Request], loads: bool = True) -> Served:
        """Serves requests one after the other. Whatever ends when a request comes has ended before.

        Args:
            requests: in the order of time, none before those that were served.
            loads: whether models may be loaded behind them.

        Raises:
            BrokenRuleError: the scheduler wants what cannot be done.
        """
        server, ends = self.server, self._ends
        arrive = server.arrive
        hits: list[bool] = []
        loaded: list[int] = []
        for request in requests:
            now = request.time
            if ends and ends[0][0] <= now:
                self._end(now)
            hit = arrive(now, request)
            hits.append(hit)
            if hit:
                heappush(ends, (now + request.own_s, request.number, request, False))
            elif loads and server.behind(now, request) is not None:
                heappush(ends, (now + server.gpus[0].load_s, request.number, request, True))
                loaded.append(len(hits) - 1)
        return Served(hits, loaded)

    def again(self, request: Request) -> bool:
        """Whether a model is loaded behind a request that went to the cloud before, and asks again.

        Args:
            request: its time is now, not before anything that has happened.

        Raises:
            BrokenRuleError: the scheduler wants what cannot be done.
        """
        now = request.time
        self._end(now)
        if self.server.behind(now, request) is None:
            return False
        heappush(self._ends, (now + self.server.gpus[0].load_s, request.number, request, True))
        return True

    def _end(self, now: float) -> None:
        """What ends until now."""
        server, ends = self.server, self._ends
        while ends and ends[0][0] <= now:
            ended, _, of, load = heappop(ends)
            if load:
                server.has_loaded(ended, of.model, ended - of.time)
            else:
                server.generated(ended, of, ended - of.time)
