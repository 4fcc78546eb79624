"""Journals of live boxes: read event by event, and as traces of the requests that came.

A journal is a folder of files of JSON lines, or one of these files. It tells of one life of a box after the other,
each from when it was started; the times of a life's events count from there.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genedge.errors import InputError

CURRENT = "journal.jsonl"
BEGAN, GOES_ON, MISSING = "began", "goes on", "missing"
# A first line that is longer is no event.
MOST_FIRST = 1 << 16

Event = dict[str, Any]


@dataclass(slots=True)
class Asked:
    """A request in a journal, and what became of it.

    Attributes:
        number: counts the requests of its life.
        time: when it came, in seconds since 1970.
        model: the model's name.
        user: who asked; empty where unknown.
        steps: denoising steps, of all images together.
        megabytes: of request and result.
        took_s: how long it was generated; None if that never came to its end here [s].
        delay_s: from its arrival to its result; None if there is none [s].
        outcome: `edge` or `cloud`, which served it; `left`, or the kind of failure; empty if it was under way.
    """

    number: int
    time: float
    model: str
    user: str
    steps: float
    megabytes: float
    took_s: float | None = None
    delay_s: float | None = None
    outcome: str = ""


@dataclass
class Life:
    """What a journal tells of a box from one start to its end.

    Attributes:
        head: its first event: the box, its id, the scheduler, when it began, how many requests it remembered.
        whole: whether its beginning is there, or was in a file that is gone.
        events: what happened then.
    """

    head: Event
    whole: bool
    events: list[Event] = field(default_factory=list)

    @property
    def began(self) -> float:
        """When, in seconds since 1970."""
        return float(self.head["at"])

    @property
    def loads(self) -> int:
        """How many were begun."""
        return sum(event["event"] == "load" for event in self.events)

    def asked(self) -> list[Asked]:
        """The requests that came, in the order in which they did.

        Raises:
            InputError: an event does not say what it should.
        """
        try:
            return self._asked()
        except (KeyError, TypeError, ValueError) as e:
            raise InputError(f"no journal of a live box: an event has no {e}") from None

    def _asked(self) -> list[Asked]:
        asked: dict[int, Asked] = {}
        for event in self.events:
            match event["event"]:
                # What is sent elsewhere at once may still come here if it is not served there.
                case "arrived" | "offloaded" if event["number"] not in asked:
                    number, time = event["number"], self.began + event["time"]
                    asked[number] = Asked(
                        number, time, event["model"], event["user"], event["steps"], event["megabytes"]
                    )
                case "finished" | "cloud finished" if event["number"] in asked:
                    _ends(asked[event["number"]], self.began + event["time"], event)
                case "cancelled":
                    asked[event["number"]].outcome = "left"
        return list(asked.values())


class Lived(NamedTuple):
    """How a box served, as its journal tells.

    Attributes:
        schedulers: that decided.
        outcomes: of the requests, how many of each.
        delays_s: of those that have their results, in the order in which they came [s].
        loads: how many were begun.
    """

    schedulers: tuple[str, ...]
    outcomes: Counter[str]
    delays_s: list[float]
    loads: int

    @property
    def mean_s(self) -> float | None:
        """The mean delay [s]; None if there is no result."""
        return float(np.mean(self.delays_s)) if self.delays_s else None

    @property
    def p95_s(self) -> float | None:
        """The 95 % quantile of the delays [s]; None if there is no result."""
        return float(np.quantile(self.delays_s, 0.95)) if self.delays_s else None

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {
            "schedulers": self.schedulers,
            "outcomes": self.outcomes,
            "mean_s": self.mean_s,
            "p95_s": self.p95_s,
            "loads": self.loads,
        }


def lived(lives: Sequence[Life]) -> Lived:
    """How a box served.

    Args:
        lives: of its journal.
    """
    asked = [each for life in lives for each in life.asked()]
    return Lived(
        tuple(dict.fromkeys(str(life.head.get("scheduler", "")) for life in lives)),
        Counter(each.outcome for each in asked),
        [each.delay_s for each in asked if each.delay_s is not None],
        sum(life.loads for life in lives),
    )


def _ends(asked: Asked, now: float, event: Event) -> None:
    if event["failed"] is not None:
        asked.outcome = event["failed"]
        return
    asked.delay_s = now - asked.time
    asked.outcome = "edge" if event["event"] == "finished" else "cloud"
    if asked.outcome == "edge":
        asked.took_s = event["took_s"]


# --- Files


def is_journal(path: Path) -> bool:
    """Whether something is a journal, or a file of one: JSON lines, of which the first one is an event.

    Args:
        path: a folder or file; of no account if there is none.
    """
    if path.is_dir():
        return True
    if path.suffix != ".jsonl" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            first = json.loads(file.readline(MOST_FIRST))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and "event" in first


def journal_files(path: Path) -> list[Path]:
    """The files of a journal, the oldest first.

    Args:
        path: its folder, or one file.

    Raises:
        InputError: there is none.
    """
    if path.is_file():
        return [path]
    numbered = {}
    for file in path.glob("journal.*.jsonl"):
        number = file.name.split(".")[1]
        if number.isdigit():
            numbered[int(number)] = file
    files = [numbered[number] for number in sorted(numbered, reverse=True)]
    current = path / CURRENT
    if current.is_file():
        files.append(current)
    if not files:
        raise InputError(f"{path}: there is no journal in it")
    return files


def read_journal(path: Path) -> Iterator[Event]:
    """The events of a journal, in the order in which they happened.

    Args:
        path: its folder, or one file.

    Raises:
        InputError: there is none, or a line is no event.
    """
    for file in journal_files(path):
        try:
            with file.open("rb") as lines:
                yield from events_in(file, lines)
        except OSError as e:
            raise InputError(f"{file}: cannot be read: {e.strerror or e}") from None


def events_in(file: Path, lines: Iterable[bytes]) -> Iterator[Event]:
    """The events of one file of a journal.

    Args:
        file: it, for errors.
        lines: with their ends; one without was cut off by a kill, or is being written.

    Raises:
        InputError: a line is no event.
    """
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            return
        try:
            event = json.loads(line)
            known = isinstance(event["event"], str) and math.isfinite(event["time"])
        except (ValueError, KeyError, TypeError, RecursionError):
            known = False
        if not known:
            raise InputError(f"{file}, line {number}: no event of a journal")
        yield event


def lives_of(events: Iterable[Event]) -> Iterator[Life]:
    """Lives of a box, one after the other.

    Args:
        events: of its journal.
    """
    life: Life | None = None
    for event in events:
        elsewhere = event["event"] == GOES_ON and (life is None or event.get("at") != life.head.get("at"))
        if event["event"] == BEGAN or elsewhere:
            if life is not None:
                yield life
            life = Life(event, event["event"] == BEGAN)
        elif life is not None:
            life.events.append(event)
    if life is not None:
        yield life


def last_asked(folder: Path, most: int) -> list[Asked]:
    """The last requests of a journal, in the order in which they came; none if there is no journal.

    Args:
        folder: its.
        most: so many at most; files that are not needed for them are not read.

    Raises:
        InputError: a line is no event.
    """
    files = journal_files(folder) if (folder / CURRENT).is_file() else []
    events: list[Event] = []
    arrivals = 0
    while files and arrivals < most:
        before = list(read_journal(files.pop()))
        arrivals += sum(event["event"] == "arrived" for event in before)
        events = before + events
    asked = [each for life in lives_of(events) for each in life.asked()]
    return asked[-most:]


def lives_in(path: Path) -> list[Life]:
    """Lives of a box, one after the other.

    Args:
        path: of its journal.

    Raises:
        InputError: there is none, a line is no event, or no box has begun in it.
    """
    lives = list(lives_of(read_journal(path)))
    if not lives:
        raise InputError(f"{path}: no box has begun in this journal")
    return lives
