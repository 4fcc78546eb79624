"""Whether quality falls with steps, rises, or neither: what chance alone would do, told by flipping signs.

If steps changed nothing, what an image gains from one number of steps to another would as well be what it loses. So
the signs of whole images are flipped, in every way or in many, and the strongest change between any two numbers of
steps is compared with the strongest of the flipped: a test that is exact whatever the noise, as long as it is
symmetric, and however runs of one image hang together.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from genedge.statistics import Interval, interval_of, mean

Word = Literal["falls", "flat", "rises"]
# Of each direction, so that both together are wrong in one of twenty flat models.
LEVEL = 0.025
# All flips are tried where they are no more than this, else so many.
MOST_FLIPS = 4096
# With fewer, no change is too strong for chance at that level: of five images all fall together in one of 32.
FEWEST_IMAGES = 6


class Change(NamedTuple):
    """A change between two numbers of steps that is too strong for chance.

    Attributes:
        first: the smaller of them, by its place.
        last: the larger.
        by: the mean change.
    """

    first: int
    last: int
    by: float


class Verdict(NamedTuple):
    """What steps do to quality, a cost.

    Attributes:
        word: falls, flat or rises.
        change: from the least to the most steps, the mean over images with its interval.
        against: the largest change the other way; None if there is none.
    """

    word: Word
    change: Interval
    against: Change | None


def verdict_of(quality: Float[np.ndarray, "I K"]) -> Verdict:
    """The verdict.

    Args:
        quality: of each image at each number of steps, rising.
    """
    falls, rises = strongest(-quality), strongest(quality)
    word: Word = "flat"
    if falls is not None and rises is not None:
        means = quality.mean(axis=0)
        word = "falls" if _left(-means) < _left(means) else "rises"
    elif falls is not None or rises is not None:
        word = "rises" if falls is None else "falls"
    against = {"falls": rises, "rises": None if falls is None else falls._replace(by=-falls.by), "flat": None}[word]
    return Verdict(word, interval_of(mean, quality[:, -1] - quality[:, 0]), against)


def strongest(quality: Float[np.ndarray, "I K"]) -> Change | None:
    """The largest rise that chance would not make; None if none is.

    Args:
        quality: of each image at each number of steps, rising.
    """
    images, count = quality.shape
    first, last = np.triu_indices(count, 1)
    rises = quality[:, last] - quality[:, first]
    size = np.sqrt((rises**2).sum(axis=0))
    # What differs by rounding does not change.
    scale = np.abs(quality).max(initial=0.0)
    rises = np.where(size > HAIR * scale, rises / np.where(size > 0, size, 1.0), 0.0)
    flipped = (_flips(images) @ rises).max(axis=-1)
    strength = rises.sum(axis=0)
    # As often chance makes one as strong somewhere.
    chance = (flipped >= strength[:, None] - HAIR).mean(axis=-1)
    if not (chance <= LEVEL).any():
        return None
    by = (quality[:, last] - quality[:, first]).mean(axis=0)
    most = int(np.where(chance <= LEVEL, by, -np.inf).argmax())
    return Change(int(first[most]), int(last[most]), float(by[most]))


HAIR = 1e-9


def _flips(images: int) -> Float[np.ndarray, "F I"]:
    """Signs for each image; the first ones are as measured, as they count among what chance may do."""
    if 2**images <= MOST_FLIPS:
        return 1.0 - 2.0 * ((np.arange(2**images)[:, None] >> np.arange(images)) & 1)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(MOST_FLIPS, images))
    signs[0] = 1.0
    return signs


def _left(means: Float[np.ndarray, "K"]) -> float:
    """What the nearest curve that never falls leaves of the sum of squares."""
    count = len(means)
    runs = np.array([[means[i : j + 1].mean() if i <= j else np.nan for j in range(count)] for i in range(count)])
    nearest = [max(min(runs[i, j] for j in range(k, count)) for i in range(k + 1)) for k in range(count)]
    return float(((means - nearest) ** 2).sum())
