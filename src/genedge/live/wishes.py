"""What clients ask for, in the words of the interfaces that they know, and what is wrong with it."""

import base64
import binascii
import io
import math
import random
from collections.abc import Mapping
from typing import Any, NamedTuple

from genedge.errors import InputError
from genedge.live.jobs import Failure, Picture
from genedge.live.pictures import MOST_PX, picture_of
from genedge.text import shortened

MOST_IMAGES, MOST_STEPS = 10, 10_000
MASKS = ("transparent", "white", "black")


class Wish(NamedTuple):
    """A request for images.

    Attributes:
        model: its name; None where the interface lets it be left out.
        user: who asks; empty where unknown.
        steps: denoising steps of each image; None for the model's own.
        picture: what is wanted.
        stream: whether progress is wanted, too.
    """

    model: str | None
    user: str
    steps: int | None
    picture: Picture
    stream: bool = False


def openai(body: Mapping[str, Any], image: bytes | None = None, mask: bytes | None = None) -> Wish:
    """A request as the OpenAI interface for images has it; fields that it does not know are not looked at.

    Args:
        body: fields.
        image: of an edit.
        mask: of an edit; transparent where it is to be repaired, unless `mask_repairs` says `white` or `black`.

    Raises:
        Failure: a field makes no sense.
    """
    size = body.get("size")
    return Wish(
        model=_text(body, "model", None),
        user=_text(body, "user", "") or "",
        steps=_whole(body, ("num_inference_steps", "steps"), None, 1, MOST_STEPS),
        picture=Picture(
            prompt=_text(body, "prompt", "") or "",
            negative=_text(body, "negative_prompt", "") or "",
            seed=_seed(body),
            images=_whole(body, ("n",), 1, 1, MOST_IMAGES) or 1,
            size=None if size in (None, "auto") else _size(size),
            guidance=_number(body, "guidance_scale"),
            image=image,
            mask=None if mask is None else white_where_repaired(mask, _one_of(body, "mask_repairs", MASKS)),
            strength=_share(body, "strength"),
        ),
        stream=_flag(body, "stream"),
    )


def a1111(body: Mapping[str, Any]) -> Wish:
    """A request for text or image to image as A1111's interface has it; a mask is white where it is to be repaired.

    Args:
        body: fields.

    Raises:
        Failure: a field makes no sense.
    """
    override = body.get("override_settings") or {}
    if not isinstance(override, dict):
        raise _bad("override_settings", "a mapping", override)
    width, height = _whole(body, ("width",), None, 1, MOST_PX), _whole(body, ("height",), None, 1, MOST_PX)
    batch = _whole(body, ("batch_size",), 1, 1, MOST_IMAGES) or 1
    rounds = _whole(body, ("n_iter",), 1, 1, MOST_IMAGES) or 1
    if batch * rounds > MOST_IMAGES:
        raise Failure(
            "bad", f"batch_size: times n_iter it is {batch * rounds} images; at most {MOST_IMAGES} are made"
        )
    image = mask = None
    if "init_images" in body:
        given = body["init_images"]
        if not isinstance(given, list) or len(given) != 1:
            raise _bad("init_images", "a list of one image", given)
        image = decoded(given[0], "init_images")
        if body.get("mask"):
            black = _whole(body, ("inpainting_mask_invert",), 0, 0, 1)
            mask = white_where_repaired(decoded(body["mask"], "mask"), "black" if black else "white")
    return Wish(
        model=_text(override, "sd_model_checkpoint", None) or _text(body, "model", None),
        user=_text(body, "user", "") or "",
        steps=_whole(body, ("steps",), None, 1, MOST_STEPS),
        picture=Picture(
            prompt=_text(body, "prompt", "") or "",
            negative=_text(body, "negative_prompt", "") or "",
            seed=_seed(body),
            images=batch * rounds,
            size=None if width is None or height is None else (height, width),
            guidance=_number(body, "cfg_scale"),
            image=image,
            mask=mask,
            strength=_share(body, "denoising_strength"),
        ),
    )


def decoded(text: Any, field: str) -> bytes:
    """Base64, with or without the head of a data address.

    Args:
        text: as it was sent.
        field: where.

    Raises:
        Failure: it is none.
    """
    if not isinstance(text, str):
        raise _bad(field, "base64", text)
    try:
        return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):
        raise _bad(field, "base64", text) from None


