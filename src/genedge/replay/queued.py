"""The results of a replay through a box with a queue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genedge.boxes.load import BoxFile
from genedge.boxes.models import MB_PER_GB
from genedge.boxes.schedulers import settings_of
from genedge.replay.blocks import blocks_of, in_blocks, means, saved
from genedge.replay.journal import Lived
from genedge.replay.least import Bounds
from genedge.replay.levers import Pulled, in_a_sentence
from genedge.replay.names import Names, names_of
from genedge.replay.queue_tally import PARTS, QueueTally
from genedge.replay.queue_words import (
    about_names,
    as_it_lived,
    what_a_gb_saves,
    who_starves,
    who_stays,
    why_they_stay,
)
from genedge.replay.sketch import QuantileSketch
from genedge.replay.waiting import WhoWaits, who_waits
from genedge.results import Level, Measured, Metric, Quantity, Results, Sheet, cell, plain, single

QUEUE_METRICS = {
    "mean_s": Metric("delay", ".2f", "s", "lower", "mean delay of a request [s]"),
    "p50_s": Metric("p50", ".2f", "s", "lower", "median of the delays [s]"),
    "p95_s": Metric("p95", ".2f", "s", "lower", "95 % quantile of the delays [s]"),
    "p99_s": Metric("p99", ".2f", "s", "lower", "99 % quantile of the delays [s]"),
    "max_s": Metric("longest", ".2f", "s", "lower", "longest delay [s]"),
    "loads_per_hour": Metric("loads an hour", ".2f", "", "lower", "loads begun in an hour"),
    "gb_per_hour": Metric("loaded an hour", ".1f", "GB", "lower", "weights loaded in an hour [GB]"),
    "generation_s": Metric("generation", ".2f", "s", "lower", "of the mean delay: its own generation [s]"),
    "queue_s": Metric("queue", ".2f", "s", "lower", "of the mean delay: others are generated [s]"),
    "own_load_s": Metric("own load", ".2f", "s", "lower", "of the mean delay: its model loads [s]"),
    "others_loads_s": Metric("others' loads", ".2f", "s", "lower", "of the mean delay: other models load [s]"),
    "cloud_s": Metric("cloud", ".2f", "s", "lower", "of the mean delay: the cloud and the way there [s]"),
    "generating": Metric("generating", ".1%", "", "", "share of the GPUs' time"),
    "loading": Metric("loading", ".1%", "", "lower", "share of the GPUs' time"),
    "idle": Metric("idle", ".1%", "", "", "share of the GPUs' time: neither"),
    "jain": Metric("fairness", ".3f", "", "higher", "Jain's index of the users' slow-downs, 1 if all are alike"),
    "long_waits": Metric("long waits", ".1%", "", "lower", "share of the requests: over ten times their own time"),
    "longest_model_s": Metric("model that waits longest", ".1f", "s", "lower", "its mean wait [s]"),
    "longest_user_s": Metric("user who waits longest", ".1f", "s", "lower", "their mean wait [s]"),
    "saved_s": Metric("saved", "+.2f", "s", "higher", "of the mean delay of what it is compared with [s]"),
    "saved": Metric("saved", "+.1%", "", "higher", "of the mean delay of what it is compared with"),
    "loads_saved": Metric("loads an hour saved", "+.2f", "", "higher", "against what it is compared with"),
    "gb_saved": Metric("saved an hour", "+.1f", "GB", "higher", "weights loaded, against what it is compared with"),
    "model_requests": Metric("requests", ".0f"),
    "model_hits": Metric("hits", ".1%", "", "higher", "share of the requests that wait for no load of it"),
    "model_loads": Metric("loads", ".0f", "", "lower"),
    "model_gb_hours": Metric("held", ".1f", "GB h", "", "its memory, times how long it was there"),
    "model_resident": Metric("in memory", ".1%", "", "", "share of the time; with several GPUs, of all together"),
    "model_delay_s": Metric("delay", ".2f", "s", "lower", "mean delay of its requests [s]"),
    "model_a_gb_saves_s": Metric("a GB saves, an hour", ".1f", "s", "", "in loads, at most [s]"),
    "above_bound": Metric(
        "above the bound", ".1%", "", "lower", "mean delay over what nobody goes below, less one"
    ),
}
QUANTILES = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}
# What is less than under what is run today, by the metric of which it is.
SAVED = {"mean_s": "saved_s", "share": "saved", "loads_per_hour": "loads_saved", "gb_per_hour": "gb_saved"}
OF_MODELS = tuple(key for key in QUEUE_METRICS if key.startswith("model_"))
# So many models stand in a table.
MODELS_SHOWN = 12
ANYBODY, ON_DEMAND = "no loads, shortest first: nobody's is less", "loads on demand: nobody's is less"
FOUND = "the best schedule found, knowing the trace"


@dataclass(frozen=True, eq=False, kw_only=True)
class Queued(Results):
    """The results of a replay through a box with a queue.

    Attributes:
        rows: one for each scheduler; means have intervals over blocks of the trace.
        levels: what nobody could go below.
        trace: the file.
        file: the box.
        against: the scheduler that the others are compared with.
        tallies: by scheduler, what was noted.
        waits: by scheduler, who waits.
        bounds: what nobody could go below.
        pulled: what each lever is worth; none if that was not wanted.
        names: what the trace and the box do not know of each other.
        lived: how the requests were served, if the trace is a journal.
    """

    trace: str
    file: BoxFile
    against: str
    tallies: Mapping[str, QueueTally]
    waits: Mapping[str, WhoWaits]
    bounds: Bounds
    pulled: Sequence[Pulled]
    names: Names
    lived: Lived | None = None

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the numbers say."""
        return QUEUE_METRICS

    @property
    def over(self) -> str:
        """What means are over."""
        tally = self.tallies[self.against]
        return f"{tally.served + tally.refused} requests"

    def over_of(self, row: Measured) -> str:
        """What the means and the intervals of one row are over.

        Args:
            row: one of these.
        """
        count = blocks_of(self.tallies[row.policy])
        return self.over if count == 1 else f"{self.over}, intervals over {count} blocks of them"

    def title(self, named: Callable[[str], str]) -> str:
        """What was compared on what, for a figure.

        Args:
            named: how somebody's name for something is shown there.
        """
        blocks = any(blocks_of(tally) > 1 for tally in self.tallies.values())
        intervals = ", 95 % intervals over blocks of the requests" if blocks else ""
        return f"{named(Path(self.trace).name)}: {self.over}, box {named(self.file.name)}{intervals}"

    @property
    def sheets(self) -> list[Sheet]:
        """Delays and loads, what is saved, the delay taken apart with how busy the GPUs are, and who waits."""
        tally = self.tallies[self.against]
        gpus = ", ".join(f"{mb / MB_PER_GB:g} GB" for mb in self.file.box.gpus)
        cloud = "no cloud" if self.file.box.cloud is None else "a cloud"
        title = (
            f"{self.trace}: {self.over} in {(tally.end - tally.begin) / 3600:.1f} h, box {self.file.name} "
            f"({gpus}, {cloud})"
        )
        first = ("mean_s", *QUANTILES, "max_s", "loads_per_hour", "gb_per_hour")
        return [
            Sheet(title, None, first),
            Sheet(f"saved, of what {self.against} takes on the same requests", None, tuple(SAVED.values())),
            Sheet(
                "the mean delay taken apart, and what the GPUs do",
                None,
                (*self.parts, "generating", "loading", "idle", "above_bound"),
            ),
            Sheet("who waits", None, ("jain", "long_waits", "longest_model_s", "longest_user_s")),
            *([] if self.best is None else [self._models_sheet(self.best)]),
        ]

    @property
    def best(self) -> str | None:
        """The scheduler with the least mean delay; None if nobody is served."""
        means_s = {name: tally.mean_s for name, tally in self.tallies.items() if tally.mean_s is not None}
        return min(means_s, key=lambda name: means_s[name], default=None)

    def _models_sheet(self, name: str) -> Sheet:
        models = len(self.tallies[name].models)
        some = f", the {MODELS_SHOWN} most asked for of {models}" if models > MODELS_SHOWN else ""
        return Sheet(f"models under {name}{some}", None, OF_MODELS)

    def headings(self, sheet: Sheet) -> list[str]:
        """What stands above the columns of a table, the names of policies or models first.

        Args:
            sheet: the table.
        """
        first, *others = super().headings(sheet)
        return ["model" if sheet.columns == OF_MODELS else first, *others]

    def texts(self, sheet: Sheet) -> list[list[str]]:
        """The rows of a table: of each policy and level that has any of its values; or of models.

        Args:
            sheet: the table.
        """
        if sheet.columns != OF_MODELS or self.best is None:
            return super().texts(sheet)
        rows = []
        for name, numbers in list(self._models_of(self.tallies[self.best]).items())[:MODELS_SHOWN]:
            shares = {**numbers, "hits": numbers["hits"] / numbers["requests"] if numbers["requests"] else None}
            values = [single(shares[key.removeprefix("model_")]).interval for key in OF_MODELS]
            rows.append(
                [name, *(cell(v, self.metrics[key].digits) for key, v in zip(OF_MODELS, values, strict=True))]
            )
        return rows

    def _models_of(self, tally: QueueTally) -> dict[str, dict[str, Any]]:
        """What is told of each model, the most asked for first."""
        span_s, saves = tally.end - tally.begin, what_a_gb_saves(tally, self.file)
        return {
            name: {
                "requests": each.requests,
                "hits": each.hits,
                "loads": each.loads,
                "gb_hours": each.held_s / 3600 * self.file.models[name].memory_mb / MB_PER_GB,
                "resident": each.held_s / span_s if span_s > 0 else None,
                "delay_s": each.delay_s / each.requests if each.requests else None,
                "a_gb_saves_s": saves.get(name),
            }
            for name, each in sorted(tally.models.items(), key=lambda item: -item[1].requests)
        }

    @property
    def parts(self) -> tuple[str, ...]:
        """Of what the mean delay is made in this box."""
        return tuple(part for part in PARTS if part != "cloud_s" or self.file.box.cloud is not None)

    @property
    def best_found_s(self) -> float | None:
        """The least mean delay of all schedules known that give all steps that are asked for [s]."""
        found_s = [tally.mean_s for tally in self.tallies.values() if tally.gives_all_steps]
        return min((s for s in (*found_s, self.bounds.found_s) if s is not None), default=None)

    @property
    def panels(self) -> tuple[str, ...]:
        """The metrics that a figure shows."""
        return ("mean_s", "p95_s", "loads_per_hour", "others_loads_s")

    @property
    def what_is_worth_most(self) -> list[str]:
        """A line, if levers were pulled."""
        base_s = self.tallies[self.against].mean_s
        return [] if not self.pulled or base_s is None else [in_a_sentence(self.pulled, self.against, base_s)]

    @property
    def staying(self) -> list[str]:
        """Which models stay, and who waits longest, a line for each scheduler; and why."""
        told = [who_stays(name, tally, self.waits[name]) for name, tally in self.tallies.items()]
        told.append(why_they_stay(what_a_gb_saves(self.tallies[self.against], self.file)))
        return [line for line in told if line is not None]

    @property
    def starving(self) -> list[str]:
        """Who starves, a line for each scheduler under which somebody does."""
        told = [who_starves(name, who) for name, who in self.waits.items()]
        return [line for line in told if line is not None]

    @property
    def notes(self) -> list[str]:
        """What is refused, which names are not the box's, and how right numbers are."""
        lines = about_names(self.names, self.file, self.tallies[self.against].refused)
        if any(blocks_of(tally) == 1 for tally in self.tallies.values()):
            lines.append("A mean without an interval: the trace is too short, against how long requests take.")
        if self.bounds.too_long:
            lines.append("No bound for loads on demand: the trace is too long for its programme.")
        if self.bounds.most_hits is not None:
            lines.append(
                f"Served as they come, at most {self.bounds.most_hits} requests could find their model in memory."
            )
        lines.append(f"p50, p95 and p99 are right to {QuantileSketch.ERROR:.0%}.")
        return lines

    @property
    def remarks(self) -> list[str]:
        """What a reader should know besides, a line each."""
        lived = [] if self.lived is None else [as_it_lived(self.lived)]
        return [*lived, *self.what_is_worth_most, *self.staying, *self.starving, *self.notes]

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        document: dict[str, Any] = plain(
            {
                "trace": self.trace,
                "box": self.file.as_json(),
                "against": self.against,
                "names": self.names.as_json(),
                "schedulers": {row.policy: self._row_as_json(row) for row in self.rows},
                "levers": {each.lever.name: each.as_json() for each in self.pulled},
                "bounds": {
                    "on_demand_s": self.bounds.on_demand_s,
                    "anybody_s": self.bounds.anybody_s,
                    "best_found_s": self.best_found_s,
                    "most_hits": self.bounds.most_hits,
                },
                "lived": None if self.lived is None else self.lived.as_json(),
            }
        )
        return document

    def _row_as_json(self, row: Measured) -> dict[str, Any]:
        tally, who = self.tallies[row.policy], self.waits[row.policy]
        values = {key: row.value(key) for key in row.quantities}
        longest = tally.longest
        beside = (*PARTS, *SAVED.values(), "jain", "long_waits", "longest_model_s", "longest_user_s")
        return {
            "requests": tally.served + tally.refused,
            "served": tally.served,
            "refused": tally.refused,
            "settings": _settings(row.policy),
            **{key: value.mean for key, value in values.items() if key not in beside},
            "quantiles_within": QuantileSketch.ERROR,
            "loads": tally.loads,
            "parts": {part: values[part].mean for part in PARTS},
            "saved": {of: values[key].mean for of, key in SAVED.items() if key in values},
            "waits": {**who.as_json(), "long": values["long_waits"].mean},
            "blocks": blocks_of(tally),
            "intervals": {
                key: {"low": value.low, "high": value.high}
                for key, value in values.items()
                if value.low == value.low
            },
            "longest": None
            if longest is None
            else {"time": longest.request.time, "model": longest.request.model, "user": longest.request.user},
            "models": self._models_of(tally),
        }


