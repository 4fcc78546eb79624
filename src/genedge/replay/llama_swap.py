"""The format `llama-swap`: its activity as its API tells it, JSON.

Read from the source of v140 (July 2025) to v250 (August 2026): https://github.com/mostlygeek/llama-swap. Its log
has a line for each request too, which names no model.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from genedge.errors import InputError
from genedge.replay.trace import Aside, Note, Row
from genedge.text import in_brief

SUCCESS = 200
UNMEASURED = "without speeds, so without a time of its own; generates as its model does"


def llama_swap_rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, Row | Aside | Note]]:
    """What llama-swap's `/api/metrics/activity`, or before v236 `/api/metrics`, answered.

    An entry is written when a request has ended: it came as long before as it took. Its own time is what its tokens
    took at the speeds that the model's server told, without waiting and loading. Its steps are the tokens that it
    gave out. Users are not named.

    Args:
        path: of the file, for errors: one or more answers, one after the other.
        lines: of the file.

    Yields:
        The number of each entry, and what it is.

    Raises:
        InputError: it is no such answer.
    """
    seen: set[tuple[Any, Any]] = set()
    unmeasured = number = 0
    for number, entry in enumerate(_entries(path, "".join(lines)), 1):
        if not isinstance(entry, dict):
            raise InputError(f"{path}: entry {number} is no JSON object; {_wanted()}")
        key = str(entry.get("id")), str(entry.get("timestamp"))
        # Pages move on while they are asked for.
        what = Aside("the same entry again") if key in seen else _request(entry)
        seen.add(key)
        unmeasured += isinstance(what, Row) and what.generation_s is None
        yield number, what
    if unmeasured:
        yield number, Note(UNMEASURED, unmeasured)


def _wanted() -> str:
    return (
        "give what curl 'http://HOST:PORT/api/metrics/activity?limit=999&page=1' answers, page after page, or "
        "before v236 curl http://HOST:PORT/api/metrics (the lines of llama-swap's log name no model)"
    )


def _entries(path: Path, text: str) -> Iterator[Any]:
    """Of all answers in a text: lists of entries, pages with them as `data`, or entries alone."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            answer, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            line = text.count("\n", 0, at) + 1
            raise InputError(f"{path}, line {line}: not llama-swap's activity in JSON; {_wanted()}") from None
        if isinstance(answer, dict) and isinstance(answer.get("data"), list):
            answer = answer["data"]
        yield from answer if isinstance(answer, list) else [answer]


def _request(entry: Mapping[str, Any]) -> Row | Aside:
    model, status = entry.get("model"), entry.get("resp_status_code") or SUCCESS
    if not isinstance(model, str) or not model:
        return Aside("model empty")
    if status != SUCCESS:
        return Aside(f"status {in_brief(str(status))}")
    try:
        ended = datetime.fromisoformat(entry.get("timestamp") or "")
    except (TypeError, ValueError):
        return Aside("timestamp empty or no time")
    if ended.tzinfo is None:
        return Aside("timestamp without an offset from UTC")
    took_s = _number(entry.get("duration_ms"), 1e12)
    if took_s is None:
        return Aside("duration_ms empty or no number")
    took_s /= 1e3
    # Up to v208 they stood beside the rest.
    tokens = entry.get("tokens") or entry
    if not isinstance(tokens, dict):
        return Aside("tokens no object")
    given = _number(tokens.get("output_tokens"), 1e9) or 0.0
    return Row(ended.timestamp() - took_s, model, "", given, generation_s=_generation_s(tokens, given, took_s))


def _generation_s(tokens: Mapping[str, Any], given: float, took_s: float) -> float | None:
    """What the tokens took, at most all of it; None where a speed was not told [s]."""
    total_s = 0.0
    for count, speed in (
        (_number(tokens.get("input_tokens"), 1e9) or 0.0, _number(tokens.get("prompt_per_second"), 1e9)),
        (given, _number(tokens.get("tokens_per_second"), 1e9)),
    ):
        if count and not speed:
            return None
        total_s += count / speed if speed else 0.0
    return min(total_s, took_s) if total_s else None


def _number(value: object, most: float) -> float | None:
    """A number from 0 to the most that it may be; else none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= most else None
