"""Animations: a player in HTML that needs no network, and GIF."""

import io
import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genedge.draw.canvas import to_rgb
from genedge.errors import InputError
from genedge.text import shown

# Of a slot in a GIF [ms]; the player begins as fast.
SLOT_MS = 500

# How much of a colour is left when it is mixed with white, and with black. More of them would look no better, and
# make files larger.
TINTS, SHADES = (1 / 3, 2 / 3, 1.0), (0.5,)
GREYS = 9


class Frame(NamedTuple):
    """One moment of an animation.

    Attributes:
        pictures: PNG files of one height; side by side where there is room, else one below the other.
        text: in words what they show.
    """

    pictures: tuple[bytes, ...]
    text: str


def png(picture: NDArray[np.uint8], colours: tuple[str, ...]) -> bytes:
    """A picture as a small PNG of few colours.

    Args:
        picture: red, green and blue, shape (H, W, 3).
        colours: the colours that it is painted with, at most 61; some mixtures with white and black and some greys
            are kept too.
    """
    few = Image.fromarray(picture).quantize(palette=_palette(colours), dither=Image.Dither.NONE)
    file = io.BytesIO()
    few.save(file, "PNG", optimize=True)
    return file.getvalue()


@cache
def _palette(colours: tuple[str, ...]) -> Image.Image:
    """The same for every frame, or unchanged parts of a picture would flicker."""
    base = np.array([to_rgb(colour) for colour in colours])
    mixed = [1 - (1 - base) * tint for tint in TINTS] + [base * shade for shade in SHADES]
    grey = np.repeat(np.linspace(0, 1, GREYS)[:, None], 3, axis=1)
    levels = np.round(np.concatenate([*mixed, grey]) * 255).astype(np.uint8)
    palette = Image.new("P", (1, 1))
    palette.putpalette(levels.tobytes())
    return palette


def player_html(frames: Sequence[Frame], caption: str, identifier: str) -> str:
    """A player as a piece of a page; a page may hold several.

    Nothing moves before somebody presses play. Without JavaScript, the first frame is shown.

    Args:
        frames: at least one.
        caption: what is shown, as plain text.
        identifier: of the player's element, unlike any other on the page.

    Returns:
        A `figure` with its style and script; it refers to nothing outside itself.
    """
    pieces = []
    for k, frame in enumerate(frames):
        images = "".join(
            f'<img alt="" decoding="sync" src="data:image/png;base64,{b64encode(picture).decode()}">'
            for picture in frame.pictures
        )
        pieces.append(f'<div class="frame"{" hidden" if k else ""}>{images}</div>')
    parts = {
        "identifier": escape(identifier),
        "caption": escape(shown(caption)),
        "frames": "\n".join(pieces),
        "text": escape(shown(frames[0].text)),
        # No end of the script may stand in it.
        "texts": json.dumps([shown(frame.text) for frame in frames], ensure_ascii=False).replace("<", "\\u003c"),
        "last": str(len(frames)),
    }
    html = files("genedge.draw").joinpath("player.html").read_text(encoding="utf-8")
    return _fill(html, parts)


def page_html(frames: Sequence[Frame], caption: str) -> bytes:
    """A whole page with one player, which opens from a disk without a network.

    Args:
        frames: at least one.
        caption: what is shown, as plain text.
    """
    html = files("genedge.draw").joinpath("page.html").read_text(encoding="utf-8")
    player = player_html(frames, caption, "player")
    return _fill(html, {"caption": escape(shown(caption)), "player": player}).encode()


def gif(frames: Sequence[Frame], caption: str) -> bytes:
    """An animated GIF that begins anew for ever.

    Args:
        frames: at least one; all pictures made by `png` with the same colours.
        caption: kept as the file's comment.
    """
    images = [_side_by_side([Image.open(io.BytesIO(picture)) for picture in frame.pictures]) for frame in frames]
    file = io.BytesIO()
    first, *others = images
    first.save(
        file, "GIF", save_all=True, append_images=others, duration=SLOT_MS, loop=0, comment=shown(caption).encode()
    )
    return file.getvalue()


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures that share a palette as one."""
    palette = pictures[0].getpalette()
    assert palette is not None
    whole = Image.new("P", (sum(p.width for p in pictures), pictures[0].height))
    whole.putpalette(palette)
    x = 0
    for picture in pictures:
        whole.paste(picture, (x, 0))
        x += picture.width
    return whole


def _fill(html: str, parts: Mapping[str, str]) -> str:
    """A template with `{{name}}` replaced, once: what was put in is not looked at again."""
    before, *after = html.split("{{")
    filled = [before]
    for piece in after:
        name, text = piece.split("}}", 1)
        filled += [parts[name], text]
    return "".join(filled)


Writer = Callable[[Sequence[Frame], str], bytes]
WRITERS: Mapping[str, Writer] = MappingProxyType({".html": page_html, ".gif": gif})


def writer_for(path: Path) -> Writer:
    """What makes a file out of frames and a caption, by the file's name.

    Args:
        path: the file to be.

    Raises:
        InputError: its name ends otherwise than in .html or .gif.
    """
    try:
        return WRITERS[path.suffix.lower()]
    except KeyError:
        raise InputError(f"{path}: an animation is a file such as {path.stem}.html or {path.stem}.gif") from None
