"""A worker that is a pipeline in a process of ours."""

import asyncio
import sys

from genedge.live import frames, processes
from genedge.live.jobs import Failure, Images, Job, Passed, Progress, Sink


class PipelineWorker(processes.OfProcess):
    """A diffusers pipeline, one of the small models, or what a Python file makes; in a process of its own."""

    def __init__(self, model: str, source: str, gpu: int) -> None:
        """One that has not started.

        Args:
            model: its name.
            source: of the pipeline, as `genedge calibrate` takes it.
            gpu: which one it may use.
        """
        self._model, self._source, self._gpu = model, source, gpu

    async def start(self) -> None:
        """Starts the process, which loads the pipeline."""
        command = [sys.executable, "-m", "genedge.live.child", self._source]
        self._process = await processes.start(
            command, self._model, {"CUDA_VISIBLE_DEVICES": processes.visible(self._gpu)}, pipes=True
        )
        frame = await self._read()
        if "ready" not in frame.head:
            raise _failure(frame.head)

    async def make(self, job: Job, steps: float, sink: Sink) -> None:
        """Makes images; they come when all are done, steps as they are."""
        if isinstance(job, Passed):
            raise Failure("bad", f"{self._model} makes images; it takes no other requests")
        assert self._process is not None
        given = [part for part in (job.image, job.mask) if part is not None]
        head = {
            **{key: value for key, value in job._asdict().items() if key not in ("image", "mask")},
            "steps": steps,
            "has": [job.image is not None, job.mask is not None],
        }
        try:
            self._process.stdin.write(frames.packed(head, given))
            await self._process.stdin.drain()
        except (ConnectionError, RuntimeError):
            raise Failure("gone", await self._process.gone()) from None
        while True:
            frame = await self._read()
            if "progress" in frame.head:
                sink.put(Progress(*frame.head["progress"]))
            elif "done" in frame.head:
                sink.put(Images(frame.parts))
                return
            else:
                raise _failure(frame.head)

    async def _read(self) -> frames.Frame:
        assert self._process is not None
        try:
            return await frames.read(self._process.stdout)
        except (asyncio.IncompleteReadError, ValueError):
            raise Failure("gone", await self._process.gone()) from None


def _failure(head: dict[str, object]) -> Failure:
    kind = head.get("kind")
    return Failure(kind if kind in ("bad", "memory") else "failed", str(head.get("message", "no reason given")))
