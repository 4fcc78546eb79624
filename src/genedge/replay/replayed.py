"""The results of a replay: what each policy costs, beside what no policy could exceed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genedge.replay.catalogue import Catalogue
from genedge.replay.names import FIRST, Group, Names
from genedge.replay.sketch import QuantileSketch
from genedge.replay.tally import Limits, Tally
from genedge.results import (
    Level,
    Measured,
    Metric,
    Results,
    Sheet,
    plain,
    single,
    tail_metrics,
    tail_quantities,
    tail_sheets,
)
from genedge.text import in_brief

TRACE_METRICS = {
    "utility": Metric("utility", ".3f", "", "lower", "as in Eq. (14), mean over the requests"),
    "delay_s": Metric("delay", ".3f", "s", "lower", "mean delay of a request [s]"),
    "delay_p50_s": Metric("p50 delay", ".3f", "s", "lower", "median of the delays [s]"),
    "delay_p95_s": Metric("p95 delay", ".3f", "s", "lower", "95 % quantile of the delays [s]"),
    "delay_p99_s": Metric("p99 delay", ".3f", "s", "lower", "99 % quantile of the delays [s]"),
    "hits": Metric("hits", ".0f", "", "higher", "requests whose model is in memory"),
    "hit_ratio": Metric("hit ratio", ".4f", "", "higher", "share of the requests whose model is in memory"),
    "loads_per_hour": Metric("loads per hour", ".2f", "", "lower", "models that begin to load, in an hour"),
    "loaded_gb": Metric("loaded", ".0f", "GB", "lower", "weights read to load them [GB]"),
    "loading_s": Metric("loading", ".0f", "s", "lower", "time that models take to load, all of them together [s]"),
}
# Of which the means are of requests.
TAILED = {key: TRACE_METRICS[key] for key in ("delay_s", "utility")}
# How far a policy is from the bounds, see `distances`.
DISTANCES = {
    "hits_of_bound": Metric("hits, of the load-free bound", ".1%"),
    "lru_to_bound_closed": Metric("closed of LRU to that bound", ".1%"),
    "delay_gap": Metric("delay above the bound with loads", ".1%"),
    "saved_of_bound": Metric("saving against the cloud, of the largest", ".1%"),
}
LOAD_FREE, WITH_LOADS, CLOUD = "load-free bound", "bound with loads", "all to the cloud"

# Of a name in a text, so many characters are shown.
LONGEST = 40


@dataclass(frozen=True, eq=False, kw_only=True)
class Replayed(Results):
    """The results of a replay.

    Attributes:
        rows: one for each policy; each number is of the whole trace, so none has an interval.
        levels: the certified bounds, and what it costs to send everything to the cloud.
        trace: the file.
        catalogue: what the models take.
        memory_gb: for models.
        models: how many the trace asks for.
        known_users: how many known users it has.
        tallies: by policy, what was added up.
        limits: the certified bounds; None if they were not wanted.
        names: what the trace and the catalogue do not know of each other.
        holds: names of the models that `static` holds, that which saves most first; None if it was not asked.
    """

    trace: str
    catalogue: Catalogue
    memory_gb: float
    models: int
    known_users: int
    tallies: Mapping[str, Tally]
    limits: Limits | None
    names: Names
    holds: tuple[str, ...] | None

    @property
    def requests(self) -> int:
        """How many the trace has."""
        return next(iter(self.tallies.values())).requests

    @property
    def hours(self) -> float:
        """From its first request to its last [h]."""
        tally = next(iter(self.tallies.values()))
        return (tally.end - tally.begin) / 3600

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the numbers say, by the keys of the rows' values."""
        return TRACE_METRICS | DISTANCES | tail_metrics(TAILED)

    @property
    def over(self) -> str:
        """What means are over; they have no intervals."""
        return f"{self.requests} requests"

    def over_of(self, row: Measured) -> str:
        """The same of one row.

        Args:
            row: one of these.
        """
        return self.over

    def title(self, named: Callable[[str], str]) -> str:
        """What was compared on what, for a figure.

        Args:
            named: how somebody's name for something is shown there.
        """
        return (
            f"{named(Path(self.trace).name)}: {self.requests} requests for {self.models} models, "
            f"{self.memory_gb:g} GB, catalogue {named(self.catalogue.name)}"
        )

    @property
    def sheets(self) -> list[Sheet]:
        """What each policy costs; and where the bounds are known, how far it is from them."""
        title = (
            f"{self.trace}: {self.requests} requests in {self.hours:.1f} h for {self.models} models, catalogue "
            f"{self.catalogue.name}, {self.memory_gb:g} GB (utility, delay and loads: lower is better)"
        )
        sheets = [Sheet(title, None, tuple(TRACE_METRICS)), *tail_sheets(self.rows, None, tuple(TAILED))]
        if self.limits is not None:
            limits, n = self.limits, self.requests
            kind = "the most hits, attained by Belady" if limits.hits_exact else "at least the most hits"
            title = (
                f"load-free bound: hit ratio {limits.hits / n:.4f} ({kind}, were loads free); bound with loads: "
                f"mean delay {limits.delay_s / n:.3f} s (cloud only: {limits.cloud_s / n:.3f} s)"
            )
            sheets.append(Sheet(title, None, tuple(DISTANCES)))
        return sheets

    @property
    def panels(self) -> tuple[str, ...]:
        """The metrics that a figure shows."""
        return ("utility", "delay_s", "hit_ratio", "loads_per_hour")

    @property
    def remarks(self) -> list[str]:
        """What static holds, what trace and catalogue do not know of each other, and how right numbers are."""
        lines = []
        if self.holds is not None:
            held = _few(self.holds[:FIRST], len(self.holds)) if self.holds else "nothing"
            lines.append(f"static holds {held}.")
        names = self.names
        if names.by_default.models:
            lines.append(
                f"{self._share(names.by_default)} are not in the catalogue and take its defaults: "
                f"{_few(names.by_default.first, names.by_default.models)}."
            )
        if names.not_asked_for:
            entries = [
                in_brief(entry, LONGEST)
                + (f" (the trace has {in_brief(near, LONGEST)})" if near is not None else "")
                for entry, near in names.nearest.items()
            ]
            lines.append(f"The catalogue names what no request is for: {_counted(entries, names.not_asked_for)}.")
        if names.never_fit.models:
            lines.append(
                f"{self._share(names.never_fit)} never fit into {self.memory_gb:g} GB: "
                f"{_few(names.never_fit.first, names.never_fit.models)}."
            )
        lines.append(
            f"p50, p95 and p99 are right to {QuantileSketch.ERROR:.0%}. Images are the same here and in the cloud, "
            "so only the delay moves the utility."
        )
        return lines

    def _share(self, some: Group) -> str:
        return f"{some.models} of {self.models} models ({some.requests} of {self.requests} requests)"

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        bounds = None
        if self.limits is not None:
            bounds = {
                "load_free_hits": self.limits.hits,
                "load_free_hit_ratio": self.limits.hits / self.requests,
                "load_free_is_attained": self.limits.hits_exact,
                "delay_s": self.limits.delay_s / self.requests,
                "cloud_delay_s": self.limits.cloud_s / self.requests,
                "over_time": {
                    "width_s": self.limits.hits_course.width_s,
                    "load_free_hits": self.limits.hits_course.sums[0],
                    "delay_s": self.limits.delay_course.sums[0],
                },
            }
        document: dict[str, Any] = plain(
            {
                "trace": self.trace,
                "catalogue": self.catalogue.as_json(),
                "memory_gb": self.memory_gb,
                "models": self.models,
                "users": self.known_users,
                "hours": self.hours,
                "names": self.names.as_json(),
                "bounds": bounds,
                "policies": {row.policy: self._row_as_json(row) for row in self.rows},
            }
        )
        return document

    def _row_as_json(self, row: Measured) -> dict[str, Any]:
        distances = {key: row.value(key).mean for key in DISTANCES} if self.limits is not None else {}
        document = {**self.tallies[row.policy].as_json(), "distances": distances}
        if row.policy == "static" and self.holds is not None:
            document["holds"] = list(self.holds)
        return document


