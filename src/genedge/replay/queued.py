"""The results of a replay through a box with a queue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genedge.boxes.load import MB_PER_GB, BoxFile
from genedge.edge.gpu import Stay
from genedge.edge.request import Request
from genedge.edge.server import Server
from genedge.replay.levers import Pulled, in_a_sentence
from genedge.replay.simulate import Done
from genedge.replay.sketch import QuantileSketch
from genedge.results import Level, Measured, Metric, Results, Sheet, plain, single
from genedge.text import in_brief

QUANTILES = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}
PARTS = ("generation_s", "queue_s", "own_load_s", "others_loads_s", "cloud_s")
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
    "saved": Metric("saved", ".1%", "", "higher", "of the mean delay of what it is compared with"),
    "above_anybody": Metric("above anybody's least", ".1%", "", "lower", "mean delay over the bound, less one"),
}
ANYBODY, BEST = "no loads, shortest first: nobody's is less", "best of these"
# So many models are named in a remark, and of a name so many characters.
NAMED, LONGEST = 5, 40


@dataclass
class ModelTally:
    """What is told of one model under one scheduler.

    Attributes:
        requests: served.
        hits: of these, those that waited for no load of it.
        loads: begun.
        held_s: how long GPUs held it.
        delay_s: of its requests together [s].
    """

    requests: int = 0
    hits: int = 0
    loads: int = 0
    held_s: float = 0.0
    delay_s: float = 0.0


class QueueTally:
    """What is added up of one scheduler."""

    def __init__(self, begin: float) -> None:
        """Nothing yet.

        Args:
            begin: time of the first request [s].
        """
        self.begin = self.end = begin
        self.served = self.refused = 0
        self.fit_nowhere: set[str] = set()
        self.parts = dict.fromkeys(PARTS, 0.0)
        self.models: dict[str, ModelTally] = {}
        self.sketch = QuantileSketch()
        self.longest: Done | None = None
        self.loads = self.loaded_mb = 0
        self.generating_s = self.loading_s = 0.0
        self.gpus = 1
        self.stays: list[Stay] = []
        self.times: list[float] = []
        self.waits: list[float] = []
        self.asked: list[str] = []
        self._delays: list[float] = []
        self._longest_s = -1.0

    def add(self, d: Done) -> None:
        """A request has its result.

        Args:
            d: what became of it.
        """
        request = d.request
        delay_s = d.ended - request.time
        queue_s, own_load_s, others_loads_s = d.waited
        parts = self.parts
        parts["queue_s"] += queue_s
        if d.gpu < 0:
            parts["cloud_s"] += d.ended - d.began
        else:
            parts["generation_s"] += d.ended - d.began
            parts["own_load_s"] += own_load_s
            parts["others_loads_s"] += others_loads_s
        model = self.models.get(request.model)
        if model is None:
            model = self.models[request.model] = ModelTally()
        model.requests += 1
        model.hits += own_load_s == 0 and d.gpu >= 0
        model.delay_s += delay_s
        self.served += 1
        self.times.append(request.time)
        self.waits.append(d.began - request.time)
        self.asked.append(request.model)
        if delay_s > self._longest_s:
            self.longest, self._longest_s = d, delay_s
        self._delays.append(delay_s)
        if len(self._delays) == 1 << 14:
            self._flush()

    def refuse(self, request: Request) -> None:
        """Nothing can serve a request.

        Args:
            request: it.
        """
        self.refused += 1
        self.fit_nowhere.add(request.model)

    def close(self, server: Server, end: float) -> None:
        """All requests are done.

        Args:
            server: that served them.
            end: now [s].
        """
        self._flush()
        self.end = end
        self.gpus = len(server.gpus)
        for gpu in server.gpus:
            for name in list(gpu.resident):
                gpu.leave(end, name)
            for stay in gpu.stays:
                self.models.setdefault(stay.model, ModelTally()).held_s += stay.left - stay.came
            self.stays += gpu.stays
            for name, loads in gpu.loads_of.items():
                self.models[name].loads += loads
                self.loads += loads
                self.loaded_mb += loads * server.models[name].memory_mb
            self.generating_s += gpu.generating_s
            self.loading_s += gpu.loading_s(end, "")[0]

    def numbers(self) -> dict[str, float | None]:
        """What it comes to, by metric."""
        hours, n, gpu_s = (self.end - self.begin) / 3600, self.served, (self.end - self.begin) * self.gpus

        def over(amount: float, of: float) -> float | None:
            return amount / of if of > 0 else None

        return {
            "mean_s": over(sum(self.parts.values()), n),
            **{key: self.sketch.quantile(q) if n else None for key, q in QUANTILES.items()},
            "max_s": self._longest_s if n else None,
            "loads_per_hour": over(self.loads, hours),
            "gb_per_hour": over(self.loaded_mb / MB_PER_GB, hours),
            **{part: over(total, n) for part, total in self.parts.items()},
            "generating": over(self.generating_s, gpu_s),
            "loading": over(self.loading_s, gpu_s),
        }

    def as_json(self, file: BoxFile) -> dict[str, Any]:
        """All of it, for a program.

        Args:
            file: the box.
        """
        numbers = self.numbers()
        parts = {part: numbers.pop(part) for part in PARTS}
        longest = self.longest
        return {
            "requests": self.served + self.refused,
            "served": self.served,
            "refused": self.refused,
            **numbers,
            "quantiles_within": QuantileSketch.ERROR,
            "loads": self.loads,
            "parts": parts,
            "longest": None
            if longest is None
            else {"time": longest.request.time, "model": longest.request.model, "user": longest.request.user},
            "models": {
                name: {
                    "requests": each.requests,
                    "hits": each.hits,
                    "loads": each.loads,
                    "gb_hours": each.held_s / 3600 * file.models[name].memory_mb / MB_PER_GB,
                    "resident": each.held_s / (self.end - self.begin) if self.end > self.begin else None,
                    "delay_s": each.delay_s / each.requests if each.requests else None,
                }
                for name, each in sorted(self.models.items(), key=lambda item: -item[1].requests)
            },
        }

    def _flush(self) -> None:
        if self._delays:
            self.sketch.add(np.array(self._delays))
            self._delays.clear()


@dataclass(frozen=True, eq=False, kw_only=True)
class Queued(Results):
    """The results of a replay through a box with a queue.

    Attributes:
        rows: one for each scheduler; each number is of the whole trace, so none has an interval.
        levels: what nobody could go below.
        trace: the file.
        file: the box.
        against: the scheduler that the others are compared with.
        tallies: by scheduler, what was added up.
        anybody_s: a mean delay that nobody could go below [s]; None if none is known.
        pulled: what each lever is worth; none if that was not wanted.
    """

    trace: str
    file: BoxFile
    against: str
    tallies: Mapping[str, QueueTally]
    anybody_s: float | None
    pulled: Sequence[Pulled]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the numbers say."""
        return QUEUE_METRICS

    @property
    def over(self) -> str:
        """What means are over; they have no intervals."""
        tally = self.tallies[self.against]
        return f"{tally.served + tally.refused} requests"

    def over_of(self, row: Measured) -> str:
        """The same of one row."""
        return self.over

    def title(self, named: Callable[[str], str]) -> str:
        """What was compared on what, for a figure."""
        return f"{named(Path(self.trace).name)}: {self.over}, box {named(self.file.name)}"

    @property
    def sheets(self) -> list[Sheet]:
        """Delays and loads, the delay taken apart, and how busy the GPUs are."""
        tally = self.tallies[self.against]
        gpus = ", ".join(f"{mb / MB_PER_GB:g} GB" for mb in self.file.box.gpus)
        cloud = "no cloud" if self.file.box.cloud is None else "a cloud"
        title = (
            f"{self.trace}: {self.over} in {(tally.end - tally.begin) / 3600:.1f} h, box {self.file.name} "
            f"({gpus}, {cloud}); saved: of the mean delay of {self.against}"
        )
        first = ("mean_s", "p50_s", "p95_s", "p99_s", "max_s", "loads_per_hour", "gb_per_hour", "saved")
        parts = (*PARTS, "generating", "loading", "above_anybody")
        return [
            Sheet(title, None, first),
            Sheet("the mean delay taken apart, and what the GPUs do", None, parts),
        ]

    @property
    def panels(self) -> tuple[str, ...]:
        """The metrics that a figure shows."""
        return ("mean_s", "p95_s", "loads_per_hour", "others_loads_s")

    @property
    def remarks(self) -> list[str]:
        """Which models stay, who waits longest, what is refused, which names are not the box's."""
        lines = []
        if self.pulled:
            base = self.of(self.against, None).value("mean_s").mean
            lines.append(in_a_sentence(self.pulled, self.against, base))
        for name, tally in self.tallies.items():
            longest = tally.longest
            if longest is None:
                continue
            span_s = tally.end - tally.begin
            most = sorted(tally.models.items(), key=lambda item: -item[1].held_s)[:NAMED]
            held = [f"{in_brief(model, LONGEST)} {each.held_s / span_s:.0%}" for model, each in most if span_s > 0]
            lines.append(
                f"{name}: in memory, of the time: {', '.join(held)}; longest wait {longest.delay_s:.0f} s, for "
                f"{in_brief(longest.request.model, LONGEST)}."
            )
        refused = self.tallies[self.against].refused
        if refused:
            lines.append(f"{refused} requests are refused: their models fit on no GPU, and there is no cloud.")
        asked = self.tallies[self.against].models
        by_default = [name for name in asked if name not in self.file.models.named and asked[name].requests]
        if by_default:
            names = ", ".join(in_brief(name, LONGEST) for name in by_default[:NAMED])
            more = f" and {len(by_default) - NAMED} more" if len(by_default) > NAMED else ""
            lines.append(f"Not named in the box, so as its defaults say: {names}{more}.")
        unasked = [name for name in self.file.models.named if name not in asked]
        if unasked:
            lines.append(f"Nobody asks for {', '.join(in_brief(name, LONGEST) for name in unasked[:NAMED])}.")
        lines.append(f"p50, p95 and p99 are right to {QuantileSketch.ERROR:.0%}.")
        return lines

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        means = [row.value("mean_s").mean for row in self.rows if self.tallies[row.policy].served]
        document: dict[str, Any] = plain(
            {
                "trace": self.trace,
                "box": self.file.as_json(),
                "against": self.against,
                "schedulers": {name: tally.as_json(self.file) for name, tally in self.tallies.items()},
                "levers": {
                    each.lever.name: {"what": each.lever.what, "mean_s": each.mean_s, "saved_s": each.saved_s}
                    for each in self.pulled
                },
                "bounds": {"anybody_s": self.anybody_s, "best_found_s": min(means, default=None)},
            }
        )
        return document


def queued(
    trace: str,
    file: BoxFile,
    against: str,
    tallies: Mapping[str, QueueTally],
    anybody_s: float | None,
    pulled: Sequence[Pulled],
) -> Queued:
    """What was added up, as results.

    Args:
        trace: the file.
        file: the box.
        against: the scheduler that the others are compared with.
        tallies: by scheduler.
        anybody_s: a mean delay that nobody could go below [s].
        pulled: what each lever is worth.
    """
    numbers = {name: tally.numbers() for name, tally in tallies.items()}
    base = numbers[against]["mean_s"]
    rows = []
    for name, each in numbers.items():
        mean_s = each["mean_s"]
        each["saved"] = None if not base or mean_s is None else 1 - mean_s / base
        each["above_anybody"] = None if not anybody_s or mean_s is None else mean_s / anybody_s - 1
        rows.append(Measured(name, None, {}, {key: single(value) for key, value in each.items()}))
    return Queued(
        rows=rows,
        levels=[] if anybody_s is None else [Level(ANYBODY, None, "mean_s", single(anybody_s))],
        trace=trace,
        file=file,
        against=against,
        tallies=tallies,
        anybody_s=anybody_s,
        pulled=pulled,
    )
