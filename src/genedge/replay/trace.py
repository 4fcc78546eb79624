"""Request traces: the documented formats, read in chunks and checked line by line.

CSV with the header `time,model,user,steps`, or JSON lines with the same keys; `request_mb` and `result_mb` may
follow. Rows stand in the order of time.
"""

import csv
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from genedge.errors import InputError
from genedge.files import refuse_no_plain_file, whole_file
from genedge.registry import named
from genedge.replay.catalogue import TraceModels
from genedge.settings.reading import read_json
from genedge.text import shortened

FIELDS = ("time", "model", "user", "steps")
SIZES = ("request_mb", "result_mb")
CHUNK = 16384

# Characters of a line. Far more than a request takes; without an end of lines a file would fill the memory.
MOST_LINE = 1 << 20


class Row(NamedTuple):
    """A request as it stands in a file.

    Attributes:
        time: seconds from any origin.
        model: its name.
        user: the user's or group's name, empty where unknown.
        steps: denoising steps, of all images together.
        request_mb: None where the catalogue's holds.
        result_mb: likewise.
    """

    time: float
    model: str
    user: str
    steps: float
    request_mb: float | None = None
    result_mb: float | None = None


class Aside(NamedTuple):
    """A row of a file that is no request of a trace.

    Attributes:
        reason: why.
    """

    reason: str


class Note(NamedTuple):
    """Something odd about requests that are in the trace all the same.

    Attributes:
        what: it is.
        of: how many requests.
    """

    what: str
    of: int


# A row's fields; a plain tuple is made in half the time.
_Fields = tuple[float, str, str, float, float | None, float | None]

# A format reads the lines of a file, whose path is for its complaints: the number of each line, and what is in it.
Format = Callable[[Path, Iterator[str]], Iterator[tuple[int, Any]]]


class Chunk(NamedTuple):
    """Requests one after the other, models and users as numbers.

    Attributes:
        time: [s].
        model: number among the models met so far.
        user: number among the users met so far; −1 if unknown.
        local_s: delay if the edge generates [s].
        saved_s: what a hit saves against the cloud [s].
    """

    time: list[float]
    model: list[int]
    user: list[int]
    local_s: list[float]
    saved_s: list[float]


def read_trace(path: Path, models: TraceModels, users: dict[str, int]) -> Iterator[Chunk]:
    """Reads a trace a chunk at a time, so that memory does not grow with its length.

    Args:
        path: `.csv`, or `.jsonl` for JSON lines.
        models: takes in the models as they come.
        users: takes in the users as they come, by name, and numbers them from 0.

    Yields:
        At most `CHUNK` requests each.

    Raises:
        InputError: there is no such file or no request in it, or a line is not a request.
    """
    wait, s_per_mb = models.catalogue.cloud.wait_s.value, models.s_per_mb
    chunk = Chunk([], [], [], [], [])
    numbers, per_step, fixed = models.ids, models.s_per_step, models.s_fixed
    for time, name, user, steps, request_mb, result_mb in rows_in_order(path):
        m = numbers.get(name)
        if m is None:
            m = models.number(name)
        u = users.get(user)
        if u is None:
            u = users[user] = len(users) if user else -1
        chunk.time.append(time)
        chunk.model.append(m)
        chunk.user.append(u)
        chunk.local_s.append(fixed[m] + per_step[m] * steps)
        if request_mb is None and result_mb is None:
            chunk.saved_s.append(models.saving_s[m])
        else:
            sent = models.request_mb[m] if request_mb is None else request_mb
            returned = models.result_mb[m] if result_mb is None else result_mb
            chunk.saved_s.append(wait + (sent + returned) * s_per_mb)
        if len(chunk.time) == CHUNK:
            yield chunk
            chunk = Chunk([], [], [], [], [])
    if chunk.time:
        yield chunk


def rows_in_order(path: Path) -> Iterator[_Fields]:
    """The requests of a trace as they stand there: time, model, user, steps, and sizes where they are given.

    Args:
        path: `.csv`, or `.jsonl` for JSON lines.

    Raises:
        InputError: there is no such file or no request in it, or a line is not a request, or earlier than the last.
    """
    last = -math.inf
    for line, row in _rows(path):
        time = row[0]
        if not time >= last:
            raise InputError(
                f"{path}, line {line}, time: {time:.12g} is earlier than the line before ({last:.12g}); "
                "sort the rows by time"
            )
        last = time
        yield row
    if last == -math.inf:
        raise InputError(f"{path}: there is no request in it")


def _rows(path: Path) -> Iterator[tuple[int, _Fields]]:
    entry = named("trace format").get(path.suffix.removeprefix("."))
    if entry is None or "replayed" not in entry.traits:
        raise InputError(
            f"{path}: a trace is named .csv, or .jsonl for JSON lines; genedge trace convert makes one"
        )
    read: Format = entry.load()
    yield from read(path, lines_of_requests(path))


def lines_of_requests(path: Path) -> Iterator[str]:
    """Lines of a file of requests with their ends, as they come; a byte order mark is dropped.

    Args:
        path: the file.

    Raises:
        InputError: it cannot be read, is no plain file or no text, or a line has no end.
    """
    refuse_no_plain_file(path)  # Read more than once.
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line in iter(partial(file.readline, MOST_LINE), ""):
                if len(line) == MOST_LINE:
                    raise InputError(f"{path}: a line of {MOST_LINE} characters or more; give a line a request")
                yield line
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot be read: it is not text in UTF-8") from None


