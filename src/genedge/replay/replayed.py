"""The results of a replay where nothing queues: what each scheduler costs, beside what nobody could exceed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genedge.boxes.load import BoxFile
from genedge.boxes.models import MB_PER_GB
from genedge.replay.names import FIRST, Names
from genedge.replay.queue_words import about_names, short
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

UNQUEUED_METRICS = {
    "utility": Metric("utility", ".3f", "", "lower", "as in Eq. (14), mean over the requests"),
    "mean_s": Metric("delay", ".3f", "s", "lower", "mean delay of a request [s]"),
    "p50_s": Metric("p50 delay", ".3f", "s", "lower", "median of the delays [s]"),
    "p95_s": Metric("p95 delay", ".3f", "s", "lower", "95 % quantile of the delays [s]"),
    "p99_s": Metric("p99 delay", ".3f", "s", "lower", "99 % quantile of the delays [s]"),
    "hits": Metric("hits", ".0f", "", "higher", "requests whose model is in memory"),
    "hit_ratio": Metric("hit ratio", ".4f", "", "higher", "share of the requests whose model is in memory"),
    "loads_per_hour": Metric("loads per hour", ".2f", "", "lower", "models that begin to load, in an hour"),
    "loaded_gb": Metric("loaded", ".0f", "GB", "lower", "weights read to load them [GB]"),
    "loading_s": Metric("loading", ".0f", "s", "lower", "time that models take to load, all of them together [s]"),
}
# Of which the means are of requests.
TAILED = {key: UNQUEUED_METRICS[key] for key in ("mean_s", "utility")}
# How far a scheduler is from the bounds, see `distances`.
DISTANCES = {
    "hits_of_bound": Metric("hits, of the load-free bound", ".1%"),
    "closed": Metric("closed of the way to that bound", ".1%"),
    "delay_gap": Metric("delay above the bound with loads", ".1%"),
    "saved_of_bound": Metric("saving against the cloud, of the largest", ".1%"),
}
LOAD_FREE, WITH_LOADS, CLOUD = "load-free bound", "bound with loads", "all to the cloud"


@dataclass(frozen=True, eq=False, kw_only=True)
class Replayed(Results):
    """The results of a replay.

    Attributes:
        rows: one for each scheduler; each number is of the whole trace, so none has an interval.
        levels: the certified bounds, and what it costs to send everything to the cloud.
        trace: the file.
        file: the box.
        against: the scheduler that the others are compared with.
        tallies: by scheduler, what was added up.
        limits: the certified bounds; None if they were not wanted.
        names: what the trace and the box do not know of each other.
        holds: of each scheduler that has chosen models to hold, their names, that which saves most first.
    """

    trace: str
    file: BoxFile
    against: str
    tallies: Mapping[str, Tally]
    limits: Limits | None
    names: Names
    holds: Mapping[str, tuple[str, ...]]

    @property
    def requests(self) -> int:
        """How many the trace has."""
        return self.tallies[self.against].requests

    @property
    def models(self) -> int:
        """How many it asks for."""
        return len(self.tallies[self.against].asked_for())

    @property
    def hours(self) -> float:
        """From its first request to its last [h]."""
        tally = self.tallies[self.against]
        return (tally.end - tally.begin) / 3600

    @property
    def memory_gb(self) -> float:
        """For models."""
        return sum(self.file.box.gpus) / MB_PER_GB

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the numbers say, by the keys of the rows' values."""
        return UNQUEUED_METRICS | DISTANCES | tail_metrics(TAILED)

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
            f"{self.memory_gb:g} GB, box {named(self.file.name)}"
        )

    @property
    def sheets(self) -> list[Sheet]:
        """What each scheduler costs; and where the bounds are known, how far it is from them."""
        title = (
            f"{self.trace}: {self.requests} requests in {self.hours:.1f} h for {self.models} models, box "
            f"{self.file.name}, {self.memory_gb:g} GB (utility, delay and loads: lower is better)"
        )
        shown = [metric for metric in UNQUEUED_METRICS if metric != "utility" or self.file.alpha is not None]
        tailed = [metric for metric in TAILED if metric in shown]
        sheets = [Sheet(title, None, tuple(shown)), *tail_sheets(self.rows, None, tailed)]
        if self.limits is not None:
            limits, n = self.limits, self.requests
            kind = "the most hits, attained by Belady" if limits.hits_exact else "at least the most hits"
            title = (
                f"load-free bound: hit ratio {limits.hits / n:.4f} ({kind}, were loads free); bound with loads: "
                f"mean delay {limits.delay_s / n:.3f} s (cloud only: {limits.cloud_s / n:.3f} s)"
            )
            sheets.append(Sheet(f"{title}; the way is from {self.against}", None, tuple(DISTANCES)))
        return sheets

    @property
    def panels(self) -> tuple[str, ...]:
        """The metrics that a figure shows."""
        with_quality = ("utility",) if self.file.alpha is not None else ()
        return (*with_quality, "mean_s", "hit_ratio", "loads_per_hour")

    @property
    def remarks(self) -> list[str]:
        """What static holds, what trace and box do not know of each other, and how right numbers are."""
        lines = []
        for name, held in self.holds.items():
            more = f" and {len(held) - FIRST} more" if len(held) > FIRST else ""
            lines.append(f"{name} holds {', '.join(map(short, held[:FIRST])) or 'nothing'}{more}.")
        lines += about_names(self.names, self.file, 0)
        line = f"p50, p95 and p99 are right to {QuantileSketch.ERROR:.0%}."
        if self.file.alpha is not None:
            line += " Images are the same here and in the cloud, so only the delay moves the utility."
        return [*lines, line]

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        bounds = None
        if self.limits is not None:
            bounds = {
                "load_free_hits": self.limits.hits,
                "load_free_hit_ratio": self.limits.hits / self.requests,
                "load_free_is_attained": self.limits.hits_exact,
                "on_demand_s": self.limits.delay_s / self.requests,
                "cloud_s": self.limits.cloud_s / self.requests,
                "over_time": {
                    "width_s": self.limits.hits_course.width_s,
                    "load_free_hits": self.limits.hits_course.sums[0],
                    "delay_s": self.limits.delay_course.sums[0],
                },
            }
        document: dict[str, Any] = plain(
            {
                "trace": self.trace,
                "box": self.file.as_json(),
                "against": self.against,
                "hours": self.hours,
                "names": self.names.as_json(),
                "schedulers": {row.policy: self._row_as_json(row) for row in self.rows},
                "bounds": bounds,
            }
        )
        return document

    def _row_as_json(self, row: Measured) -> dict[str, Any]:
        distances = {key: row.value(key).mean for key in DISTANCES} if self.limits is not None else {}
        held = self.holds.get(row.policy)
        return {
            **self.tallies[row.policy].as_json(),
            "distances": distances,
            **({} if held is None else {"holds": list(held)}),
        }


