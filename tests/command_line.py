"""The command line, called in this process: starting Python anew for every check would take minutes."""

import io
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from genedge.cli import run


class Answer(NamedTuple):
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines, in strict JSON: no NaN, no Infinity."""
        return [json.loads(line, parse_constant=_not_json) for line in self.out.splitlines()]


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


Genedge = Callable[..., Answer]


def call(*arguments: object, stdin: str | bytes = "") -> Answer:
    """Runs a command line, without its program's name."""
    raw = stdin.encode() if isinstance(stdin, str) else stdin
    inside, out = (io.TextIOWrapper(io.BytesIO(content), "utf-8") for content in (raw, b""))
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["genedge", *map(str, arguments)])
        patch.setattr(sys, "stdin", inside)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        status = run()
    return Answer(status, text(out), text(err))


def text(stream: io.TextIOWrapper) -> str:
    """What was written to a stream."""
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
