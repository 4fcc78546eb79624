"""Means with bootstrap intervals, paired across policies that met the same slots."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000


class Interval(NamedTuple):
    """A value with its 95 % interval.

    Attributes:
        mean: the value on all episodes.
        low: 2.5 % quantile over bootstrap resamples of the episodes; NaN with fewer than two episodes.
        high: 97.5 % quantile.
    """

    mean: float
    low: float
    high: float

    def as_json(self) -> dict[str, float | None]:
        """As a mapping; what is undefined becomes null."""
        return {key: value if np.isfinite(value) else None for key, value in self._asdict().items()}


def interval(
    statistic: Callable[..., Float[np.ndarray, "*resamples"]], *samples: Float[np.ndarray, "E"]
) -> Interval:
    """A statistic of paired samples with its percentile bootstrap interval.

    Args:
        statistic: takes arrays whose last axis is episodes, and reduces that axis.
        samples: one array each, all over the same E episodes; NaN where an episode has no value.

    Returns:
        The statistic of all episodes, and its 95 % interval over 2,000 resamples of them (seed 0).
    """
    episodes = samples[0].shape[0]
    value = float(statistic(*samples))
    if episodes < 2:
        return Interval(value, float("nan"), float("nan"))
    draws = np.random.default_rng(0).integers(0, episodes, (RESAMPLES, episodes))
    resampled = statistic(*(sample[draws] for sample in samples))
    low, high = np.nanquantile(resampled, [0.025, 0.975]) if np.isfinite(resampled).any() else (np.nan, np.nan)
    return Interval(value, float(low), float(high))


def interval_over_runs(values: Float[np.ndarray, "C R"]) -> Interval:
    """The mean over catalogues and runs with its percentile bootstrap interval.

    A resample draws catalogues, and within each of them its runs (training seeds): the interval covers both. The
    draws depend on the shape alone, so that policies which met the same catalogues stay paired.

    Args:
        values: one for each catalogue and run; NaN where undefined.

    Returns:
        The mean of what is defined, and its 95 % interval over 2,000 resamples (seed 0); NaN with a single value.
    """
    catalogues, runs = values.shape
    value = float(mean(values.ravel()))
    if values.size < 2:
        return Interval(value, float("nan"), float("nan"))
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, catalogues, (RESAMPLES, catalogues))[..., None]
    within = rng.integers(0, runs, (RESAMPLES, catalogues, runs))
    resampled = mean(values[chosen, within].reshape(RESAMPLES, -1))
    low, high = np.nanquantile(resampled, [0.025, 0.975]) if np.isfinite(resampled).any() else (np.nan, np.nan)
    return Interval(value, float(low), float(high))


def mean(sample: Float[np.ndarray, "*resamples E"]) -> Float[np.ndarray, "*resamples"]:
    """Mean over the last axis of what is defined; NaN where nothing is.

    Args:
        sample: values, NaN where undefined.
    """
    defined = np.isfinite(sample)
    total = np.where(defined, sample, 0.0).sum(axis=-1)
    count = defined.sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def saved_of_base(ours: Float[np.ndarray, "*r E"], base: Float[np.ndarray, "*r E"]) -> Float[np.ndarray, "*r"]:
    """How much lower ours is, first reading of "better by": (base − ours) / base.

    Args:
        ours: a cost.
        base: the same cost of the base.
    """
    return _ratio(mean(base) - mean(ours), mean(base))


def excess_of_base(ours: Float[np.ndarray, "*r E"], base: Float[np.ndarray, "*r E"]) -> Float[np.ndarray, "*r"]:
    """How much higher the base is, second reading of "better by": base / ours − 1.

    Args:
        ours: a cost.
        base: the same cost of the base.
    """
    return _ratio(mean(base) - mean(ours), mean(ours))


def left_of_distance(
    ours: Float[np.ndarray, "*r E"], optimum: Float[np.ndarray, "*r E"], base: Float[np.ndarray, "*r E"]
) -> Float[np.ndarray, "*r"]:
    """Share of the distance from the base to the optimum that is still left: (ours − optimum) / (base − optimum).

    Args:
        ours: a cost.
        optimum: the least cost possible.
        base: the cost of the base.
    """
    return _ratio(mean(ours) - mean(optimum), mean(base) - mean(optimum))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    safe = np.where(denominator != 0, denominator, 1.0)
    return np.where(denominator != 0, numerator / safe, np.nan)
