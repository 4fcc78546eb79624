"""Request traces: the documented formats, read and checked line by line.

CSV with the header `time,model,user,steps`, or JSON lines with the same keys; `request_mb`, `result_mb`,
`generation_s` and `adapters` may follow, also row by row. Rows stand in the order of time. The journal of a live
box is a trace, too, of the requests that came.
"""

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from genedge.errors import InputError
from genedge.files import refuse_no_plain_file, whole_file
from genedge.registry import named
from genedge.replay.journal import Life, events_in, is_journal, journal_files, lives_of, read_journal
from genedge.settings.reading import read_json
from genedge.text import shortened

FIELDS = ("time", "model", "user", "steps")
# What a request may have besides, and the most that it may be.
OPTIONAL = {"request_mb": 1e6, "result_mb": 1e6, "generation_s": 1e9, "adapters": 1e4}

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
        generation_s: how long it was measured to generate, all its images and steps together; None where what the
            catalogue or box says of its model holds [s].
        adapters: how many (LoRAs) it used; None where unknown.
    """

    time: float
    model: str
    user: str
    steps: float
    request_mb: float | None = None
    result_mb: float | None = None
    generation_s: float | None = None
    adapters: float | None = None


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
Fields = tuple[float, str, str, float, float | None, float | None, float | None, float | None]

# A format reads the lines of a file, whose path is for its complaints: the number of each line, and what is in it.
Format = Callable[[Path, Iterator[str]], Iterator[tuple[int, Any]]]


def rows_in_order(path: Path) -> Iterator[Fields]:
    """The requests of a trace as they stand there, each with the fields of a `Row`.

    Args:
        path: `.csv`, or `.jsonl` for JSON lines; or a journal, whose requests take as long as the catalogue says.

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


def _rows(path: Path) -> Iterator[tuple[int, Fields]]:
    if is_journal(path):
        yield from enumerate(rows_lived(lives_of(read_journal(path))), 1)
        return
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
        path: the file; or the folder of a journal, whose files are read one after the other.

    Raises:
        InputError: it cannot be read, is no plain file or no text, or a line has no end.
    """
    for file in journal_files(path) if path.is_dir() else [path]:
        yield from _lines_of(file)


def _lines_of(path: Path) -> Iterator[str]:
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


def csv_rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Fields]]:
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
        if header[: len(FIELDS)] != FIELDS or not set(header[len(FIELDS) :]) <= set(OPTIONAL):
            raise InputError(
                f"{path}, line 1: the header must be {','.join(FIELDS)} and {','.join(OPTIONAL)} if you like; "
                "genedge trace convert --columns makes a trace of another table"
            )
        if len(set(header)) != len(header):
            raise InputError(f"{path}, line 1: a column stands there twice")
        width = len(header)
        optional = [(name, at) for at, name in enumerate(header) if name in OPTIONAL]
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
                yield rows.line_num, (time, row[1], row[2], steps, None, None, None, None)
            else:
                fields: dict[str, Any] = {
                    **dict(zip(FIELDS, row, strict=False)),
                    **{name: row[at] for name, at in optional if row[at] != ""},
                }
                yield rows.line_num, _checked(path, rows.line_num, fields)
    except csv.Error as e:
        raise InputError(f"{path}, line {rows.line_num}: not CSV: {e}") from None


def json_rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Fields]]:
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
        unknown = [key for key in fields if key not in FIELDS and key not in OPTIONAL]
        if unknown:
            known = ", ".join((*FIELDS, *OPTIONAL))
            raise InputError(f"{path}, line {line}: {shortened(unknown[0])} is no key; there are {known}")
        yield line, _checked(path, line, {key: value for key, value in fields.items() if value is not None})


def rows_lived(lives: Iterable[Life]) -> Iterator[Fields]:
    """The requests of a journal, without how long they were generated: the catalogue says so.

    Args:
        lives: of it, in their order.
    """
    last = -math.inf
    for life in lives:
        for asked in life.asked():
            # A clock may have been set back between two lives.
            last = max(last, asked.time)
            yield last, asked.model, asked.user, asked.steps, asked.megabytes, None, None, None


def journal_rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Row | Note]]:
    """The format `journal`: requests with the time that they were measured to generate.

    Args:
        path: of the journal, for errors.
        lines: of all its files.

    Raises:
        InputError: a line is no event.
    """
    lives = lives_of(events_in(path, (line.encode() for line in lines)))
    outcomes: Counter[str] = Counter()
    for number, each in enumerate((asked for life in lives for asked in life.asked()), 1):
        outcomes[each.outcome] += 1
        yield number, Row(each.time, each.model, each.user, each.steps, each.megabytes, None, each.took_s)
    for outcome, what in (("left", "whose client left"), ("cloud", "served by the cloud")):
        yield outcomes.total(), Note(what, outcomes[outcome])


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
    optional = [number(key, 0, most) if key in fields else None for key, most in OPTIONAL.items()]
    return Row(number("time", -1e15, 1e15), model, user, number("steps", 0, 1e9), *optional)


def checked_row(path: Path, line: int, row: Any) -> Row:
    """A request that a reader's own format has read.

    Args:
        path: of the file, for errors.
        line: its number.
        row: `Row` or a tuple like one: time, model, user, steps, and if it likes request_mb, result_mb,
            generation_s and adapters, each a number or None.

    Raises:
        InputError: it is no request.
    """
    if not isinstance(row, tuple) or not len(FIELDS) <= len(row) <= len(FIELDS) + len(OPTIONAL):
        raise InputError(
            f"{path}, line {line}: a row is a tuple of {', '.join(FIELDS)}, and {', '.join(OPTIONAL)} if you like, "
            f"not {shortened(row)}"
        )
    fields = dict(zip((*FIELDS, *OPTIONAL), row, strict=False))
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


def write_trace(path: Path, rows: Iterable[Row], optional: Sequence[str] = ()) -> int:
    """Writes a trace as CSV, whole or not at all.

    Names are written as they are, for `read_trace` and the catalogue to know them again, also where a spreadsheet
    would take one for a formula.

    Args:
        path: where; it is named `.csv`.
        rows: requests in the order of time.
        optional: which of `OPTIONAL` they have, or some of them.

    Returns:
        How many requests were written.

    Raises:
        InputError: the file cannot be written.
    """
    check_trace_name(path)
    count = 0
    with whole_file(path) as file:
        file.write((",".join((*FIELDS, *optional)) + "\n").encode())
        for row in rows:
            line = f"{row.time:.3f},{_quoted(row.model)},{_quoted(row.user)},{row.steps:.10g}"
            if optional:
                values = (getattr(row, name) for name in optional)
                line += "".join("," if value is None else f",{value:.10g}" for value in values)
            file.write(f"{line}\n".encode())
            count += 1
    return count


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(c in name for c in ',"\r\n') else name
