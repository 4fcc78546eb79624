"""When drawn requests come: at random, in bursts, with the rhythm of a day."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from genedge.errors import InputError

DAY_S, HOURS = 86400.0, 24
# At how many gaps of each kind their variation is computed.
NODES = 60
# A variation is met to within this share.
WITHIN = 1e-3


class AtRandom:
    """A Poisson process."""

    def __init__(self, rate_per_s: float) -> None:
        """Begins at 0 s.

        Args:
            rate_per_s: mean number of requests a second.
        """
        self._mean_s, self._now = 1 / rate_per_s, 0.0

    def times(self, rng: np.random.Generator, size: int) -> list[float]:
        """Those of the next requests.

        Args:
            rng: of all that is random here.
            size: how many.

        Returns:
            Seconds since the beginning.
        """
        times = []
        for gap in rng.exponential(self._mean_s, size).tolist():
            self._now += gap
            times.append(self._now)
        return times


class InBursts:
    """Gaps of two kinds, short and long, on a clock that runs as fast as requests come at that hour of a day.

    Each gap is exponential, short with probability p and else long, the two kinds taking as much time in all
    (balanced means): a renewal process, and the same as requests at random of a source that is on and off at
    random. Gaps are drawn in layers of equal probability, one of each layer in every block and shuffled, so that a
    trace of thousands has about the variation that is asked for, and not only one of millions. Where they are to
    vary no more than at random, they are plainly drawn.
    """

    def __init__(self, rate_per_s: float, variation: float | None, by_hour: Sequence[float]) -> None:
        """Begins at 0 s, at midnight.

        Args:
            rate_per_s: mean number of requests a second over whole days.
            variation: the gaps' coefficient of variation; None if they come at random otherwise.
            by_hour: 24 weights, of the hours of a day.

        Raises:
            InputError: the gaps are to vary less than they do at random with this rhythm.
        """
        rates = np.asarray(by_hour, float)
        per_hour = rates / rates.sum() * rate_per_s * DAY_S
        # How many requests come until each hour begins; at hours without any the clock stands still.
        self._until = np.concatenate([[0.0], np.cumsum(per_hour)])
        self._long = 0.5 if variation is None else _long_share(self._own_variation(variation))
        self._count = 0.0

    def times(self, rng: np.random.Generator, size: int) -> list[float]:
        """Those of the next requests.

        Args:
            rng: of all that is random here.
            size: how many.

        Returns:
            Seconds since the beginning.
        """
        if self._long == 0.5:
            gaps = rng.exponential(1.0, size)
        else:
            gaps = _stratified(rng.permutation(size), rng.random(size), self._long)
        counts = self._count + np.cumsum(gaps)
        self._count = float(counts[-1])
        times: list[float] = self._at(counts).tolist()
        return times

    def _at(self, counts: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """When so many requests have come [s]."""
        days, rest = np.divmod(counts, self._until[-1])
        hour = np.searchsorted(self._until, rest, side="right").clip(1, HOURS) - 1
        into = (rest - self._until[hour]) / np.maximum(np.diff(self._until)[hour], 1e-300)
        return days * DAY_S + (hour + into.clip(0, 1)) * (DAY_S / HOURS)

    def _own_variation(self, wanted: float) -> float:
        """That of the gaps on the clock of requests, so that those in seconds have the wanted one."""
        least = max(self._variation(1.0), 1.0)
        if wanted < least * (1 - WITHIN):
            raise InputError(
                f"--gaps-cv {wanted:g}: with this rhythm of the day the times between requests have a coefficient "
                f"of variation of {least:.2f} where they are at random otherwise; ask for more, or a flatter day"
            )
        low, high = 1.0, wanted
        while high - low > WITHIN * low / 4:
            middle = (low + high) / 2
            low, high = (low, middle) if self._variation(middle) > wanted else (middle, high)
        return low

    def _variation(self, own: float) -> float:
        """The coefficient of variation of the gaps in seconds, by quadrature over the day and over the gaps."""
        nodes, weights = np.polynomial.laguerre.laggauss(NODES)
        long, day = _long_share(own), self._until[-1]
        second = 0.0
        for share in (1 - long, long):
            # A gap of this kind is 1 / (2 × its share) on average.
            squares = [self._mean_square_s2(gap) for gap in nodes / (2 * share)]
            second += share * float(weights @ squares)
        return float(max(second / (DAY_S / day) ** 2 - 1, 0.0) ** 0.5)

    def _mean_square_s2(self, gap: float) -> float:
        """The mean square of a gap of so many requests in seconds, over when it begins; exact."""
        # Between moments from which a gap begins or ends with an hour, its length changes at a steady rate.
        day = self._until[-1]
        cuts = np.unique(np.concatenate([self._until, (self._until - gap) % day]))
        points, weights = np.polynomial.legendre.leggauss(2)
        width = np.diff(cuts)
        begin = cuts[:-1, None] + width[:, None] * (points + 1) / 2
        lasts = self._at(begin + gap) - self._at(begin)
        return float(width @ (lasts**2 @ weights)) / (2 * day)


def _long_share(variation: float) -> float:
    """How many of the gaps are long, so that all have a coefficient of variation of so much: half, if it is 1."""
    squared = variation**2
    return float(0.5 * (1 - max((squared - 1) / (squared + 1), 0.0) ** 0.5))


def _stratified(layer: np.ndarray, within: np.ndarray, long: float) -> Float[np.ndarray, "n"]:
    """Gaps of mean 1, one of each layer: long ones are those above."""
    u = (layer + within) / layer.size
    is_long = u >= 1 - long
    left = np.where(is_long, (1 - u) / long, 1 - u / (1 - long))
    return -np.log(np.maximum(left, 1e-300)) / (2 * np.where(is_long, long, 1 - long))
