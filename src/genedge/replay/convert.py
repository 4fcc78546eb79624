"""Requests of other formats as a trace: sorted by time; what cannot be replayed is set aside and counted."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from genedge.errors import InputError
from genedge.own import failure, from_file, in_file
from genedge.registry import named, unknown
from genedge.replay.trace import (
    OPTIONAL,
    Aside,
    Format,
    Note,
    Row,
    check_trace_name,
    checked_row,
    lines_of_requests,
    write_trace,
)


class Converted(NamedTuple):
    """What became of the rows.

    Attributes:
        rows: read.
        requests: written.
        set_aside: how many rows are no requests of the trace, by reason.
        noted: how many are, although something about them was odd, by what it was.
    """

    rows: int
    requests: int
    set_aside: dict[str, int]
    noted: dict[str, int]


def format_named(name: str) -> Format:
    """The format of that name.

    Args:
        name: of the registry, or `FILE.py:FUNCTION`: a function of a file's path and its lines that yields, for
            each row, the number of its line and a `Row`, a tuple like one, or an `Aside`.

    Raises:
        InputError: there is none.
    """
    known = named("trace format")
    if name in known:
        read: Format = known[name].load()
        return read
    if not in_file(name):
        raise unknown("trace format", name, known, ", and FILE.py:FUNCTION")
    return _own_format(name)


def _own_format(name: str) -> Format:
    own = from_file(name)
    if not callable(own):
        raise InputError(f"{name}: it is no function; it must be one of (path, lines)")

    def read(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, Any]]:
        try:
            for line, what in own(path, lines):
                yield line, what if isinstance(what, Aside | Note) else checked_row(path, line, what)
        except InputError:
            raise
        except Exception as e:
            raise failure(name, e) from e

    return read


def convert(source: Path, path: Path, read: Format) -> Converted:
    """Turns requests into a trace, sorted by time; all are held in memory while they are sorted.

    Args:
        source: the file.
        path: CSV to write.
        read: its format, see `format_named`.

    Raises:
        InputError: the source cannot be read or has no usable row, or the trace cannot be written.
    """
    check_trace_name(path)
    set_aside: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    requests: list[Row] = []
    last = -math.inf
    for _, what in read(source, lines_of_requests(source)):
        if isinstance(what, Note):
            noted[what.what] += what.of
            continue
        if isinstance(what, Aside):
            set_aside[what.reason] += 1
            continue
        request = Row(*what)
        requests.append(request)
        noted["earlier than the row before it; sorted"] += request.time < last
        noted["without a user; left empty"] += request.user == ""
        last = request.time
    rows = len(requests) + set_aside.total()
    if not requests:
        raise InputError(f"{source}: none of its {rows} rows is a request that could be replayed")
    requests.sort(key=lambda row: row.time)
    optional = [name for name in OPTIONAL if any(getattr(row, name) is not None for row in requests)]
    written = write_trace(path, requests, optional)
    return Converted(rows, written, dict(set_aside), {what: n for what, n in noted.items() if n})
