"""Quantiles of a stream in a fixed amount of memory."""

import numpy as np
from jaxtyping import Float

from genedge.spread import Tail, largest


class QuantileSketch:
    """Counts in logarithmic buckets (Masson et al., DDSketch, VLDB 2019), filled an array at a time.

    A quantile is off by at most `ERROR` of its value, between `LEAST` and `MOST`; what lies below counts as zero,
    what lies above as `MOST`. The libraries for this take one value a call, which costs more than replaying it.
    """

    ERROR = 0.01
    LEAST, MOST = 1e-6, 1e9

    def __init__(self) -> None:
        self._log = np.log((1 + self.ERROR) / (1 - self.ERROR))
        self._first = int(np.ceil(np.log(self.LEAST) / self._log))
        last = int(np.ceil(np.log(self.MOST) / self._log))
        self._counts = np.zeros(last - self._first + 2, np.int64)
        self._sums = np.zeros(self._counts.size)

    def add(self, values: Float[np.ndarray, "n"]) -> None:
        """Counts values.

        Args:
            values: not negative.
        """
        within = np.clip(values, self.LEAST, self.MOST)
        buckets = np.ceil(np.log(within) / self._log).astype(np.int64) - self._first + 1
        buckets[values < self.LEAST] = 0
        self._counts += np.bincount(buckets, minlength=self._counts.size)
        self._sums += np.bincount(buckets, values, self._counts.size)

    def quantile(self, q: float) -> float:
        """The value that a share q of the values does not exceed; NaN before any value.

        Args:
            q: from 0 to 1.
        """
        total = int(self._counts.sum())
        if total == 0:
            return float("nan")
        rank = max(int(np.ceil(q * total)), 1)
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        if bucket == 0:
            return 0.0
        # The bucket is (γ^(i−1), γ^i]; this point of it is within the error of both ends.
        return float(np.exp((bucket - 1 + self._first) * self._log) * (1 - self.ERROR))

    def tail(self) -> Tail:
        """What the mean of the values hides; where a bucket is divided, its values count as equal.

        Returns:
            All NaN before any value.
        """
        n, total = int(self._counts.sum()), float(self._sums.sum())
        if n == 0:
            return Tail(*(float("nan"),) * 4)
        share = (total - self._sum_of(n - largest(n))) / total if total > 0 else float("nan")
        middle = self._sum_of(0.75 * n) - self._sum_of(0.25 * n)
        return Tail(total / n, share, self.quantile(0.5), middle / (0.5 * n))

    def _sum_of(self, count: float) -> float:
        """The sum of so many of the least values."""
        ranks, sums = (np.concatenate([[0], np.cumsum(each)]) for each in (self._counts, self._sums))
        return float(np.interp(count, ranks, sums))
