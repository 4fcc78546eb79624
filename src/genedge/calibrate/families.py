"""A family of curves fitted to measurements: its parameters with intervals, and which are not identified."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from genedge.calibrate.curves import Curves, exponential, power, rates, three_pieces
from genedge.calibrate.resampled import ends

# A residual below this share of the values is rounding: fits that good are told apart by what they take alone.
ROUNDING = 1e-9
NEAR = 1.05
UNCHANGED = "quality does not change with steps beyond chance"
NO_START = "fewer than two of the steps measured lie on the flat start"
NO_END = "fewer than two of the steps measured lie on the flat end"
STEEP = "fewer than two of the steps measured lie between A1 and A3"


class Family(NamedTuple):
    """One family.

    Attributes:
        parameters: by name; None where one is not identified.
        intervals: of those that are.
        unidentified: why the others are not.
        r2: what the curve explains of the means over images; None where these are all alike.
        aicc: its Akaike information criterion, corrected for few steps, lower is better; None with too few steps.
        fitted: the curve's values at the steps that were measured.
        curve: parameters of one of the nearest curves, for a picture.
    """

    parameters: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float] | None]
    unidentified: Mapping[str, str]
    r2: float | None
    aicc: float | None
    fitted: Float[np.ndarray, "K"]
    curve: Float[np.ndarray, "P"]

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        return {
            **self.parameters,
            "r2": self.r2,
            "aicc": self.aicc,
            "intervals": {key: None if each is None else list(each) for key, each in self.intervals.items()},
            "unidentified": dict(self.unidentified),
            "fitted": self.fitted.tolist(),
        }


def families_of(
    steps: Float[np.ndarray, "K"], means: Float[np.ndarray, "B K"], images: int, changes: bool
) -> dict[str, Family]:
    """Fits every family.

    Args:
        steps: rising.
        means: over images; the first row as measured, the others of images drawn again.
        images: how many there are.
        changes: whether quality changes with steps at all.
    """
    pieces, by_exp, by_power = (fit(steps, means) for fit in (three_pieces, exponential, power))
    return {
        "three_pieces": _family(
            means, images, pieces, ("A1", "A2", "A3", "A4"), _pieces(steps, pieces, images, changes)
        ),
        "exponential": _family(
            means, images, by_exp, tuple("abc"), _decay(steps, by_exp, images, changes, "steps")
        ),
        "power": _family(
            means,
            images,
            by_power,
            tuple("abc"),
            _decay(np.log(steps), by_power, images, changes, "the logarithm of steps"),
        ),
    }


def _family(
    means: Float[np.ndarray, "B K"],
    images: int,
    curves: Curves,
    names: tuple[str, ...],
    unidentified: Mapping[str, str],
) -> Family:
    measured, fitted = means[0], curves.fitted[0]
    left, spread = ((measured - fitted) ** 2).sum(), ((measured - measured.mean()) ** 2).sum()
    told = [name for name in names if name not in unidentified]
    return Family(
        {name: float(curves.parameters[0, i]) if name in told else None for i, name in enumerate(names)},
        {name: _ends(curves, i, name, images) if name in told else None for i, name in enumerate(names)},
        unidentified,
        float(1 - left / spread) if spread > (ROUNDING * np.abs(measured).max()) ** 2 else None,
        _aicc(left, len(measured), len(names) + 1, float(np.abs(measured).max())),
        fitted,
        curves.parameters[0],
    )


def _ends(curves: Curves, i: int, name: str, images: int) -> tuple[float, float]:
    """The interval of a parameter; rates are above 0, so theirs is that of the logarithm."""
    of = curves.parameters[:, i]
    if name != "c":
        return ends(of[1:], float(of[0]), images)
    low, high = ends(np.log(of[1:]), float(np.log(of[0])), images)
    return float(np.exp(low)), float(np.exp(high))


def _aicc(left: float, count: int, parameters: int, scale: float) -> float | None:
    """Of normal residuals, whose variance is one of the parameters.

    Source:
        C. M. Hurvich and C.-L. Tsai, Biometrika 76 (1989).
    """
    if count - parameters - 1 < 1 or scale == 0:
        return None
    variance = max(left / count, (ROUNDING * scale) ** 2)
    more = 2 * parameters * (parameters + 1) / (count - parameters - 1)
    return float(count * np.log(variance) + 2 * parameters + more)


def _pieces(steps: Float[np.ndarray, "K"], curves: Curves, images: int, changes: bool) -> dict[str, str]:
    """Which of A1 to A4 are not identified: what a piece is that no two measured steps lie on, nobody knows."""
    if not changes:
        return dict.fromkeys(("A1", "A2", "A3", "A4"), UNCHANGED)
    A1, _, A3, _ = curves.parameters.T
    hair = 1e-6 * (steps[-1] - steps[0])
    found: dict[str, str] = {}
    if _ends(curves, 0, "A1", images)[0] < steps[1] - hair:
        found |= {"A1": NO_START, "A2": NO_START}
    if _ends(curves, 2, "A3", images)[1] > steps[-2] + hair:
        found |= {"A3": NO_END, "A4": NO_END}
    if ((steps > A1[0] + hair) & (steps < A3[0] - hair)).sum() < 2:
        found = {"A1": STEEP, "A3": STEEP} | found
    return found


def _decay(x: Float[np.ndarray, "K"], curves: Curves, images: int, changes: bool, over: str) -> dict[str, str]:
    """Whether c is identified, without which a and b say nothing."""
    low, high = _ends(curves, 2, "c", images)
    line, jump = rates(x)
    why = ""
    if not changes:
        why = UNCHANGED
    elif low < line * NEAR:
        why = f"a straight line over {over} is as good"
    elif high > jump / NEAR:
        why = "a jump after the least steps measured is as good"
    return dict.fromkeys("abc", why) if why else {}
