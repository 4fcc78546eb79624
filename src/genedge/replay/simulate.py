"""The simulated driver of a box: a clock that jumps from event to event, and durations from the catalogue."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

from genedge.edge.request import Request
from genedge.edge.scheduler import Load, Offload, Serve
from genedge.edge.server import Server, Waited

NEVER = float("inf")


@dataclass(slots=True)
class Done:
    """What became of a request.

    Attributes:
        request: it.
        gpu: which GPU served it; −1 for the cloud.
        waited: for what, until it began to be generated [s].
        began: when it began to be generated, or left for the cloud [s].
        ended: when its result was there [s].
    """

    request: Request
    gpu: int
    waited: Waited
    began: float
    ended: float

    @property
    def delay_s(self) -> float:
        """From its arrival to its result [s]."""
        return self.ended - self.request.time


class Arrivals(Protocol):
    """Where requests come from."""

    @property
    def time(self) -> float:
        """Of the next one [s]; never, if none is to come before something else happens."""

    def next(self) -> Request:
        """The next one."""

    def ended(self, request: Request, now: float) -> None:
        """A request has its result, or was refused.

        Args:
            request: it.
            now: [s].
        """


class Open:
    """Requests come at their own times, whatever becomes of those before.

    Attributes:
        time: of the next one [s].
    """

    def __init__(self, requests: Iterable[Request]) -> None:
        """None has come.

        Args:
            requests: in the order of time.
        """
        self._rest: Iterator[Request] = iter(requests)
        self._look()

    def next(self) -> Request:
        """The next one."""
        request = self._next
        assert request is not None
        self._look()
        return request

    def ended(self, request: Request, now: float) -> None:
        """Of no account."""

    def _look(self) -> None:
        self._next = next(self._rest, None)
        self.time = NEVER if self._next is None else self._next.time


class Closed:
    """A user's next request comes its think time after the result of the one before."""

    def __init__(self, requests: Iterable[Request], think_s: float) -> None:
        """The first of each user comes at its own time.

        Args:
            requests: in the order of time.
            think_s: from a result to the user's next request [s].
        """
        self._think_s = think_s
        self._later: dict[str, deque[Request]] = {}
        self._heap: list[tuple[float, int, Request]] = []
        for request in requests:
            if request.user not in self._later:
                self._later[request.user] = deque()
                heappush(self._heap, (request.time, request.number, request))
            else:
                self._later[request.user].append(request)

    @property
    def time(self) -> float:
        """Of the next one [s]; never, if all wait for results."""
        return self._heap[0][0] if self._heap else NEVER

    def next(self) -> Request:
        """The next one."""
        return heappop(self._heap)[2]

    def ended(self, request: Request, now: float) -> None:
        """The user's next one comes later."""
        later = self._later[request.user]
        if later:
            following = later.popleft()
            following.time = now + self._think_s
            heappush(self._heap, (following.time, following.number, following))


class _Cloud:
    """Generates so many at once, first come, first served; what waits there is known when it comes."""

    def __init__(self, wait_s: float, s_per_mb: float, generators: int | None) -> None:
        self._wait_s, self._s_per_mb = wait_s, s_per_mb
        self._free_at = None if generators is None else [0.0] * generators

    def result_at(self, now: float, request: Request) -> float:
        """When the result of a request that leaves now is there [s]."""
        began = now + self._wait_s
        if self._free_at is not None:
            began = max(began, heappop(self._free_at))
            heappush(self._free_at, began + request.own_s)
        return began + request.own_s + request.megabytes * self._s_per_mb


def simulate(
    server: Server,
    arrivals: Arrivals,
    done: Callable[[Done], None],
    refused: Callable[[Request], None],
) -> float:
    """Drives a box until all requests have come and none waits.

    What happens at one and the same time has all happened before a GPU is asked.

    Args:
        server: the box, at rest.
        arrivals: where requests come from.
        done: called with each result, in the order of their times but for those of the cloud, which are known when
            they leave.
        refused: called with each request that nothing can serve.

    Returns:
        When the last result of the box was there [s].

    Raises:
        BrokenRuleError: the scheduler wants what cannot be done.
    """
    return Drive(server, arrivals, done, refused).run()


# What a GPU does: when that began and when it ends [s], and for what a request waited before it was generated.
_Work = tuple[float, float, Waited | None]


