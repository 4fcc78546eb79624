"""A journal replayed with the durations that it recorded: the box must decide again what it decided.

The events that a box does not decide (arrivals, the ends of what it began, clients that leave, workers that die)
are told to a new box with the same scheduler, each at its recorded time. What that decides is compared with what
stands in the journal.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from genedge.boxes.load import BoxFile
from genedge.boxes.schedulers import limited, scheduler_of
from genedge.edge.live_server import LiveServer
from genedge.edge.request import Request
from genedge.edge.scheduler import Load, Offload, Serve, Wait
from genedge.errors import InputError
from genedge.replay.journal import MISSING, Asked, Life, lives_in
from genedge.replay.remembered import REMEMBERED, remember

DECISIONS = ("load", "served")


class Decided(NamedTuple):
    """What a box decided.

    Attributes:
        time: when [s].
        what: in words, such as `GPU 0 loads sdxl in place of sd15`.
    """

    time: float
    what: str


@dataclass
class Again:
    """One life of a box beside its replay.

    Attributes:
        life: it.
        journal: decisions in it.
        replayed: those of the replay.
        why_not: why the rest of it, or all, cannot be replayed; empty if it can.
    """

    life: Life
    journal: list[Decided]
    replayed: list[Decided]
    why_not: str = ""

    @property
    def first_unlike(self) -> int | None:
        """The number of the first decision that is another, from 0; None if all are alike."""
        for i, (one, other) in enumerate(zip(self.journal, self.replayed, strict=False)):
            if one != other:
                return i
        n, m = len(self.journal), len(self.replayed)
        return None if n == m else min(n, m)

    @property
    def in_words(self) -> str:
        """Whether it decided the same, for people."""
        began = datetime.fromtimestamp(self.life.began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        told = f"begun {began}, {self.life.head['scheduler']}: "
        unlike, n = self.first_unlike, len(self.journal)
        if unlike is not None:
            live, replayed = (_at(decided, unlike) for decided in (self.journal, self.replayed))
            return f"{told}decision {unlike + 1} of {n} is another: live {live}, replayed {replayed}"
        told += f"{n} decisions, all of them made again" if n else "no decision"
        return f"{told}; {self.why_not}" if self.why_not else told

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {
            "began": self.life.began,
            "scheduler": self.life.head["scheduler"],
            "decisions": len(self.journal),
            "first_unlike": self.first_unlike,
            "why_not": self.why_not,
        }


def _at(decided: list[Decided], number: int) -> str:
    return "nothing" if number >= len(decided) else f"at {decided[number].time:.3f} s {decided[number].what}"


def replayed_again(path: Path, file: BoxFile) -> list[Again]:
    """Replays a journal with the durations that it recorded, one life after the other.

    Args:
        path: of the journal.
        file: the box.

    Raises:
        InputError: there is no journal, or it is another box's.
    """
    past: deque[Asked] = deque(maxlen=REMEMBERED)
    found = []
    for life in lives_in(path):
        if life.head.get("id") != file.id:
            raise InputError(
                f"{path}: it is of a box {life.head.get('box')} with other numbers than {file.name} has now, "
                "which decides otherwise; give the box as it was then, or leave --recorded out"
            )
        found.append(again(life, file, list(past)))
        past.extend(life.asked())
    return found


def again(life: Life, file: BoxFile, past: list[Asked]) -> Again:
    """Replays one life of a box, from its beginning to its end.

    Args:
        life: of its journal.
        file: the box.
        past: requests of the lives before, as far as they are known.
    """
    remembers = life.head.get("remembers", 0)
    if not life.whole:
        return Again(life, [], [], "its beginning was in a file that is gone")
    if remembers > len(past):
        return Again(life, [], [], "what it remembered of the time before was in a file that is gone")
    replay = _Replay(file, life, past[len(past) - remembers :])
    journal: list[Decided] = []
    for event in life.events:
        if event["event"] == MISSING:
            return Again(life, journal, replay.decided, f"from then on {event['events']} events are missing")
        try:
            if event["event"] in DECISIONS:
                journal.append(_decided(event))
            else:
                replay.tell(event)
        except (KeyError, AssertionError, AttributeError, IndexError, TypeError, ValueError, InputError):
            # Once it has decided otherwise, what happened then cannot happen any more.
            what = f"what it tells of {event['time']:.3f} s after that ({event['event']}) cannot have happened"
            return Again(life, journal, replay.decided, what)
    return Again(life, journal, replay.decided)


class _Replay:
    def __init__(self, file: BoxFile, life: Life, past: Iterable[Asked]) -> None:
        self.decided: list[Decided] = []
        self._models = file.models
        scheduler = life.head["scheduler"]
        box = limited(scheduler, file.box)
        deciding = scheduler_of(scheduler, box, file.models)
        remember(deciding, past, life.began, box, file.models)
        self._server = LiveServer(box, file.models, deciding)
        self._requests: dict[int, Request] = {}

    def tell(self, event: dict[str, Any]) -> None:
        """Something has happened that the box did not decide."""
        now, server = event["time"], self._server
        match event["event"]:
            case "arrived":
                server.arrive(now, self._request(event))
            case "again":
                server.arrive(now, self._requests[event["number"]])
            case "finished":
                server.finished(now, event["gpu"], event["took_s"])
            case "loaded":
                server.loaded(now, event["gpu"], event["took_s"], event["failed"])
                for number in event["given_up"]:
                    server.cancel(now, self._requests[number])
                if event.get("room"):
                    server.make_room(now, event["gpu"])
            case "cancelled":
                server.cancel(now, self._requests[event["number"]])
            case "lost":
                server.lost(now, event["gpu"], event["model"])
            case "others":
                kept = (event.get("ours_mb", 0), event.get("kept_mb"))
                server.others_hold(now, event["gpu"], event["memory_mb"], *kept)
            case "expired":
                server.expire(now, event["gpu"])
            case "brought":
                victims = server.bring(now, event["gpu"], event["model"])
                if victims is not None:
                    self.decided.append(_loads(now, event["gpu"], event["model"], victims))
                return
            case "asked":
                pass
            case _:
                return
        for gpu in range(len(server.gpus)):
            self._ask(now, gpu)

    def _request(self, event: dict[str, Any]) -> Request:
        number, model, steps = event["number"], event["model"], event["steps"]
        own_s = self._models[model].generation_s(steps)
        request = Request(number, event["time"], model, event["user"], steps, own_s, event["megabytes"])
        request.working_mb = event.get("working_mb")
        self._requests[number] = request
        return request

    def _ask(self, now: float, gpu: int) -> None:
        while True:
            action = self._server.next(now, gpu)
            if isinstance(action, Serve):
                self.decided.append(_served(now, gpu, action.request.number, action.steps))
            elif isinstance(action, Load):
                self.decided.append(_loads(now, gpu, action.model, list(action.evict)))
            elif isinstance(action, Offload):
                continue
            if action is None or isinstance(action, Wait) or self._server.box.overlap is None:
                return


def _decided(event: dict[str, Any]) -> Decided:
    if event["event"] == "load":
        return _loads(event["time"], event["gpu"], event["model"], event["evict"])
    return _served(event["time"], event["gpu"], event["number"], event["steps"])


def _loads(time: float, gpu: int, model: str, evict: list[str]) -> Decided:
    instead = f" in place of {', '.join(evict)}" if evict else ""
    return Decided(time, f"GPU {gpu} loads {model}{instead}")


def _served(time: float, gpu: int, number: int, steps: float) -> Decided:
    return Decided(time, f"GPU {gpu} serves request {number} with {steps:g} steps")
