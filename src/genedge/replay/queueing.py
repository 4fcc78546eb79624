"""A trace through a box with a queue, under several schedulers, beside what nobody could go below."""

from collections.abc import Callable, Sequence
from pathlib import Path

from genedge.boxes.load import BoxFile
from genedge.boxes.schedulers import foresees, limited, scheduler_of
from genedge.edge.server import Server
from genedge.errors import InputError
from genedge.own import failure, in_file
from genedge.replay.blocks import saved
from genedge.replay.journal import is_journal, lived, lives_in
from genedge.replay.least import Asked, Bounds, bounds_of
from genedge.replay.levers import Pulled, levers_of
from genedge.replay.queue_tally import QueueTally
from genedge.replay.queued import Queued, queued
from genedge.replay.requests import own_s, request_of, whole_of
from genedge.replay.simulate import Arrivals, Closed, Done, Open, simulate
from genedge.replay.trace import Fields, rows_in_order

Report = Callable[[str, int, str], None]
# Requests between two reports of progress.
TOLD_EVERY = 4096


def replay_queue(
    trace: Path,
    file: BoxFile,
    schedulers: Sequence[str],
    against: str,
    levers: bool,
    bounds: bool,
    report: Report,
) -> Queued:
    """Replays a trace through a box under each scheduler.

    Memory grows with the trace's length.

    Args:
        trace: the file.
        file: the box.
        schedulers: their names; `against` is replayed too.
        against: what the others are compared with: what is run today.
        levers: whether to replay what else could be changed, each alone.
        bounds: whether to tell what nobody could go below.
        report: told what is done, and how many requests are.

    Raises:
        InputError: there is no such scheduler, one breaks a rule or fails, or the trace cannot be read.
    """
    names = list(dict.fromkeys([*schedulers, against]))
    for name in names:
        if not foresees(name, file.box):
            scheduler_of(name, file.box, file.models)
    rows = rows_of(trace, report)
    tallies = {name: replayed(name, rows, file, name, report) for name in names}
    pulled = _pulled(rows, file, against, tallies[against], report) if levers else []
    least = _bounds(rows, file, tallies[against], report) if bounds else Bounds()
    served = lived(lives_in(trace)) if is_journal(trace) else None
    return queued(str(trace), file, against, tallies, least, pulled, served)


def _bounds(rows: Sequence[Fields], file: BoxFile, tally: QueueTally, report: Report) -> Bounds:
    """What nobody could go below. What is refused has no delay, under any scheduler, and no share in it."""
    served = [row for row in rows if row[1] not in tally.fit_nowhere]
    asked = Asked(
        [row[0] for row in served], [file.models[row[1]] for row in served], [own_s(row, file) for row in served]
    )
    return bounds_of(asked, file.box, file.models, file.think_s, report)


def rows_of(trace: Path, report: Report) -> list[Fields]:
    """The requests of a trace.

    Args:
        trace: the file.
        report: told how many are read.

    Raises:
        InputError: it cannot be read.
    """
    rows: list[Fields] = []
    for row in rows_in_order(trace):
        rows.append(row)
        if len(rows) % TOLD_EVERY == 0:
            report("reading", len(rows), "")
    return rows


def _pulled(rows: Sequence[Fields], file: BoxFile, today: str, tally: QueueTally, report: Report) -> list[Pulled]:
    """What each lever is worth beside what is run today."""
    if not tally.served:
        return []
    pulled = []
    for lever in levers_of(file, today, list(tally.models)):
        fewer = [_with_steps(row, lever.steps, file) for row in rows]
        found = replayed(lever.scheduler, fewer, lever.file, lever.name, report)
        if found.mean_s is not None:
            less = saved(found, tally, ("mean_s",))["mean_s"].interval
            pulled.append(Pulled(lever, found.mean_s, less, found.served - tally.served))
    return pulled


def replayed(name: str, rows: Sequence[Fields], file: BoxFile, stage: str, report: Report) -> QueueTally:
    """Requests through a box under one scheduler.

    Args:
        name: of the scheduler.
        rows: the requests, in the order of time.
        file: the box.
        stage: what to call this where progress is told.
        report: told how many have their results.

    Returns:
        What was noted.

    Raises:
        InputError: the scheduler breaks a rule, or fails.
    """
    box = limited(name, file.box)
    whole = whole_of(rows, file) if foresees(name, box) else None
    server = Server(box, file.models, scheduler_of(name, box, file.models, whole), rows[0][0])
    tally = QueueTally(rows[0][0])
    count = 0

    def done(d: Done) -> None:
        nonlocal count
        tally.add(d)
        count += 1
        if count % TOLD_EVERY == 0:
            report(stage, count, "")

    requests = (request_of(i, row, file) for i, row in enumerate(rows))
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


def _with_steps(row: Fields, share: float, file: BoxFile) -> Fields:
    """The same request with that share of its steps."""
    steps = row[3] * share
    if row[6] is None:
        return (*row[:3], steps, *row[4:])
    return (*row[:3], steps, *row[4:6], file.models[row[1]].with_steps_s(row[6], row[3], steps), row[7])
