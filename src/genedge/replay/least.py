"""What nobody could go below in a box with a queue: delays, and hits; and beside them the best schedule found."""

from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np

from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.replay.exact import most_hits_of_sets
from genedge.replay.on_demand import Demand, Grid, Room, busy_until, least_for_loads
from genedge.replay.rollout import Effort, best_found

# Longer traces have no bound on demand, and nobody looks ahead in them: that takes a few milliseconds a request.
LONGEST = 50_000
# Requests that are bounded together; what is in memory between two windows is free to choose, and costs little.
WINDOW = 400
# Twice as hard finds what is less by a few thousandths.
EFFORT = Effort(step=10, ahead=30)
# Sets of more models are too many to follow.
MOST_MODELS = 10


class Asked(NamedTuple):
    """What a box serves.

    Attributes:
        time: when requests come, in order [s].
        models: what each takes that is asked for.
        own_s: how long they generate with the steps that they ask for [s].
    """

    time: Sequence[float]
    models: Sequence[Model]
    own_s: Sequence[float]


class Bounds(NamedTuple):
    """What nobody could go below, as means over requests, and what somebody could have.

    Attributes:
        on_demand_s: for whoever loads a model only while somebody waits for it [s]; None if none is known.
        anybody_s: for anybody, even if loads took no time [s]; None if none is known.
        most_hits: of all requests, served one after the other as they come, the most that find their model in
            memory, if loads took no time; None where models are many, or memory is not of one kind.
        found_s: of the best schedule found by looking ahead in the trace [s]; None if none was looked for.
        too_long: whether the trace is too long for the bound on demand, and to look ahead in.
    """

    on_demand_s: float | None = None
    anybody_s: float | None = None
    most_hits: int | None = None
    found_s: float | None = None
    too_long: bool = False


def bounds_of(
    asked: Asked,
    box: Box,
    models: Mapping[str, Model],
    think_s: float | None,
    report: Callable[[str, int, str], None],
) -> Bounds:
    """All that is known.

    Args:
        asked: the requests that are served.
        box: it.
        models: what each takes, the pinned ones among them.
        think_s: from a result to its user's next request [s]; None if requests come at their own times.
        report: told what goes on, and how many requests are done.

    Returns:
        Bounds; none where requests come when others have ended, or none is served.
    """
    if think_s is not None or not asked.time:
        return Bounds()
    lowest_s = anybody_s(asked, box)
    hits = _most_hits(asked, box)
    if len(asked.time) > LONGEST:
        return Bounds(None, lowest_s, hits, too_long=True)
    least_s = max(on_demand_s(asked, box, report), lowest_s)
    return Bounds(least_s, lowest_s, hits, None if box.cloud is not None else _found_s(asked, box, models, report))


def anybody_s(asked: Asked, box: Box) -> float:
    """A mean delay that no box like this one could go below, whoever decides, even if loads took no time.

    With one GPU it is that of the shortest remaining time first, the least for requests that come by and by
    (Schrage, 1968); with G of them, that of one that is G times as fast, or of all requests alone. Where there is a
    cloud, whose generators may have no end, it is that of all requests alone.

    Args:
        asked: the requests that are served.
        box: it.

    Returns:
        Seconds.
    """
    alone_s = sum(asked.own_s)
    if box.cloud is not None:
        return alone_s / len(asked.time)
    queued_s = shortest_remaining_first(asked.time, [s / len(box.gpus) for s in asked.own_s])
    return max(queued_s, alone_s) / len(asked.time)


