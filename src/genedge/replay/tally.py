"""What a replay where nothing queues adds up, in an amount of memory that does not grow with the trace."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from genedge.boxes.load import BoxFile
from genedge.boxes.models import MB_PER_GB
from genedge.edge.unqueued import Unqueued
from genedge.replay.requests import Chunk
from genedge.replay.side_by_side import Served
from genedge.replay.sketch import QuantileSketch
from genedge.spread import Tail

QUANTILES = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}


class Course:
    """Sums over time, in at most `BINS` bins of equal width that doubles whenever the trace outgrows them."""

    BINS = 64
    FIRST_WIDTH_S = 60.0

    def __init__(self, begin: float, columns: int) -> None:
        """Nothing yet.

        Args:
            begin: time of the first request.
            columns: how many sums.
        """
        self.begin = begin
        self.width_s = self.FIRST_WIDTH_S
        self.sums = np.zeros((columns, self.BINS))

    def add(self, time: Float[np.ndarray, "n"], *values: Float[np.ndarray, "n"] | Bool[np.ndarray, "n"]) -> None:
        """Adds values at their times.

        Args:
            time: not falling, not before the begin.
            values: one array for each column.
        """
        while (time[-1] - self.begin) // self.width_s >= self.BINS:
            pairs = self.sums.reshape(len(self.sums), -1, 2).sum(axis=2)
            self.sums = np.concatenate([pairs, np.zeros_like(pairs)], axis=1)
            self.width_s *= 2
        at = ((time - self.begin) // self.width_s).astype(np.int64)
        for sums, column in zip(self.sums, values, strict=True):
            sums += np.bincount(at, column, self.BINS)


# So many requests are added up at a time.
AT_A_TIME = 16384


class _Columns:
    """What is added up of each model, in the order in which they are met."""

    def __init__(self) -> None:
        self.requests, self.hits, self.loads = (np.zeros(0, np.int64) for _ in range(3))
        self.delay_s, self.held_s = np.zeros(0), np.zeros(0)

    def grow(self, count: int) -> None:
        """There are so many models now."""
        for name, column in vars(self).items():
            setattr(self, name, np.pad(column, (0, count - column.size)))


class _Part(NamedTuple):
    """Requests that were served: as in a chunk, and which hit, and behind which a load began."""

    time: Float[np.ndarray, "n"]
    model: Int[np.ndarray, "n"]
    own_s: Float[np.ndarray, "n"]
    saved_s: Float[np.ndarray, "n"]
    hit: Bool[np.ndarray, "n"]
    began: Bool[np.ndarray, "n"]


class Tally:
    """Everything that is reported of one scheduler."""

    def __init__(self, file: BoxFile, server: Unqueued, models: dict[str, int], begin: float) -> None:
        """Nothing yet.

        Args:
            file: the box.
            server: that serves.
            models: numbers of those met so far, by name; may grow.
            begin: time of the first request [s].
        """
        self._file, self._server, self._numbers = file, server, models
        self.requests = self.hits = self.loads = self.loaded_mb = 0
        self.delay_s = self.loading_s = self.tv = self.generation_s = self.cloud_s = self.max_s = 0.0
        self.begin = self.end = begin
        self.sketch, self.costs = QuantileSketch(), QuantileSketch()
        self.course = Course(begin, columns=4)
        self._models = _Columns()
        self._takes: list[tuple[int, float, float]] = []
        self._pending: list[_Part] = []

    def add(self, chunk: Chunk, served: Served) -> None:
        """Adds requests that were served.

        Args:
            chunk: they.
            served: what became of them.
        """
        began = np.zeros(chunk.time.size, bool)
        began[served.loaded] = True
        self._pending.append(
            _Part(chunk.time, chunk.model, chunk.own_s, chunk.saved_s, np.array(served.hit, bool), began)
        )
        if sum(part.time.size for part in self._pending) >= AT_A_TIME:
            self._add_up()

    def _add_up(self) -> None:
        """What is pending."""
        part = _Part(*(np.concatenate(column) for column in zip(*self._pending, strict=True)))
        self._pending.clear()
        time, model, hit, began = part.time, part.model, part.hit, part.began
        loaded = np.flatnonzero(began)
        delay = part.own_s + np.where(hit, 0.0, part.saved_s)
        self.requests += hit.size
        self.hits += int(hit.sum())
        self.delay_s += float(delay.sum())
        self.generation_s += float(delay[hit].sum())
        self.cloud_s += float(delay[~hit].sum())
        self.max_s = max(self.max_s, float(delay.max()))
        memory_mb, load_s, tv = (np.array(column)[model] for column in zip(*self._known(), strict=True))
        self.loads += loaded.size
        self.loaded_mb += int(memory_mb[loaded].sum())
        self.loading_s += float(load_s[loaded].sum())
        self.end = float(time[-1])
        self.sketch.add(delay)
        alpha = self._file.alpha
        if alpha is not None:
            self.tv += float(tv.sum())
            self.costs.add(alpha * delay + (1 - alpha) * tv)
        self.course.add(time, np.ones(hit.size), hit, delay, began)
        self._of_models(model, hit, delay, loaded)

    def close(self) -> None:
        """All requests are served: what is in memory leaves it."""
        if self._pending:
            self._add_up()
        (gpu,) = self._server.gpus
        for name in list(gpu.resident):
            gpu.leave(self.end, name)
        self._stays()

    @property
    def tails(self) -> dict[str, Tail]:
        """What the means of the requests hide."""
        of_all = {"mean_s": self.sketch.tail()}
        return of_all if self._file.alpha is None else {**of_all, "utility": self.costs.tail()}

    def as_json(self) -> dict[str, Any]:
        """All of it; utility as in Eq. (14), where lower is better."""
        hours, n, alpha = (self.end - self.begin) / 3600, self.requests, self._file.alpha
        mean_s, loaded_gb = self.delay_s / n, self.loaded_mb / MB_PER_GB
        requests, hits, delay, loads = self.course.sums
        return {
            "requests": n,
            "served": n,
            "refused": 0,
            "hits": self.hits,
            "hit_ratio": self.hits / n,
            **({} if alpha is None else {"utility": alpha * mean_s + (1 - alpha) * (self.tv / n)}),
            "mean_s": mean_s,
            **{key: self.sketch.quantile(q) for key, q in QUANTILES.items()},
            "max_s": self.max_s,
            "quantiles_within": QuantileSketch.ERROR,
            "tail": {metric: tail._asdict() for metric, tail in self.tails.items()},
            "parts": {
                "generation_s": self.generation_s / n,
                **dict.fromkeys(("queue_s", "own_load_s", "others_loads_s"), 0.0),
                "cloud_s": self.cloud_s / n,
            },
            "loads": self.loads,
            "loads_per_hour": self.loads / hours if hours > 0 else None,
            "gb_per_hour": loaded_gb / hours if hours > 0 else None,
            "loaded_gb": loaded_gb,
            "loading_s": self.loading_s,
            "models": self._models_as_json(),
            "over_time": {
                "width_s": self.course.width_s,
                "requests": requests.astype(int).tolist(),
                "hits": hits.astype(int).tolist(),
                "delay_s": delay.tolist(),
                "loads": loads.astype(int).tolist(),
            },
        }

    def asked_for(self) -> dict[str, int]:
        """How many requests there were for each model, the most first."""
        requests = dict(zip(self._numbers, self._models.requests.tolist(), strict=True))
        return dict(sorted(requests.items(), key=lambda item: -item[1]))

    def _known(self) -> list[tuple[int, float, float]]:
        """Memory [MB], load [s] and quality of each model that was met."""
        for name in list(self._numbers)[len(self._takes) :]:
            takes = self._file.models[name]
            tv = 0.0 if self._file.alpha is None else self._file.models.tv(name)
            self._takes.append((takes.memory_mb, takes.load_s, tv))
        return self._takes

    def _of_models(
        self,
        model: Int[np.ndarray, "n"],
        hit: Bool[np.ndarray, "n"],
        delay: Float[np.ndarray, "n"],
        loaded: Int[np.ndarray, "l"],
    ) -> None:
        count, columns = len(self._numbers), self._models
        columns.grow(count)
        columns.requests += np.bincount(model, minlength=count)
        columns.hits += np.bincount(model[hit], minlength=count)
        columns.loads += np.bincount(model[loaded], minlength=count)
        columns.delay_s += np.bincount(model, delay, count)
        self._stays()

    def _stays(self) -> None:
        """Adds up how long the models that left were in memory, and forgets them one by one."""
        (gpu,) = self._server.gpus
        for stay in gpu.stays:
            if stay.model in self._numbers:
                self._models.held_s[self._numbers[stay.model]] += stay.left - stay.came
        gpu.stays.clear()

    def _models_as_json(self) -> dict[str, Any]:
        span_s, found = self.end - self.begin, {}
        columns = (column.tolist() for column in vars(self._models).values())
        each = dict(zip(self._numbers, zip(*columns, strict=True), strict=True))
        for name in self.asked_for():
            requests, hits, loads, delay_s, held_s = each[name]
            found[name] = {
                "requests": requests,
                "hits": hits,
                "loads": loads,
                "gb_hours": held_s / 3600 * self._file.models[name].memory_mb / MB_PER_GB,
                "resident": held_s / span_s if span_s > 0 else None,
                "delay_s": delay_s / requests,
            }
        return found


class Limits(NamedTuple):
    """The certified bounds of a trace.

    Attributes:
        hits: the most hits of any scheduler, were loads free.
        hits_exact: whether somebody has as many (equal models: Belady with bypass).
        delay_s: the least delay in all of any scheduler, load times counted.
        cloud_s: the delay in all if everything goes to the cloud.
        hits_course: of the load-free optimum, over time.
        delay_course: of the optimum that counts loads, over time.
    """

    hits: float
    hits_exact: bool
    delay_s: float
    cloud_s: float
    hits_course: Course
    delay_course: Course
