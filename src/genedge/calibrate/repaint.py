"""RePaint: fills holes in images with any diffusion model that predicts noise, and generates whole ones.

Lugmayr et al., RePaint: Inpainting using denoising diffusion probabilistic models (2022), Algorithm 1: what is
known is put in at each level with the noise of that level, what is not known comes from the model; and now and then
the image is made noisy again and walked down anew, so that both parts come to agree. A step is that of Song et al.,
Denoising diffusion implicit models (2021), Eq. (12) and (16), which with eta 1 is DDPM's, whatever the spacing.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from genedge.calibrate.extra import torch
from genedge.calibrate.schedules import Schedule, levels
from genedge.errors import InputError

Predicts = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Sampler(NamedTuple):
    """How images come of noise.

    Attributes:
        alpha_bar: the share of an image's power that is left at each level, [T + 1], falling from 1.
        schedule: which levels are visited.
        eta: how much noise a step adds, from 0 (none, DDIM) to 1 (as much as in DDPM).
        limit: the model's images lie in [-limit, limit], and what it takes for the image is clipped to that; None
            if they may be anything.
    """

    alpha_bar: np.ndarray
    schedule: Schedule
    eta: float = 1.0
    limit: float | None = 1.0


@dataclass
class Count:
    """What a network was asked for.

    Attributes:
        evaluations: how often, whatever the batch.
        images: of how many images, all batches together.
    """

    evaluations: int = 0
    images: int = 0


def inpaint(
    network: Predicts, sampler: Sampler, images: np.ndarray, mask: np.ndarray, seed: int, device: str = "cpu"
) -> np.ndarray:
    """Images with their holes filled in.

    Args:
        network: predicts noise from noisy images [B, C, H, W] that were in [-1, 1], and timesteps [B] from 0.
        sampler: how.
        images: [B, C, H, W] in [0, 1]; what stands in the holes is not looked at.
        mask: 1 where pixels are known, 0 where they are to be filled in; its shape broadcasts to the images'.
        seed: of the noise, which is drawn on the CPU and is the same for any device.
        device: where the network is.

    Returns:
        [B, C, H, W] in [0, 1], float32; known pixels are those of the input.

    Raises:
        InputError: the mask holds something else than 0 and 1 or does not fit, or the sampler cannot be right.
    """
    known = _known(mask, images)
    clean = torch.where(torch.from_numpy(known), 2 * torch.from_numpy(images.astype(np.float32)) - 1, 0.0)
    generator = torch.Generator().manual_seed(seed)
    made = sample(network, sampler, clean.to(device), torch.from_numpy(known).to(device), generator)
    filled = ((made.cpu().numpy() + 1) / 2).clip(0, 1)
    return np.where(known, images, filled).astype(np.float32)


def generate(
    network: Predicts, sampler: Sampler, shape: tuple[int, ...], seed: int, device: str = "cpu"
) -> np.ndarray:
    """Whole images, of which nothing is known.

    Args:
        network: see `inpaint`.
        sampler: how.
        shape: [B, C, H, W].
        seed: of the noise.
        device: where the network is.

    Returns:
        [B, C, H, W] in [0, 1], float32.

    Raises:
        InputError: the sampler cannot be right.
    """
    return inpaint(network, sampler, np.zeros(shape, np.float32), np.zeros((1,) * len(shape)), seed, device)


def sample(
    network: Predicts, sampler: Sampler, clean: torch.Tensor, known: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """The loop itself, in the network's own units: of images or of latents.

    Args:
        network: see `inpaint`.
        sampler: how.
        clean: [B, C, H, W], what is known of the images, without noise.
        known: of the same shape, whether each pixel is.
        generator: of the noise, on the CPU.

    Returns:
        [B, C, H, W]; known pixels are those of `clean`.

    Raises:
        InputError: the sampler cannot be right.
    """
    alpha_bar, schedule, eta, limit = _checked(sampler)
    grid = levels(schedule, len(alpha_bar) - 1)

    def noise() -> torch.Tensor:
        return torch.randn(clean.shape, generator=generator, dtype=clean.dtype).to(clean.device)

    x = noise()
    for now, then in schedule.moves():
        left, left_then = (float(alpha_bar[grid[place]]) for place in (now, then))
        if then > now:
            x = renoised(x, left_then / left, noise())
            continue
        with torch.no_grad():
            predicted = network(x, torch.full((len(x),), int(grid[now]) - 1, device=x.device))
        image = (x - math.sqrt(1 - left) * predicted) / math.sqrt(left)
        if limit is not None:
            image = image.clamp(-limit, limit)
            predicted = (x - math.sqrt(left) * image) / math.sqrt(1 - left)
        added = eta * math.sqrt((1 - left_then) / (1 - left) * (1 - left / left_then))
        fresh = noise()
        towards = math.sqrt(max(0.0, 1 - left_then - added**2))
        unknown = math.sqrt(left_then) * image + towards * predicted + added * fresh
        # One draw serves both: no pixel is known and unknown.
        x = torch.where(known, math.sqrt(left_then) * clean + math.sqrt(1 - left_then) * fresh, unknown)
    return x


def renoised(x: torch.Tensor, share: float, noise: torch.Tensor) -> torch.Tensor:
    """Images back at a higher level of noise, by any number of levels at once.

    Args:
        x: images at some level.
        share: ᾱ of the higher level over ᾱ of theirs.
        noise: standard normal, of the same shape.
    """
    return math.sqrt(share) * x + math.sqrt(1 - share) * noise


@contextmanager
def counted(network: torch.nn.Module) -> Iterator[Count]:
    """Counts the evaluations of a network, by a hook, whoever calls it.

    Args:
        network: the module; called with images, in batches, as its first argument.
    """
    count = Count()

    def hook(module: torch.nn.Module, given: tuple[torch.Tensor, ...], output: object) -> None:
        count.evaluations += 1
        count.images += len(given[0])

    handle = network.register_forward_hook(hook)
    try:
        yield count
    finally:
        handle.remove()


def _known(mask: np.ndarray, images: np.ndarray) -> np.ndarray:
    if not np.isin(mask, (0, 1)).all():
        raise InputError("mask: must be 1 where pixels are known, 0 where they are not, and nothing between")
    try:
        # A copy, as torch takes no array whose elements lie on each other.
        return np.broadcast_to(np.asarray(mask) == 1, images.shape).copy()
    except ValueError:
        told = f"mask: of shape {list(np.shape(mask))}, which does not fit images of {list(images.shape)}"
        raise InputError(told) from None


def _checked(sampler: Sampler) -> Sampler:
    if not 0 <= sampler.eta <= 1:
        raise InputError(f"eta {sampler.eta:g}: must be from 0 to 1")
    alpha_bar = sampler.alpha_bar
    if alpha_bar[0] != 1 or not (np.diff(alpha_bar) < 0).all() or alpha_bar[-1] <= 0:
        raise InputError("alpha_bar: must fall from 1, level by level, and stay above 0")
    return sampler
