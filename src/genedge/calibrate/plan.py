"""Which images are made with how many steps, in which order."""

import numpy as np

from genedge.errors import InputError


def divisors(number: int) -> list[int]:
    """Of a number, in rising order.

    Args:
        number: at least 1.
    """
    return [d for d in range(1, number + 1) if number % d == 0]


def default_steps(train_steps: int, most: int) -> list[int]:
    """What is measured unless said: the divisors of the training's steps, so that no spacing is rounded.

    Args:
        train_steps: noise levels of the training.
        most: no more steps than these.
    """
    return [d for d in divisors(train_steps) if d <= most]


def reference_steps(steps: list[int], train_steps: int) -> int:
    """With how many steps the image is made that others are compared with: four times the most, or at least twice.

    Args:
        steps: those that are measured.
        train_steps: noise levels of the training.

    Raises:
        InputError: there is no such number.
    """
    most = max(steps)
    enough = [d for d in divisors(train_steps) if d >= 2 * most]
    if not enough:
        raise InputError(
            f"--steps: {most} are too many to be compared with an image of more; give at most "
            f"{train_steps // 2}, half of the training's {train_steps}"
        )
    return next((d for d in enough if d >= 4 * most), enough[-1])


def checked_steps(steps: list[int], train_steps: int) -> list[int]:
    """The steps that a user asks for.

    Args:
        steps: any.
        train_steps: noise levels of the training.

    Raises:
        InputError: they are no divisors, or too few.
    """
    for count in steps:
        if count < 1 or train_steps % count:
            near = ", ".join(map(str, divisors(train_steps)))
            raise InputError(f"--steps: {count} does not divide the training's {train_steps}; take some of {near}")
    if len(set(steps)) < 3:
        raise InputError("--steps: give three or more, such as 1,2,5,10,20,50")
    return sorted(set(steps))


def round_of(image: int, steps: list[int], seed: int) -> list[int]:
    """In which order an image is made with each number of steps, so that a machine that warms up favours none.

    Args:
        image: its number.
        steps: each once.
        seed: of the order.
    """
    rng = np.random.default_rng([seed, image])
    return [steps[i] for i in rng.permutation(len(steps))]
