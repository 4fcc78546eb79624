"""Pictures as clients send them, and files that are none, or are broken."""

import io
import struct
import zlib

from PIL import Image


def png(size=(40, 40), mode="RGBA"):
    """A picture of noise."""
    file = io.BytesIO()
    Image.effect_noise(size, 100).convert(mode).save(file, "PNG")
    return file.getvalue()


def chunk(kind, data):
    """A part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def in_chunks(*chunks):
    """A PNG of these parts."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def of_size(width, height):
    """A PNG of some bytes that says that it is so large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return in_chunks(chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"\0" * 1000)), chunk(b"IEND", b""))


def as_format(name):
    """A picture in another format."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, name)
    return file.getvalue()


HEAD, DATA = struct.pack(">IIBBBBB", 40, 40, 8, 6, 0, 0, 0), zlib.compress(bytes(40 * 161))
BROKEN = {
    "nothing": b"",
    "text": b"none",
    "cut": png()[:500],
    "a broken chunk": in_chunks(
        chunk(b"IHDR", HEAD), chunk(b"IDAT", DATA[:10]), struct.pack(">I", 100) + b"\x01\x02\x03\x04" + b"x" * 104
    ),
    "no size": in_chunks(chunk(b"IHDR", HEAD[:3]), chunk(b"IDAT", DATA), chunk(b"IEND", b"")),
    "huge": of_size(12_000, 12_000),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n",
    "GIF": as_format("GIF"),
}
