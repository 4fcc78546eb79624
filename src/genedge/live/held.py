"""The workers of a live box: which hold a model on which GPU, and which are about to leave its memory."""

import asyncio
import contextlib
import itertools
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from genedge.edge.gpu import GpuState, Stay
from genedge.live.jobs import Failure, Worker, Workers
from genedge.live.unforeseen import failure_of

# Of what has left, for whoever looks.
REMEMBERED = 1000


class Left(NamedTuple):
    """A model that has left a GPU's memory.

    Attributes:
        gpu: its number.
        stay: how long it was there.
        why: in words, with the numbers that decided.
    """

    gpu: int
    stay: Stay
    why: str


class Held:
    """Workers by GPU and model.

    Attributes:
        evictions: by model and reason, how often it has left.
        left: the last that have left.
        kept_mb: of each GPU, by model, what its process was last seen to keep besides the weights while it rested.
        on_device: by the number of a process, what it holds of all GPUs' memory [MB]; None where there is no GPU.
    """

    def __init__(self, workers: Workers, gpus: int, cited: dict[str, str]) -> None:
        """None yet.

        Args:
            workers: makes what holds a model.
            gpus: how many there are.
            cited: of models that were given up for others, by name, why; taken out when they leave.
        """
        self._cited = cited
        self.on_device: Mapping[int, int] | None = None
        self._make = workers
        self.kept_mb: list[dict[str, int]] = [{} for _ in range(gpus)]
        self._held: list[dict[str, Worker]] = [{} for _ in range(gpus)]
        self._leaving: list[dict[asyncio.Task[None], tuple[str, Worker]]] = [{} for _ in range(gpus)]
        self.evictions: Counter[tuple[str, str]] = Counter()
        self.left: deque[Left] = deque(maxlen=REMEMBERED)

    def new(self, gpu: int, model: str) -> Worker:
        """One for a model, which has not started.

        Args:
            gpu: where.
            model: its name.
        """
        worker = self._held[gpu][model] = self._make(model, gpu)
        return worker

    def of(self, gpu: int, model: str) -> Worker | None:
        """That which holds a model, or loads it; None if none does.

        Args:
            gpu: where.
            model: its name.
        """
        return self._held[gpu].get(model)

    def leaves(self, gpu: int, model: str) -> None:
        """One leaves; it has left only when its memory is free.

        Args:
            gpu: where.
            model: its name.
        """
        worker = self._held[gpu].pop(model)
        self.kept_mb[gpu].pop(model, None)
        task = asyncio.get_running_loop().create_task(_stop(worker))
        self._leaving[gpu][task] = model, worker
        task.add_done_callback(self._leaving[gpu].pop)

    def leaving(self, gpu: int) -> list[tuple[str, Worker]]:
        """Models that have not left yet, and what holds them.

        Args:
            gpu: where.
        """
        return list(self._leaving[gpu].values())

    async def have_left(self, gpu: int) -> None:
        """Returns when all that leave have left.

        Args:
            gpu: where.
        """
        await asyncio.gather(*self._leaving[gpu], return_exceptions=True)

    async def load(self, gpu: int, model: str, within_s: float) -> Failure | None:
        """Starts a worker, once all that leave have left: only then their memory is free.

        Args:
            gpu: where.
            model: its name; its worker is there.
            within_s: what takes longer has failed [s].

        Returns:
            Why it could not be loaded; None if it is.
        """
        await self.have_left(gpu)
        return await failure_of(_start(self._held[gpu][model], model, within_s), f"loading {model}")

    async def failed(self, gpu: int, model: str) -> None:
        """One that could not be loaded is ended.

        Args:
            gpu: where.
            model: its name.
        """
        self.leaves(gpu, model)
        await self.have_left(gpu)

    def used_mb(self, gpu: int) -> int:
        """What the workers of a GPU hold.

        Args:
            gpu: its number.
        """
        return sum(map(self.memory_mb, self._held[gpu].values()))

    def memory_mb(self, worker: Worker) -> int:
        """What a worker holds of its GPU's memory, or where there is none, of the host's; 0 if that is unknown.

        Args:
            worker: one of these.
        """
        if self.on_device is None:
            return worker.held_mb()
        return sum(self.on_device.get(pid, 0) for pid in worker.pids())

    def reconcile(self, gpu: int, state: GpuState, why: str = "not used for long", numbers: str = "") -> None:
        """Whatever the box no longer holds leaves the memory.

        Args:
            gpu: its number.
            state: of it, as the box has it.
            why: what has left since this was last asked and was not given up for another, in few words.
            numbers: the same with the numbers that decided.
        """
        for model in [model for model in self._held[gpu] if model not in state.resident]:
            self.leaves(gpu, model)
        for stay in state.stays:
            cited = self._cited.pop(stay.model, None)
            self.evictions[stay.model, why if cited is None else "another comes"] += 1
            self.left.append(Left(gpu, stay, cited or numbers or why))
        state.stays.clear()

    def why(self, evict: Sequence[str]) -> dict[str, str]:
        """For the journal, why models have just left for another; nothing if none has.

        Args:
            evict: those.
        """
        return {"why": self.left[-1].why} if evict else {}

    async def close(self) -> None:
        """Ends all of them."""
        stops = [_stop(worker) for held in self._held for worker in held.values()]
        await asyncio.gather(*stops, *itertools.chain(*self._leaving), return_exceptions=True)


async def _start(worker: Worker, model: str, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await worker.start()
    except TimeoutError:
        raise Failure("failed", f"{model} was not loaded within {within_s:g} s") from None


async def _stop(worker: Worker) -> None:
    with contextlib.suppress(Failure):
        await worker.stop()