def _settings(name: str) -> dict[str, Any] | None:
    """What a scheduler is set to; None of one's own class."""
    settings = settings_of(name)
    return None if settings is None else settings.as_json()


def queued(
    trace: str,
    file: BoxFile,
    against: str,
    tallies: Mapping[str, QueueTally],
    bounds: Bounds,
    pulled: Sequence[Pulled],
    lived: Lived | None = None,
) -> Queued:
    """What was noted, as results.

    Args:
        trace: the file.
        file: the box.
        against: the scheduler that the others are compared with.
        tallies: by scheduler.
        bounds: what nobody could go below.
        pulled: what each lever is worth.
        lived: how the requests were served, if the trace is a journal.
    """
    waits = {name: who_waits(tally, file.models) for name, tally in tallies.items()}
    base = tallies[against]
    rows = []
    for name, tally in tallies.items():
        values = _values(tally, waits[name])
        if name != against:
            values |= _saved(tally, base)
        mean_s = tally.mean_s
        bound_s = bounds.anybody_s if bounds.on_demand_s is None else bounds.on_demand_s
        values["above_bound"] = single(None if not bound_s or mean_s is None else mean_s / bound_s - 1)
        rows.append(Measured(name, None, {}, values))
    levels = ((FOUND, bounds.found_s), (ON_DEMAND, bounds.on_demand_s), (ANYBODY, bounds.anybody_s))
    return Queued(
        rows=rows,
        levels=[Level(name, None, "mean_s", single(value)) for name, value in levels if value is not None],
        trace=trace,
        file=file,
        against=against,
        tallies=tallies,
        waits=waits,
        bounds=bounds,
        pulled=pulled,
        names=names_of(base.asked_for(), file.models.named, base.never_fit),
        lived=lived,
    )


def _values(tally: QueueTally, who: WhoWaits) -> dict[str, Quantity]:
    """What one scheduler comes to, by metric."""
    values = means(in_blocks(tally, blocks_of(tally), long_waits=who.long))
    for key, q in QUANTILES.items():
        values[key] = single(tally.sketch.quantile(q))
    values["max_s"] = single(None if tally.longest is None else tally.longest.delay_s)
    values["jain"] = single(who.jain)
    for kind, longest in (("model", who.longest_model), ("user", who.longest_user)):
        values[f"longest_{kind}_s"] = single(None if longest is None else longest.wait_s)
    return values


def _saved(ours: QueueTally, base: QueueTally) -> dict[str, Quantity]:
    """What one scheduler takes less than another, in the blocks that are long enough for both."""
    found = saved(ours, base, ("mean_s", "loads_per_hour", "gb_per_hour"))
    return {SAVED[of]: quantity for of, quantity in found.items()}
