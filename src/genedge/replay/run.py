"""A trace replayed under several policies at once, beside what no policy could exceed."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from genedge.errors import InputError
from genedge.registry import named, unknown
from genedge.replay.bound import most_saved
from genedge.replay.catalogue import MB_PER_GB, Catalogue, TraceModels
from genedge.replay.hindsight import Belady, Static, WholeTrace, most_hits_of_equal
from genedge.replay.names import compare_names
from genedge.replay.policies import TracePolicy
from genedge.replay.replayed import Replayed, levels_of, rows_of
from genedge.replay.server import Server
from genedge.replay.tally import Course, Limits, Tally
from genedge.replay.trace import read_trace

Report = Callable[[str, int, str], None]


class _Whole(NamedTuple):
    requests: WholeTrace
    local_s: Float[np.ndarray, "n"]


def replay(
    trace: Path,
    catalogue: Catalogue,
    memory_gb: float,
    policies: Sequence[str],
    bounds: bool,
    report: Report,
) -> Replayed:
    """Replays a trace under each policy, all in one pass.

    Without bounds and offline policies the memory that this takes does not grow with the trace's length, only with
    the number of its models and users.

    Args:
        trace: the file.
        catalogue: of the models.
        memory_gb: for models.
        policies: names of trace policies in the registry.
        bounds: whether to compute them.
        report: told what is done, and how many requests are: of each pass over the trace and of each bound; and
            how it goes with the next ones, where they take long.

    Raises:
        InputError: a policy is unknown, the memory is no amount, or the trace cannot be read.
    """
    _check(policies, memory_gb)
    memory_mb = math.floor(memory_gb * MB_PER_GB + 1e-6)
    models, users = TraceModels(catalogue), dict[str, int]()
    whole: _Whole | None = None
    if bounds or any(_foresees(name) for name in policies):
        whole = _read_whole(trace, models, users, report)
    deciding = {name: _policy(name, models, memory_mb, whole) for name in policies}
    servers = {name: Server(memory_mb, models, policy) for name, policy in deciding.items()}
    tallies, asked = _serve(trace, models, users, servers, report)
    limits = None if whole is None or not bounds else _limits(whole, models, memory_mb, report)
    levels = []
    if limits is not None:
        levels = levels_of(next(iter(tallies.values())), limits, catalogue.alpha.value)
    static = deciding.get("static")
    return Replayed(
        rows=rows_of(tallies, limits),
        levels=levels,
        trace=str(trace),
        catalogue=catalogue,
        memory_gb=memory_gb,
        models=len(models.names),
        known_users=sum(number >= 0 for number in users.values()),
        tallies=tallies,
        limits=limits,
        names=compare_names(models, asked, memory_mb),
        holds=tuple(models.names[m] for m in static.held) if isinstance(static, Static) else None,
    )


def _check(policies: Sequence[str], memory_gb: float) -> None:
    known = named("trace policy")
    for name in policies:
        if name not in known:
            raise unknown("trace policy", name, known)
    if not policies:
        raise InputError(f"--policies is empty; there are {', '.join(known)}")
    if not 0 <= memory_gb <= 1e6:
        raise InputError(f"--memory {memory_gb:g}: give gigabytes, from 0 to 1000000")


def _foresees(name: str) -> bool:
    """Whether a policy is handed the whole trace."""
    return "foresees" in named("trace policy")[name].traits


def _policy(name: str, models: TraceModels, memory_mb: int, whole: _Whole | None) -> TracePolicy:
    if not _foresees(name):
        online: TracePolicy = named("trace policy")[name].load()(models)
        return online
    assert whole is not None
    if name == "belady":
        return Belady(models, whole.requests)
    return Static(models, whole.requests, memory_mb)


def _serve(
    trace: Path, models: TraceModels, users: dict[str, int], servers: Mapping[str, Server], report: Report
) -> tuple[dict[str, Tally], Int[np.ndarray, "M"]]:
    """Serves all requests: what each server's policy comes to, and how often each model is asked for."""
    tallies: dict[str, Tally] = {}
    asked = np.zeros(0, np.int64)
    done = 0
    for chunk in read_trace(trace, models, users):
        if not tallies:
            tallies = {name: Tally(models, chunk.time[0]) for name in servers}
        time, model, _, local_s, saved_s = (np.array(column) for column in chunk)
        asked = np.bincount(model, minlength=len(models.names)) + np.pad(asked, (0, len(models.names) - asked.size))
        for name, server in servers.items():
            served = server.serve(chunk)
            loaded = np.array(served.loaded, np.int64)
            tallies[name].add(time, model, local_s, saved_s, np.array(served.hit, bool), loaded)
        done += len(chunk.time)
        report("replaying", done, "")
    return tallies, asked


def _read_whole(trace: Path, models: TraceModels, users: dict[str, int], report: Report) -> _Whole:
    parts: list[list[np.ndarray]] = []
    done = 0
    for chunk in read_trace(trace, models, users):
        parts.append([np.array(column) for column in (chunk.time, chunk.model, chunk.saved_s, chunk.local_s)])
        done += len(chunk.time)
        report("reading ahead", done, "")
    time, model, saved_s, local_s = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Whole(WholeTrace(time, model, saved_s), local_s)


def _limits(whole: _Whole, models: TraceModels, memory_mb: int, report: Report) -> Limits:
    requests = whole.requests
    n = requests.time.size
    sizes = set(models.memory_mb)

    def bounding(what: str) -> Callable[[int, int], None]:
        def tell(done: int, steps: int) -> None:
            report(f"bounding {what}", done, f"{steps} steps of the solver" if steps else "")

        return tell

    if len(sizes) == 1:
        hits_course = most_hits_of_equal(requests, memory_mb // sizes.pop()).astype(float)
        hits, exact = float(hits_course.sum()), True
    else:
        bound = most_saved(requests, np.ones(n), memory_mb, models, True, bounding("hits"))
        # Hits are whole; what floating point took off a whole number is given back first.
        hits, hits_course, exact = float(math.floor(bound.total + 1e-6)), bound.course, False
    saved = most_saved(requests, requests.saved_s, memory_mb, models, False, bounding("the delay"))
    cloud_s = float((whole.local_s + requests.saved_s).sum())
    courses = []
    delay = whole.local_s + requests.saved_s - saved.course * requests.saved_s
    for values in (hits_course, delay):
        course = Course(float(requests.time[0]), columns=1)
        course.add(requests.time, values)
        courses.append(course)
    return Limits(hits, exact, cloud_s - saved.total, cloud_s, courses[0], courses[1])
