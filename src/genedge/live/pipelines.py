"""Pipelines that make what clients ask for: small models, diffusers pipelines, and those of a Python file."""

import inspect
import io
import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, UInt8

from genedge.calibrate.pipeline import SMALL
from genedge.errors import InputError
from genedge.live.jobs import Picture
from genedge.live.pictures import picture_of
from genedge.own import failure, from_file, in_file

Tick = Callable[[int, int], None]
WHITE = 128
# How much of an image is made anew where nobody says, as in A1111.
USUAL_STRENGTH = 0.75


class Makes(Protocol):
    """A pipeline in memory."""

    def make(self, picture: Picture, steps: int, tick: Tick) -> Float[np.ndarray, "B C H W"]:
        """Makes images.

        Args:
            picture: what is wanted.
            steps: denoising steps of each.
            tick: told how many evaluations are done, of how many.

        Returns:
            From 0 to 1.

        Raises:
            InputError: it cannot be made so.
        """


def pipeline_of(source: str) -> Makes:
    """Opens a pipeline.

    Args:
        source: `small:NAME`, `FILE.py:FUNCTION`, or the folder or hub name of a diffusers pipeline.

    Raises:
        InputError: it cannot be opened, or what it takes is not installed.
    """
    if source.startswith(SMALL):
        return OfSmall(source)
    return _Own(source) if in_file(source) else OfDiffusers(source)


class OfSmall:
    """One of the small models: RePaint where there is a hole, else a whole image."""

    def __init__(self, source: str) -> None:
        """Loads it.

        Args:
            source: `small:NAME`.
        """
        from genedge.calibrate.small.models import load

        self._model = load(source)

    def make(self, picture: Picture, steps: int, tick: Tick) -> Float[np.ndarray, "B C H W"]:
        """Scales what it is given to its own size."""
        from genedge.calibrate.repaint import Sampler, generate, inpaint
        from genedge.calibrate.schedules import respaced

        shape, network = self._model.shape, self._model.network
        schedule = respaced(min(steps, shape.training_steps))
        done = 0

        def counted(*_: object) -> None:
            nonlocal done
            done += 1
            tick(done, schedule.evaluations)

        sampler = Sampler(self._model.alpha_bar, schedule)
        hook = network.register_forward_hook(counted)
        try:
            if picture.image is None:
                size = (picture.images, shape.channels, shape.pixels, shape.pixels)
                return generate(network, sampler, size, picture.seed)
            image, mask = opened(picture, shape.channels, (shape.pixels, shape.pixels))
            some = np.repeat(image[None], picture.images, axis=0)
            return inpaint(network, sampler, some, 1 - mask, picture.seed)
        finally:
            hook.remove()


class OfDiffusers:
    """A pipeline of diffusers, and those for images that are repaired or changed, which share its weights."""

    def __init__(self, source: str) -> None:
        """Loads it.

        Args:
            source: a folder, or a name on the hub.
        """
        from genedge.calibrate.of_diffusers import opened_pipeline

        self._pipeline, self._device = opened_pipeline(source)
        self._like: dict[str, Any] = {}

    def make(self, picture: Picture, steps: int, tick: Tick) -> Float[np.ndarray, "B C H W"]:
        """Each image from a seed of its own; what it is given is scaled to the size wanted, or its own."""
        from genedge.calibrate.extra import torch

        pipeline, what = self._for(picture)
        takes = inspect.signature(pipeline.__call__).parameters
        strength = what.get("strength", 1.0)
        # Of an image that is changed only the last steps are made, and at least one.
        steps = max(steps, math.ceil(1 / strength))
        seeds = [torch.Generator(self._device).manual_seed(picture.seed + i) for i in range(picture.images)]
        what |= {"generator": seeds, "num_inference_steps": steps, "output_type": "np"}
        if "prompt" in takes:
            what |= {"prompt": picture.prompt, "num_images_per_prompt": picture.images}
        else:
            what["batch_size"] = picture.images
        optional = {"negative_prompt": picture.negative or None, "guidance_scale": picture.guidance}
        if picture.size is not None:
            optional |= {"height": picture.size[0], "width": picture.size[1]}
        what |= {key: value for key, value in optional.items() if value is not None and key in takes}
        if "callback_on_step_end" in takes:

            def stepped(pipe: Any, step: int, t: Any, given: dict[str, Any]) -> dict[str, Any]:
                tick(step + 1, max(int(steps * strength), step + 1))
                return given

            what["callback_on_step_end"] = stepped
        with torch.inference_mode():
            made = np.asarray(pipeline(**what).images, np.float32)
        return made.transpose(0, 3, 1, 2)

    def _for(self, picture: Picture) -> tuple[Any, dict[str, Any]]:
        """Which pipeline, and what it is given of an image."""
        from genedge.calibrate.of_diffusers import all_of_it, repairs

        does = repairs(self._pipeline)
        if picture.image is None:
            return self._pipeline, all_of_it() if does else {}
        image, where = parts_of(picture)
        if where is not None:
            pipeline = self._pipeline if does else self._turned("AutoPipelineForInpainting", "it repairs none")
            return pipeline, {"image": image.convert("RGB"), "mask_image": where}
        changed = self._turned("AutoPipelineForImage2Image", "it changes none")
        given = {"image": image.convert("RGB"), "strength": picture.strength or USUAL_STRENGTH}
        return changed, given

    def _turned(self, kind: str, if_none: str) -> Any:
        """The pipeline for another task, with the same weights."""
        import diffusers

        if kind not in self._like:
            try:
                self._like[kind] = getattr(diffusers, kind).from_pipe(self._pipeline)
            except (ValueError, TypeError):
                raise InputError(f"this model makes whole images; {if_none}") from None
            self._like[kind].set_progress_bar_config(disable=True)
        return self._like[kind]


