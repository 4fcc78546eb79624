"""How good images are: each measure a function, with its name, unit and direction; and those of a reader's own.

What is filled in is judged in the hole alone. Total variation, which falls also when an image is merely blurred, is
of the whole image, and has two definitions that differ a hundredfold: so a number always goes with the name of its
measure.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, cast, get_args

import numpy as np
from scipy.ndimage import gaussian_filter

from genedge.errors import InputError
from genedge.own import failure, from_file, in_file
from genedge.registry import named, unknown

Judges = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
Better = Literal["lower", "higher"]
Against = Literal["own", "truth", "nothing"]

# The window of Wang et al., Image quality assessment: from error visibility to structural similarity (2004): a bell
# of this width [pixels], cut where theirs ends; and the constants that keep dark and even parts from dividing by 0.
WINDOW, REACH = 1.5, 5
K1, K2 = 0.01, 0.03


class Measure(NamedTuple):
    """A measure of quality.

    Attributes:
        name: as it was asked for; to be told beside every number.
        unit: of its numbers; empty if they have none.
        better: whether lower or higher numbers are.
        against: what it is compared with: the model's `own` image of the same seed and many steps, the `truth`, or
            `nothing`.
        judge: images, what they are compared with, both [B, C, H, W] in [0, 1], and the mask, of the same shape, 1
            where pixels are known; returns [B].
    """

    name: str
    unit: str
    better: Better
    against: Against
    judge: Judges

    def cost(self, images: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """What the measure says, turned so that lower is better.

        Args:
            images: [B, C, H, W] in [0, 1].
            other: what they are compared with, of the same shape.
            mask: 1 where pixels are known, 0 in the hole; its shape broadcasts to theirs.

        Returns:
            [B].

        Raises:
            InputError: shapes do not fit, there is no hole, or a measure of the reader's own gives no B numbers.
        """
        if other.shape != images.shape:
            told = f"images of {list(images.shape)} cannot be compared with such of {list(other.shape)}"
            raise InputError(f"{self.name}: {told}")
        whole = np.broadcast_to(mask, images.shape)
        if not (whole == 0).any(axis=(1, 2, 3)).all():
            raise InputError(f"{self.name}: the mask has no hole; it must be 0 where pixels are to be filled in")
        exact = self.judge(images.astype(np.float64), other.astype(np.float64), whole)
        return exact if self.better == "lower" else -exact


def measure(name: str) -> Measure:
    """A measure by its name.

    Args:
        name: of one that there is, or `FILE.py:FUNCTION`, of a function like `Measure.judge`. Lower numbers are
            better unless it has an attribute `better` that is "higher"; `unit` may be another attribute.

    Raises:
        InputError: there is none of that name, the file is missing or does not run, or has no such function.
    """
    if in_file(name):
        return _of_file(name)
    known = named("measure")
    if name not in known:
        raise unknown("measure", name, known, ", or FILE.py:FUNCTION")
    found: Measure = known[name].load()
    return found


# --- Compared with another image, in the hole --------------------------------------------------------------


def root_mean_square(images: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Root mean square of the difference in the hole.

    Args:
        images: [B, C, H, W] in [0, 1].
        other: what they are compared with.
        mask: of the same shape, 0 in the hole.

    Returns:
        [B] in [0, 1].
    """
    return np.sqrt(_mean_in_hole((images - other) ** 2, mask))


