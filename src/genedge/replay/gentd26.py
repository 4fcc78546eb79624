"""The format `gentd26`: GenTD26's `lora_request_trace.csv`; what cannot be replayed is set aside.

The dataset: https://github.com/alibaba/clusterdata, folder `cluster-trace-v2026-GenAI`.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from genedge.errors import InputError
from genedge.replay.trace import Aside, Note, Row
from genedge.text import in_brief

COLUMNS = (
    "gmt_create",
    "predict_status",
    "groupId",
    "num_images_per_prompt",
    "num_inference_steps",
    "checkpoint_model_version_id",
)
# Left out where they are missing; the most that each may be.
MEASURED = {"exec_time_seconds": 1e9, "num_lora": 1e4}


def gentd26_rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, Row | Aside | Note]]:
    """GenTD26's requests, in the file's order.

    Times without an offset from UTC are taken as UTC, all others as they are; it is noted where a file has both. A
    request's steps are those of all its images, its `exec_time_seconds` is how long it generates, and its
    `num_lora` how many adapters it used; both are left out where they are missing. Requests that did not succeed
    are set aside: they have no result that could come early or late.

    Args:
        path: of the dataset's CSV file, or of a part of it with the same header, for errors.
        lines: of the file.

    Raises:
        InputError: it is no CSV, or lacks a column.
    """
    requests, offsets, unmeasured = 0, 0, 0
    reader = csv.DictReader(lines)
    try:
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{path}, line 1: the column {missing[0]} is missing; is it GenTD26's requests?")
        for fields in reader:
            read = _request({column: (fields.get(column) or "").strip() for column in (*COLUMNS, *MEASURED)})
            if isinstance(read, str):
                yield reader.line_num, Aside(read)
                continue
            request, offset = read
            requests += 1
            unmeasured += request.generation_s is None
            offsets += offset
            yield reader.line_num, request
    except csv.Error as e:
        raise InputError(f"{path}: not CSV: {e}") from None
    if 0 < offsets < requests:
        yield (
            reader.line_num,
            Note("without an offset from UTC, unlike others; taken as UTC", requests - offsets),
        )
    if unmeasured:
        yield reader.line_num, Note("without a time of its own; generates as its model does", unmeasured)


def _request(fields: dict[str, str]) -> tuple[Row, bool] | str:
    """The request in a row, and whether its time has an offset from UTC; or why there is none."""
    if fields["predict_status"] != "SUCCEED":
        return f"predict_status {in_brief(fields['predict_status']) or 'empty'}"
    for column in ("checkpoint_model_version_id", "gmt_create"):
        if not fields[column]:
            return f"{column} empty"
    try:
        time = datetime.fromisoformat(fields["gmt_create"])
    except ValueError:
        return "gmt_create not a time"
    numbers = []
    for column in ("num_images_per_prompt", "num_inference_steps"):
        number = _number(fields[column], 1e4)
        if number is None:
            return f"{column} {'no number' if fields[column] else 'empty'}"
        numbers.append(number)
    generation_s, adapters = (_number(fields[column], most) for column, most in MEASURED.items())
    offset = time.tzinfo is not None
    row = Row(
        (time if offset else time.replace(tzinfo=UTC)).timestamp(),
        fields["checkpoint_model_version_id"],
        fields["groupId"],
        numbers[0] * numbers[1],
        generation_s=generation_s,
        adapters=adapters,
    )
    return row, offset


def _number(text: str, most: float) -> float | None:
    """A number from 0 to the most that it may be; else none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number <= most else None