class Drive:
    """A box on its way through what happens."""

    def __init__(
        self,
        server: Server,
        arrivals: Arrivals,
        done: Callable[[Done], None],
        refused: Callable[[Request], None],
    ) -> None:
        """A box at rest; as for `simulate`.

        Args:
            server: the box.
            arrivals: where requests come from.
            done: called with each result.
            refused: called with each request that nothing can serve.
        """
        self._server, self._arrivals, self._done, self._refused = server, arrivals, done, refused
        cloud = server.box.cloud
        self._cloud = None if cloud is None else _Cloud(*cloud)
        # When what a GPU does ends; −1 for a time at which to ask again. What has been put off stays in it.
        self._ends: list[tuple[float, int, bool]] = []
        self._loads: list[_Work | None] = [None] * len(server.gpus)
        self._serves: list[_Work | None] = [None] * len(server.gpus)
        self._last = 0.0

    def run(self, until: float = NEVER) -> float:
        """Goes on to the end, or until shortly before a time.

        Args:
            until: that time [s].

        Returns:
            When the last result of the box was there [s].

        Raises:
            BrokenRuleError: the scheduler wants what cannot be done.
        """
        ends, arrivals, gpus = self._ends, self._arrivals, range(len(self._server.gpus))
        waiting = self._server.waiting
        while True:
            arrives = arrivals.time
            now = ends[0][0] if ends and ends[0][0] <= arrives else arrives
            if now == NEVER:
                left = sum(map(len, waiting.values()))
                if left:
                    raise self._server.broken(self._last, f"waits for ever, and {left} requests are left")
                return self._last
            if now >= until:
                return self._last
            while ends and ends[0][0] <= now:
                ended, gpu, load = heappop(ends)
                self._end(ended, gpu, load)
            while arrivals.time <= now:
                self._arrive(now, arrivals.next())
            if waiting:
                for gpu in gpus:
                    self._ask(now, gpu)

    def _end(self, now: float, gpu: int, load: bool) -> None:
        if gpu < 0:
            return
        works = self._loads if load else self._serves
        work = works[gpu]
        if work is None:
            return
        began, ends, waited = work
        if ends != now:
            return
        works[gpu] = None
        took_s = now - began
        if load:
            self._server.loaded(now, gpu, took_s)
            return
        request = self._server.finished(now, gpu, took_s)
        self._last = now
        assert waited is not None
        self._done(Done(request, gpu, waited, began, now))
        self._arrivals.ended(request, now)

    def _arrive(self, now: float, request: Request) -> None:
        if self._server.arrive(now, request):
            return
        if self._cloud is None:
            self._refused(request)
            self._arrivals.ended(request, now)
        else:
            self._send(now, request)

    def _ask(self, now: float, gpu: int) -> None:
        server = self._server
        while True:
            action = server.next(now, gpu)
            if action is None:
                return
            if isinstance(action, Serve):
                self._serve(now, gpu, action)
            elif isinstance(action, Load):
                self._load(now, gpu)
            elif isinstance(action, Offload):
                self._send(now, action.request)
                continue
            else:
                if action.until < NEVER:
                    heappush(self._ends, (action.until, -1, False))
                return
            if server.box.overlap is None:
                return

    def _serve(self, now: float, gpu: int, action: Serve) -> None:
        request = action.request
        # As many steps as asked take what the request says, whatever rounding would make of it.
        took_s = request.own_s
        if action.steps != request.steps:
            model = self._server.models[request.model]
            took_s = model.with_steps_s(request.own_s, request.steps, action.steps)
        load = self._loads[gpu]
        ends = now + took_s if load is None else self._slowed(now, took_s, load[1] - now)
        self._serves[gpu] = now, ends, self._server.waited(now, gpu, request)
        heappush(self._ends, (ends, gpu, False))

    def _load(self, now: float, gpu: int) -> None:
        ends = now + self._server.gpus[gpu].load_s
        self._loads[gpu] = now, ends, None
        heappush(self._ends, (ends, gpu, True))
        serving = self._serves[gpu]
        if serving is not None:
            began, before, waited = serving
            later = self._slowed(now, before - now, ends - now)
            self._serves[gpu] = began, later, waited
            heappush(self._ends, (later, gpu, False))

    def _slowed(self, now: float, left_s: float, load_s: float) -> float:
        """When generating ends of which so much is left, beside a load that takes so long from now [s]."""
        slow = self._server.box.overlap
        assert slow is not None
        if left_s * slow <= load_s:
            return now + left_s * slow
        return now + left_s + load_s * (1 - 1 / slow)

    def _send(self, now: float, request: Request) -> None:
        assert self._cloud is not None
        ended = self._cloud.result_at(now, request)
        self._done(Done(request, -1, Waited(now - request.time, 0.0, 0.0), now, ended))
        self._arrivals.ended(request, ended)