def peak_signal_to_noise(images: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The largest possible signal over the noise in the hole, in decibels.

    Args:
        images: [B, C, H, W] in [0, 1].
        other: what they are compared with.
        mask: of the same shape, 0 in the hole.

    Returns:
        [B]; infinite where both are the same.
    """
    with np.errstate(divide="ignore"):
        return -10 * np.log10(_mean_in_hole((images - other) ** 2, mask))


def structural_similarity(images: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Structural similarity at each pixel, seen through a bell that may reach beyond the hole; mean over the hole.

    Args:
        images: [B, C, H, W] in [0, 1].
        other: what they are compared with.
        mask: of the same shape, 0 in the hole.

    Returns:
        [B] in [-1, 1], 1 where both are the same. Wang et al. (2004), Eq. (13).
    """
    mean, mean_other = _around(images), _around(other)
    variance, variance_other = _around(images**2) - mean**2, _around(other**2) - mean_other**2
    covariance = _around(images * other) - mean * mean_other
    lightness = (2 * mean * mean_other + K1**2) / (mean**2 + mean_other**2 + K1**2)
    structure = (2 * covariance + K2**2) / (variance + variance_other + K2**2)
    return _mean_in_hole(lightness * structure, mask)


# --- Total variation ---------------------------------------------------------------------------------------


def total_variation_l2(images: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Root of the sum of all squared differences between neighbours, over rows, columns and channels.

    Most probably the paper's; a blank image has 0, one of noise the most.

    Args:
        images: [B, C, H, W] in [0, 1].
        other: not looked at.
        mask: not looked at.

    Returns:
        [B].
    """
    down, right = _differences(images)
    return np.sqrt((down**2).sum(axis=(1, 2, 3)) + (right**2).sum(axis=(1, 2, 3)))


def total_variation_sum(images: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sum of all absolute differences between neighbours, over rows, columns and channels.

    Args:
        images: [B, C, H, W] in [0, 1].
        other: not looked at.
        mask: not looked at.

    Returns:
        [B].
    """
    down, right = _differences(images)
    return np.abs(down).sum(axis=(1, 2, 3)) + np.abs(right).sum(axis=(1, 2, 3))


def total_variation_off(images: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How far the total variation, `tv-l2`, is from that of the truth, to either side.

    Args:
        images: [B, C, H, W] in [0, 1].
        other: the truth.
        mask: not looked at.

    Returns:
        [B].
    """
    return np.abs(total_variation_l2(images, other, mask) - total_variation_l2(other, other, mask))


DISTANCE = Measure("distance", "", "lower", "own", root_mean_square)
PSNR = Measure("psnr", "dB", "higher", "truth", peak_signal_to_noise)
SSIM = Measure("ssim", "", "higher", "truth", structural_similarity)
TV_L2 = Measure("tv-l2", "", "lower", "nothing", total_variation_l2)
TV_SUM = Measure("tv-sum", "", "lower", "nothing", total_variation_sum)
TV_OFF = Measure("tv-off", "", "lower", "truth", total_variation_off)


# --- What they are made of ---------------------------------------------------------------------------------


def _mean_in_hole(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    mean: np.ndarray = values.mean(axis=(1, 2, 3), where=mask == 0)
    return mean


def _around(images: np.ndarray) -> np.ndarray:
    mean: np.ndarray = gaussian_filter(images, WINDOW, axes=(2, 3), radius=REACH)
    return mean


def _differences(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.diff(images, axis=2), np.diff(images, axis=3)


def _of_file(name: str) -> Measure:
    function = from_file(name)
    if not callable(function):
        raise InputError(f"{name}: is no function; it must be one of (images, other, mask)")

    def judge(images: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
        try:
            values = np.asarray(function(images, other, mask), float)
        except Exception as e:
            raise failure(name, e) from e
        if values.shape != (len(images),) or np.isnan(values).any():
            told = f"must return a number for each of {len(images)} images, not {values!r:.80}"
            raise InputError(f"{name}: {told}")
        return values

    better = _attribute(function, name, "better", get_args(Better), "lower")
    against = _attribute(function, name, "against", get_args(Against), "truth")
    return Measure(name, str(getattr(function, "unit", "")), cast(Better, better), cast(Against, against), judge)


def _attribute(function: object, name: str, key: str, known: Sequence[str], otherwise: str) -> str:
    """What a reader's function says of itself."""
    said = getattr(function, key, otherwise)
    if said not in known:
        raise InputError(f"{name}: its attribute `{key}` is {said!r}; it must be one of {', '.join(known)}")
    return str(said)
