"""A pipeline of the library diffusers, from a folder or from its hub."""

import inspect
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from genedge.calibrate.extra import torch
from genedge.errors import InputError

# What is drawn by those that take a text: images are told apart by their seeds.
PROMPT = "a photograph of a street with a red bicycle"
WITH_TEXT = 'those that take a text need transformers: pip install "genedge[diffusion]"'
NETWORKS = ("unet", "transformer", "prior")


def library_for(source: str) -> Any:
    """Diffusers, with what it imports only when it is asked; it says nothing while it works.

    Args:
        source: what it is for, for messages.

    Raises:
        InputError: it is not installed.
    """
    try:
        import diffusers
    except ModuleNotFoundError:
        raise InputError(
            f'{source}: pipelines need diffusers; install it with: pip install "genedge[diffusion]"'
        ) from None
    said_by = [diffusers.utils.logging]
    if diffusers.utils.is_transformers_available():
        import transformers

        said_by.append(transformers.utils.logging)
    for logging in said_by:
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    assert diffusers.DiffusionPipeline
    return diffusers


def opened_pipeline(source: str) -> tuple[Any, str]:
    """A pipeline of diffusers, and the device that it is on.

    Args:
        source: a folder, or a name on the hub.

    Raises:
        InputError: diffusers is not installed, or there is no pipeline.
    """
    diffusers = library_for(source)
    if source.startswith((".", "/", "~")) and not Path(source).is_dir():
        raise InputError(f"{source}: there is no such folder")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        parts = diffusers.DiffusionPipeline.load_config(source)
        pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(source, dtype=precision(device, parts))
    except (OSError, ValueError, ImportError, AttributeError) as e:
        said = (str(e).strip() or type(e).__name__).splitlines()[0]
        # Its parts are imported by name; of a library that is not installed nothing is told but an attribute.
        if isinstance(e, ImportError | AttributeError) and not diffusers.utils.is_transformers_available():
            said = WITH_TEXT
        raise InputError(f"{source}: no diffusers pipeline can be loaded from there: {said}") from None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device), device


def repairs(pipeline: Any) -> bool:
    """Whether it repairs images, rather than make them.

    Args:
        pipeline: of diffusers.
    """
    return "mask_image" in inspect.signature(pipeline.__call__).parameters


def all_of_it() -> dict[str, Any]:
    """What a pipeline that repairs is given to make a whole image: a grey one, all of which is to be repaired."""
    from PIL import Image

    size = 512, 512
    return {"image": Image.new("RGB", size, "gray"), "mask_image": Image.new("L", size, "white")}


def precision(device: str, parts: Collection[str]) -> torch.dtype:
    """Numbers of half the size on a GPU: those that reach far for a transformer, whose values may be large.

    Args:
        device: `cpu` or `cuda`.
        parts: names of what the pipeline is made of.
    """
    if device == "cpu":
        return torch.float32
    return torch.bfloat16 if "transformer" in parts and torch.cuda.is_bf16_supported() else torch.float16


class OfDiffusers:
    """Any pipeline of images that takes a number of steps; its network's evaluations are counted as they happen."""

    def __init__(self, source: str, size: int | None) -> None:
        """Loads it, and touches every parameter.

        Args:
            source: a folder, or a name on the hub.
            size: height and width of the images [px]; None for the pipeline's own.

        Raises:
            InputError: it is not installed, not there, or no pipeline of images.
        """
        self._pipeline, self._device = opened_pipeline(source)
        parts = [part for part in self._pipeline.components.values() if isinstance(part, torch.nn.Module)]
        for part in parts:
            for parameter in part.parameters():
                parameter.sum().item()
        network = next(
            (n for n in (getattr(self._pipeline, name, None) for name in NETWORKS) if n is not None), None
        )
        if network is None:
            raise InputError(f"{source}: has no network by the name of {', '.join(NETWORKS)} to count")
        if size is not None and "height" not in inspect.signature(self._pipeline.__call__).parameters:
            raise InputError(f"{source}: its images have a size of their own; leave out --size")
        self.weights_bytes = sum(each.numel() * each.element_size() for part in parts for each in part.parameters())
        self.evaluations = 0
        network.register_forward_hook(self._count)
        self._more: dict[str, Any] = {} if size is None else {"height": size, "width": size}
        if repairs(self._pipeline):
            self._more |= all_of_it()

    @property
    def train_steps(self) -> int:
        """Noise levels of its training."""
        return int(self._pipeline.scheduler.config.num_train_timesteps)

    def generate(self, steps: int, numbers: Sequence[int]) -> Float[np.ndarray, "B C H W"]:
        """Makes images, each from a seed of its own."""
        seeds = [torch.Generator(self._device).manual_seed(number) for number in numbers]
        what: dict[str, Any] = {"generator": seeds, "num_inference_steps": steps, "output_type": "np", **self._more}
        if getattr(self._pipeline, "tokenizer", None) is not None:
            what["prompt"] = [PROMPT] * len(numbers)
        else:
            what["batch_size"] = len(numbers)
        with torch.inference_mode():
            made = np.asarray(self._pipeline(**what).images, np.float32)
        return made.transpose(0, 3, 1, 2)

    def truth(self, number: int) -> None:
        """There is none."""

    def _count(self, *_: Any) -> None:
        self.evaluations += 1
