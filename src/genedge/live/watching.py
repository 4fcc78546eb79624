"""What a live box looks after now and then: memory that others hold, workers that grow, models that come and go."""

import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from genedge.live.driver import Driver
from genedge.live.jobs import Worker

EVERY_S = 2.0
# Of its reservation, and besides, so much a worker may grow before it is restarted at rest [MB]: of the host's
# memory; of a GPU's, where libraries take some hundreds for themselves before they load anything.
GROWTH, BESIDES_MB, BESIDES_ON_DEVICE_MB = 1.25, 200, 1000

SMI = "nvidia-smi"
# After which it is not waited for any longer, while all else is looked after [s].
ANSWERS_WITHIN_S = 5.0


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
        # First who holds it: what is freed between the two questions is then there twice, and nothing is missing.
        lines = [line.split(",") for line in await _asked("--query-compute-apps=pid,used_gpu_memory")]
        free = [int(line) for line in await _asked("--query-gpu=memory.free") if line.isdecimal()]
        if free:
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


class Doing(NamedTuple):
    """What a GPU does, as far as it changes what is in its memory.

    Attributes:
        leaving: workers that have not left yet.
        loading: the model that loads.
        serving: the model that generates.
    """

    leaving: list[tuple[str, Worker]]
    loading: str | None
    serving: str | None


def doing(driver: Driver, gpu: int) -> Doing:
    """What a GPU does now.

    Args:
        driver: the box.
        gpu: its number.
    """
    state = driver.server.gpus[gpu]
    return Doing(driver.held.leaving(gpu), state.loading, None if state.serving is None else state.serving.model)


async def watch(driver: Driver, look: Look) -> None:
    """Looks after a box until it is cancelled.

    Args:
        driver: the box.
        look: at the device's memory; of fewer GPUs than the box has, the last one holds for the rest. As long as it
            does not answer, all is as it was last known.
    """
    gpus = range(len(driver.server.gpus))
    looking: asyncio.Future[Device] | None = None
    told = False
    try:
        while True:
            if looking is None:
                before = [doing(driver, gpu) for gpu in gpus]
                looking = asyncio.ensure_future(look())
            await asyncio.wait([looking], timeout=ANSWERS_WITHIN_S)
            if looking.done():
                done, looking, told = looking, None, False
                _seen(driver, done.result(), before)
            elif not told:
                told = True
                print(f"{SMI} does not answer; memory is taken for what it last said", file=sys.stderr, flush=True)
            driver.restart_grown(GROWTH, BESIDES_MB if driver.held.on_device is None else BESIDES_ON_DEVICE_MB)
            driver.expire()
            driver.bring_defaults()
            await asyncio.sleep(EVERY_S)
    finally:
        if looking is not None:
            looking.cancel()


def _seen(driver: Driver, seen: Device, before: Sequence[Doing]) -> None:
    driver.held.on_device = seen.held_mb
    if seen.free_mb:
        for gpu, then in enumerate(before):
            reconcile(driver, gpu, seen.free_mb[min(gpu, len(seen.free_mb) - 1)], then)


def reconcile(driver: Driver, gpu: int, free_mb: int, before: Doing | None = None) -> None:
    """What should be free and is not is kept by the models' own processes, or else held by others.

    Args:
        driver: the box.
        gpu: its number.
        free_mb: that nobody holds, as the device says.
        before: what the GPU did when that was asked for; None if that was now.
    """
    state, held, models, now = driver.server.gpus[gpu], driver.held, driver.file.models, doing(driver, gpu)
    before = before or now
    if before.leaving != now.leaving:
        # Whether it counted what has just left, nobody knows.
        return
    for model, worker in now.leaving:
        free_mb += held.memory_mb(worker) or models[model].memory_mb
    kept_mb: dict[str, int] = {}
    for model in state.resident:
        besides_mb = _besides_mb(driver, gpu, model)
        if model in (before.serving, now.serving):
            # What it holds while it generates is not what it keeps; what is missing for that long is its own.
            kept_mb[model] = held.kept_mb[gpu].get(model, 0)
            free_mb += max(besides_mb - kept_mb[model], 0)
        else:
            kept_mb[model] = besides_mb
    held.kept_mb[gpu] = kept_mb
    missing_mb = max(state.memory_mb - sum(models[model].memory_mb for model in state.resident) - free_mb, 0)
    ours_mb = min(missing_mb, sum(kept_mb.values()))
    others_mb = missing_mb - ours_mb
    if before.loading or now.loading:
        # What is reserved for it is not all taken yet, so that others may seem to hold less than they do.
        others_mb = max(others_mb, state.others_mb)
    driver.others_hold(gpu, others_mb, ours_mb, {name: mb for name, mb in kept_mb.items() if mb and ours_mb})


def _besides_mb(driver: Driver, gpu: int, model: str) -> int:
    """What a model's process holds besides the weights; where the device tells of none, what it may after a use."""
    state, takes, worker = driver.server.gpus[gpu], driver.file.models[model], driver.held.of(gpu, model)
    if worker is not None and driver.held.used_mb(gpu):
        return max(driver.held.memory_mb(worker) - takes.memory_mb, 0)
    loaded = state.loaded_at(model)
    serves = state.serving is not None and state.serving.model == model
    used = serves or (loaded is not None and state.resting.get(model, loaded) > loaded)
    return takes.most_mb - takes.memory_mb if used else 0
