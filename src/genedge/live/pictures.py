"""Pictures that clients send: only those of known formats are opened, and only those of a bounded size decoded."""

import io
from typing import Any

from genedge.errors import InputError

FORMATS = ("PNG", "JPEG", "WEBP")
# Of a side; a file of some kilobytes may say that it has any number [px].
MOST_PX = 8192


def picture_of(file: bytes, field: str) -> Any:
    """Decodes a picture.

    Args:
        file: as it was sent.
        field: where, for messages.

    Returns:
        Pillow's.

    Raises:
        InputError: it is none, of another format, broken or too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        # Without formats named, Pillow would try all that it knows: some run other programs.
        picture = Image.open(io.BytesIO(file), formats=FORMATS)
        width, height = picture.size
        if max(width, height) <= MOST_PX:
            picture.load()
            return picture
    except UnidentifiedImageError:
        raise InputError(f"{field}: it cannot be read; it must be a PNG, JPEG or WebP file") from None
    except Exception as e:
        # A broken file leads Pillow's readers to raise anything.
        raise InputError(f"{field}: it cannot be read: {e}") from None
    raise InputError(f"{field}: it has {width}x{height} pixels; it may have {MOST_PX} each way")
