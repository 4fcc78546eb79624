"""A trace through a box in which nothing queues, under several schedulers, beside what nobody could exceed."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from genedge.boxes.load import BoxFile
from genedge.boxes.schedulers import foresees, limited, scheduler_of
from genedge.edge.schedulers.alone import Alone
from genedge.edge.schedulers.foreseeing import Static, WholeTrace
from genedge.edge.unqueued import Unqueued
from genedge.errors import InputError
from genedge.own import failure, in_file
from genedge.replay.bound import most_saved
from genedge.replay.hindsight import most_hits_of_equal
from genedge.replay.names import names_of
from genedge.replay.replayed import Replayed, levels_of, rows_of
from genedge.replay.requests import Chunk, chunks
from genedge.replay.side_by_side import Served, SideBySide
from genedge.replay.tally import AT_A_TIME, Course, Limits, Tally

Report = Callable[[str, int, str], None]


class _Whole(NamedTuple):
    requests: WholeTrace
    own_s: Float[np.ndarray, "n"]


class _Drive(NamedTuple):
    """One scheduler's; `holds` is what it has chosen to hold, if it has."""

    server: Unqueued
    drive: SideBySide
    tally: Tally
    holds: tuple[str, ...] | None


def replay_unqueued(
    trace: Path, file: BoxFile, schedulers: Sequence[str], against: str, bounds: bool, report: Report
) -> Replayed:
    """Replays a trace under each scheduler, all in one pass.

    Without bounds and schedulers that foresee, the memory that this takes does not grow with the trace's length,
    only with the number of its models and users.

    Args:
        trace: the file.
        file: the box, without a queue.
        schedulers: their names; `against` is replayed too.
        against: what the others are compared with: what is run today.
        bounds: whether to compute them.
        report: told what is done, and how many requests are: of each pass over the trace and of each bound; and
            how it goes with the next ones, where they take long.

    Raises:
        InputError: there is no such scheduler, one breaks a rule or fails, or the trace cannot be read.
    """
    names = list(dict.fromkeys([*schedulers, against]))
    models: dict[str, int] = {}
    foreseeing = [name for name in names if foresees(name, file.box)]
    for name in names:
        if name not in foreseeing:
            scheduler_of(name, file.box, file.models)
    whole = _read_whole(trace, file, models, report) if bounds or foreseeing else None
    drives = _serve(trace, file, names, models, whole, report)
    limits = None if whole is None or not bounds else _limits(whole, file, report)
    tallies = {name: each.tally for name, each in drives.items()}
    server, first = drives[against].server, tallies[against]
    asked = first.asked_for()
    return Replayed(
        rows=rows_of(tallies, against, limits),
        levels=[] if limits is None else levels_of(first, limits, file.alpha),
        trace=str(trace),
        file=file,
        against=against,
        tallies=tallies,
        limits=limits,
        names=names_of(asked, file.models.named, {name for name in asked if not server.fits(0, name)}),
        holds={name: each.holds for name, each in drives.items() if each.holds is not None},
    )


def _serve(
    trace: Path, file: BoxFile, names: Sequence[str], models: dict[str, int], whole: _Whole | None, report: Report
) -> dict[str, _Drive]:
    """Serves all requests under each scheduler."""
    drives: dict[str, _Drive] = {}
    done = 0
    for chunk in chunks(trace, file, models):
        if not drives:
            drives = {name: _drive(name, file, models, whole, chunk.requests[0].time) for name in names}
        for name, each in drives.items():
            each.tally.add(chunk, _served(name, each.drive, chunk))
        done += len(chunk.requests)
        if done % AT_A_TIME == 0:
            report("replaying", done, "")
    report("replaying", done, "")
    for each in drives.values():
        each.tally.close()
    return drives


def _drive(name: str, file: BoxFile, models: dict[str, int], whole: _Whole | None, begin: float) -> _Drive:
    box = limited(name, file.box)
    scheduler = scheduler_of(name, box, file.models, None if whole is None else whole.requests)
    server = Unqueued(box, file.models, scheduler, begin)
    static = scheduler.eviction if isinstance(scheduler, Alone) else None
    holds = static.held if isinstance(static, Static) else None
    return _Drive(server, SideBySide(server), Tally(file, server, models, begin), holds)


def _served(name: str, drive: SideBySide, chunk: Chunk) -> Served:
    try:
        return drive.serve(chunk.requests)
    except InputError:
        raise
    except Exception as e:
        if not in_file(name):
            raise
        raise failure(name, e) from e


def _read_whole(trace: Path, file: BoxFile, models: dict[str, int], report: Report) -> _Whole:
    parts: list[tuple[np.ndarray, ...]] = []
    done = 0
    for chunk in chunks(trace, file, models):
        parts.append((chunk.time, chunk.model, chunk.saved_s, chunk.own_s))
        done += len(chunk.requests)
        if done % AT_A_TIME == 0:
            report("reading ahead", done, "")
    report("reading ahead", done, "")
    time, model, saved_s, own_s = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Whole(WholeTrace(time, model, saved_s, tuple(models)), own_s)


def _limits(whole: _Whole, file: BoxFile, report: Report) -> Limits:
    requests = whole.requests
    n, (memory_mb,) = requests.time.size, file.box.gpus
    size_mb = [file.models[name].memory_mb for name in requests.names]
    load_s = [file.models[name].load_s for name in requests.names]
    sizes = set(size_mb)

    def bounding(what: str) -> Callable[[int, int], None]:
        def tell(done: int, steps: int) -> None:
            report(f"bounding {what}", done, f"{steps} steps of the solver" if steps else "")

        return tell

    if len(sizes) == 1:
        hits_course = most_hits_of_equal(requests, memory_mb // sizes.pop()).astype(float)
        hits, exact = float(hits_course.sum()), True
    else:
        bound = most_saved(requests, np.ones(n), memory_mb, size_mb, None, bounding("hits"))
        # Hits are whole; what floating point took off a whole number is given back first.
        hits, hits_course, exact = float(math.floor(bound.total + 1e-6)), bound.course, False
    saved = most_saved(requests, requests.saved_s, memory_mb, size_mb, load_s, bounding("the delay"))
    cloud_s = float((whole.own_s + requests.saved_s).sum())
    courses = []
    delay = whole.own_s + requests.saved_s - saved.course * requests.saved_s
    for values in (hits_course, delay):
        course = Course(float(requests.time[0]), columns=1)
        course.add(requests.time, values)
        courses.append(course)
    return Limits(hits, exact, cloud_s - saved.total, cloud_s, courses[0], courses[1])
