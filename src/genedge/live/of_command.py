"""A worker that is any HTTP server, started by a command: it has loaded when its health path answers."""

import asyncio
import shlex

from genedge.live import processes
from genedge.live.jobs import Failure, Head, Job, Picture, Sink
from genedge.live.memory_words import tells_of_memory
from genedge.live.plain_http import Answer, BrokenOffError, Server, passed_on
from genedge.text import shortened

LOOK_EVERY_S, HEALTHY_WITHIN_S = 0.1, 2.0
# From this status on a server says that it has failed; of what it says besides, so many bytes are looked at.
FAILED, LOOKED_AT = 500, 1 << 16


def why_no_command(command: str) -> str | None:
    """Why a command can start no server, whatever there is on this machine; None if it may.

    Args:
        command: as a box has it.
    """
    try:
        words = shlex.split(command)
    except ValueError as e:
        return f"{e}: a quote or a backslash has no other end, in {shortened(command)}"
    if not any("{port}" in word for word in words):
        return (
            f"it is not told where to listen; write {{port}} where it is to have the port, in {shortened(command)}"
        )
    return None


class CommandWorker(processes.OfProcess):
    """A server such as sd.cpp, ComfyUI, vLLM or llama.cpp; requests go on to it as they came."""

    def __init__(self, model: str, command: str, health: str, gpu: int) -> None:
        """One that has not started.

        Args:
            model: its name.
            command: starts it; `{port}` stands for the port on which it is to listen.
            health: a path that answers with 200 once it has loaded.
            gpu: which one it may use.
        """
        self._model, self._command, self._health, self._gpu = model, command, health, gpu
        self._server: Server | None = None

    async def start(self) -> None:
        """Starts the server, and waits until it is healthy."""
        port = processes.free_port()
        command = [word.replace("{port}", str(port)) for word in shlex.split(self._command)]
        self._process = await processes.start(
            command, self._model, {"CUDA_VISIBLE_DEVICES": processes.visible(self._gpu)}
        )
        self._server = Server(port)
        ended = asyncio.ensure_future(self._process.gone())
        try:
            while not await self._healthy():
                await asyncio.wait([ended], timeout=LOOK_EVERY_S)
                if ended.done():
                    why = ended.result()
                    raise Failure("memory" if tells_of_memory(why) else "failed", why)
        finally:
            ended.cancel()

    async def make(self, job: Job, steps: float, sink: Sink) -> None:
        """Passes the request on, and the answer back as it comes."""
        assert self._server is not None
        assert self._process is not None
        if isinstance(job, Picture):
            raise Failure("bad", f"{self._model} is a server of its own: ask it on one of its own paths")
        try:
            async with await self._server.ask(
                job.method, job.path, passed_on(job.headers), job.told(steps)
            ) as answer:
                if answer.status >= FAILED:
                    await self._refused(answer, sink)
                    return
                sink.put(Head(answer.status, answer.headers))
                async for piece in answer.pieces():
                    sink.put(piece)
                    await sink.room()
        except BrokenOffError as e:
            with_end = asyncio.ensure_future(self._process.gone())
            await asyncio.wait([with_end], timeout=1.0)
            if with_end.done():
                raise Failure("gone", with_end.result()) from None
            with_end.cancel()
            raise Failure("failed", f"{self._model} has broken off: {e}") from None

    async def _refused(self, answer: Answer, sink: Sink) -> None:
        """An answer that says that it failed goes on as it is, unless that was for want of memory."""
        pieces, begins = answer.pieces(), b""
        async for piece in pieces:
            begins += piece
            if len(begins) >= LOOKED_AT:
                break
        said = begins[:LOOKED_AT].decode(errors="replace")
        if tells_of_memory(said):
            raise Failure("memory", f"{self._model} has run out of memory: {shortened(said)}")
        sink.put(Head(answer.status, answer.headers))
        sink.put(begins)
        async for piece in pieces:
            sink.put(piece)
            await sink.room()

    async def stop(self) -> None:
        """Ends the server and all that it has started."""
        if self._server is not None:
            self._server.close()
        await super().stop()

    async def _healthy(self) -> bool:
        assert self._server is not None
        try:
            async with (
                asyncio.timeout(HEALTHY_WITHIN_S),
                await self._server.ask("GET", self._health, {}, b"") as answer,
            ):
                async for _ in answer.pieces():
                    pass
        except (BrokenOffError, TimeoutError):
            return False
        return answer.status == 200
