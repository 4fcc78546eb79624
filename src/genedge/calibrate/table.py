"""Measurements as tables: images by numbers of steps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from genedge.calibrate.measurements import Measurement
from genedge.calibrate.verdict import FEWEST_IMAGES
from genedge.errors import InputError
from genedge.text import in_brief

FEWEST_STEPS, MOST_STEPS = 3, 40
MOST_IMAGES = 5000


class Table(NamedTuple):
    """What was measured.

    Attributes:
        images: that were measured at all numbers of steps.
        steps: rising.
        evaluations: of the network, at each number of steps.
        quality: of each image at each number of steps, the mean of its runs.
        seconds: the same, their median.
        left_out: images that were not measured at all of them.
    """

    images: tuple[str, ...]
    steps: Float[np.ndarray, "K"]
    evaluations: Float[np.ndarray, "K"]
    quality: Float[np.ndarray, "I K"]
    seconds: Float[np.ndarray, "I K"]
    left_out: tuple[str, ...]


def table_of(rows: Sequence[Measurement], source: str) -> Table:
    """Puts measurements in order.

    Args:
        rows: of one model with one schedule.
        source: what to call them in messages.

    Raises:
        InputError: they are of more than one schedule, or of too few images or steps.
    """
    evaluations: dict[int, int] = {}
    runs: dict[tuple[str, int], list[Measurement]] = {}
    for row in rows:
        known = evaluations.setdefault(row.steps, row.evaluations)
        if known != row.evaluations:
            raise InputError(
                f"{source}: {row.steps} steps take {known} evaluations in one run, {row.evaluations} in another; "
                "give each schedule a file of its own"
            )
        runs.setdefault((row.image, row.steps), []).append(row)
    steps = sorted(evaluations)
    images = tuple(dict.fromkeys(row.image for row in rows))
    whole = tuple(image for image in images if all((image, count) in runs for count in steps))
    _refuse_few(source, steps, images, whole, runs)
    if len(set(evaluations.values())) == 1:
        raise InputError(
            f"{source}: every number of steps takes {evaluations[steps[0]]} evaluations; evaluations are those of "
            "the network, which grow with steps"
        )
    return Table(
        whole,
        np.array(steps, float),
        np.array([evaluations[count] for count in steps], float),
        np.array([[np.mean([run.quality for run in runs[i, k]]) for k in steps] for i in whole]),
        np.array([[np.median([run.seconds for run in runs[i, k]]) for k in steps] for i in whole]),
        tuple(image for image in images if image not in set(whole)),
    )


def _refuse_few(
    source: str,
    steps: Sequence[int],
    images: Sequence[str],
    whole: Sequence[str],
    runs: dict[tuple[str, int], list[Measurement]],
) -> None:
    if not FEWEST_STEPS <= len(steps) <= MOST_STEPS:
        raise InputError(
            f"{source}: measured with {len(steps)} different numbers of steps; a curve takes {FEWEST_STEPS} to "
            f"{MOST_STEPS}, such as 1, 2, 5, 10, 20 and 50"
        )
    if not FEWEST_IMAGES <= len(whole) <= MOST_IMAGES:
        short = next((image for image in images if image not in whole), None)
        lacks = [count for count in steps if (short, count) not in runs] if short is not None else []
        hint = f" ({in_brief(repr(short))} was not measured with {lacks[0]} steps)" if lacks else ""
        raise InputError(
            f"{source}: {len(whole)} of {len(images)} images were measured with every number of steps{hint}; "
            f"{FEWEST_IMAGES} to {MOST_IMAGES} are needed to tell a change from chance"
        )
