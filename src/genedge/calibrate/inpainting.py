"""The small models as pipelines: RePaint fills the holes of images that they never saw."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from genedge.calibrate.extra import torch
from genedge.calibrate.repaint import Sampler, inpaint
from genedge.calibrate.schedules import Axis, Schedule, respaced, truncated
from genedge.calibrate.small.images import held_out, hole
from genedge.calibrate.small.models import PREFIX, load

# The paper's settings: jumps of 10 places, each piece walked 10 times, and 250 steps for the whole way.
JUMP, RESAMPLINGS, SPACING = 10, 10, 250


def schedule_of(axis: Axis, steps: int) -> Schedule:
    """What a number of steps means on an axis.

    Args:
        axis: `steps`, a chain that is spaced anew, without jumps; `nfe`, the same with RePaint's jumps;
            `truncated`, the last steps of a chain that is spaced at 250.
        steps: how many.
    """
    if axis == "truncated":
        return truncated(steps, SPACING)
    return respaced(steps) if axis == "steps" else respaced(steps, JUMP, RESAMPLINGS)


class Inpainting:
    """A small model that fills the middle of held-out images of its kind.

    Attributes:
        evaluations: of its network so far.
    """

    def __init__(self, name: str, axis: Axis, eta: float) -> None:
        """Loads it, and touches every parameter.

        Args:
            name: of the model, without `small:`.
            axis: what steps are.
            eta: how much noise a step adds, from 0 to 1.

        Raises:
            InputError: there is no such model, or what it takes is not installed.
        """
        self.evaluations = 0
        self._axis, self._eta = axis, eta
        self._model = load(f"{PREFIX}{name}")
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.network.to(self._device)
        for parameter in self._model.network.parameters():
            parameter.sum().item()
        self._model.network.register_forward_hook(self._count)

    @property
    def train_steps(self) -> int:
        """The most steps there are: of its training, or of the chain that is cut off."""
        return SPACING if self._axis == "truncated" else self._model.shape.training_steps

    @property
    def weights_bytes(self) -> int:
        """Of its parameters."""
        return sum(each.numel() * each.element_size() for each in self._model.network.parameters())

    def generate(self, steps: int, numbers: Sequence[int]) -> Float[np.ndarray, "B C H W"]:
        """Fills the holes of held-out images, all with the first one's seed."""
        shown = np.stack([self._shown(number) for number in numbers])
        sampler = Sampler(self._model.alpha_bar, schedule_of(self._axis, steps), self._eta)
        mask = hole("centre", self._model.shape.pixels)
        return inpaint(self._model.network, sampler, shown, mask, numbers[0], self._device)

    def truth(self, number: int) -> tuple[Float[np.ndarray, "C H W"], Float[np.ndarray, "1 H W"]]:
        """The whole image, and where its hole is."""
        return self._shown(number), hole("centre", self._model.shape.pixels)

    def _shown(self, number: int) -> Float[np.ndarray, "C H W"]:
        """One of the held-out images."""
        return held_out(self._model.kind, number)

    def _count(self, *_: object) -> None:
        self.evaluations += 1
