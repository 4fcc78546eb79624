"""A user: sends a picture with a hole, waits for it to come back whole, and says how long everything took."""

import socket
import time
from multiprocessing.connection import Connection
from typing import NamedTuple

from genedge.testbed import wire
from genedge.testbed.pictures import Damaged
from genedge.testbed.processes import Broken, ends_with
from genedge.testbed.tasks import Request, Served, Times


class Errand(NamedTuple):
    """What a user shall do in a slot.

    Attributes:
        request: of the user.
        picture: to be repaired.
        station: where the base station is, and at which port.
        begins: when the slot does, on the machine's clock [s].
        paced: whether the user keeps to the rate itself.
    """

    request: Request
    picture: Damaged
    station: tuple[str, int]
    begins: float
    paced: bool


def main(pipe: Connection, parent: int) -> None:
    """Its life: told of errands, tells what came of them.

    Args:
        pipe: to whoever started it.
        parent: the number of that process.
    """
    ends_with(parent)
    pipe.send("ready")
    while True:
        errand: Errand = pipe.recv()
        try:
            pipe.send(_done(errand))
        except (OSError, wire.Lost) as e:
            pipe.send(Broken(f"user {errand.request.user} gets no answer: {e}"))


def _done(errand: Errand) -> Served:
    request = errand.request
    asks = {"user": request.user, "model": request.model}
    data = wire.filled(asks, list(errand.picture), request.input_bytes)
    time.sleep(max(0.0, errand.begins - time.monotonic()))
    began = time.monotonic()
    with socket.create_connection(errand.station) as connection:
        wire.send(connection, data, request.up_bps if errand.paced else None)
        answer = wire.receive(connection)
    ended = time.monotonic()
    times = Times(**answer.head["times"])._replace(began=began, ended=ended)
    return Served(request, bool(answer.head["hit"]), times, answer.parts[0])
