"""The images that the small models were trained on, and others of the same kinds that they never saw.

Faces and textures come with scikit-image, shapes are drawn here. What is held out is for calibration: of 100 faces
the last 20, of each texture the right quarter, and shapes of seeds of their own.
"""

from functools import cache
from typing import Any, Literal

import numpy as np

from genedge.errors import InputError
from genedge.registry import named, unknown

Part = Literal["training", "held out"]
Hole = Literal["centre", "half"]

# Faces of 25 pixels are cut to 24, which can be halved; textures of 512 are halved first, so that a brick fits.
FACE, SQUARE = 24, 32
FACES, FACES_TRAINED = 100, 80
HALVED, TRAINED_COLUMNS = 256, 192
TEXTURES = ("brick", "grass", "gravel")
MOST_SHAPES = 3
# Drawn at once of what models never saw.
HELD_OUT = 20


def images(kind: str, part: Part, count: int, rng: np.random.Generator) -> np.ndarray:
    """Images of a kind.

    Args:
        kind: name of a small model.
        part: those that models are trained on, or those that none saw.
        count: how many.
        rng: which of them.

    Returns:
        [count, C, H, W] in [0, 1], float32.

    Raises:
        InputError: there is no such kind, or scikit-image is not installed, which it comes with.
    """
    known = named("small model")
    if kind not in known:
        raise unknown("small model", kind, known)
    made: np.ndarray = known[kind].load()(part, count, rng)
    return made


def held_out(kind: str, number: int) -> np.ndarray:
    """One of the images that no model saw, by its number.

    Args:
        kind: name of a small model.
        number: any, from 0 on.

    Returns:
        [C, H, W] in [0, 1], float32.

    Raises:
        InputError: as `images` does.
    """
    some = images(kind, "held out", HELD_OUT, np.random.default_rng(number // HELD_OUT))
    shown: np.ndarray = some[number % HELD_OUT]
    return shown


def hole(kind: Hole, pixels: int) -> np.ndarray:
    """A mask with a hole: 1 where pixels are known, 0 where they are to be filled in, as in RePaint.

    Args:
        kind: `centre`, a square of half the width in the middle; or `half`, all to the right of the middle.
        pixels: width and height.

    Returns:
        [1, H, W] of 0 and 1, float32.
    """
    mask = np.ones((1, pixels, pixels), np.float32)
    if kind == "half":
        mask[:, :, pixels // 2 :] = 0
    else:
        edge = pixels // 4
        mask[:, edge : pixels - edge, edge : pixels - edge] = 0
    return mask


def faces(part: Part, count: int, rng: np.random.Generator) -> np.ndarray:
    """Faces; held out ones in their order, each once before one comes again.

    Args:
        part: those that models are trained on, or those that none saw.
        count: how many.
        rng: which of them.
    """
    all_faces = _scikit_image().lfw_subset()[:FACES].astype(np.float32)
    if part == "held out":
        of_part = all_faces[FACES_TRAINED:, :FACE, :FACE]
        return of_part[np.arange(count) % len(of_part), None]
    which = rng.integers(0, FACES_TRAINED, count)
    # One pixel here or there, and as in a mirror: eight of each.
    down, right, mirror = rng.integers(0, 2, (3, count))
    some = [all_faces[f, y : y + FACE, x : x + FACE] for f, y, x in zip(which, down, right, strict=True)]
    return np.stack([face[:, ::-1] if m else face for face, m in zip(some, mirror, strict=True)])[:, None]


def textures(part: Part, count: int, rng: np.random.Generator) -> np.ndarray:
    """Pieces of three textures.

    Args:
        part: those that models are trained on, or those that none saw.
        count: how many.
        rng: which of them.
    """
    halved = _halved_textures()
    of_part = halved[:, :, :TRAINED_COLUMNS] if part == "training" else halved[:, :, TRAINED_COLUMNS:]
    which = rng.integers(0, len(TEXTURES), count)
    down = rng.integers(0, of_part.shape[1] - SQUARE + 1, count)
    right = rng.integers(0, of_part.shape[2] - SQUARE + 1, count)
    cut = [of_part[k, y : y + SQUARE, x : x + SQUARE] for k, y, x in zip(which, down, right, strict=True)]
    return np.stack(cut)[:, None]


@cache
def _halved_textures() -> np.ndarray:
    data = _scikit_image()
    whole = np.stack([getattr(data, name)() for name in TEXTURES]).astype(np.float32) / 255
    return whole.reshape(len(TEXTURES), HALVED, 2, HALVED, 2).mean(axis=(2, 4))


def _scikit_image() -> Any:
    try:
        import skimage.data
    except ModuleNotFoundError:
        told = 'faces and textures come with scikit-image; install it with: pip install "genedge[diffusion]"'
        raise InputError(told) from None
    return skimage.data


# --- Shapes ------------------------------------------------------------------------------------------------


def shapes(part: Part, count: int, rng: np.random.Generator) -> np.ndarray:
    """Discs, squares and triangles of one colour each before a background that changes from corner to corner.

    Args:
        part: those that models are trained on, or those that none saw.
        count: how many.
        rng: which of them.
    """
    if part == "held out":
        # Not the stream that training draws from, whatever the seed.
        rng = rng.spawn(1)[0]
    y, x = (np.mgrid[:SQUARE, :SQUARE] + 0.5) / SQUARE
    corners = rng.uniform(0.0, 1.0, (2, count, 3, 1, 1))
    angle = rng.uniform(0, 2 * np.pi, (count, 1, 1, 1))
    along = (1 + np.cos(angle) * (2 * x - 1) / 1.5 + np.sin(angle) * (2 * y - 1) / 1.5) / 2
    picture = corners[0] + (corners[1] - corners[0]) * np.clip(along, 0, 1)
    for nth in range(MOST_SHAPES):
        drawn = nth <= rng.integers(0, MOST_SHAPES, (count, 1, 1))
        colour = rng.uniform(0.0, 1.0, (count, 3, 1, 1))
        away = _distance(x, y, count, rng)
        # A pixel on the edge is partly covered.
        covered = np.where(drawn, np.clip(0.5 - away * SQUARE, 0, 1), 0)[:, None]
        picture = picture + (colour - picture) * covered
    return picture.astype(np.float32)


def _distance(x: np.ndarray, y: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """How far each pixel is from the edge of a shape, negative within; in widths of the image."""
    centre_x, centre_y = rng.uniform(0.15, 0.85, (2, count, 1, 1))
    size = rng.uniform(0.12, 0.3, (count, 1, 1))
    angle = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    kind = rng.integers(0, 3, (count, 1, 1))
    right, down = x - centre_x, y - centre_y
    disc = np.hypot(right, down) - size
    # Every polygon is what lies on one side of all its sides, a disc of half its width within it.
    sides = np.array([0, 3, 4])[kind]
    turns = [angle + 2 * np.pi * k / np.maximum(sides, 1) for k in range(4)]
    beyond = [np.cos(turn) * right + np.sin(turn) * down for turn in turns]
    within = size * np.where(sides == 3, 0.6, 0.85)
    return np.where(kind == 0, disc, np.max(beyond, axis=0) - within)
