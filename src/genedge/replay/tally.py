"""What a replay adds up, in an amount of memory that does not grow with the trace."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from genedge.replay.catalogue import MB_PER_GB, TraceModels
from genedge.replay.sketch import QuantileSketch
from genedge.spread import Tail

QUANTILES = {"delay_p50_s": 0.5, "delay_p95_s": 0.95, "delay_p99_s": 0.99}


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


class Tally:
    """Everything that is reported of one policy."""

    def __init__(self, models: TraceModels, begin: float) -> None:
        """Nothing yet.

        Args:
            models: those of the trace.
            begin: time of the first request.
        """
        self._models = models
        self.requests = self.hits = self.loads = self.loaded_mb = 0
        self.delay_s = self.loading_s = self.tv = 0.0
        self.begin = self.end = begin
        self.sketch, self.costs = QuantileSketch(), QuantileSketch()
        self.course = Course(begin, columns=4)

    def add(
        self,
        time: Float[np.ndarray, "n"],
        model: Int[np.ndarray, "n"],
        local_s: Float[np.ndarray, "n"],
        saved_s: Float[np.ndarray, "n"],
        hit: Bool[np.ndarray, "n"],
        loaded: Int[np.ndarray, "l"],
    ) -> None:
        """Adds requests that were served.

        Args:
            time: [s].
            model: asked for.
            local_s: delay of a hit [s].
            saved_s: what a hit saves [s].
            hit: whether it was one.
            loaded: indices of the requests that started a load.
        """
        delay = local_s + np.where(hit, 0.0, saved_s)
        began = np.zeros(hit.size, bool)
        began[loaded] = True
        self.requests += hit.size
        self.hits += int(hit.sum())
        self.delay_s += float(delay.sum())
        tv = np.array(self._models.tv)[model]
        self.tv += float(tv.sum())
        self.loads += loaded.size
        self.loaded_mb += int(np.array(self._models.memory_mb)[model[loaded]].sum())
        self.loading_s += float(np.array(self._models.load_s)[model[loaded]].sum())
        self.end = float(time[-1])
        self.sketch.add(delay)
        alpha = self._models.catalogue.alpha.value
        self.costs.add(alpha * delay + (1 - alpha) * tv)
        self.course.add(time, np.ones(hit.size), hit, delay, began)

    @property
    def tails(self) -> dict[str, Tail]:
        """What the means of the requests hide."""
        return {"delay_s": self.sketch.tail(), "utility": self.costs.tail()}

    def as_json(self) -> dict[str, Any]:
        """All of it; utility as in Eq. (14), where lower is better."""
        hours = (self.end - self.begin) / 3600
        alpha = self._models.catalogue.alpha.value
        mean_s, tv = self.delay_s / self.requests, self.tv / self.requests
        requests, hits, delay, loads = self.course.sums
        return {
            "requests": self.requests,
            "hits": self.hits,
            "hit_ratio": self.hits / self.requests,
            "utility": alpha * mean_s + (1 - alpha) * tv,
            "delay_s": mean_s,
            **{key: self.sketch.quantile(q) for key, q in QUANTILES.items()},
            "tail": {metric: tail._asdict() for metric, tail in self.tails.items()},
            "loads": self.loads,
            "loads_per_hour": self.loads / hours if hours > 0 else None,
            "loaded_gb": self.loaded_mb / MB_PER_GB,
            "loading_s": self.loading_s,
            "over_time": {
                "width_s": self.course.width_s,
                "requests": requests.astype(int).tolist(),
                "hits": hits.astype(int).tolist(),
                "delay_s": delay.tolist(),
                "loads": loads.astype(int).tolist(),
            },
        }


class Limits(NamedTuple):
    """The certified bounds of a trace.

    Attributes:
        hits: the most hits of any policy, were loads free.
        hits_exact: whether some policy has as many (equal models: Belady with bypass).
        delay_s: the least delay in all of any policy, load times counted.
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
