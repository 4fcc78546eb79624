"""Requests of a trace as a box meets them, one by one or many at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from genedge.boxes.load import BoxFile
from genedge.edge.request import Request
from genedge.edge.schedulers.foreseeing import WholeTrace
from genedge.replay.trace import Fields, rows_in_order

# So few that they are gone before the garbage collector looks at them.
CHUNK = 512


class Chunk(NamedTuple):
    """Requests one after the other.

    Attributes:
        requests: they themselves.
        time: when they come [s].
        model: number among the models met so far.
        own_s: how long each generates [s].
        saved_s: what a hit saves against the cloud [s].
    """

    requests: list[Request]
    time: Float[np.ndarray, "n"]
    model: Int[np.ndarray, "n"]
    own_s: Float[np.ndarray, "n"]
    saved_s: Float[np.ndarray, "n"]


def own_s(row: Fields, file: BoxFile) -> float:
    """How long a request generates: as it was measured, where the trace says so; else as its model does.

    Args:
        row: the request.
        file: the box.

    Returns:
        Seconds.
    """
    measured_s = row[6]
    return file.models[row[1]].generation_s(row[3]) if measured_s is None else measured_s


def request_of(number: int, row: Fields, file: BoxFile) -> Request:
    """A request of a trace.

    Args:
        number: counts requests as they came.
        row: it.
        file: the box.
    """
    time, model, user, steps, request_mb, result_mb, measured_s, _ = row
    takes = file.models[model]
    megabytes = takes.megabytes
    if request_mb is not None or result_mb is not None:
        usual = file.models.sizes(model)
        megabytes = (usual[0] if request_mb is None else request_mb) + (
            usual[1] if result_mb is None else result_mb
        )
    alone_s = takes.generation_s(steps) if measured_s is None else measured_s
    return Request(number, time, model, user, steps, alone_s, megabytes)


def whole_of(rows: Sequence[Fields], file: BoxFile) -> WholeTrace:
    """A whole trace, for whoever foresees.

    Args:
        rows: its requests.
        file: the box.
    """
    numbers: dict[str, int] = {}
    model = [numbers.setdefault(row[1], len(numbers)) for row in rows]
    cloud = file.box.cloud
    if cloud is None:
        saved_s = [file.models[row[1]].load_s for row in rows]
    else:
        megabytes = (request_of(i, row, file).megabytes for i, row in enumerate(rows))
        saved_s = [cloud.wait_s + each * cloud.s_per_mb for each in megabytes]
    return WholeTrace(np.array([row[0] for row in rows]), np.array(model), np.array(saved_s), tuple(numbers))


def chunks(trace: Path, file: BoxFile, models: dict[str, int]) -> Iterator[Chunk]:
    """Reads a trace a chunk at a time, so that memory does not grow with its length.

    Args:
        trace: `.csv`, or `.jsonl` for JSON lines.
        file: the box, which has a cloud.
        models: takes in the models as they come, by name, and numbers them from 0.

    Yields:
        At most `CHUNK` requests each.

    Raises:
        InputError: there is no such file or no request in it, or a line is not a request.
    """
    requests: list[Request] = []
    for number, row in enumerate(rows_in_order(trace)):
        requests.append(request_of(number, row, file))
        if len(requests) == CHUNK:
            yield _chunk(requests, file, models)
            requests = []
    if requests:
        yield _chunk(requests, file, models)


def _chunk(requests: list[Request], file: BoxFile, models: dict[str, int]) -> Chunk:
    cloud = file.box.cloud
    assert cloud is not None
    for request in requests:
        models.setdefault(request.model, len(models))
    columns = ([r.time for r in requests], [r.own_s for r in requests], [r.megabytes for r in requests])
    time, own_s, megabytes = (np.array(column) for column in columns)
    model = np.array([models[r.model] for r in requests])
    return Chunk(requests, time, model, own_s, cloud.wait_s + megabytes * cloud.s_per_mb)