def csv_rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, _Fields]]:
    """The format `csv`.

    Args:
        path: of the file, for errors.
        lines: of the file.

    Raises:
        InputError: a line is no request.
    """
    rows = csv.reader(lines)
    try:
        header = tuple(next(rows, ()))
        if "gmt_create" in header:
            raise InputError(f"{path}: these are GenTD26's columns; genedge trace convert makes a trace of them")
        if header[: len(FIELDS)] != FIELDS or not set(header[len(FIELDS) :]) <= set(SIZES):
            raise InputError(
                f"{path}, line 1: the header must be {','.join(FIELDS)} and {','.join(SIZES)} if you like"
            )
        if len(set(header)) != len(header):
            raise InputError(f"{path}, line 1: a column stands there twice")
        width = len(header)
        sizes = [(name, header.index(name) if name in header else None) for name in SIZES]
        for row in rows:
            if len(row) != width:
                if not row:
                    continue
                raise InputError(f"{path}, line {rows.line_num}: {len(row)} fields, the header has {width}")
            try:
                time, steps = float(row[0]), float(row[3])
                plain = -1e15 <= time <= 1e15 and 0.0 <= steps <= 1e9 and row[1]
            except ValueError:
                plain = False
            if plain and width == 4:
                yield rows.line_num, (time, row[1], row[2], steps, None, None)
            else:
                fields: dict[str, Any] = {
                    **dict(zip(FIELDS, row, strict=False)),
                    **{name: row[at] for name, at in sizes if at is not None and row[at] != ""},
                }
                yield rows.line_num, _checked(path, rows.line_num, fields)
    except csv.Error as e:
        raise InputError(f"{path}, line {rows.line_num}: not CSV: {e}") from None


def json_rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, _Fields]]:
    """The format `jsonl`.

    Args:
        path: of the file, for errors.
        lines: of the file.

    Raises:
        InputError: a line is no request.
    """
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        fields = read_json(text, f"{path}, line {line}")
        if not isinstance(fields, dict):
            raise InputError(f"{path}, line {line}: not a JSON object")
        unknown = [key for key in fields if key not in FIELDS + SIZES]
        if unknown:
            raise InputError(
                f"{path}, line {line}: {shortened(unknown[0])} is no key; there are {', '.join(FIELDS + SIZES)}"
            )
        yield line, _checked(path, line, {key: value for key, value in fields.items() if value is not None})


def _checked(path: Path, line: int, fields: dict[str, Any]) -> Row:
    def number(key: str, least: float, most: float) -> float:
        if key not in fields:
            raise InputError(f"{path}, line {line}, {key}: missing")
        value = fields[key]
        try:
            read = math.nan if isinstance(value, bool | list | dict) else float(value)
        except (ValueError, OverflowError):
            read = math.nan
        if not least <= read <= most:
            raise InputError(
                f"{path}, line {line}, {key}: {shortened(value)} is no number from {least:g} to {most:g}"
            )
        return read

    model, user = fields.get("model", ""), fields.get("user", "")
    for key, name in (("model", model), ("user", user)):
        if not isinstance(name, str):
            raise InputError(f"{path}, line {line}, {key}: {shortened(name)} is no name")
    if model == "":
        raise InputError(f"{path}, line {line}, model: missing")
    sizes = [number(key, 0, 1e6) if key in fields else None for key in SIZES]
    return Row(number("time", -1e15, 1e15), model, user, number("steps", 0, 1e9), *sizes)


def checked_row(path: Path, line: int, row: Any) -> Row:
    """A request that a reader's own format has read.

    Args:
        path: of the file, for errors.
        line: its number.
        row: `Row` or a tuple like one: time, model, user, steps, and if it likes request_mb and result_mb.

    Raises:
        InputError: it is no request.
    """
    if not isinstance(row, tuple) or not len(FIELDS) <= len(row) <= len(FIELDS + SIZES):
        raise InputError(
            f"{path}, line {line}: a row is a tuple of {', '.join(FIELDS)}, and {', '.join(SIZES)} if you like, "
            f"not {shortened(row)}"
        )
    fields = dict(zip(FIELDS + SIZES, row, strict=False))
    return _checked(path, line, {key: value for key, value in fields.items() if value is not None})


def check_trace_name(path: Path) -> None:
    """Refuses a name under which no trace is written; to be called before there is any work to lose.

    Args:
        path: the file to be.

    Raises:
        InputError: it does not end in `.csv`.
    """
    if path.suffix != ".csv":
        raise InputError(f"{path}: a trace is written as CSV; give a name that ends in .csv")


def write_trace(path: Path, rows: Iterable[Row], sizes: bool = False) -> int:
    """Writes a trace as CSV, whole or not at all.

    Names are written as they are, for `read_trace` and the catalogue to know them again, also where a spreadsheet
    would take one for a formula.

    Args:
        path: where; it is named `.csv`.
        rows: requests in the order of time.
        sizes: whether they have sizes of their own, or some of them.

    Returns:
        How many requests were written.

    Raises:
        InputError: the file cannot be written.
    """
    check_trace_name(path)
    count = 0
    with whole_file(path) as file:
        file.write((",".join(FIELDS + SIZES if sizes else FIELDS) + "\n").encode())
        for row in rows:
            line = f"{row.time:.3f},{_quoted(row.model)},{_quoted(row.user)},{row.steps:g}"
            if sizes:
                line += "".join("," if size is None else f",{size:g}" for size in (row.request_mb, row.result_mb))
            file.write(f"{line}\n".encode())
            count += 1
    return count


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(c in name for c in ',"\r\n') else name
