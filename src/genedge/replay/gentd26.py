"""GenTD26's `lora_request_trace.csv` as a trace: what cannot be replayed is set aside and counted.

The dataset: https://github.com/alibaba/clusterdata, folder `cluster-trace-v2026-GenAI`.
"""

import csv
import math
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from genedge.errors import InputError
from genedge.replay.trace import Row, check_trace_name, lines_of_requests, write_trace
from genedge.text import in_brief

COLUMNS = (
    "gmt_create",
    "predict_status",
    "groupId",
    "num_images_per_prompt",
    "num_inference_steps",
    "checkpoint_model_version_id",
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


def convert(source: Path, path: Path) -> Converted:
    """Turns GenTD26's requests into a trace, sorted by time.

    Times without an offset from UTC are taken as UTC, all others as they are; it is noted where a file has both. A
    request's steps are those of all its images. Requests that did not succeed are set aside: they have no result
    that could come early or late. All rows are held in memory while they are sorted.

    Args:
        source: the dataset's CSV file, or a part of it with the same header.
        path: CSV to write.

    Raises:
        InputError: the source cannot be read, lacks a column or has no usable row, or the trace cannot be written.
    """
    check_trace_name(path)
    set_aside: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    requests: list[Row] = []
    rows, offsets, last = 0, 0, -math.inf
    try:
        reader = csv.DictReader(lines_of_requests(source))
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{source}, line 1: the column {missing[0]} is missing; is it GenTD26's requests?")
        for fields in reader:
            rows += 1
            read = _request({column: (fields[column] or "").strip() for column in COLUMNS})
            if isinstance(read, str):
                set_aside[read] += 1
                continue
            request, offset = read
            requests.append(request)
            offsets += offset
            noted["earlier than the row before it; sorted"] += request.time < last
            noted["without a group; the user is left empty"] += request.user == ""
            last = request.time
    except csv.Error as e:
        raise InputError(f"{source}: not CSV: {e}") from None
    if not requests:
        raise InputError(f"{source}: none of its {rows} rows is a request that could be replayed")
    if offsets:
        noted["without an offset from UTC, unlike others; taken as UTC"] = len(requests) - offsets
    requests.sort(key=lambda row: row.time)
    written = write_trace(path, requests)
    return Converted(rows, written, dict(set_aside), {what: n for what, n in noted.items() if n})


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
        try:
            number = float(fields[column] or "nan")
        except ValueError:
            number = math.nan
        if not 0 <= number <= 1e4:
            return f"{column} {'no number' if fields[column] else 'empty'}"
        numbers.append(number)
    offset = time.tzinfo is not None
    since = (time if offset else time.replace(tzinfo=UTC)).timestamp()
    return Row(since, fields["checkpoint_model_version_id"], fields["groupId"], numbers[0] * numbers[1]), offset
