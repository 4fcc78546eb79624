"""Messages over TCP: plain values and parts, filled up to as many bytes as a request or a result has.

Four bytes tell how long the JSON is that follows; it tells how long the parts behind it are, and the whole.
"""

import json
import socket
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

LENGTH_BYTES = 4
MOST_BYTES = 1 << 30
# What is read at once, and how often a sender that paces itself writes [s].
AT_ONCE, EVERY_S = 1 << 18, 0.005


class Message(NamedTuple):
    """A message.

    Attributes:
        head: plain values.
        parts: bytes that go with it.
    """

    head: dict[str, Any]
    parts: list[bytes]


class Lost(Exception):
    """The other side is gone, or speaks something else."""


def filled(head: dict[str, Any], parts: Sequence[bytes], size: int) -> bytes:
    """A message as bytes, filled up with zeros.

    Args:
        head: plain values.
        parts: bytes that go with it.
        size: of all of it [byte]; what needs more is as long as it is.
    """
    # As many digits as it may need, so that writing the size down does not change it.
    text = json.dumps({**head, "parts": [len(part) for part in parts], "size": f"{size:012d}"}).encode()
    needed = LENGTH_BYTES + len(text) + sum(map(len, parts))
    if needed > size:
        return filled(head, parts, needed)
    return b"".join([len(text).to_bytes(LENGTH_BYTES, "big"), text, *parts, bytes(size - needed)])


def send(connection: socket.socket, data: bytes, bits_per_s: float | None) -> None:
    """Sends a message.

    Args:
        connection: where to.
        data: the message.
        bits_per_s: the rate at which the sender paces itself; None where the link does it.

    Raises:
        Lost: the other side is gone.
    """
    try:
        if bits_per_s is None:
            connection.sendall(data)
        else:
            _paced(connection, memoryview(data), bits_per_s / 8)
    except OSError as e:
        raise Lost(str(e)) from None


def receive(connection: socket.socket) -> Message:
    """Waits for a message, and returns it when its last byte is there.

    Args:
        connection: where it comes from.

    Raises:
        Lost: there is no whole one.
    """
    try:
        length = int.from_bytes(_read(connection, LENGTH_BYTES), "big")
        head = json.loads(bytes(_read(connection, _bounded(length))))
        size = _bounded(int(head.pop("size")))
        rest = _read(connection, _bounded(size - LENGTH_BYTES - length))
        parts, at = [], 0
        for part in map(int, head.pop("parts")):
            parts.append(bytes(rest[at : at + part]))
            at += part
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise Lost(str(e)) from None
    return Message(head, parts)


def _paced(connection: socket.socket, data: memoryview, bytes_per_s: float) -> None:
    began, sent = time.monotonic(), 0
    step = max(int(bytes_per_s * EVERY_S), 1)
    while sent < len(data):
        # What was slept too long is made good by sending more at once.
        due = int((time.monotonic() - began) * bytes_per_s)
        upto = min(max(due, sent + step), len(data))
        # A byte is there when the link would have carried it, and not when it would have begun to.
        time.sleep(max(0.0, began + upto / bytes_per_s - time.monotonic()))
        connection.sendall(data[sent:upto])
        sent = upto


def _read(connection: socket.socket, size: int) -> memoryview:
    whole = memoryview(bytearray(size))
    at = 0
    while at < size:
        read = connection.recv_into(whole[at : at + AT_ONCE])
        if read == 0:
            raise Lost(f"closed after {at} of {size} bytes")
        at += read
    return whole


def _bounded(length: int) -> int:
    if not 0 <= length <= MOST_BYTES:
        raise ValueError(f"a message of {length} bytes")
    return length
