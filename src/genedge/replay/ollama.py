"""The format `ollama`: the log of `ollama serve`, whose lines of requests name no model; it is told by others.

Read from the source of v0.3.14 (October 2024) to v0.33.0-rc2 (August 2026): https://github.com/ollama/ollama. Which
model a request was for is certain in three cases alone:

1. the log is at debug level (`OLLAMA_DEBUG=1`): when a request has ended a line names its model;
2. one model at a time is in memory (`OLLAMA_MAX_LOADED_MODELS=1`, which the log says at the start): it is for the
   one that was loaded last, named by the blob with its weights;
3. the log loads one model and no other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from genedge.errors import InputError
from genedge.replay.trace import Aside, Note, Row

SERVED = 400  # A status below it.
# What generates or embeds; the rest of the API lists, pulls and tells.
PATHS = frozenset(
    (
        "/api/generate",
        "/api/chat",
        "/api/embed",
        "/api/embeddings",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
        "/v1/images/generations",
    )
)
LONGEST_S = 1e9
# The line that names a model follows that of the request within moments, and that one's time is in whole seconds.
FOLLOWS = timedelta(seconds=2)

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_REQUEST = re.compile(
    r"\[GIN\] (?P<ended>\d{4}/\d\d/\d\d - \d\d:\d\d:\d\d) \|\s*(?P<status>\d{3}) \|\s*(?P<took>\S+) \|"
    r'\s*(?P<user>\S+) \|\s*POST\s+"(?P<path>[^"?]*)'
)
_TIME = re.compile(r"\btime=(?P<local>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)(?P<offset>Z|[+-][01]\d:[0-5]\d)")
_LIMIT = re.compile(r"server config.*\bOLLAMA_MAX_LOADED_MODELS:(?P<limit>\d+)\b")
_LOAD = re.compile(
    r'msg="(?:starting llama server|starting runner|using llama-server for model|starting mlx runner subprocess)"'
    r".*?(?:--model |\bmodel=)(?P<model>\S.*)"
)
_FINISHED = re.compile(
    r'msg="after processing request finished event".*?\b(?:runner\.name|modelPath)=(?P<model>\S.*)'
)
_BLOB = re.compile(r"sha256-([0-9a-f]{12})[0-9a-f]{52}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|µs|μs|us|ns|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ns": 1e-9}


@dataclass
class _Request:
    """A request that was served.

    Attributes:
        line: the number of its line.
        ended: on the clock of the server's zone, in whole seconds.
        took_s: from its arrival to its result [s].
        user: the client's address.
        zone: the server's; None as long as no line has told it.
        last_load: the model that was loaded last, if any was.
        alone: whether no other could be in memory beside it.
        named: the model that a line named.
    """

    line: int
    ended: datetime
    took_s: float
    user: str
    zone: timezone | None
    last_load: str | None
    alone: bool
    named: str | None = None


@dataclass
class _Log:
    """What has been read so far."""

    requests: list[_Request] = field(default_factory=list)
    aside: list[tuple[int, Aside]] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)
    last_load: str | None = None
    alone: bool = False
    zone: timezone | None = None
    names: bool = False
    # Requests whose model is not named yet, the oldest first.
    ending: list[_Request] = field(default_factory=list)

    def read(self, number: int, line: str) -> None:
        time = _TIME.search(line)
        if time:
            self.zone = _zone(time["offset"])
        if found := _REQUEST.search(line):
            self._request(number, found)
        elif found := _LIMIT.search(line):
            # The server starts, with nothing in memory.
            self.alone, self.last_load = found["limit"] == "1", None
        elif found := _LOAD.search(line):
            self.last_load = _model(found["model"])
            self.loaded.add(self.last_load)
        elif time and (found := _FINISHED.search(line)):
            self.names = True
            now = _clock(time["local"], "%Y-%m-%dT%H:%M:%S")
            if now is not None:
                self._finished(now, _model(found["model"]))

    def _request(self, number: int, found: re.Match[str]) -> None:
        if found["path"] not in PATHS:
            return
        took_s, ended = _seconds(found["took"]), _clock(found["ended"], "%Y/%m/%d - %H:%M:%S")
        if int(found["status"]) >= SERVED:
            self.aside.append((number, Aside(f"status {found['status']}")))
        elif took_s is None or ended is None:
            self.aside.append((number, Aside("no time or no duration")))
        else:
            request = _Request(number, ended, took_s, found["user"], self.zone, self.last_load, self.alone)
            self.requests.append(request)
            self.ending.append(request)

    def _finished(self, now: datetime, model: str) -> None:
        self.ending = [request for request in self.ending if request.ended <= now < request.ended + FOLLOWS]
        if self.ending:
            self.ending.pop(0).named = model

    def model(self, request: _Request) -> str | None:
        if self.names:
            return request.named
        return request.last_load if request.alone or len(self.loaded) == 1 else None


def ollama_rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, Row | Aside | Note]]:
    """The requests in a log of Ollama's server; before each line may stand what journald or a container writes.

    A request came as long before its line as it took, right to a second; its user is the client's address. The log
    says neither tokens nor what generating alone took, so it has one step and no time of its own.

    Args:
        path: of the file, for errors.
        lines: of the file.

    Raises:
        InputError: it has no requests, or the model of none of them is certain.
    """
    log = _Log()
    for number, line in enumerate(lines, 1):
        log.read(number, _COLOUR.sub("", line))
    if not log.requests and not log.aside:
        raise InputError(
            f"{path}: no line of a request in it, such as [GIN] 2025/07/01 - 18:00:09 | 200 | 1.5s | 127.0.0.1 | "
            'POST "/api/chat"; give the log of ollama serve'
        )
    yield from log.aside
    yield from _rows(path, log)


def _rows(path: Path, log: _Log) -> Iterator[tuple[int, Row | Aside | Note]]:
    zones = [request.zone for request in log.requests if request.zone is not None]
    served = by_blob = 0
    for request in log.requests:
        model = log.model(request)
        if not model:
            yield request.line, Aside("its model is not certain")
            continue
        zone = request.zone or (zones[0] if zones else UTC)
        came = request.ended.replace(tzinfo=zone).timestamp() - request.took_s
        served += 1
        by_blob += model.startswith("sha256-")
        yield request.line, Row(came, model, request.user, 1)
    if log.requests and not served:
        raise _untold(path, log)
    notes = {
        "without steps or a time of its own; has one step and generates as its model does": served,
        "for a model named by its weights' blob, as ollama show --modelfile NAME names it": by_blob,
        "on a clock whose offset from UTC the log does not tell; taken as UTC": 0 if zones else served,
    }
    yield from ((0, Note(what, of)) for what, of in notes.items() if of)


def _untold(path: Path, log: _Log) -> InputError:
    if log.names:
        what = "its lines that name a model follow no request"
    elif not log.loaded:
        what = "no line says that a model was loaded; the log must reach back to where one was"
    else:
        what = f"it loads {len(log.loaded)} models, and several may be in memory at once"
    return InputError(
        f"{path}: {what}, so that nobody can tell which model its {len(log.requests)} requests are for. Record "
        "anew with OLLAMA_DEBUG=1, whose log names them, or with OLLAMA_MAX_LOADED_MODELS=1; or let the client "
        "write time and model into a table, for genedge trace convert --columns"
    )


def _model(text: str) -> str:
    """What stands after the key that names a model: the blob with its weights, or its name."""
    blob = _BLOB.search(text)
    if blob:
        return f"sha256-{blob[1]}"
    name = text.split()[0].strip('"')
    return name.removeprefix("registry.ollama.ai/").removeprefix("library/")


def _zone(offset: str) -> timezone:
    if offset == "Z":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    east = timedelta(hours=hours, minutes=minutes)
    return timezone(-east if offset[0] == "-" else east)


def _clock(text: str, form: str) -> datetime | None:
    """A time on the server's clock, in whole seconds or with parts of them."""
    whole, _, parts = text.partition(".")
    try:
        return datetime.strptime(whole, form) + timedelta(seconds=float(f"0.{parts or 0}"))
    except (ValueError, OverflowError):
        return None


def _seconds(text: str) -> float | None:
    """Of a duration as Go writes it, such as 1m2.5s or 50.263µs [s]."""
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return seconds if seconds <= LONGEST_S else None
