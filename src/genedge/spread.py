"""What a mean hides: how much of it a few values make, where the middle lies, and how often one is better."""

from math import ceil, floor
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# The largest of so many values are one in a thousand, and at least one.
ONE_IN = 1000


class Tail(NamedTuple):
    """Beside the mean of values, what tells whether it says anything of most of them.

    Attributes:
        mean: of all of them.
        largest_share: the share of their sum that the largest 0.1 % of them make, of fewer than 1,000 the largest.
        median: half of them are below.
        interquartile_mean: the mean of the middle half.
    """

    mean: float
    largest_share: float
    median: float
    interquartile_mean: float


def largest(count: int) -> int:
    """How many values are the largest 0.1 %, and at least one.

    Args:
        count: how many there are.
    """
    return max(ceil(count / ONE_IN), 1)


def tail(values: Float[np.ndarray, "n"]) -> Tail:
    """What the mean of values hides.

    Args:
        values: not negative, at least one.
    """
    total = float(values.sum())
    most = float(np.partition(values, -largest(values.size))[-largest(values.size) :].sum())
    share = most / total if 0 < total < np.inf else float("nan")
    return Tail(total / values.size, share, float(np.median(values)), interquartile_mean(values))


def interquartile_mean(values: Float[np.ndarray, "n"]) -> float:
    """The mean of the middle half of values, as Agarwal et al. (NeurIPS 2021) take it over runs.

    A value that lies across a quartile counts in part, so that it is defined for any number of them: of three it is
    (a/4 + b + c/4) / 1.5, where dropping whole values would leave the mean.

    Args:
        values: NaN where undefined, which does not count.

    Returns:
        The mean; NaN without a value.
    """
    ordered = np.sort(values[~np.isnan(values)])
    n = ordered.size
    if n == 0:
        return float("nan")
    low, high = n / 4, 3 * n / 4
    middle = ordered[floor(low) : ceil(high)]
    edges = np.clip(np.arange(floor(low), ceil(high) + 1), low, high)
    return float((middle * np.diff(edges)).sum() / (high - low))


def probability_of_improvement(ours: Float[np.ndarray, "S"], theirs: Float[np.ndarray, "R"]) -> float:
    """How probably one of ours costs less than one of theirs (Mann and Whitney 1947), a tie counting one half.

    Args:
        ours: a cost of each run.
        theirs: the same cost, of each of theirs.
    """
    pairs = ours[:, None] - theirs
    return float(np.mean((pairs < 0) + (pairs == 0) / 2))
