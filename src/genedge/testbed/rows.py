"""What was measured, a line for each policy, slot and user, with what was predicted beside it."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from genedge.errors import InputError
from genedge.files import read_text, whole_file

# The files of a run, and the folder of its pictures, with one for each slot.
FACTS, ROWS, SUMMARY, FIGURE, PAGE = "testbed.json", "rows.csv", "summary.json", "measured.png", "page.html"
FILES, PICTURES = (FACTS, ROWS, SUMMARY, FIGURE, PAGE), "pictures"

# Of the delay, which they add up to; and what it costs.
PARTS = ("uplink_s", "downlink_s", "backhaul_s", "wait_s", "generation_s")
MEASURED = (*PARTS, "delay_s", "tv", "utility")
WHAT = ("slot", "policy", "user", "model", "picture", "steps", "repeated", "predicted_hit", "measured_hit")
COLUMNS = (*WHAT, *(f"{side}_{key}" for key in MEASURED for side in ("predicted", "measured")))


class Row(NamedTuple):
    """A request.

    Attributes:
        slot: its number.
        policy: what it is called.
        user: who asked.
        model: for which of the small models.
        picture: number of the picture.
        steps: that it was to get.
        repeated: how often the slot had to be done again, because a process had ended.
        predicted_hit: whether the base station should have served it.
        measured_hit: whether it did.
        predicted: by the names of `MEASURED`.
        measured: likewise.
    """

    slot: int
    policy: str
    user: int
    model: str
    picture: int
    steps: int
    repeated: int
    predicted_hit: bool
    measured_hit: bool
    predicted: Mapping[str, float]
    measured: Mapping[str, float]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Writes rows; the file is whole or as it was.

    Args:
        path: of the CSV.
        rows: they.

    Raises:
        InputError: it cannot be written.
    """
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in rows:
        values = [value for key in MEASURED for value in (row.predicted[key], row.measured[key])]
        what = [int(value) if isinstance(value, bool) else value for value in row[: len(WHAT)]]
        lines.writerow([*what, *(f"{value:.9g}" for value in values)])
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def read_rows(path: Path) -> list[Row]:
    """Reads what `write_rows` wrote; nothing where there is no file.

    Args:
        path: of the CSV.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    try:
        lines = list(csv.reader(io.StringIO(read_text(path), newline="")))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise InputError(f"{path}: cannot be read: {e}") from None
    if not lines or tuple(lines[0]) != COLUMNS:
        raise InputError(f"{path}: not what genedge testbed writes; choose another --out")
    return [_row(path, number, cells) for number, cells in enumerate(lines[1:], 2)]


def _row(path: Path, line: int, cells: list[str]) -> Row:
    try:
        at = dict(zip(COLUMNS, cells, strict=True))
        slot, user, picture, steps, repeated = (
            int(at[key]) for key in ("slot", "user", "picture", "steps", "repeated")
        )
        hits = [at[f"{side}_hit"] == "1" for side in ("predicted", "measured")]
        sides = [{key: float(at[f"{side}_{key}"]) for key in MEASURED} for side in ("predicted", "measured")]
    except ValueError:
        raise InputError(f"{path}, line {line}: damaged; remove the folder, or choose another --out") from None
    what = (slot, at["policy"], user, at["model"], picture, steps, repeated)
    return Row(*what, hits[0], hits[1], sides[0], sides[1])
