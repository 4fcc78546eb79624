"""Families of curves of quality over steps, each fitted by least squares whose least is found, not sought.

The three pieces are the paper's, Eq. (10) and (11): A2 until A1 steps, falling linearly to A4 at A3 steps, A4 from
there on. Beside them stand a + b·exp(−c·steps) and a + b·steps^(−c). All take many curves at once, a row each.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# Rates of which the best is the middle of a bracket, and by what it is narrowed until it is found to all digits.
RATES, NARROWED = 400, 40
GOLDEN = (5**0.5 - 1) / 2
# The least rate over the range of steps is a straight line to four digits, the largest over the least gap a jump.
LINE, JUMP = 1e-3, 20.0
HAIR = 1e-9


class Curves(NamedTuple):
    """Curves of one family, fitted.

    Attributes:
        parameters: of each curve.
        fitted: its values at the steps that were measured.
    """

    parameters: Float[np.ndarray, "B P"]
    fitted: Float[np.ndarray, "B K"]


# --- Three pieces -------------------------------------------------------------------------------------------


class _Shape(NamedTuple):
    """Between which steps both breakpoints lie; then the curve is linear in what is left to be found.

    Attributes:
        design: the curve's values are this times the coefficients.
        told: the coefficients times this are A2, A4, and the falling line's value at 0 and slope.
        first: least and most that A1 may be.
        last: least and most that A3 may be.
    """

    design: Float[np.ndarray, "K p"]
    told: Float[np.ndarray, "p 4"]
    first: tuple[float, float]
    last: tuple[float, float]


def three_pieces(steps: Float[np.ndarray, "K"], quality: Float[np.ndarray, "B K"]) -> Curves:
    """The three pieces nearest to each row.

    Between given steps the two breakpoints leave a linear problem. Its best curve either has its breakpoints there,
    or the best one there has a breakpoint at one of these steps; so the best of all is among finitely many.

    Args:
        steps: at least three, rising.
        quality: of each curve at these steps.

    Returns:
        A1, A2, A3 and A4 of each.
    """
    x = (steps - steps[0]) / (steps[-1] - steps[0])
    least = np.full(len(quality), np.inf)
    best = Curves(np.zeros((len(quality), 4)), np.zeros(quality.shape))
    for shape in _shapes(x):
        coefficients = quality @ np.linalg.pinv(shape.design).T
        fitted = coefficients @ shape.design.T
        left = ((quality - fitted) ** 2).sum(axis=-1)
        A2, A4, at_0, slope = (coefficients @ shape.told).T
        A1, inside_1 = _crossing(A2 - at_0, slope, shape.first)
        A3, inside_3 = _crossing(A4 - at_0, slope, shape.last)
        better = inside_1 & inside_3 & (left < least)
        least[better] = left[better]
        best.parameters[better] = np.stack([A1, A2, A3, A4], axis=-1)[better]
        best.fitted[better] = fitted[better]
    best.parameters[:, [0, 2]] = steps[0] + best.parameters[:, [0, 2]] * (steps[-1] - steps[0])
    return best


def _crossing(
    rise: Float[np.ndarray, "B"], slope: Float[np.ndarray, "B"], between: tuple[float, float]
) -> tuple[Float[np.ndarray, "B"], np.ndarray]:
    """Where the falling line meets a flat piece, and whether that is where it may."""
    low, high = between
    if low == high:
        return np.full(len(rise), low), np.ones(len(rise), bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = rise / slope
    return np.clip(at, low, high), (at >= low - HAIR) & (at <= high + HAIR)


def _shapes(x: Float[np.ndarray, "K"]) -> Iterator[_Shape]:
    """All of them."""
    last = len(x) - 1
    for i in range(last):
        for j in range(i + 1, last + 1):
            # Flat up to step i, flat from step j on.
            yield _shape(x, i, j, True, True)
            between = j - i - 1
            if between >= 1:
                yield _shape(x, i, j, True, False)
                yield _shape(x, i, j, False, True)
            if between >= 2:
                yield _shape(x, i, j, False, False)


def _shape(x: Float[np.ndarray, "K"], i: int, j: int, at_first: bool, at_last: bool) -> _Shape:
    """The shape that is flat up to step i and from step j on, its breakpoints at these steps or beside them."""
    first, last = np.arange(len(x)) <= i, np.arange(len(x)) >= j
    falls = ~(first | last)
    A1 = (x[i], x[i]) if at_first else (x[i], x[i + 1])
    A3 = (x[j], x[j]) if at_last else (x[j - 1], x[j])
    if at_first and at_last:
        done = ((x - x[i]) / (x[j] - x[i])).clip(0, 1)
        return _Shape(np.stack([1 - done, done], axis=-1), np.eye(2, 4), A1, A3)
    A2, A4, at_0, slope = first * 1.0, last * 1.0, falls * 1.0, falls * x
    if at_first:  # The line is A2 there.
        design = [A2 + at_0, A4, slope - x[i] * at_0]
        told = [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, -x[i], 1.0]]
    elif at_last:
        design = [A2, A4 + at_0, slope - x[j] * at_0]
        told = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, -x[j], 1.0]]
    else:
        design, told = [A2, A4, at_0, slope], np.eye(4).tolist()
    return _Shape(np.stack(design, axis=-1), np.array(told), A1, A3)


# --- Exponential and power ----------------------------------------------------------------------------------


def exponential(steps: Float[np.ndarray, "K"], quality: Float[np.ndarray, "B K"]) -> Curves:
    """The a + b·exp(−c·steps) nearest to each row.

    Args:
        steps: at least three, rising.
        quality: of each curve at these steps.

    Returns:
        a, b and c of each.
    """
    return _decay(steps, quality)


def power(steps: Float[np.ndarray, "K"], quality: Float[np.ndarray, "B K"]) -> Curves:
    """The a + b·steps^(−c) nearest to each row, which is exponential in the logarithm of steps.

    Args:
        steps: at least three, positive, rising.
        quality: of each curve at these steps.

    Returns:
        a, b and c of each.
    """
    return _decay(np.log(steps), quality)


def rates(x: Float[np.ndarray, "K"]) -> tuple[float, float]:
    """Between which c is looked for: at the least one the curve is a straight line, at the largest it jumps.

    Args:
        x: steps, or their logarithms.
    """
    return LINE / float(x[-1] - x[0]), JUMP / float(np.diff(x).min())


def _decay(x: Float[np.ndarray, "K"], quality: Float[np.ndarray, "B K"]) -> Curves:
    """For a given c the curve is linear in a and b; what c explains is looked for on a grid, then between."""
    grid = np.geomspace(*rates(x), RATES)
    centred = quality - quality.mean(axis=-1, keepdims=True)
    shapes = _centred_shape(x, grid)
    explained = (centred @ shapes.T) ** 2 / (shapes**2).sum(axis=-1)
    best = np.clip(explained.argmax(axis=-1), 1, RATES - 2)
    low, high = np.log(grid[best - 1]), np.log(grid[best + 1])
    for _ in range(NARROWED):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        falls = _explained(x, centred, np.exp(left)) >= _explained(x, centred, np.exp(right))
        low, high = np.where(falls, low, left), np.where(falls, right, high)
    c = np.exp((low + high) / 2)
    shape = np.exp(-c[:, None] * (x - x[0]))
    offset = shape.mean(axis=-1, keepdims=True)
    b = (centred * (shape - offset)).sum(axis=-1) / ((shape - offset) ** 2).sum(axis=-1)
    a = quality.mean(axis=-1) - b * offset[:, 0]
    with np.errstate(over="ignore"):
        from_0 = b * np.exp(c * x[0])
    return Curves(np.stack([a, from_0, c], axis=-1), a[:, None] + b[:, None] * shape)


def _explained(
    x: Float[np.ndarray, "K"], centred: Float[np.ndarray, "B K"], c: Float[np.ndarray, "B"]
) -> Float[np.ndarray, "B"]:
    """By how much the best a and b for a given c lower the sum of squares of each curve."""
    shape = _centred_shape(x, c)
    return (centred * shape).sum(axis=-1) ** 2 / (shape**2).sum(axis=-1)


def _centred_shape(x: Float[np.ndarray, "K"], c: Float[np.ndarray, "C"]) -> Float[np.ndarray, "C K"]:
    shape = np.exp(-c[:, None] * (x - x[0]))
    return shape - shape.mean(axis=-1, keepdims=True)


# --- No family ----------------------------------------------------------------------------------------------


def diminishing(steps: Float[np.ndarray, "K"], quality: Float[np.ndarray, "K"]) -> Float[np.ndarray, "K"]:
    """The nearest values that fall less and less, as every exponential and every power does, and many others.

    Such a curve is a sum of ramps, each of which falls to 0 at one of the steps, and of a constant.

    Args:
        steps: at least three, rising.
        quality: at these steps.
    """
    from scipy.optimize import nnls

    x = steps / steps[-1]
    ramps = np.maximum(x[None, 1:] - x[:, None], 0.0)
    level = np.ones((len(x), 1))
    design = np.hstack([ramps, level, -level])
    return np.asarray(design @ nnls(design, quality)[0])


# --- Values -------------------------------------------------------------------------------------------------


def values(family: str, parameters: Float[np.ndarray, "P"], steps: Float[np.ndarray, "K"]) -> np.ndarray:
    """A curve at any steps.

    Args:
        family: three_pieces, exponential or power.
        parameters: of the curve, as fitted.
        steps: any, at least 1 for a power.
    """
    if family == "three_pieces":
        A1, A2, A3, A4 = parameters
        return A2 + (A4 - A2) * ((steps - A1) / (A3 - A1)).clip(0, 1)
    a, b, c = parameters
    with np.errstate(invalid="ignore"):  # Of a jump, b is infinite.
        return np.asarray(a + b * np.exp(-c * (steps if family == "exponential" else np.log(steps))))
