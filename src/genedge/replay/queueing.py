"""A trace through a box with a queue, under several schedulers, beside what nobody could go below."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from pathlib import Path

import numpy as np

from genedge.boxes.load import BoxFile
from genedge.boxes.schedulers import scheduler_of
from genedge.edge.request import Request
from genedge.edge.server import Server
from genedge.errors import InputError
from genedge.registry import failure, in_file
from genedge.replay.levers import Pulled, levers_of
from genedge.replay.queued import Queued, QueueTally, queued
from genedge.replay.simulate import Arrivals, Closed, Done, Open, simulate
from genedge.replay.trace import rows_in_order

Report = Callable[[str, int, str], None]
Row = tuple[float, str, str, float, float | None, float | None]
# Requests between two reports of progress.
TOLD_EVERY = 4096


def replay_queue(
    trace: Path, file: BoxFile, schedulers: Sequence[str], against: str, levers: bool, report: Report
) -> Queued:
    """Replays a trace through a box under each scheduler.

    Memory grows with the trace's length.

    Args:
        trace: the file.
        file: the box.
        schedulers: their names; `against` is replayed too.
        against: what the others are compared with: what is run today.
        levers: whether to replay what else could be changed, each alone.
        report: told what is done, and how many requests are.

    Raises:
        InputError: there is no such scheduler, one breaks a rule or fails, or the trace cannot be read.
    """
    names = list(dict.fromkeys([*schedulers, against]))
    for name in names:
        scheduler_of(name, file.box, file.models)
    rows: list[Row] = []
    for row in rows_in_order(trace):
        rows.append(row)
        if len(rows) % TOLD_EVERY == 0:
            report("reading", len(rows), "")
    tallies = {name: _replayed(name, rows, file, name, report) for name in names}
    pulled = _pulled(rows, file, against, tallies[against], report) if levers else []
    # What is refused has no delay, under any scheduler, and no share in the bound.
    served = [row for row in rows if row[1] not in tallies[against].fit_nowhere]
    return queued(str(trace), file, against, tallies, anybody_s(served, file), pulled)


def _pulled(rows: Sequence[Row], file: BoxFile, today: str, tally: QueueTally, report: Report) -> list[Pulled]:
    """What each lever is worth beside what is run today."""
    mean_s = tally.numbers()["mean_s"]
    if mean_s is None:
        return []
    pulled = []
    for lever in levers_of(file, today, list(tally.models)):
        fewer = [(*row[:3], row[3] * lever.steps, *row[4:]) for row in rows]
        found = _replayed(lever.scheduler, fewer, lever.file, lever.name, report).numbers()["mean_s"]
        if found is not None:
            pulled.append(Pulled(lever, found, mean_s - found))
    return pulled


def _replayed(name: str, rows: Sequence[Row], file: BoxFile, stage: str, report: Report) -> QueueTally:
    """One scheduler's."""
    server = Server(file.box, file.models, scheduler_of(name, file.box, file.models), rows[0][0])
    tally = QueueTally(rows[0][0])
    count = 0

    def done(d: Done) -> None:
        nonlocal count
        tally.add(d)
        count += 1
        if count % TOLD_EVERY == 0:
            report(stage, count, "")

    requests = (_request(i, row, file) for i, row in enumerate(rows))
    arrivals: Arrivals = Open(requests) if file.think_s is None else Closed(requests, file.think_s)
    try:
        end = simulate(server, arrivals, done, tally.refuse)
    except InputError:
        raise
    except Exception as e:
        if not in_file(name):
            raise
        raise failure(name, e) from e
    tally.close(server, max(end, rows[-1][0]))
    report(stage, len(rows), "")
    return tally


def _request(number: int, row: Row, file: BoxFile) -> Request:
    time, model, user, steps, request_mb, result_mb = row
    takes = file.models[model]
    megabytes = 0.0
    if file.box.cloud is not None:
        usual = file.models.sizes(model)
        megabytes = (usual[0] if request_mb is None else request_mb) + (
            usual[1] if result_mb is None else result_mb
        )
    return Request(number, time, model, user, steps, takes.generation_s(steps), megabytes)


def anybody_s(rows: Sequence[Row], file: BoxFile) -> float | None:
    """A mean delay that no box like this one could go below, whoever decides, even if loads took no time.

    With one GPU it is that of the shortest remaining time first, the least for requests that come by and by
    (Schrage, 1968); with G of them, that of one that is G times as fast, or of all requests alone. Where there is a
    cloud, whose generators may have no end, it is that of all requests alone.

    Args:
        rows: the requests that are served, with as many steps as they ask for.
        file: the box.

    Returns:
        Seconds; None where requests come when others have ended, or none is served.
    """
    if file.think_s is not None or not rows:
        return None
    own_s = [file.models[row[1]].generation_s(row[3]) for row in rows]
    if file.box.cloud is not None:
        return float(np.mean(own_s))
    speed = len(file.box.gpus)
    queued_s = shortest_remaining_first([row[0] for row in rows], [s / speed for s in own_s])
    return max(queued_s, sum(own_s)) / len(rows)


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
