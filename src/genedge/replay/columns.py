"""Tables of requests under anybody's column names: `time=TIMESTAMP,model=Model,user=Who,steps=Steps`."""

import csv
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from genedge.errors import InputError
from genedge.replay.trace import OPTIONAL, Aside, Format, Note, Row
from genedge.text import in_brief, nearest

# What a column may be; the first two there must be.
FIELDS = ("time", "model", "user", "steps", "images", *OPTIONAL)
NEEDED = ("time", "model")
SEPARATORS = ",;\t|"
# From how much on a number is no time in seconds (the year 5138) but in parts of one since 1970; largest first.
PARTS = ((1e17, 1e9, "nanoseconds"), (1e14, 1e6, "microseconds"), (1e11, 1e3, "milliseconds"))
LEAST_TIME, MOST_TIME = -1e15, 1e20


class _Time(NamedTuple):
    """When a request came.

    Attributes:
        seconds: [s].
        told: whether it says which zone it is in, as a number does, or an offset from UTC.
        note: what is to be said of it.
    """

    seconds: float
    told: bool
    note: str | None = None


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

    Times are seconds; milliseconds, microseconds or nanoseconds since 1970; or ISO 8601. Steps are those of all
    images; where no column has them, a request has one. A row that cannot be read is set aside.

    Args:
        columns: by field, the column that holds it.
    """

    def read(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, Row | Aside | Note]]:
        header = next(lines, "")
        separator = _separator(header)
        reader = csv.DictReader(itertools.chain([header], lines), delimiter=separator)
        notes: Counter[str] = Counter()
        # Where times first stood that say which zone they are in, and where such as do not.
        first: dict[bool, int] = {}
        try:
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            _refuse_missing(path, reader.fieldnames, columns)
            for fields in reader:
                texts = {field: (fields[column] or "").strip() for field, column in columns.items()}
                found = _request(texts, separator != ",", notes)
                if isinstance(found, str):
                    yield reader.line_num, Aside(found)
                    continue
                row, time = found
                if first.setdefault(time.told, reader.line_num) == reader.line_num and len(first) == 2:
                    raise _mixed_zones(path, first)
                notes["no column with steps; each has one"] += "steps" not in columns
                yield reader.line_num, row
        except csv.Error as e:
            raise InputError(f"{path}, line {reader.line_num}: not CSV: {e}") from None
        for what, count in notes.items():
            yield reader.line_num, Note(what, count)

    return read


def _separator(header: str) -> str:
    """That of which the header has most outside quotes; a comma if it has none."""
    return max(SEPARATORS, key=re.sub(r'"[^"]*"', "", header).count)


def _refuse_missing(path: Path, header: Sequence[str], columns: Mapping[str, str]) -> None:
    for field, column in columns.items():
        if header.count(column) > 1:
            raise InputError(f"{path}, line 1: the column {in_brief(repr(column))} stands there twice")
        if column not in header:
            near = nearest(column, header)
            hint = f"; did you mean {near}?" if near else f"; there are {in_brief(', '.join(header), 300)}"
            raise InputError(f"{path}, line 1: no column {in_brief(repr(column))} for {field}{hint}")


def _mixed_zones(path: Path, first: Mapping[bool, int]) -> InputError:
    return InputError(
        f"{path}: line {first[False]} has a time without an offset from UTC, line {first[True]} one that "
        "needs none; which zone the former is in cannot be told: write all with one, such as +02:00 or Z, or none"
    )


def _request(fields: Mapping[str, str], commas: bool, notes: Counter[str]) -> tuple[Row, _Time] | str:
    """The request in a row and its time, or why there is none; takes down what is to be said of it."""
    if not fields["model"]:
        return "model empty"
    time = _time(fields["time"], commas)
    if time is None:
        return "time empty" if not fields["time"] else "time neither a number nor ISO 8601"
    said = [] if time.note is None else [time.note]
    numbers: dict[str, float | None] = {}
    for field, most in (("steps", 1e9), ("images", 1e4), *OPTIONAL.items()):
        text = fields.get(field, "")
        number = _number(text, commas) if text else None
        if text and (number is None or not 0 <= number <= most):
            return f"{field} no number from 0 to {most:g}"
        numbers[field] = number
        if "," in text:
            said.append("a number with a decimal comma, read as a point")
    if fields.get("steps", "1") == "":
        return "steps empty"
    notes.update(said)
    steps = 1.0 if numbers["steps"] is None else numbers["steps"]
    images = 1.0 if numbers["images"] is None else numbers["images"]
    optional = [numbers[field] for field in OPTIONAL]
    return Row(time.seconds, fields["model"], fields.get("user", ""), min(steps * images, 1e9), *optional), time


def _time(text: str, commas: bool) -> _Time | None:
    number = _number(text, commas)
    if number is not None:
        for least, per_second, unit in PARTS:
            if least <= number <= MOST_TIME:
                return _Time(number / per_second, True, f"a time in {unit} since 1970")
        return _Time(number, True) if LEAST_TIME <= number <= MOST_TIME else None
    try:
        time = datetime.fromisoformat(text.removesuffix(" UTC") + "Z" if text.endswith(" UTC") else text)
    except ValueError:
        return None
    if time.tzinfo is not None:
        return _Time(time.timestamp(), True)
    return _Time(time.replace(tzinfo=UTC).timestamp(), False, "a time without an offset from UTC; taken as UTC")


def _number(text: str, commas: bool) -> float | None:
    """A number; with a decimal comma, where commas separate no columns."""
    try:
        number = float(text.replace(",", ".") if commas and text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
