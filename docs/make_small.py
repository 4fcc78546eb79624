"""Trains the small diffusion models that ship with the package, and writes their weights, cards and samples.

    python docs/make_small.py [faces|textures|shapes ...]

Side by side; each takes one core eight to ten minutes, as its card tells. Needs
`pip install "genedge[diffusion]"`. On the same machine with the same versions the same bits come out.
"""

import hashlib
import math
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from genedge.calibrate.repaint import Sampler, generate, inpaint
from genedge.calibrate.schedules import respaced
from genedge.calibrate.small.images import Part, hole, images
from genedge.calibrate.small.models import PREFIX, Shape, SmallModel, load, new, save, weights_of
from genedge.files import whole_file

FIGURES = Path(__file__).parent / "figures"
SEED = 0


class Training(NamedTuple):
    """How a model is trained.

    Attributes:
        shape: how large it is.
        updates: of the weights.
        batch: images an update.
        rate: of learning, at first; it falls to 0 along half a cosine.
        warm: updates until it is reached.
        memory: over how many of the last updates the weights that are kept are averaged, about.
    """

    shape: Shape
    updates: int
    batch: int = 16
    rate: float = 2e-3
    warm: int = 50
    memory: int = 100


TRAININGS: dict[str, Training] = {
    "faces": Training(Shape(1, 24, (24, 48)), updates=4000),
    "textures": Training(Shape(1, 32, (16, 32, 48)), updates=4000),
    "shapes": Training(Shape(3, 32, (16, 32, 64)), updates=4000),
}
DATA: dict[str, str] = {
    "faces": "80 of the 100 faces of scikit-image's subset of Labeled Faces in the Wild (photographs of the press, "
    "made public for research, without a licence of their own), cut to 24 pixels and mirrored. With so few it "
    "remembers some.",
    "textures": "brick, grass and gravel of scikit-image (photographs of CC0Textures, CC0), halved, but for their "
    "right quarter.",
    "shapes": "discs, squares and triangles before a background that changes its colour, drawn by "
    "`calibrate/small/images.py`; no image twice.",
}


def main(kinds: list[str]) -> None:
    """Trains some kinds side by side, each on one thread, so that all cores work until the end."""
    with ProcessPoolExecutor(len(kinds), get_context("spawn")) as processes:
        for written in processes.map(made, kinds):
            print(written, flush=True)


def made(kind: str) -> str:
    """Trains one, writes all that there is of it, and says so."""
    torch.set_num_threads(1)
    model, losses, took = train(kind)
    save(model, weights_of(kind))
    picture = FIGURES / f"small-{kind}.png"
    draw(load(f"{PREFIX}{kind}"), picture)
    with whole_file(weights_of(kind).with_suffix(".md")) as file:
        file.write(card(kind, model, losses, took).encode())
    return f"Written: {weights_of(kind)}, its card, {picture}"


