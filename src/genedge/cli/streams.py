"""The standard streams, whatever state the program was given them in."""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from genedge.errors import Told
from genedge.text import shown


def mend_streams() -> None:
    """Fills closed streams, and makes standard error one that never fails.

    A closed stream's number would be given to the next file that is opened, and whatever a library prints there
    would be written into that file. Nothing that is said on standard error is worth the work that it is said about.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number, which is this one; also for the processes that this one starts.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    encoding = sys.stderr.encoding if sys.stderr is not None else "utf-8"
    buffer = io.BufferedWriter(_Heedless(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=True)


def on_terminal(stream: Any) -> bool:
    """Whether a stream is read on a terminal, which bars and colours are for.

    A notebook runs `!genedge` on one that nobody sees: its kernel says so in the environment.

    Args:
        stream: standard output or standard error.
    """
    notebook = any(name in os.environ for name in ("JPY_PARENT_PID", "JPY_SESSION_NAME", "COLAB_RELEASE_TAG"))
    return bool(stream.isatty()) and not notebook


@contextlib.contextmanager
def told_in_a_line() -> Iterator[None]:
    """What is told of what the user gave is one line on standard error, without the place in the program."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, Told):
            print(f"genedge: {shown(str(message))}", file=sys.stderr)
        else:
            usual(message, category, *where)

    warnings.showwarning = show  # type: ignore[assignment]
    try:
        yield
    finally:
        warnings.showwarning = usual


class _Heedless(io.FileIO):
    """A stream that says it has written what it could not write."""

    def write(self, data: Any, /) -> int:
        try:
            # None where the other side takes nothing now.
            written = super().write(data)
        except OSError:
            written = None
        return len(data) if written is None else written
