"""Tables of requests under anybody's column names: `time=TIMESTAMP,model=Model,user=Who,steps=Steps`."""

import csv
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from genedge.errors import InputError
from genedge.replay.trace import Aside, Format, Note, Row
from genedge.text import in_brief, nearest

# What a column may be; the first two there must be.
FIELDS = ("time", "model", "user", "steps", "images", "request_mb", "result_mb")
NEEDED = ("time", "model")
SEPARATORS = ",;\t|"
# Lines of a file by which its separator is told.
SNIFFED = 20
NO_OFFSET = "without an offset from UTC, unlike others; taken as UTC"


def columns_of(text: str) -> dict[str, str]:
    """Which column holds what.

    Args:
        text: `FIELD=COLUMN` each, separated by commas.

    Raises:
        InputError: it is not of this form, or time or model is missing.
    """
    columns: dict[str, str] = {}
    for part in text.split(","):
        field, equals, column = part.partition("=")
        field, column = field.strip(), column.strip()
        if not equals or field not in FIELDS or not column:
            raise InputError(
                f"--columns {in_brief(text)}: write FIELD=COLUMN each, of the fields {', '.join(FIELDS)}; for "
                "example time=TIMESTAMP,model=Model"
            )
        if field in columns:
            raise InputError(f"--columns {in_brief(text)}: {field} stands there twice")
        columns[field] = column
    missing = [field for field in NEEDED if field not in columns]
    if missing:
        raise InputError(f"--columns {in_brief(text)}: {missing[0]} is missing, for example {missing[0]}=COLUMN")
    return columns


def table_format(columns: Mapping[str, str]) -> Format:
    """A format that reads a table with a header, separated by commas, semicolons, tabs or bars.

    Times are seconds, or ISO 8601; without an offset from UTC they are taken as UTC. Steps are those of all images;
    where no column has them, a request has one. A row that cannot be read is set aside.

    Args:
        columns: by field, the column that holds it.
    """

    def read(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, Row | Aside | Note]]:
        first = list(itertools.islice(lines, SNIFFED))
        reader = csv.DictReader(itertools.chain(first, lines), delimiter=_separator(first))
        requests, offsets, iso = 0, 0, 0
        try:
            _refuse_missing(path, reader.fieldnames or (), columns)
            for fields in reader:
                found = _request({field: (fields[column] or "").strip() for field, column in columns.items()})
                if isinstance(found, str):
                    yield reader.line_num, Aside(found)
                    continue
                row, offset = found
                requests += 1
                iso += offset is not None
                offsets += offset is True
                yield reader.line_num, row
        except csv.Error as e:
            raise InputError(f"{path}, line {reader.line_num}: not CSV: {e}") from None
        if 0 < offsets < iso:
            yield reader.line_num, Note(NO_OFFSET, iso - offsets)
        if "steps" not in columns:
            yield reader.line_num, Note("no column with steps; each has one", requests)

    return read


def _separator(first: list[str]) -> str:
    """That of which the header has most; a comma if it has none."""
    header = first[0] if first else ""
    return max(SEPARATORS, key=header.count)


def _refuse_missing(path: Path, header: Sequence[str], columns: Mapping[str, str]) -> None:
    names = [name or "" for name in header]
    for field, column in columns.items():
        if column not in names:
            near = nearest(column, names)
            hint = f"; did you mean {near}?" if near else f"; there are {in_brief(', '.join(names), 300)}"
            raise InputError(f"{path}, line 1: no column {in_brief(repr(column))} for {field}{hint}")


def _request(fields: Mapping[str, str]) -> tuple[Row, bool | None] | str:
    """The request in a row, and whether its time has an offset, None of plain seconds; or why there is none."""
    if not fields["model"]:
        return "model empty"
    time = _time(fields["time"])
    if time is None:
        return "time empty" if not fields["time"] else "time neither seconds nor ISO 8601"
    numbers: dict[str, float | None] = {}
    for field, most in (("steps", 1e9), ("images", 1e4), ("request_mb", 1e6), ("result_mb", 1e6)):
        text = fields.get(field, "")
        number = _number(text) if text else None
        if text and (number is None or not 0 <= number <= most):
            return f"{field} no number from 0 to {most:g}"
        numbers[field] = number
    if fields.get("steps", "1") == "":
        return "steps empty"
    steps = 1.0 if numbers["steps"] is None else numbers["steps"]
    images = 1.0 if numbers["images"] is None else numbers["images"]
    sizes = numbers["request_mb"], numbers["result_mb"]
    return Row(time[0], fields["model"], fields.get("user", ""), min(steps * images, 1e9), *sizes), time[1]


def _time(text: str) -> tuple[float, bool | None] | None:
    """Seconds, and whether an ISO time has an offset."""
    seconds = _number(text)
    if seconds is not None:
        return (seconds, None) if -1e15 <= seconds <= 1e15 else None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = time.tzinfo is not None
    return (time if offset else time.replace(tzinfo=UTC)).timestamp(), offset


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
