"""The base station: takes requests, repairs pictures whose model it holds, and asks the cloud for the others."""

import contextlib
import socket
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from time import monotonic
from typing import NamedTuple

from genedge.testbed import wire
from genedge.testbed.generators import Generators, Size
from genedge.testbed.processes import Broken, ends_with
from genedge.testbed.tasks import Job, Request, Times


class Slot(NamedTuple):
    """What the base station has decided for a slot.

    Attributes:
        requests: by user.
        clouds: where to reach the cloud for each user, and at which port.
        paced: whether it keeps to rates itself.
    """

    requests: Mapping[int, Request]
    clouds: Mapping[int, tuple[str, int]]
    paced: bool


def main(pipe: Connection, parent: int, size: Size, host: str) -> None:
    """Its life: told of slots, and of pictures to repair beside them; says first at which port it listens.

    Args:
        pipe: to whoever started it.
        parent: the number of that process.
        size: what it has.
        host: the address to listen on.
    """
    # Processes come before threads, which they would not take along.
    pool = Generators(size)
    ends_with(parent)
    listener = socket.create_server((host, 0), backlog=256)
    station = _Station(pool, pipe)
    threading.Thread(target=_accept, args=(listener, station.serve), daemon=True).start()
    station.say(listener.getsockname()[1])
    while True:
        message = pipe.recv()
        if isinstance(message, Job):
            station.say(pool.make(message))
        else:
            station.slot = message
            station.say("ready")


class _Station:
    """A base station with its slot."""

    slot = Slot({}, {}, False)

    def __init__(self, pool: Generators, pipe: Connection) -> None:
        self._pool, self._pipe, self._speaks = pool, pipe, threading.Lock()

    def say(self, message: object) -> None:
        """Tells whoever started it something, if anybody listens still."""
        with self._speaks, contextlib.suppress(OSError):
            self._pipe.send(message)

    def serve(self, connection: socket.socket) -> None:
        """Serves one request; what goes wrong is told before the user sees that there is no answer."""
        with connection:
            try:
                self._serve(connection)
            except Broken as e:
                self.say(e)
            except Exception as e:
                self.say(Broken(f"the base station cannot serve a request: {e}"))

    def _serve(self, connection: socket.socket) -> None:
        asked = wire.receive(connection)
        received, slot = monotonic(), self.slot
        request = slot.requests[asked.head["user"]]
        if request.hit:
            picture, mask = asked.parts
            made = self._pool.make(
                Job(request.model, picture, mask, request.steps, request.picture, request.generation_s)
            )
            png, took = made.png, {"to_cloud_s": 0.0, "generation_s": made.seconds, "from_cloud_s": 0.0}
        else:
            png, took = _from_cloud(request, slot, asked)
        times = Times(began=0.0, received=received, **took, answered=monotonic(), ended=0.0)
        head = {"hit": request.hit, "times": times._asdict()}
        answer = wire.filled(head, [png], request.output_bytes)
        wire.send(connection, answer, request.down_bps if slot.paced else None)


def _from_cloud(request: Request, slot: Slot, asked: wire.Message) -> tuple[bytes, dict[str, float]]:
    """What the cloud has made of a request, and the time that it took there and on the way."""
    forwarded = monotonic()
    try:
        with socket.create_connection(slot.clouds[request.user]) as cloud:
            data = wire.filled(asked.head, asked.parts, request.input_bytes)
            wire.send(cloud, data, request.to_cloud_bps if slot.paced else None)
            reply = wire.receive(cloud)
    except (OSError, wire.Lost) as e:
        raise Broken(f"the cloud does not answer the base station: {e}") from None
    returned, head = monotonic(), reply.head
    return reply.parts[0], {
        "to_cloud_s": head["received"] - forwarded,
        "generation_s": head["answered"] - head["received"],
        "from_cloud_s": returned - head["answered"],
    }


def _accept(listener: socket.socket, serve: object) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()  # type: ignore[arg-type]
