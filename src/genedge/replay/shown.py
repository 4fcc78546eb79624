"""What is in a trace: how often for what, by whom, when, how bursty, and how long it was measured to take."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genedge.replay.sketch import QuantileSketch
from genedge.replay.trace import CHUNK, Fields, rows_in_order

# A user who asks again within this time is in the same session [s].
SESSION_S = 600.0
HOUR_S, HOURS = 3600.0, 24
QUANTILES = (0.5, 0.95, 0.99)
BARS = "·▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Shown:
    """What is told of a trace.

    Attributes:
        trace: the file.
        requests: how many.
        begin: time of the first [s].
        end: of the last [s].
        models: requests by model, the most asked for first.
        users: how many are named.
        steps: of all requests together.
        sessions: of named users: who asks again within `session_s` is in the same one.
        session_s: [s].
        same_again: share of the requests of named users, but the first of each, that are for their last model.
        gaps_variation: coefficient of variation of the times between requests; 1 if they come at random.
        busiest_hour: requests in the busiest hour, counted from the first.
        by_hour: requests by hour of the day, of all days together; the day begins when a time is a multiple of
            86,400 s, at midnight in UTC where times are since 1970.
        generation_s: of requests whose own time was measured, how many (`requests`), mean and quantiles, which are
            right to 1 % [s]; None if there is none.
        with_adapters: share of requests that use one adapter or more, of those that say; None if none does.
    """

    trace: str
    requests: int
    begin: float
    end: float
    models: Mapping[str, int]
    users: int
    steps: float
    sessions: int
    session_s: float
    same_again: float | None
    gaps_variation: float | None
    busiest_hour: int
    by_hour: Sequence[int]
    generation_s: Mapping[str, float] | None
    with_adapters: float | None

    @property
    def hours(self) -> float:
        """From the first request to the last [h]."""
        return (self.end - self.begin) / HOUR_S

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {**self.__dict__, "hours": self.hours, "models": dict(self.models)}


@dataclass
class _Users:
    """Who came back, when and for what."""

    sessions: int = 0
    again: int = 0
    same: int = 0
    last: dict[str, tuple[float, str]] = field(default_factory=dict)

    def asks(self, user: str, time: float, model: str) -> None:
        earlier = self.last.get(user)
        self.sessions += earlier is None or time - earlier[0] > SESSION_S
        if earlier is not None:
            self.again += 1
            self.same += earlier[1] == model
        self.last[user] = time, model


@dataclass
class _Gaps:
    """The times between requests."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, gap: float) -> None:
        self.count += 1
        self.total += gap
        self.squares += gap * gap

    def variation(self) -> float | None:
        if self.total == 0:
            return None
        mean = self.total / self.count
        variance = max(self.squares / self.count - mean * mean, 0.0)
        return float(variance**0.5 / mean)


@dataclass
class _Measured:
    """What requests were measured to take."""

    count: int = 0
    total: float = 0.0
    told: int = 0
    adapted: int = 0
    sketch: QuantileSketch = field(default_factory=QuantileSketch)
    buffer: list[float] = field(default_factory=list)

    def add(self, row: Fields) -> None:
        generation_s, adapters = row[6:]
        if adapters is not None:
            self.told += 1
            self.adapted += adapters > 0
        if generation_s is not None:
            self.count += 1
            self.total += generation_s
            self.buffer.append(generation_s)
            if len(self.buffer) == CHUNK:
                self._flush()

    def _flush(self) -> None:
        self.sketch.add(np.array(self.buffer))
        self.buffer.clear()

    def generation_s(self) -> dict[str, float] | None:
        if self.count == 0:
            return None
        self._flush()
        quantiles = {f"p{100 * q:.0f}": self.sketch.quantile(q) for q in QUANTILES}
        return {"requests": self.count, "mean": self.total / self.count, **quantiles}


def show(trace: Path) -> Shown:
    """What is in a trace, in memory that does not grow with its length, only with its models, users and hours.

    Args:
        trace: the file.

    Raises:
        InputError: it cannot be read.
    """
    models: Counter[str] = Counter()
    hours: Counter[int] = Counter()
    by_hour = [0] * HOURS
    users, gaps, measured = _Users(), _Gaps(), _Measured()
    begin = before = None
    steps = 0.0
    for row in rows_in_order(trace):
        time, model, user, asked = row[:4]
        if begin is None or before is None:
            begin = time
        else:
            gaps.add(time - before)
        before = time
        steps += asked
        models[model] += 1
        hours[int((time - begin) // HOUR_S)] += 1
        by_hour[int(time // HOUR_S % HOURS)] += 1
        measured.add(row)
        if user:
            users.asks(user, time, model)
    assert begin is not None
    assert before is not None
    return Shown(
        trace=str(trace),
        requests=models.total(),
        begin=begin,
        end=before,
        models=dict(models.most_common()),
        users=len(users.last),
        steps=steps,
        sessions=users.sessions,
        session_s=SESSION_S,
        same_again=users.same / users.again if users.again else None,
        gaps_variation=gaps.variation(),
        busiest_hour=max(hours.values()),
        by_hour=by_hour,
        generation_s=measured.generation_s(),
        with_adapters=measured.adapted / measured.told if measured.told else None,
    )


def in_words(shown: Shown) -> list[str]:
    """What is told of a trace besides its models, in sentences.

    Args:
        shown: it.
    """
    again = ""
    if shown.same_again is not None:
        again = f", {shown.same_again:.0%} of whose next requests are for the same model"
    apart = f"whoever asks again within {shown.session_s / 60:.0f} min is in the same"
    lines = [f"{shown.users} users in {shown.sessions} sessions ({apart}){again}."]
    if shown.gaps_variation is not None:
        lines.append(
            f"Times between requests: coefficient of variation {shown.gaps_variation:.1f} (1 if they come at "
            f"random); {shown.busiest_hour} requests in the busiest hour."
        )
    most = max(shown.by_hour)
    bars = "".join(BARS[round(count / most * (len(BARS) - 1))] for count in shown.by_hour)
    busiest, share = shown.by_hour.index(most), most / shown.requests
    lines.append(
        f"By hour of the day, from 0 to 23 (UTC, if times are since 1970): {bars}; {share:.0%} from {busiest} "
        f"to {busiest + 1}."
    )
    measured = shown.generation_s
    if measured is not None:
        lines.append(
            f"Measured to generate: mean {measured['mean']:.1f} s, median {measured['p50']:.1f}, 95 % under "
            f"{measured['p95']:.1f}, 99 % under {measured['p99']:.1f}, of {measured['requests']:.0f} requests."
        )
    if shown.with_adapters is not None:
        lines.append(f"With adapters: {shown.with_adapters:.0%}.")
    return lines
