"""The small models: what each is, and its weights, which ship with the package in half precision."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genedge.calibrate.extra import torch
from genedge.calibrate.schedules import linear
from genedge.calibrate.small.network import Network
from genedge.errors import InputError
from genedge.files import whole_file
from genedge.registry import named, unknown

FORMAT = "genedge small 1"
PREFIX = "small:"
FOLDER = Path(__file__).parent


class Shape(NamedTuple):
    """How large a model is.

    Attributes:
        channels: of its images.
        pixels: their width and height.
        widths: channels of the network at each level.
        training_steps: levels of noise.
        first: variance that the first level adds.
        last: variance that the last one adds.
    """

    channels: int
    pixels: int
    widths: tuple[int, ...]
    training_steps: int = 1000
    first: float = 1e-4
    last: float = 0.02


class SmallModel(NamedTuple):
    """A small model, ready to sample.

    Attributes:
        kind: of images.
        shape: how large it is.
        network: predicts noise from images [B, C, H, W] and timesteps [B].
        alpha_bar: the share of an image's power that is left at each level, [T + 1].
    """

    kind: str
    shape: Shape
    network: Network
    alpha_bar: np.ndarray


def new(kind: str, shape: Shape) -> SmallModel:
    """A model that has learnt nothing.

    Args:
        kind: of images.
        shape: how large.
    """
    alpha_bar = linear(shape.training_steps, shape.first, shape.last)
    return SmallModel(kind, shape, Network(shape.channels, shape.widths), alpha_bar)


def load(name: str) -> SmallModel:
    """A model that ships with the package.

    Args:
        name: such as `small:faces`.

    Raises:
        InputError: there is none of that name.
    """
    kinds = {f"{PREFIX}{kind}": kind for kind in named("small model")}
    if name not in kinds:
        raise unknown("small model", name, kinds)
    with np.load(weights_of(kinds[name]), allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        weights = {key: torch.from_numpy(file[key].astype(np.float32)) for key in file.files if key != "about"}
    if about["format"] != FORMAT:
        raise InputError(f"{name}: its weights are of {about['format']}, not {FORMAT}; install the package anew")
    shape = Shape(**about["shape"] | {"widths": tuple(about["shape"]["widths"])})
    model = new(kinds[name], shape)
    model.network.load_state_dict(weights)
    model.network.eval().requires_grad_(False)
    return model


def save(model: SmallModel, path: Path) -> None:
    """Writes a model's weights in half precision.

    Args:
        model: the model.
        path: of the file.
    """
    about = json.dumps({"format": FORMAT, "kind": model.kind, "shape": model.shape._asdict()})
    weights = {key: value.numpy().astype(np.float16) for key, value in model.network.state_dict().items()}
    with whole_file(path) as file:
        np.savez_compressed(file, about=np.array(about), **weights)


def weights_of(kind: str) -> Path:
    """Where the weights of a kind are.

    Args:
        kind: of images.
    """
    return FOLDER / f"{kind}.npz"