def on_demand_s(asked: Asked, box: Box, report: Callable[[str, int, str], None]) -> float:
    """A mean delay that nobody could go below who loads a model only while somebody waits for it.

    Loads are on top of the shortest remaining time first where one GPU does one thing at a time; else they are on
    top of each request's own time. Where there is a cloud nobody need wait for a load, and they add nothing.

    Args:
        asked: the requests that are served.
        box: it.
        report: told what goes on, and how many requests are done.

    Returns:
        Seconds.
    """
    time, own_s = np.array(asked.time), np.array(asked.own_s)
    if box.cloud is not None:
        return float(own_s.mean())
    models = list({each.name: each for each in asked.models}.values())
    number = {each.name: i for i, each in enumerate(models)}
    one_thing_at_a_time = len(box.gpus) == 1 and box.overlap is None
    if one_thing_at_a_time:
        base_s, spare_s = shortest_remaining_first(asked.time, asked.own_s), busy_until(time, own_s) - time - own_s
    else:
        base_s, spare_s = float(own_s.sum()), np.zeros(time.size)
    demand = Demand(time, np.array([number[each.name] for each in asked.models]), np.maximum(spare_s, 0))
    room = room_of(models, box)
    # Waits from half of what a load and a request take on average to 32 times that.
    usual_s = float((room.load_s[demand.model] + own_s).mean()) or 1.0
    grid = Grid(usual_s * 2.0 ** np.arange(-1, 6), 2 * usual_s, WINDOW)

    def told(done: int, steps: int) -> None:
        report("bounds", done, f"{steps} simplex steps" if steps else "")

    return (base_s + least_for_loads(demand, room, grid, told)) / time.size


def room_of(models: Sequence[Model], box: Box) -> Room:
    """Memory and places that a box has for some models; those of several GPUs as if they were one.

    What others need may come and stay with them, so it is taken to cost nothing by itself.

    Args:
        models: those that are asked for.
        box: it; each model fits.
    """
    pinned = np.array([each.name in box.pins for each in models])
    shared = {name for each in models for name in each.needs}
    size = np.array([0.0 if each.name in shared else float(each.memory_mb) for each in models])
    working = np.array([float(each.working_mb) for each in models])
    pins_mb = sum(each.memory_mb for each in models if each.name in box.pins)
    memory_mb = max(sum(box.gpus) - pins_mb, 1)
    unit, serving = [size / memory_mb], [(np.where(pinned, 0.0, size) + working) / memory_mb]
    if box.most_models is not None:
        places = max(box.most_models * len(box.gpus) - int(pinned.sum()), 1)
        unit.append(np.full(size.size, 1 / places))
        serving.append(np.where(pinned, 0.0, 1 / places))
    share = 1.0 if box.ram is None else box.ram.load_share
    # Whose weights others share may find them there, and load in no time; what is shared counts for its own model.
    shared = {name for each in models for name in each.needs}
    return Room(
        np.array(unit),
        np.minimum(serving, 1.0),
        share * np.array([0.0 if each.name in shared else each.load_s for each in models]),
        pinned,
        np.array([each.name in box.warm for each in models]),
    )


def shortest_remaining_first(time: Sequence[float], own_s: Sequence[float]) -> float:
    """The sum of all delays if that is generated which has least left, interrupted as often as need be [s].

    Args:
        time: when requests come, in order [s].
        own_s: how long each generates [s].
    """
    left: list[float] = []
    now, total, came = 0.0, 0.0, 0
    while came < len(time) or left:
        if not left:
            now = max(now, time[came])
        while came < len(time) and time[came] <= now:
            heappush(left, own_s[came])
            came += 1
        until = time[came] if came < len(time) else float("inf")
        shortest = heappop(left)
        worked = min(shortest, until - now)
        # All that are there, and this one, are there meanwhile.
        total += worked * (len(left) + 1)
        now += worked
        if worked < shortest:
            heappush(left, shortest - worked)
            now = until
    return total


def _found_s(asked: Asked, box: Box, models: Mapping[str, Model], report: Callable[[str, int, str], None]) -> float:
    """The mean delay of the best schedule found by looking ahead [s]."""
    requests = [
        Request(i, time, model.name, "", 0.0, own_s)
        for i, (time, model, own_s) in enumerate(zip(*asked, strict=True))
    ]
    total_s = best_found(box, models, requests, EFFORT, lambda done: report("looking ahead", done, ""))
    return total_s / len(requests)


def _most_hits(asked: Asked, box: Box) -> int | None:
    """Exact for few models on one GPU; what leaves no choice, or begins in memory, is not known there."""
    models = list({each.name: each for each in asked.models}.values())
    plain = len(box.gpus) == 1 and box.most_models is None and not box.pins and not box.warm
    if not plain or len(models) > MOST_MODELS or any(each.working_mb or each.needs for each in models):
        return None
    number = {each.name: i for i, each in enumerate(models)}
    numbers = [number[each.name] for each in asked.models]
    return most_hits_of_sets(numbers, [each.memory_mb for each in models], box.gpus[0], box.cloud is None)
