"""Measurements of a model: a CSV with the header `image,steps,evaluations,quality,seconds`, a run a line.

`genedge calibrate` adds a column `processor_s`.
"""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from genedge.errors import InputError
from genedge.files import read_bytes, whole_file
from genedge.text import in_brief, nearest, shortened

COLUMNS = ("image", "steps", "evaluations", "quality", "seconds")
PROCESSOR = "processor_s"
MOST = 1e9


class Measurement(NamedTuple):
    """One run: an image that was made with a number of steps.

    Attributes:
        image: its name; runs of one name are of the same prompt, mask and seed.
        steps: that were asked for.
        evaluations: of the network; as many as steps, unless the sampler jumps back, or guidance doubles them.
        quality: a cost, lower is better, such as the distance to the image of many steps.
        seconds: that it took.
        processor_s: that it took of all cores together; None where nobody has measured it.
    """

    image: str
    steps: int
    evaluations: int
    quality: float
    seconds: float
    processor_s: float | None = None


def read_measurements(path: Path) -> list[Measurement]:
    """Reads measurements; columns may stand in any order, and others beside them are not looked at.

    Args:
        path: of the CSV.

    Raises:
        InputError: it is not there, no CSV, a column is missing or there twice, or a line is no run.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot be read: it is not text in UTF-8") from None
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(lines, [])]
        _refuse_missing(path, header)
        places = {column: header.index(column) for column in (*COLUMNS, PROCESSOR) if column in header}
        rows: dict[Measurement, int] = {}
        for cells in lines:
            if not cells:
                continue
            where = f"{path}, line {lines.line_num}"
            if len(cells) != len(header):
                raise InputError(f"{where}: {len(cells)} fields, the header has {len(header)}")
            row = _row({column: cells[at].strip() for column, at in places.items()}, where)
            if row in rows:
                raise InputError(f"{where}: the same as line {rows[row]}, to the last digit; a run counts once")
            rows[row] = lines.line_num
    except csv.Error as e:
        raise InputError(f"{path}, line {lines.line_num}: not CSV: {e}") from None
    if not rows:
        raise InputError(f"{path}: there is no measurement in it")
    return list(rows)


def write_measurements(path: Path, rows: Sequence[Measurement]) -> None:
    """Writes measurements; the file is whole or not there.

    Args:
        path: of the CSV.
        rows: one a run.

    Raises:
        InputError: it cannot be written.
    """
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    width = len(COLUMNS) + any(row.processor_s is not None for row in rows)
    lines.writerow((*COLUMNS, PROCESSOR)[:width])
    lines.writerows(row[:width] for row in rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _refuse_missing(path: Path, header: Sequence[str]) -> None:
    for column in COLUMNS:
        if column not in header:
            near = nearest(column, [name for name in header if name not in COLUMNS])
            hint = f" (is it {in_brief(repr(near))}?)" if near else ""
            raise InputError(f"{path}, line 1: no column {column}{hint}; the header must be {','.join(COLUMNS)}")
        if header.count(column) > 1:
            raise InputError(f"{path}, line 1: the column {column} stands there twice")


def _row(cells: dict[str, str], where: str) -> Measurement:
    if not cells["image"]:
        raise InputError(f"{where}, image: it is empty; give each image a name or a number")
    return Measurement(
        cells["image"],
        _count(cells["steps"], f"{where}, steps"),
        _count(cells["evaluations"], f"{where}, evaluations"),
        _number(cells["quality"], -MOST, f"{where}, quality"),
        _number(cells["seconds"], 0.0, f"{where}, seconds"),
        _number(cells[PROCESSOR], 0.0, f"{where}, {PROCESSOR}") if cells.get(PROCESSOR) else None,
    )


def _count(text: str, where: str) -> int:
    number = _number(text, 1.0, where)
    if number != int(number):
        raise InputError(f"{where}: must be a whole number, not {shortened(text)}")
    return int(number)


def _number(text: str, least: float, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number <= MOST:
        raise InputError(f"{where}: must be a number from {least:g} to {MOST:g}, not {shortened(text)}")
    return number