class _Own:
    """What a function of the user's returned: with `make` like the others, or `generate(steps, numbers)`."""

    def __init__(self, source: str) -> None:
        self._source = source
        function = from_file(source)
        try:
            self._made = function()
        except (Exception, SystemExit) as e:
            raise failure(source, e) from e

    def make(self, picture: Picture, steps: int, tick: Tick) -> Float[np.ndarray, "B C H W"]:
        try:
            if hasattr(self._made, "make"):
                return np.asarray(self._made.make(picture, steps, tick), np.float32)
            numbers = [picture.seed + i for i in range(picture.images)]
            return np.asarray(self._made.generate(steps, numbers), np.float32)
        except InputError:
            raise
        except Exception as e:
            raise failure(self._source, e) from e


def parts_of(picture: Picture) -> tuple[Any, Any]:
    """An image that is to be repaired or changed, and where it is to be repaired.

    Args:
        picture: with an image; without a mask it is where the image is transparent.

    Returns:
        The image; and one that is white where it is to be repaired, None where neither says so.

    Raises:
        InputError: one of them is no image that is read.
    """
    assert picture.image is not None
    image = picture_of(picture.image, "image")
    where = None
    if picture.mask is not None:
        where = picture_of(picture.mask, "mask").convert("L")
    elif image.mode in ("RGBA", "LA"):
        transparent = image.getchannel("A").point(lambda value: 255 - value)
        where = transparent if transparent.getbbox() else None
    return image, where


def opened(
    picture: Picture, channels: int, size: tuple[int, int]
) -> tuple[Float[np.ndarray, "C H W"], Float[np.ndarray, "1 H W"]]:
    """An image that is to be repaired, and where, for a network.

    Args:
        picture: with an image; without a mask it is where the image is transparent.
        channels: 1 or 3.
        size: height and width to scale it to [px].

    Returns:
        The image from 0 to 1; and 1 where it is to be repaired, 0 elsewhere.

    Raises:
        InputError: one of them is no image, or there is nothing to repair.
    """
    from PIL import Image

    image, where = parts_of(picture)
    if where is None:
        raise InputError("image: there is no mask, and the image has no transparent part to be repaired")
    scaled = image.convert("RGB" if channels == 3 else "L").resize(size[::-1])
    hole = where.resize(size[::-1], Image.Resampling.NEAREST)
    shown = np.asarray(scaled, np.float32) / 255
    return (
        shown.transpose(2, 0, 1) if channels == 3 else shown[None],
        (np.asarray(hole) >= WHITE).astype(np.float32)[None],
    )


def png(image: Float[np.ndarray, "C H W"]) -> bytes:
    """An image as a file.

    Args:
        image: from 0 to 1, of one channel or three.
    """
    from PIL import Image

    values: UInt8[np.ndarray, "H W C"] = (image.clip(0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(values if values.shape[2] == 3 else values[:, :, 0]).save(file, "PNG")
    return file.getvalue()
