"""The best schedule found by looking ahead in the trace: how much of what is left of a bound somebody could have.

At every step each of some rules is tried on the requests that follow, from the box as it is, and the one goes on
that does best there. What is given up is what is needed last, for its load and its memory. It is no policy to use,
for it knows what comes, and no least: only a schedule that the box accepts.
"""

import copy
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.scheduler import Action, View
from genedge.edge.schedulers.combined import Combined, Order
from genedge.edge.schedulers.evictions import Scanned
from genedge.edge.schedulers.orders import Affinity, Dwell, ResponseRatio, may_serve
from genedge.edge.server import Server
from genedge.replay.simulate import NEVER, Done, Drive


class Effort(NamedTuple):
    """How hard to look, in requests, so that it takes the same steps on any machine.

    Attributes:
        step: how many come between two choices of a rule.
        ahead: how many each rule is tried on.
    """

    step: int
    ahead: int


class Batches(Affinity):
    """The model whose requests that wait take least each, its load shared among them and weighed."""

    name = "batches"

    def __init__(self, weight: float) -> None:
        """An order that has seen nothing.

        Args:
            weight: of a load.
        """
        self._weight = weight

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """The oldest request for that model."""
        resident = view.gpus[gpu].resident
        best, least = None, NEVER
        for model, queue in view.waiting.items():
            takes_s = sum(request.own_s for request in queue)
            if model not in resident:
                takes_s += self._weight * view.load_s(model, gpu)
            if takes_s / len(queue) < least and may_serve(view, gpu, model):
                best, least = queue[0], takes_s / len(queue)
        return best


class Foreseen(Scanned):
    """Gives up what is asked for last, weighed by its load over its memory."""

    name = "foreseen"

    def __init__(self, models: Mapping[str, Model], times: Mapping[str, Sequence[float]]) -> None:
        """An eviction that knows what comes.

        Args:
            models: what each takes.
            times: when each is asked for, in order [s].
        """
        super().__init__(models)
        self._times = times

    def value(self, now: float, model: str, view: View) -> float:
        """What its load costs in a second until it is asked for again, for each megabyte."""
        times, takes = self._times.get(model, ()), self._models[model]
        following = bisect_right(times, now)
        if following == len(times):
            return 0.0
        return takes.load_s / takes.memory_mb / max(times[following] - now, 1e-9)


class Rules:
    """A scheduler of several orders, one of which goes on.

    Attributes:
        name: as in messages.
        going: which one.
        rules: each with its order; none keeps anything in mind.
    """

    name = "rollout"

    def __init__(self, orders: Sequence[Order], eviction: Foreseen) -> None:
        """A scheduler that has seen nothing.

        Args:
            orders: that look at nothing but the box.
            eviction: says what is given up.
        """
        self.rules = [Combined(order, eviction) for order in orders]
        self.going = 0

    def arrived(self, now: float, request: Request) -> None:
        """The box keeps the queue."""

    def cancelled(self, now: float, request: Request) -> None:
        """The box keeps the queue."""

    def finished(self, now: float, gpu: int, request: Request, took_s: float) -> None:
        """Of no account."""

    def loaded(self, now: float, gpu: int, model: str, took_s: float, failed: bool) -> None:
        """Of no account."""

    def next(self, now: float, gpu: int, view: View) -> Action:
        """What the rule that goes on does."""
        return self.rules[self.going].next(now, gpu, view)


class _Trace:
    """Requests that come by and by, each made when it comes, so that two courses share none."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = requests
        self.came = 0

    @property
    def time(self) -> float:
        return self._requests[self.came].time if self.came < len(self._requests) else NEVER

    def next(self) -> Request:
        self.came += 1
        return copy.copy(self._requests[self.came - 1])

    def ended(self, request: Request, now: float) -> None:
        """Requests come at their own times."""


class _Course:
    """A box on its way through a trace, and what its requests have waited so far."""

    def __init__(self, box: Box, models: Mapping[str, Model], rules: Rules, requests: Sequence[Request]) -> None:
        self.rules, self.trace = rules, _Trace(requests)
        self.server = Server(box, models, rules, requests[0].time)
        self.drive = Drive(self.server, self.trace, self._done, self._refused)
        self.total_s = 0.0

    def beside(self, shared: Mapping[int, Any]) -> "_Course":
        """Another that is as far."""
        return copy.deepcopy(self, dict(shared))

    def left_s(self, now: float) -> float:
        """What those who wait will have waited in the end, if nobody else comes, about [s]."""
        waiting = [request for queue in self.server.waiting.values() for request in queue]
        resident = {model for gpu in self.server.gpus for model in gpu.resident}
        work_s = sum(request.own_s for request in waiting)
        work_s += sum(self.server.load_s(model) for model in self.server.waiting if model not in resident)
        serving = [gpu.serving for gpu in self.server.gpus if gpu.serving is not None]
        so_far_s = sum(now - request.time for request in (*waiting, *serving))
        return so_far_s + work_s * (len(waiting) + 1) / 2 / len(self.server.gpus)

    def _done(self, d: Done) -> None:
        self.total_s += d.delay_s

    def _refused(self, request: Request) -> None:
        """It has no delay."""


def best_found(
    box: Box,
    models: Mapping[str, Model],
    requests: Sequence[Request],
    effort: Effort,
    report: Callable[[int], None],
) -> float:
    """The sum of all delays of the best schedule found [s].

    Args:
        box: without a cloud.
        models: what each takes.
        requests: in the order of time, each of which fits.
        effort: how hard to look.
        report: told how many requests have come.
    """
    orders: tuple[Order, ...] = (
        *(Dwell(kappa) for kappa in (4.0, 16.0, 64.0)),
        ResponseRatio(),
        *(Batches(w) for w in (1.0, 2.0, 4.0)),
    )
    times: dict[str, list[float]] = {}
    for request in requests:
        times.setdefault(request.model, []).append(request.time)
    rules = Rules(orders, Foreseen(models, times))
    course = _Course(box, models, rules, requests)
    # What never changes is no course's own.
    shared = {id(each): each for each in (box, models, requests, times, rules.rules)}
    for come in range(0, len(requests), effort.step):
        until = _time(requests, come + effort.ahead)
        tried = []
        for going in range(len(orders)):
            other = course.beside(shared)
            other.rules.going = going
            other.drive.run(until)
            tried.append((other.total_s + (0.0 if until == NEVER else other.left_s(until)), going))
        rules.going = min(tried)[1]
        course.drive.run(_time(requests, come + effort.step))
        for gpu in course.server.gpus:
            gpu.stays.clear()
        report(min(come + effort.step, len(requests)))
    return course.total_s


def _time(requests: Sequence[Request], number: int) -> float:
    """When a request comes; never, after the last [s]."""
    return requests[number].time if number < len(requests) else NEVER