def white_where_repaired(mask: bytes, repairs: str) -> bytes:
    """A mask of any of the three customs in one.

    Args:
        mask: a picture file.
        repairs: where it asks for repair: where it is `transparent`, `white` or `black`.

    Raises:
        Failure: it is no picture that is read, or has nothing transparent to go by.
    """
    try:
        picture = picture_of(mask, "mask")
    except InputError as e:
        raise Failure("bad", str(e)) from None
    if repairs != "transparent":
        where = picture.convert("L")
    elif picture.mode in ("RGBA", "LA", "PA"):
        where = picture.getchannel("A")
    else:
        raise Failure(
            "bad",
            "mask: it has no transparency, and is to be repaired where it is transparent; or say "
            "mask_repairs=white or mask_repairs=black",
        )
    if repairs != "white":
        where = where.point(lambda value: 255 - value)
    file = io.BytesIO()
    where.save(file, "PNG")
    return file.getvalue()


def steps_of(body: Mapping[str, Any]) -> tuple[float, str | None]:
    """How much a request that is passed on asks for: steps, or tokens.

    Args:
        body: fields, of any interface.

    Returns:
        How much, and in which field; 1 and None where it does not say.
    """
    for field in ("num_inference_steps", "steps", "max_completion_tokens", "max_tokens"):
        value = body.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1e6:
            return float(value), field
    return 1.0, None


def images_of(body: Mapping[str, Any]) -> tuple[int, tuple[int, int] | None]:
    """How many images a request that is passed on asks for at once, and of what height and width [px].

    Args:
        body: fields, of any interface; what they do not say, or not so that it can be read, is one, and unknown.
    """
    try:
        many = _whole(body, ("n", "batch_size"), 1, 1, MOST_IMAGES) or 1
        width, height = (_whole(body, (side,), None, 1, MOST_PX) for side in ("width", "height"))
        if width is not None and height is not None:
            return many, (height, width)
        return many, _size(body["size"]) if body.get("size") not in (None, "auto") else None
    except Failure:
        return 1, None


# --- Fields ------------------------------------------------------------------------------------------------


def _bad(field: str, wanted: str, value: object) -> Failure:
    return Failure("bad", f"{field}: must be {wanted}, not {shortened(value)}")


def _text(body: Mapping[str, Any], field: str, unsaid: str | None) -> str | None:
    value = body.get(field)
    if value is None:
        return unsaid
    if not isinstance(value, str):
        raise _bad(field, "text", value)
    return value


def _whole(
    body: Mapping[str, Any], fields: tuple[str, ...], unsaid: int | None, least: int, most: int
) -> int | None:
    for field in fields:
        value = body.get(field)
        if value is None:
            continue
        number = _as_number(value)
        if number is None or number != int(number) or not least <= number <= most:
            raise _bad(field, f"a whole number from {least} to {most}", value)
        return int(number)
    return unsaid


def _number(body: Mapping[str, Any], field: str) -> float | None:
    value = body.get(field)
    if value is None:
        return None
    number = _as_number(value)
    if number is None:
        raise _bad(field, "a number", value)
    return number


def _share(body: Mapping[str, Any], field: str) -> float | None:
    number = _number(body, field)
    if number is not None and not 0 < number <= 1:
        raise _bad(field, "a number above 0, up to 1", body[field])
    return number


def _as_number(value: object) -> float | None:
    """A number, also one that a form has sent as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _seed(body: Mapping[str, Any]) -> int:
    """As it is given; without one, or with -1, any."""
    seed = _whole(body, ("seed",), -1, -1, 2**53)
    return random.randrange(2**31) if seed in (None, -1) else seed


def _size(value: object) -> tuple[int, int]:
    width, _, height = str(value).partition("x")
    sides = [int(side) if side.isdecimal() and len(side) < 6 else 0 for side in (height, width)]
    if not all(1 <= side <= MOST_PX for side in sides):
        raise _bad("size", f"WIDTHxHEIGHT, such as 512x512, of at most {MOST_PX} each", value)
    return sides[0], sides[1]


def _flag(body: Mapping[str, Any], field: str) -> bool:
    value = body.get(field)
    if value in (None, False, "false", "False", ""):
        return False
    if value in (True, "true", "True"):
        return True
    raise _bad(field, "true or false", value)


def _one_of(body: Mapping[str, Any], field: str, known: tuple[str, ...]) -> str:
    value = body.get(field)
    if value is None:
        return known[0]
    if value not in known:
        raise _bad(field, ", ".join(known), value)
    return str(value)
