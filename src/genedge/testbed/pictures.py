"""Pictures with a hole of each model's own kind, and how they travel."""

import io
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Damaged(NamedTuple):
    """A picture with a hole, as it is sent.

    Attributes:
        png: black in its hole.
        mask: a picture that is black where it is to be repaired.
    """

    png: bytes
    mask: bytes


def damaged(model: str, number: int) -> Damaged:
    """A picture that the model never saw, the same that `genedge calibrate` measures it by.

    Args:
        model: one of the small models, without `small:`.
        number: of the picture.

    Raises:
        InputError: scikit-image is not installed, which they come with.
    """
    from genedge.calibrate.small.images import held_out, hole

    whole = held_out(model, number)
    mask = hole("centre", whole.shape[-1])
    return Damaged(png_of(whole * mask), png_of(mask))


def png_of(image: Float[np.ndarray, "C H W"]) -> bytes:
    """A picture as PNG.

    Args:
        image: from 0 to 1, grey or in colour.
    """
    from PIL import Image

    levels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    picture = Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0))
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()


def image_of(png: bytes) -> Float[np.ndarray, "C H W"]:
    """A PNG as numbers from 0 to 1.

    Args:
        png: it.
    """
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        levels = np.asarray(picture, np.float32) / 255
    return levels[None] if levels.ndim == 2 else levels.transpose(2, 0, 1)
