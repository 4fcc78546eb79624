"""Messages between the box and a process that holds a pipeline: JSON, with images as bytes beside it."""

import asyncio
import json
from collections.abc import Sequence
from typing import IO, Any, NamedTuple

LENGTH_BYTES = 4
MOST_BYTES = 1 << 30


class Frame(NamedTuple):
    """A message.

    Attributes:
        head: plain values.
        parts: bytes that go with it.
    """

    head: dict[str, Any]
    parts: list[bytes]


def packed(head: dict[str, Any], parts: Sequence[bytes] = ()) -> bytes:
    """A message as bytes.

    Args:
        head: plain values.
        parts: bytes that go with it.
    """
    text = json.dumps({**head, "parts": [len(part) for part in parts]}).encode()
    return b"".join([len(text).to_bytes(LENGTH_BYTES, "big"), text, *parts])


async def read(stream: asyncio.StreamReader) -> Frame:
    """The next message.

    Args:
        stream: where it comes from.

    Raises:
        asyncio.IncompleteReadError: there is no more.
        ValueError: it is none.
    """
    length = int.from_bytes(await stream.readexactly(LENGTH_BYTES), "big")
    head, sizes = _head(await stream.readexactly(_bounded(length)))
    return Frame(head, [await stream.readexactly(size) for size in sizes])


def read_blocking(file: IO[bytes]) -> Frame | None:
    """The next message; None if there is no more.

    Args:
        file: where it comes from.
    """
    length = file.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    head, sizes = _head(file.read(_bounded(int.from_bytes(length, "big"))))
    return Frame(head, [file.read(size) for size in sizes])


def _head(text: bytes) -> tuple[dict[str, Any], list[int]]:
    head: dict[str, Any] = json.loads(text)
    return head, [_bounded(int(size)) for size in head.pop("parts")]


def _bounded(length: int) -> int:
    if not 0 <= length <= MOST_BYTES:
        raise ValueError(f"a message of {length} bytes")
    return length
