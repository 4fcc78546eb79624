"""What a step takes: seconds = b2 + b1 · evaluations, and what a schedule makes of that, the delay of Eq. (12)."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from genedge.calibrate.resampled import ends

Ends = tuple[float, float]


class Delay(NamedTuple):
    """A line through the medians of seconds, and the line over steps that follows from it.

    Attributes:
        b1: an evaluation of the network [s].
        b2: what comes besides [s].
        r2: what the line explains of the medians; None where they are all alike.
        ends: of b1 and of b2.
        B1: a step [s].
        B2: at no steps [s].
        steps_ends: of B1 and of B2.
        off_s: by how much the line over steps misses the one over evaluations at most [s].
        medians: of seconds, at each number of steps.
    """

    b1: float
    b2: float
    r2: float | None
    ends: tuple[Ends, Ends]
    B1: float
    B2: float
    steps_ends: tuple[Ends, Ends]
    off_s: float
    medians: Float[np.ndarray, "K"]


def delay_of(
    steps: Float[np.ndarray, "K"],
    evaluations: Float[np.ndarray, "K"],
    seconds: Float[np.ndarray, "I K"],
    drawn: Int[np.ndarray, "B I"],
) -> Delay:
    """Fits the delay; medians over images do not mind a first run that warms up.

    Args:
        steps: rising.
        evaluations: that each number of steps takes; not all the same.
        seconds: of each image at each number of steps.
        drawn: images of each draw, for the intervals.
    """
    medians = np.median(seconds, axis=0)
    again = np.stack([np.median(seconds[:, k][drawn], axis=-1) for k in range(len(steps))], axis=-1)
    both = line(evaluations, np.vstack([medians, again]))
    over_steps = line(steps, both[:, 1:] + both[:, :1] * evaluations)
    (b1, b2), (B1, B2) = both[0].tolist(), over_steps[0].tolist()
    fitted = b2 + b1 * evaluations
    spread = ((medians - medians.mean()) ** 2).sum()
    return Delay(
        b1,
        b2,
        float(1 - ((medians - fitted) ** 2).sum() / spread) if spread > 0 else None,
        _ends(both, len(seconds)),
        B1,
        B2,
        _ends(over_steps, len(seconds)),
        float(np.abs(fitted - B2 - B1 * steps).max()),
        medians,
    )


def _ends(lines: Float[np.ndarray, "B 2"], images: int) -> tuple[Ends, Ends]:
    """Of slope and offset; the first line is as measured."""
    (b1_low, b1_high), (b2_low, b2_high) = (ends(lines[1:, i], float(lines[0, i]), images) for i in range(2))
    return (max(b1_low, 0.0), b1_high), (max(b2_low, 0.0), b2_high)


def line(x: Float[np.ndarray, "K"], y: Float[np.ndarray, "B K"]) -> Float[np.ndarray, "B 2"]:
    """Slope and offset of the line nearest to each row, neither negative.

    Args:
        x: positive, not all the same.
        y: not negative.
    """
    centred = x - x.mean()
    slope = y @ centred / (centred @ centred)
    offset = y.mean(axis=-1) - slope * x.mean()
    # What is nearest and allowed is on the border that the nearest of all is beyond; never beyond both.
    flat = slope < 0
    slope = np.where(flat, 0.0, np.where(offset < 0, y @ x / (x @ x), slope))
    offset = np.where(flat, y.mean(axis=-1), np.where(offset < 0, 0.0, offset))
    return np.stack([slope, offset], axis=-1)
