"""Intervals by drawing whole images again, with all their runs: what other images would have told."""

import numpy as np
from jaxtyping import Float, Int

# Draws; of six images the ends are the 6th from below and from above.
DRAWS = 2000


def drawn_images(images: int) -> Int[np.ndarray, "B I"]:
    """Images of each draw, as many as there are, with replacement; always the same draws.

    Args:
        images: how many there are.
    """
    return np.random.default_rng(0).integers(images, size=(DRAWS, images))


def ends(draws: Float[np.ndarray, "B"], value: float, images: int) -> tuple[float, float]:
    """The 95 % interval of a value, from what it was in draws.

    Percentiles of draws from n images are too near by √((n − 1)/n), and by as much as Student's t is wider than the
    normal distribution; so percentiles further out are taken. Draws of few images have thin tails besides, so each
    end is that one or Student's around the value, a little wider where images are few, whichever is further: so
    that at least 95 of 100 intervals hold what is true.

    Args:
        draws: the value in each.
        value: as measured.
        images: from how many they were drawn.

    Source:
        T. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69 (2015), 5.3.
    """
    from scipy.special import ndtr, stdtrit

    reach = float(np.sqrt(images / (images - 1)) * stdtrit(images - 1, 0.975))
    tails = ndtr(np.array([-reach, -1.0, 1.0, reach]))
    low, below, above, high = np.quantile(draws, tails).tolist()
    spread = (above - below) / 2  # Of those in the middle: a few draws may be far out.
    off = reach * (1 + 2 / images) * spread
    return min(low, value - off), max(high, value + off)
