"""What came of the requests so far, for whoever looks: the page, and the shadows."""

import itertools
import math
from collections import deque
from typing import Any, NamedTuple

from genedge.edge.request import Request
from genedge.live.driver import Driver
from genedge.live.jobs import Outcome

# Of the last minutes so many requests are drawn, and of those who wait so many [s].
DRAWN_S, DRAWN, TOLD = 600.0, 2000, 200


class Served(NamedTuple):
    """A request that was served here.

    Attributes:
        time: when it came [s].
        model: the model's name.
        user: who asked.
        steps: that it got, of all images together.
        queue_s: it waited for others to be generated [s].
        own_load_s: for its model to load [s].
        others_loads_s: for other models to load [s].
        generation_s: it was generated [s].
    """

    time: float
    model: str
    user: str
    steps: float
    queue_s: float
    own_load_s: float
    others_loads_s: float
    generation_s: float

    @property
    def delay_s(self) -> float:
        """From its arrival to its end [s]."""
        return self.queue_s + self.own_load_s + self.others_loads_s + self.generation_s


class Waited(NamedTuple):
    """How long somebody waited, whatever came of it.

    Attributes:
        since: when the request came [s].
        until: when it was served, sent to the cloud, or gone [s].
        model: for which.
    """

    since: float
    until: float
    model: str


class Account:
    """What ended.

    Attributes:
        served: the last ones that were served here, in the order in which they ended.
        waits: of the last ones, in that order.
        counts: by outcome, of all.
    """

    def __init__(self, most: int) -> None:
        """Nothing has.

        Args:
            most: requests that are remembered.
        """
        self.served: deque[Served] = deque(maxlen=most)
        self.waits: deque[Waited] = deque(maxlen=DRAWN)
        self.counts: dict[str, int] = {}

    def ended(self, outcome: Outcome) -> None:
        """A request has ended.

        Args:
            outcome: what became of it.
        """
        self.counts[outcome.outcome] = self.counts.get(outcome.outcome, 0) + 1
        ticket = outcome.ticket
        until = outcome.now if outcome.began is None else outcome.began
        self.waits.append(Waited(ticket.request.time, until, ticket.request.model))
        if outcome.outcome != "edge" or ticket.waited is None or outcome.began is None or ticket.steps is None:
            return
        request = ticket.request
        generation_s = outcome.now - outcome.began
        self.served.append(
            Served(request.time, request.model, request.user, ticket.steps, *ticket.waited, generation_s)
        )

    def parts(self) -> dict[str, float]:
        """The mean delay of those that are remembered, taken apart [s]."""
        n = max(len(self.served), 1)
        names = ("queue_s", "own_load_s", "others_loads_s", "generation_s")
        return {name: sum(getattr(each, name) for each in self.served) / n for name in names}

    def p95_s(self) -> float:
        """The 95 % quantile of the delays of those that are remembered [s]; 0 if there are none."""
        delays_s = sorted(each.delay_s for each in self.served)
        return delays_s[math.ceil(0.95 * len(delays_s)) - 1] if delays_s else 0.0


def state_of(driver: Driver, account: Account, shadows: list[dict[str, Any]]) -> dict[str, Any]:
    """A live box as the page shows it.

    Args:
        driver: the box.
        account: what ended.
        shadows: what others would have come to.
    """
    now = driver.now()
    return {
        "now": now,
        "began": driver.began,
        "box": driver.file.name,
        "scheduler": driver.scheduler,
        "gpus": [_gpu(driver, number, now) for number in range(len(driver.server.gpus))],
        "waiting": [_queue(model, queue, now) for model, queue in driver.server.waiting.items()],
        "waits": [list(each) for each in account.waits if each.until > now - DRAWN_S],
        "served": len(account.served),
        "counts": account.counts,
        "parts": account.parts(),
        "p95_s": account.p95_s(),
        "requests": [
            [each.time, each.model, each.delay_s]
            for each in itertools.islice(reversed(account.served), DRAWN)
            if each.time > now - DRAWN_S
        ],
        "loads": sum(driver.loads.values()),
        "shadows": shadows,
    }


def _gpu(driver: Driver, number: int, now: float) -> dict[str, Any]:
    """What is in one memory, and was."""
    gpu, models = driver.server.gpus[number], driver.file.models
    doing = {gpu.loading: "loading"}
    if gpu.serving is not None:
        doing[gpu.serving.model] = "generating"
    resident = [
        {
            "model": model,
            "memory_mb": models[model].memory_mb,
            "since": since,
            "loaded": gpu.loaded_at(model),
            "state": doing.get(model, "resting"),
        }
        for model, since in gpu.resident.items()
    ]
    left = [
        {
            "model": stay.model,
            "memory_mb": models[stay.model].memory_mb,
            "came": stay.came,
            "loaded": stay.loaded,
            "left": stay.left,
            "why": why,
        }
        for g, stay, why in driver.held.left
        if g == number and stay.left > now - DRAWN_S
    ]
    return {"memory_mb": gpu.memory_mb, "others_mb": gpu.others_mb, "resident": resident, "left": left}


def _queue(model: str, queue: deque[Request], now: float) -> dict[str, Any]:
    """Who waits for one model; the oldest is the first."""
    return {
        "model": model,
        "requests": len(queue),
        "users": len({each.user for each in queue}),
        "longest_s": now - queue[0].time,
        "since": [each.time for each in itertools.islice(queue, TOLD)],
    }