def distances(tally: Tally, against: Tally, limits: Limits) -> dict[str, float | None]:
    """How far a scheduler is from both bounds.

    Args:
        tally: the scheduler's.
        against: that of what it is compared with.
        limits: the bounds.

    Returns:
        hits_of_bound: its hits over the load-free bound's; closed: the share of the distance from what it is
        compared with to that bound, in hits, which it closes; delay_gap: its delay over the bound's, less one;
        saved_of_bound: its saving against the cloud, of the largest possible. None where there is no distance.
    """

    def share(part: float, whole: float) -> float | None:
        return part / whole if whole > 1e-9 else None

    return {
        "hits_of_bound": share(tally.hits, limits.hits),
        "closed": share(tally.hits - against.hits, limits.hits - against.hits),
        "delay_gap": share(tally.delay_s - limits.delay_s, limits.delay_s),
        "saved_of_bound": share(limits.cloud_s - tally.delay_s, limits.cloud_s - limits.delay_s),
    }


def rows_of(tallies: Mapping[str, Tally], against: str, limits: Limits | None) -> list[Measured]:
    """What was measured of each scheduler.

    Args:
        tallies: by scheduler, what was added up.
        against: the one that the others are compared with.
        limits: the certified bounds; None if they were not wanted.
    """
    rows = []
    for name, tally in tallies.items():
        numbers = tally.as_json()
        values = {metric: single(numbers[metric]) for metric in UNQUEUED_METRICS if metric in numbers}
        for metric, tail in tally.tails.items():
            values |= tail_quantities(metric, tail)
        if limits is not None:
            far = distances(tally, tallies[against], limits)
            values |= {key: single(distance) for key, distance in far.items()}
        rows.append(Measured(name, None, {}, values))
    return rows


def levels_of(tally: Tally, limits: Limits, alpha: float | None) -> list[Level]:
    """The bounds, and what the cloud costs; images are the same everywhere, so that the delay tells the utility.

    Args:
        tally: of any scheduler.
        limits: the bounds.
        alpha: the weight of the delay; None if quality is of no account.
    """
    n = tally.requests
    delay_s = {WITH_LOADS: limits.delay_s / n, CLOUD: limits.cloud_s / n}
    return [
        Level(LOAD_FREE, None, "hits", single(limits.hits)),
        Level(LOAD_FREE, None, "hit_ratio", single(limits.hits / n)),
        *(Level(name, None, "mean_s", single(value)) for name, value in delay_s.items()),
        *(
            Level(name, None, "utility", single(alpha * value + (1 - alpha) * tally.tv / n))
            for name, value in delay_s.items()
            if alpha is not None
        ),
    ]
