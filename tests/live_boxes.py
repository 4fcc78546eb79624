"""Workers that take their time and make nothing, with faults on demand."""

import asyncio
from pathlib import Path

from genedge.boxes.load import load_box
from genedge.live.driver import Driver
from genedge.live.jobs import Ended, Failure, Limits, Picture

BOX = """
name: fast
gpus: [{memory_gb: 4}]
models:
  defaults: {memory_gb: 2, load_s: 0.02, B1_s_per_step: 0.001, B2_s: 0}
  a: {}
  b: {}
  c: {memory_gb: 3}
  large: {memory_gb: 40}
"""


class FakeWorker:
    """Loads and generates in the time that the catalogue says."""

    def __init__(self, house, model, gpu):
        self.house, self.model, self.gpu = house, model, gpu
        self.takes = house.file.models[model]
        self.died = asyncio.get_running_loop().create_future()
        self.started = False
        self.grown_mb = 0
        self.pid = len(house.workers)

    async def start(self):
        self.house.told.append(("start", self.model))
        self.house.held_mb += self.takes.memory_mb
        assert self.house.held_mb <= sum(self.house.file.box.gpus), "more in memory than there is"
        self.started = True
        await asyncio.sleep(self.takes.load_s)
        if self.house.failing.get(self.model):
            self.house.failing[self.model] -= 1
            raise Failure("memory", f"{self.model} needs 9 GB and 1 GB is free")

    async def make(self, job, steps, sink):
        work = asyncio.ensure_future(asyncio.sleep(self.takes.generation_s(steps)))
        await asyncio.wait([work, self.died], return_when=asyncio.FIRST_COMPLETED)
        if self.died.done():
            raise Failure("gone", "killed")
        sink.put(b"made")

    async def stop(self):
        self.house.told.append(("stop", self.model))
        await asyncio.sleep(0.01)
        if self.started:
            self.house.held_mb -= self.takes.memory_mb
            self.started = False

    def pids(self):
        return [self.pid]

    def held_mb(self):
        return self.grown_mb

    async def gone(self):
        return await asyncio.shield(self.died)


class House:
    """A driver with such workers, and what they were told."""

    def __init__(
        self, tmp_path, journal, text=BOX, scheduler="dwell+lru", limits=None, cloud=None, past=(), kind=FakeWorker
    ):
        self.kind = kind
        path = Path(tmp_path) / "box.yaml"
        path.write_text(text)
        self.file = load_box(str(path))
        self.told, self.failing, self.held_mb, self.workers, self.ended = [], {}, 0, [], []
        self.driver = Driver(
            self.file, scheduler, self.worker, journal, limits or Limits(), cloud, self.ended.append, past
        )

    def worker(self, model, gpu):
        self.workers.append(self.kind(self, model, gpu))
        return self.workers[-1]

    def ask(self, model, user="", steps=10):
        return self.driver.submit(model, user, steps, 0.0, Picture())


async def answer_of(ticket):
    """All pieces, and the failure if there is one."""
    pieces = []
    while not isinstance(piece := await asyncio.wait_for(ticket.pieces.get(), 10), Ended):
        pieces.append(piece)
    return pieces, piece.failure
