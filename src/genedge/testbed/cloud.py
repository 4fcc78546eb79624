"""The cloud: somebody else's machines, as many as there are requests, none of them slower for the others.

This machine cannot be that. So what the cloud generates was generated before the slot, alone, and is held back for
as long as that took: users get real pictures after a real time, and it takes no processor from the base station.
"""

import socket
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import NamedTuple

from genedge.testbed import wire
from genedge.testbed.processes import ends_with


class Ready(NamedTuple):
    """What the cloud answers a user.

    Attributes:
        png: the picture, repaired.
        seconds: that this took.
        size: of the result [byte].
        bits_per_s: the rate that the cloud keeps to itself; None where the link does.
    """

    png: bytes
    seconds: float
    size: int
    bits_per_s: float | None


def main(pipe: Connection, parent: int, host: str) -> None:
    """Its life: told what to answer to whom; says first at which port it listens.

    Args:
        pipe: to whoever started it.
        parent: the number of that process.
        host: the address to listen on.
    """
    ends_with(parent)
    listener = socket.create_server((host, 0), backlog=256)
    answers: dict[int, Ready] = {}

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, answers), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    pipe.send(listener.getsockname()[1])
    while True:
        answers.update(pipe.recv())
        pipe.send("ready")


def _serve(connection: socket.socket, answers: Mapping[int, Ready]) -> None:
    try:
        with connection:
            asked = wire.receive(connection)
            received = time.monotonic()
            ready = answers[asked.head["user"]]
            time.sleep(max(0.0, received + ready.seconds - time.monotonic()))
            head = {"received": received, "answered": time.monotonic()}
            wire.send(connection, wire.filled(head, [ready.png], ready.size), ready.bits_per_s)
    except wire.Lost:
        return
