"""A trace replayed under several policies at once, beside what no policy could exceed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from genedge.errors import InputError
from genedge.registry import named, unknown
from genedge.replay.bound import most_saved
from genedge.replay.catalogue import MB_PER_GB, Catalogue, Models
from genedge.replay.hindsight import Belady, Requests, Static, most_hits_of_equal
from genedge.replay.names import Names, compare_names
from genedge.replay.policies import Policy
from genedge.replay.server import Server
from genedge.replay.tally import Course, Limits, Tally
from genedge.replay.trace import read_trace

Report = Callable[[str, int, str], None]


class _Whole(NamedTuple):
    requests: Requests
    local_s: Float[np.ndarray, "n"]


@dataclass(frozen=True)
class Replay:
    """The results.

    Attributes:
        trace: the file.
        catalogue: what the models take.
        memory_gb: for models.
        models: how many the trace asks for.
        users: how many known users it has.
        policies: each with what was added up.
        limits: the certified bounds; None if they were not wanted.
        names: what the trace and the catalogue do not know of each other.
        holds: names of the models that `static` holds, that which saves most first; None if it was not asked.
    """

    trace: str
    catalogue: Catalogue
    memory_gb: float
    models: int
    users: int
    policies: dict[str, Tally]
    limits: Limits | None
    names: Names
    holds: tuple[str, ...] | None

    def distances(self, name: str) -> dict[str, float | None]:
        """How far a policy is from both bounds.

        Args:
            name: of the policy.

        Returns:
            hits_of_bound: its hits over the load-free bound's; lru_to_bound_closed: the share of the distance from
            LRU to that bound in hits which it closes; delay_gap: its delay over the bound's, less one;
            saved_of_bound: its saving against the cloud, of the largest possible. None where there is no distance.
        """
        if self.limits is None:
            return {}
        tally, limits, lru = self.policies[name], self.limits, self.policies.get("lru")

        def share(part: float, whole: float) -> float | None:
            return part / whole if whole > 1e-9 else None

        return {
            "hits_of_bound": share(tally.hits, limits.hits),
            "lru_to_bound_closed": share(tally.hits - lru.hits, limits.hits - lru.hits) if lru else None,
            "delay_gap": share(tally.delay_s - limits.delay_s, limits.delay_s),
            "saved_of_bound": share(limits.cloud_s - tally.delay_s, limits.cloud_s - limits.delay_s),
        }

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        some = next(iter(self.policies.values()))
        bounds = None
        if self.limits is not None:
            bounds = {
                "load_free_hits": self.limits.hits,
                "load_free_hit_ratio": self.limits.hits / some.requests,
                "load_free_is_attained": self.limits.hits_exact,
                "delay_s": self.limits.delay_s / some.requests,
                "cloud_delay_s": self.limits.cloud_s / some.requests,
                "over_time": {
                    "width_s": self.limits.hits_course.width_s,
                    "load_free_hits": self.limits.hits_course.sums[0].tolist(),
                    "delay_s": self.limits.delay_course.sums[0].tolist(),
                },
            }
        return {
            "trace": self.trace,
            "catalogue": self.catalogue.as_json(),
            "memory_gb": self.memory_gb,
            "models": self.models,
            "users": self.users,
            "hours": (some.end - some.begin) / 3600,
            "names": self.names.as_json(),
            "bounds": bounds,
            "policies": {name: self._policy_as_json(name) for name in self.policies},
        }

    def _policy_as_json(self, name: str) -> dict[str, Any]:
        row = {**self.policies[name].as_json(), "distances": self.distances(name)}
        if name == "static" and self.holds is not None:
            row["holds"] = list(self.holds)
        return row


def replay(
    trace: Path,
    catalogue: Catalogue,
    memory_gb: float,
    policies: Sequence[str],
    bounds: bool,
    report: Report,
) -> Replay:
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
    known = named("trace policy")
    for name in policies:
        if name not in known:
            raise unknown("trace policy", name, known)
    if not policies:
        raise InputError(f"--policies is empty; there are {', '.join(known)}")
    if not 0 <= memory_gb <= 1e6:
        raise InputError(f"--memory {memory_gb:g}: give gigabytes, from 0 to 1000000")
    memory_mb = math.floor(memory_gb * MB_PER_GB + 1e-6)
    models, users = Models(catalogue), dict[str, int]()
    whole: _Whole | None = None
    if bounds or any("foresees" in known[name].traits for name in policies):
        whole = _read_whole(trace, models, users, report)

    static: Static | None = None

    def policy(name: str) -> Policy:
        nonlocal static
        if "foresees" not in known[name].traits:
            made: Policy = known[name].load()(models)
            return made
        assert whole is not None
        if name == "belady":
            return Belady(models, whole.requests)
        static = Static(models, whole.requests, memory_mb)
        return static

    servers = {name: Server(memory_mb, models, policy(name)) for name in policies}
    tallies: dict[str, Tally] = {}
    asked = np.zeros(0, np.int64)
    done = 0
    for chunk in read_trace(trace, models, users):
        if not tallies:
            tallies = {name: Tally(models, chunk.time[0]) for name in policies}
        time, model, _, local_s, saved_s = (np.array(column) for column in chunk)
        asked = np.bincount(model, minlength=len(models.names)) + np.pad(asked, (0, len(models.names) - asked.size))
        for name, server in servers.items():
            served = server.serve(chunk)
            loaded = np.array(served.loaded, np.int64)
            tallies[name].add(time, model, local_s, saved_s, np.array(served.hit, bool), loaded)
        done += len(chunk.time)
        report("replaying", done, "")
    limits = None if whole is None or not bounds else _limits(whole, models, memory_mb, report)
    known_users = sum(number >= 0 for number in users.values())
    return Replay(
        str(trace),
        catalogue,
        memory_gb,
        len(models.names),
        known_users,
        tallies,
        limits,
        compare_names(models, asked, memory_mb),
        None if static is None else tuple(models.names[m] for m in static.held),
    )


def _read_whole(trace: Path, models: Models, users: dict[str, int], report: Report) -> _Whole:
    parts: list[list[np.ndarray]] = []
    done = 0
    for chunk in read_trace(trace, models, users):
        parts.append([np.array(column) for column in (chunk.time, chunk.model, chunk.saved_s, chunk.local_s)])
        done += len(chunk.time)
        report("reading ahead", done, "")
    time, model, saved_s, local_s = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Whole(Requests(time, model, saved_s), local_s)


def _limits(whole: _Whole, models: Models, memory_mb: int, report: Report) -> Limits:
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
