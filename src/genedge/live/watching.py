"""What a live box looks after now and then: memory that others hold, workers that grow, models that come and go."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from genedge.live.driver import Driver

EVERY_S = 2.0
# Of its reservation, and besides, so much a worker may grow before it is restarted at rest [MB]: of the host's
# memory; of a GPU's, where libraries take some hundreds for themselves before they load anything.
GROWTH, BESIDES_MB, BESIDES_ON_DEVICE_MB = 1.25, 200, 1000

SMI = "nvidia-smi"


class Device(NamedTuple):
    """What the device says of its memory.

    Attributes:
        free_mb: that nobody holds, of each GPU; where there is none, of the host; empty if unknown.
        held_mb: by the number of a process, what it holds of all GPUs' memory; None where there is no GPU.
    """

    free_mb: Sequence[int]
    held_mb: Mapping[int, int] | None


Look = Callable[[], Awaitable[Device]]


async def device() -> Device:
    """What `nvidia-smi` says; where there is none, the host's memory."""
    if shutil.which(SMI):
        free = [int(line) for line in await _asked("--query-gpu=memory.free") if line.isdecimal()]
        if free:
            lines = [line.split(",") for line in await _asked("--query-compute-apps=pid,used_gpu_memory")]
            held: Counter[int] = Counter()
            for pid, used in (line for line in lines if len(line) == 2):
                # Where it is not told, as to a guest, it says so in words.
                if pid.strip().isdecimal() and used.strip().isdecimal():
                    held[int(pid)] += _megabytes(int(used))
            return Device([_megabytes(mib) for mib in free], held)
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return Device([int(line.split()[1]) * 1024 // 1_000_000], None)
    except OSError:
        pass
    return Device([], None)


async def _asked(query: str) -> list[str]:
    command = (SMI, query, "--format=csv,noheader,nounits")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    return said.decode(errors="replace").splitlines()


def _megabytes(mib: int) -> int:
    return mib * 1048576 // 1_000_000


async def watch(driver: Driver, look: Look) -> None:
    """Looks after a box until it is cancelled.

    Args:
        driver: the box.
        look: at the device's memory; of fewer GPUs than the box has, the last one holds for the rest.
    """
    while True:
        free_mb, driver.held.on_device = await look()
        if free_mb:
            for gpu in range(len(driver.server.gpus)):
                reconcile(driver, gpu, free_mb[min(gpu, len(free_mb) - 1)])
        driver.restart_grown(GROWTH, BESIDES_MB if driver.held.on_device is None else BESIDES_ON_DEVICE_MB)
        driver.expire()
        driver.bring_defaults()
        await asyncio.sleep(EVERY_S)


def reconcile(driver: Driver, gpu: int, free_mb: int) -> None:
    """What should be free and is not is held by others: the budget shrinks by it.

    Args:
        driver: the box.
        gpu: its number.
        free_mb: that nobody holds, as the device says.
    """
    state = driver.server.gpus[gpu]
    reserved_mb = sum(driver.file.models[model].memory_mb for model in state.resident)
    driver.others_hold(gpu, max(state.memory_mb - reserved_mb - free_mb, 0))
