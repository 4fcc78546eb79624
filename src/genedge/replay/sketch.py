"""Quantiles of a stream in a fixed amount of memory."""

import numpy as np
from jaxtyping import Float


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

    def add(self, values: Float[np.ndarray, "n"]) -> None:
        """Counts values.

        Args:
            values: not negative.
        """
        within = np.clip(values, self.LEAST, self.MOST)
        buckets = np.ceil(np.log(within) / self._log).astype(np.int64) - self._first + 1
        buckets[values < self.LEAST] = 0
        self._counts += np.bincount(buckets, minlength=self._counts.size)

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