def train(kind: str) -> tuple[SmallModel, list[tuple[int, float, float]], tuple[float, float]]:
    """A model with the averaged weights, losses along the way, and processor and wall time [s].

    Returns:
        The model; update, loss on images of the training and on images that are held out; times.
    """
    how = TRAININGS[kind]
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    model, kept = new(kind, how.shape), new(kind, how.shape)
    kept.network.load_state_dict(model.network.state_dict())
    kept.network.requires_grad_(False)
    optimiser = torch.optim.Adam(model.network.parameters(), lr=how.rate)
    began = time.process_time(), time.perf_counter()
    losses = []
    for update in range(1, how.updates + 1):
        for group in optimiser.param_groups:
            group["lr"] = how.rate * rate_at(update, how)
        optimiser.zero_grad()
        loss(model, images(kind, "training", how.batch, rng)).backward()
        torch.nn.utils.clip_grad_norm_(model.network.parameters(), 1.0)
        optimiser.step()
        average(kept, model, max(1 / how.memory, 1 / update))
        if update % (how.updates // 10) == 0:
            losses.append((update, tested(kept, "training"), tested(kept, "held out")))
            spent = time.process_time() - began[0]
            _, trained, held_out = losses[-1]
            told = f"{kind}: {update} updates, {spent:.0f} s, loss {trained:.4f}, held out {held_out:.4f}"
            print(told, flush=True)
    return kept, losses, (time.process_time() - began[0], time.perf_counter() - began[1])


def rate_at(update: int, how: Training) -> float:
    """The share of the rate of learning at an update."""
    return min(update / how.warm, (1 + math.cos(math.pi * update / how.updates)) / 2)


def loss(model: SmallModel, clean: np.ndarray) -> torch.Tensor:
    """Mean squared error of the noise, each image at a timestep of its own."""
    x = 2 * torch.from_numpy(clean) - 1
    # One timestep in each of as many equal parts, so that no batch has only easy ones.
    t = ((torch.arange(len(x)) + torch.rand(len(x))) / len(x) * model.shape.training_steps).long()
    t = t.clamp(max=model.shape.training_steps - 1)  # Where the sum is rounded up.
    left = torch.from_numpy(model.alpha_bar).float()[t + 1][:, None, None, None]
    noise = torch.randn_like(x)
    return (model.network(left.sqrt() * x + (1 - left).sqrt() * noise, t) - noise).square().mean()


@torch.no_grad()
def tested(model: SmallModel, part: Part) -> float:
    """The loss on 256 images, the same ones with the same noise whenever it is asked for."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        rng = np.random.default_rng(SEED + 1)
        return float(np.mean([loss(model, images(model.kind, part, 64, rng)) for _ in range(4)]))


@torch.no_grad()
def average(kept: SmallModel, model: SmallModel, share: float) -> None:
    """Moves what is kept towards what is trained."""
    for mean, now in zip(kept.network.parameters(), model.network.parameters(), strict=True):
        mean.lerp_(now, share)


def draw(model: SmallModel, path: Path) -> None:
    """A picture: generated images; images that are held out; with a hole; filled in; the other hole; filled in."""
    count = 16
    truth = images(model.kind, "held out", count, np.random.default_rng(SEED + 2))
    rows = [generate(model.network, Sampler(model.alpha_bar, respaced(250)), truth.shape, SEED), truth]
    for kind in ("centre", "half"):
        mask = hole(kind, model.shape.pixels)
        filled = inpaint(model.network, Sampler(model.alpha_bar, respaced(50, 5, 5)), truth, mask, SEED)
        rows += [truth * mask + 0.5 * (1 - mask), filled]
    framed = [np.pad(row, ((0, 0), (0, 0), (1, 1), (1, 1))) for row in rows]
    sheet = np.concatenate([np.concatenate([*row], axis=2) for row in framed], axis=1)
    coloured = np.broadcast_to(sheet, (3, *sheet.shape[1:])).transpose(1, 2, 0)
    picture = Image.fromarray(np.round(255 * coloured).astype(np.uint8))
    picture = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)
    with whole_file(path) as file:
        picture.save(file, format="PNG", optimize=True)


def card(kind: str, model: SmallModel, losses: list[tuple[int, float, float]], took: tuple[float, float]) -> str:
    """What there is to know of a model."""
    how, parameters = TRAININGS[kind], sum(p.numel() for p in model.network.parameters())
    program = Path(__file__).read_bytes()
    # As git names it: `git log --find-object` tells the commit, also where commits were laid anew.
    blob = hashlib.sha1(b"blob %d\0%b" % (len(program), program)).hexdigest()[:12]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-image"))
    shape = how.shape
    return "\n".join(
        [
            f"# small:{kind}",
            "",
            f"A diffusion model of {parameters:,} parameters for images of {shape.channels} × {shape.pixels} × "
            f"{shape.pixels}; it predicts noise at {shape.training_steps} levels, whose variances grow linearly "
            f"from {shape.first} to {shape.last}. Channels at each level: {', '.join(map(str, shape.widths))}. "
            "Weights in half precision, averaged over updates.",
            "",
            f"Trained on: {DATA[kind]}",
            "",
            "For trying how a box with several models behaves, and how quality and delay depend on steps; the "
            "images are no use by themselves.",
            "",
            f"`python docs/make_small.py {kind}` (blob {blob}), {date.today()}: {how.updates} updates of "
            f"{how.batch} images, Adam at {how.rate}, seed {SEED}; {took[0]:.0f} s of one core's time, "
            f"{took[1]:.0f} s by the clock. {libraries}, Python {platform.python_version()}, "
            f"{platform.platform()}.",
            "",
            "| updates | loss | on images held out |",
            "|---|---|---|",
            *(f"| {update} | {trained:.4f} | {held_out:.4f} |" for update, trained, held_out in losses),
            "",
            f"Samples: `docs/figures/small-{kind}.png`; from above: generated in 250 steps; images held out; with "
            "a hole, and filled in by RePaint with 50 steps, jumps of 5 and 5 resamplings; the same with the other "
            "hole.",
            "",
        ]
    )


if __name__ == "__main__":
    if not {*sys.argv[1:]} <= {*TRAININGS}:
        sys.exit(f"usage: python docs/make_small.py [{'|'.join(TRAININGS)} ...]")
    main(sys.argv[1:] or [*TRAININGS])
