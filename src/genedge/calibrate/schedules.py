"""Which noise levels a sampler visits, with RePaint's jumps, and how many evaluations of the network that takes.

Level 0 is the image, level T is (nearly) nothing but noise, T the steps that the model was trained with; at level
k > 0 the network is told timestep k − 1. A sampler walks a grid of n of these levels, place n to place 0.
"""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from genedge.errors import InputError

Axis = Literal["steps", "nfe", "truncated"]


class Schedule(NamedTuple):
    """A way from noise to an image.

    Attributes:
        spacing: n, over how many steps the whole way from the last level to the image would be spaced.
        start: at which of these n places it starts, from noise; n, unless the way is truncated.
        jump: j, how many places RePaint goes back at once.
        resamplings: r, how often it walks such a piece in all; 1 never goes back.
    """

    spacing: int
    start: int
    jump: int = 1
    resamplings: int = 1

    @property
    def steps(self) -> int:
        """Steps of the way, were there no jumps."""
        return self.start

    @property
    def evaluations(self) -> int:
        """How many evaluations of the network it takes: T + j (r − 1) max(0, ⌈(T − j)/j⌉) for T steps."""
        jumps = max(0, -(-(self.start - self.jump) // self.jump))
        return self.start + self.jump * (self.resamplings - 1) * jumps

    def places(self) -> tuple[int, ...]:
        """The places that are visited, in order, from the start to 0: down one by one, back up a jump at once.

        RePaint, Fig. 9 and Algorithm 1: at places 0, j, 2j, … below T − j the image is made noisy again, by j
        places, and walked down again; r − 1 times each.
        """
        left = dict.fromkeys(range(0, self.start - self.jump, self.jump), self.resamplings - 1)
        at = self.start
        way = [at]
        while at > 0:
            at -= 1
            way.append(at)
            if left.get(at, 0) > 0:
                left[at] -= 1
                at += self.jump
                way.append(at)
        return tuple(way)

    def moves(self) -> tuple[tuple[int, int], ...]:
        """Each place with the next one: a step of the network where it is lower, noise where it is higher."""
        return tuple(pairwise(self.places()))


def respaced(steps: int, jump: int = 1, resamplings: int = 1) -> Schedule:
    """Fewer steps over the whole way: each goes further.

    Args:
        steps: how many.
        jump: places that RePaint goes back at once.
        resamplings: how often it walks each piece.

    Raises:
        InputError: one of them is below 1.
    """
    return _checked(Schedule(steps, steps, jump, resamplings))


def truncated(steps: int, spacing: int, jump: int = 1, resamplings: int = 1) -> Schedule:
    """Only the last steps of a way: noise enters where the network expects a picture within it.

    Args:
        steps: how many.
        spacing: over how many steps the whole way is spaced.
        jump: places that RePaint goes back at once.
        resamplings: how often it walks each piece.

    Raises:
        InputError: one of them is below 1, or there are more steps than the whole way has.
    """
    return _checked(Schedule(spacing, steps, jump, resamplings))


def levels(schedule: Schedule, training_steps: int) -> np.ndarray:
    """The level at each place of a schedule's grid, evenly spaced, the last level included.

    Args:
        schedule: the way.
        training_steps: T, that the model was trained with.

    Returns:
        [n + 1] whole numbers from 0 to T.

    Raises:
        InputError: there are more places than levels.
    """
    n = schedule.spacing
    if n > training_steps:
        raise InputError(f"{n} steps: the model was trained with {training_steps}; give {training_steps} at most")
    # Halves are rounded up, so that whole numbers decide and no float.
    return (2 * np.arange(n + 1) * training_steps + n) // (2 * n)


def linear(training_steps: int, first: float, last: float) -> np.ndarray:
    """How much of an image's power is left at each level, where the variance that each adds grows linearly.

    Args:
        training_steps: T.
        first: variance that the first level adds.
        last: variance that the last one adds.

    Returns:
        ᾱ, [T + 1] from 1 at level 0. Ho et al., Denoising diffusion probabilistic models (2020).
    """
    return np.concatenate([[1.0], np.cumprod(1 - np.linspace(first, last, training_steps))])


def _checked(schedule: Schedule) -> Schedule:
    for name, value in schedule._asdict().items():
        if value < 1:
            raise InputError(f"{name} {value}: must be at least 1")
    if schedule.start > schedule.spacing:
        raise InputError(f"{schedule.start} steps of {schedule.spacing}: there are no more than {schedule.spacing}")
    return schedule
