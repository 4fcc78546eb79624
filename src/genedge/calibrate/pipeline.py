"""What is calibrated: a pipeline that makes images, however it does it.

A recipe is text and numbers alone, so that it can be sent to the process that opens it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Float

from genedge.calibrate.schedules import Axis
from genedge.errors import InputError
from genedge.own import failure, from_file, in_file
from genedge.registry import named, unknown

SMALL_WEIGHTS = Path(__file__).parent / "small"
SMALL = "small:"


class Loaded(Protocol):
    """A pipeline in memory.

    One of your own is what `FILE.py:FUNCTION` returns: an object with `train_steps` and `generate`; where it has no
    `evaluations`, a step is taken for one; where it has no `truth`, nothing is compared with one.
    """

    @property
    def train_steps(self) -> int:
        """Noise levels of its training."""

    @property
    def evaluations(self) -> int:
        """Of its network so far, for a whole batch one each."""

    def generate(self, steps: int, numbers: Sequence[int]) -> Float[np.ndarray, "B C H W"]:
        """Makes images.

        Args:
            steps: denoising steps.
            numbers: of the images: seeds, and of what is to be repaired which picture.

        Returns:
            From 0 to 1.
        """

    def truth(self, number: int) -> tuple[Float[np.ndarray, "C H W"], Float[np.ndarray, "1 H W"]] | None:
        """What the image would be, and a mask that is 0 where it is to be found; None if there is no truth.

        Args:
            number: of the image.
        """


class Recipe(NamedTuple):
    """How to come by a pipeline.

    Attributes:
        source: `small:NAME`, `FILE.py:FUNCTION`, or the folder or hub name of a diffusers pipeline.
        axis: what steps are: of a chain spaced anew (`steps`), the same with jumps back (`nfe`), or of a chain that
            begins late (`truncated`).
        size: height and width of its images, where it can choose [px].
        eta: of the small models, how much noise a step adds. What is compared with an own image of more steps adds
            none: other numbers of steps would draw other noise.
    """

    source: str
    axis: Axis = "steps"
    size: int | None = None
    eta: float = 1.0

    @property
    def name(self) -> str:
        """What to call the model."""
        if self.source.startswith(SMALL):
            return self.source.removeprefix(SMALL)
        if in_file(self.source):
            return self.source.rpartition(":")[2]
        return self.source.rstrip("/").rpartition("/")[2]

    @property
    def needs_torch(self) -> bool:
        """Whether torch runs it, as far as can be told."""
        return not in_file(self.source)

    @property
    def of_diffusers(self) -> bool:
        """Whether it is a pipeline of diffusers."""
        return not in_file(self.source) and not self.source.startswith(SMALL)

    def files(self) -> list[Path]:
        """The files that it is loaded from, as far as they are known."""
        if self.source.startswith(SMALL):
            return [SMALL_WEIGHTS / f"{self.name}.npz"]
        if in_file(self.source):
            return [Path(self.source.rpartition(":")[0])]
        folder = Path(self.source)
        return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []

    def prepare(self) -> None:
        """Opens the pictures that a small model repairs, which are no part of it.

        Raises:
            InputError: what they come with is not installed.
        """
        if self.source.startswith(SMALL):
            from genedge.calibrate.small.images import images

            images(self.name, "held out", 1, np.random.default_rng(0))

    def load(self) -> Loaded:
        """Opens it.

        Raises:
            InputError: it cannot be opened, or what it takes is not installed.
        """
        if self.source.startswith(SMALL):
            from genedge.calibrate.inpainting import Inpainting

            return Inpainting(self.name, self.axis, self.eta)
        if in_file(self.source):
            return _Own(self.source)
        from genedge.calibrate.of_diffusers import OfDiffusers

        return OfDiffusers(self.source, self.size)


def recipe_of(source: str, axis: Axis, size: int | None, eta: float) -> Recipe:
    """The recipe of what a user names; what can be told before it is opened is told here.

    Args:
        source: see `Recipe`.
        axis: see there.
        size: see there.
        eta: see there.

    Raises:
        InputError: there is no such small model, it cannot be had on that axis, or cannot choose a size.
    """
    if not source.startswith(SMALL):
        if axis != "steps":
            raise InputError(f"--axis {axis} is for the models that ship, {SMALL}NAME; leave it out")
    elif (name := source.removeprefix(SMALL)) not in named("small model"):
        raise unknown("small model", name, named("small model"))
    recipe = Recipe(source, axis, size, eta)
    if size is not None and not recipe.of_diffusers:
        raise InputError(f"--size {size}: {source} cannot choose the size of its images; leave it out")
    return recipe


class _Own:
    """What a function of the user's returned."""

    def __init__(self, source: str) -> None:
        self._source = source
        make = from_file(source)
        try:
            self._made = make()
        except (Exception, SystemExit) as e:
            raise failure(source, e) from e
        for name in ("train_steps", "generate"):
            if not hasattr(self._made, name):
                raise InputError(f"{source}: what it returns has no {name}; it must have train_steps and generate")
        self._steps = 0

    @property
    def train_steps(self) -> int:
        return int(self._made.train_steps)

    @property
    def evaluations(self) -> int:
        return int(getattr(self._made, "evaluations", self._steps))

    def generate(self, steps: int, numbers: Sequence[int]) -> Float[np.ndarray, "B C H W"]:
        try:
            made: Any = np.asarray(self._made.generate(steps, list(numbers)), float)
        except (Exception, SystemExit) as e:
            raise failure(self._source, e) from e
        if made.ndim != 4 or len(made) != len(numbers) or not np.isfinite(made).all():
            raise InputError(
                f"{self._source}: generate must return {len(numbers)} images of finite numbers, as an array of "
                f"{len(numbers)} x channels x height x width; it has returned {made.shape}"
            )
        self._steps += steps
        return made

    def truth(self, number: int) -> tuple[Float[np.ndarray, "C H W"], Float[np.ndarray, "1 H W"]] | None:
        if not hasattr(self._made, "truth"):
            return None
        try:
            picture, mask = self._made.truth(number)
        except (Exception, SystemExit) as e:
            raise failure(self._source, e) from e
        return np.asarray(picture, float), np.asarray(mask, float)