def _few(names: Sequence[str], count: int) -> str:
    return _counted([in_brief(name, LONGEST) for name in names], count)


def _counted(texts: Sequence[str], count: int) -> str:
    return ", ".join(texts) + (f" and {count - len(texts)} more" if count > len(texts) else "")


def distances(tally: Tally, lru: Tally | None, limits: Limits) -> dict[str, float | None]:
    """How far a policy is from both bounds.

    Args:
        tally: the policy's.
        lru: that of LRU, if it was replayed.
        limits: the bounds.

    Returns:
        hits_of_bound: its hits over the load-free bound's; lru_to_bound_closed: the share of the distance from
        LRU to that bound in hits which it closes; delay_gap: its delay over the bound's, less one;
        saved_of_bound: its saving against the cloud, of the largest possible. None where there is no distance.
    """

    def share(part: float, whole: float) -> float | None:
        return part / whole if whole > 1e-9 else None

    return {
        "hits_of_bound": share(tally.hits, limits.hits),
        "lru_to_bound_closed": None if lru is None else share(tally.hits - lru.hits, limits.hits - lru.hits),
        "delay_gap": share(tally.delay_s - limits.delay_s, limits.delay_s),
        "saved_of_bound": share(limits.cloud_s - tally.delay_s, limits.cloud_s - limits.delay_s),
    }


def rows_of(tallies: Mapping[str, Tally], limits: Limits | None) -> list[Measured]:
    """What was measured of each policy.

    Args:
        tallies: by policy, what was added up.
        limits: the certified bounds; None if they were not wanted.
    """
    rows = []
    for name, tally in tallies.items():
        numbers = tally.as_json()
        values = {metric: single(numbers[metric]) for metric in TRACE_METRICS}
        for metric, tail in tally.tails.items():
            values |= tail_quantities(metric, tail)
        if limits is not None:
            far = distances(tally, tallies.get("lru"), limits)
            values |= {key: single(distance) for key, distance in far.items()}
        rows.append(Measured(name, None, {}, values))
    return rows


def levels_of(tally: Tally, limits: Limits, alpha: float) -> list[Level]:
    """The bounds, and what the cloud costs; images are the same everywhere, so that the delay tells the utility.

    Args:
        tally: of any policy.
        limits: the bounds.
        alpha: the weight of the delay.
    """
    n = tally.requests
    delay_s = {WITH_LOADS: limits.delay_s / n, CLOUD: limits.cloud_s / n}
    return [
        Level(LOAD_FREE, None, "hits", single(limits.hits)),
        Level(LOAD_FREE, None, "hit_ratio", single(limits.hits / n)),
        *(Level(name, None, "delay_s", single(value)) for name, value in delay_s.items()),
        *(
            Level(name, None, "utility", single(alpha * value + (1 - alpha) * tally.tv / n))
            for name, value in delay_s.items()
        ),
    ]
