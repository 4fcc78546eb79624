"""How much memory generating takes besides the weights, by how many images there are at once and how large."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple


class Peak(NamedTuple):
    """The most that was measured.

    Attributes:
        images: at once.
        pixels: of each; None where size is of no account.
        memory_mb: besides the weights.
    """

    images: int
    pixels: int | None
    memory_mb: int


def peak_mb(peaks: Sequence[Peak], images: int, pixels: int | None) -> int:
    """What a request is expected to take: as measured, else between what was, or in proportion to the most.

    Args:
        peaks: at least one; all of them with pixels, or none.
        images: at once.
        pixels: of each; None for as many as in the smallest that was measured.

    Returns:
        Whole megabytes.
    """
    sizes = [peak.pixels or 1 for peak in peaks]
    of_each = min(sizes) if pixels is None or peaks[0].pixels is None else pixels
    wanted = images * of_each
    points = sorted((peak.images * size, peak.memory_mb) for peak, size in zip(peaks, sizes, strict=True))
    if wanted <= points[0][0]:
        return points[0][1]
    for (before, less_mb), (after, more_mb) in itertools.pairwise(points):
        if wanted <= after:
            return less_mb + math.ceil((more_mb - less_mb) * (wanted - before) / max(after - before, 1))
    most, most_mb = points[-1]
    return math.ceil(most_mb * wanted / most)
