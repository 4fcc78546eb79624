"""The journal of a live box as it is written: a line an event, from which the box can be replayed.

Lines are JSON, whole or not there: a line that a kill cut off is dropped when the journal is next opened. Files are
begun anew when they reach a size, and the oldest goes when there are too many; each says at its head which box it
goes on with. Where events could not be kept, the next one that can be is told how many are missing before it.
"""

import json
import os
from pathlib import Path
from typing import Any, Protocol

from genedge.errors import InputError
from genedge.replay.journal import BEGAN, CURRENT, GOES_ON, MISSING


class Journal(Protocol):
    """Keeps what happens.

    Attributes:
        lost: events that could not be kept, as on a full disk; the service goes on.
    """

    lost: int

    def write(self, event: str, time: float, **what: Any) -> None:
        """An event has happened.

        Args:
            event: its name.
            time: when [s].
            what: plain values.
        """


class NoJournal:
    """Keeps nothing."""

    lost = 0

    def write(self, event: str, time: float, **what: Any) -> None:
        """Of no account."""


class FileJournal:
    """Keeps events in a folder.

    Attributes:
        lost: events that could not be kept, as on a full disk; the service goes on.
    """

    def __init__(self, folder: Path, most_bytes: int, files: int) -> None:
        """Opens the journal of a folder, or begins one.

        Args:
            folder: made if it is not there.
            most_bytes: of a file.
            files: that are kept, the current one included.

        Raises:
            InputError: it cannot be written.
        """
        self.lost = self._missing = 0
        self._head: dict[str, Any] = {}
        self._folder, self._most, self._files = folder, most_bytes, files
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as e:
            raise InputError(f"{folder}: the journal cannot be written: {e.strerror or e}") from None

    def write(self, event: str, time: float, **what: Any) -> None:
        """Appends a line in one piece, so that a kill leaves whole lines."""
        if event == BEGAN:
            self._head = what
        line = _line(event, time, what)
        if self._missing:
            said = _line(GOES_ON, time, self._head) + _line(MISSING, time, {"events": self._missing})
            line = said + line
        try:
            if self._size + len(line) > self._most:
                self._turn()
                line = line if self._missing else _line(GOES_ON, time, self._head) + line
            written = os.write(self._file, line)
            if written < len(line):
                # The disk is full: what is half there is taken back.
                os.ftruncate(self._file, self._size)
                raise OSError
            self._size += written
            self._missing = 0
        except OSError:
            self.lost += 1
            self._missing += 1

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)

    def _open(self) -> None:
        path = self._folder / CURRENT
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size
        whole = _whole_bytes(self._file, self._size)
        if whole < self._size:
            os.ftruncate(self._file, whole)
            self._size = whole

    def _turn(self) -> None:
        """The current file becomes an older one; whatever fails, there is a file to write to."""
        current, before = self._folder / CURRENT, self._file
        if current.exists():
            older = [self._folder / f"journal.{number}.jsonl" for number in range(1, self._files)]
            for number in range(len(older) - 1, 0, -1):
                if older[number - 1].exists():
                    older[number - 1].replace(older[number])
            if older:
                current.rename(older[0])
            else:
                current.unlink()
        self._open()
        os.close(before)


def _line(event: str, time: float, what: dict[str, Any]) -> bytes:
    return json.dumps({"event": event, "time": time, **what}, separators=(",", ":")).encode() + b"\n"


def _whole_bytes(file: int, size: int) -> int:
    """How many bytes there are up to the last end of a line."""
    step, end = 1 << 16, size
    while end > 0:
        begin = max(end - step, 0)
        at = os.pread(file, end - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0
