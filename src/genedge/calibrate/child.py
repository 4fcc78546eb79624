"""A process of its own that opens a pipeline and runs it: its memory is nobody else's, and it may die of it.

The parent sends what to make, the child sends back what it took. Both ends of the pipe carry plain values.
"""

import gc
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from genedge.calibrate import memory
from genedge.calibrate.pipeline import Loaded, Recipe
from genedge.errors import InputError
from genedge.interruption import no_ctrl_c_for_children, serve

ENDS_WITHIN_S = 5.0


class Opened(NamedTuple):
    """What it took to open a pipeline.

    Attributes:
        load_s: until it could generate: read, moved, every parameter touched, and what the first image took longer
            than the second [s].
        libraries_s: what passed before, from when the process was started until its libraries were there [s].
        held_bytes: what it holds at rest.
        libraries_bytes: what of it the libraries did before.
        weights_bytes: of its parameters; None where it does not say.
        train_steps: noise levels of its training.
        versions: of the libraries that it runs on.
        device: on what it runs.
    """

    load_s: float
    libraries_s: float
    held_bytes: int
    libraries_bytes: int
    weights_bytes: int | None
    train_steps: int
    versions: dict[str, str]
    device: str


class Made(NamedTuple):
    """Images, and what they took.

    Attributes:
        images: from 0 to 1.
        evaluations: of the network; a batch is one.
        seconds: on the wall [s].
        processor_s: of all cores together [s].
    """

    images: Float[np.ndarray, "B C H W"]
    evaluations: int
    seconds: float
    processor_s: float


class Died(InputError):
    """The process is gone, perhaps for want of memory."""


class Child:
    """A pipeline in a process of its own, seen from outside."""

    def __init__(self, recipe: Recipe, pipe: Connection, process: Any) -> None:
        self._recipe, self._pipe, self._process = recipe, pipe, process
        self.opened: Opened = self._answer()

    def make(self, steps: int, images: Sequence[int]) -> Made:
        """Makes images.

        Args:
            steps: denoising steps.
            images: their numbers.

        Raises:
            Died: the process did.
            InputError: the pipeline fails.
        """
        self._send(("make", steps, list(images)))
        made: Made = self._answer()
        return made

    def peak_bytes(self, images: Sequence[int]) -> int:
        """What the process holds at most, beyond what it holds anyway, while it makes images.

        Args:
            images: their numbers, a batch.

        Raises:
            InputError: they do not fit, or the pipeline fails.
        """
        self._send(("peak", list(images)))
        return int(self._answer())

    def truth(self, image: int) -> Any:
        """What an image would be, and its mask; None if there is no truth."""
        self._send(("truth", image))
        return self._answer()

    def _send(self, message: tuple[Any, ...]) -> None:
        try:
            self._pipe.send(message)
        except OSError:
            raise self._died() from None

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError):
            raise self._died() from None
        if isinstance(answer, InputError):
            raise answer
        return answer

    def _died(self) -> Died:
        self._process.join(ENDS_WITHIN_S)
        code = self._process.exitcode
        return Died(f"{self._recipe.source}: its process has ended (status {code}), perhaps for want of memory")


@contextmanager
def child(recipe: Recipe) -> Iterator[Child]:
    """Opens a pipeline in a process of its own, which ends with the block.

    Args:
        recipe: of the pipeline.

    Raises:
        InputError: it cannot be opened.
    """
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(recipe, there, os.getpid(), time.time()), daemon=True)
    with no_ctrl_c_for_children():
        process.start()
    there.close()
    try:
        yield Child(recipe, here, process)
    finally:
        here.close()
        process.terminate()
        process.join(ENDS_WITHIN_S)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(recipe: Recipe, pipe: Connection, parent: int, started: float) -> None:
    """The child's life."""
    serve(parent)
    try:
        loaded, opened = _open(recipe, started)
        pipe.send(opened)
        while True:
            message = pipe.recv()
            if message[0] == "make":
                pipe.send(_make(loaded, message[1], message[2]))
            elif message[0] == "peak":
                pipe.send(_peak_bytes(loaded, message[1]))
            else:
                pipe.send(loaded.truth(message[1]))
    except (EOFError, BrokenPipeError):
        return
    except InputError as e:
        pipe.send(InputError(str(e)))
    except MemoryError as e:
        pipe.send(InputError(f"{recipe.source}: out of memory: {e}"))
    except Exception as e:
        if type(e).__name__ == "OutOfMemoryError":
            pipe.send(InputError(f"{recipe.source}: out of memory: {str(e).splitlines()[0]}"))
            return
        pipe.send(
            InputError(f"{recipe.source}: fails: {type(e).__name__}: {(str(e) or 'no reason').splitlines()[0]}")
        )


def _open(recipe: Recipe, started: float) -> tuple[Loaded, Opened]:
    """Loading counts from when the libraries are there until the first image comes as fast as the second."""
    versions, device = _libraries(recipe)
    libraries_s = max(time.time() - started, 0.0)
    recipe.prepare()
    memory.forget_peak()
    before = memory.held_bytes()
    began = time.perf_counter()
    loaded = recipe.load()
    read_s = time.perf_counter() - began
    fewest = _fewest_steps(loaded)
    first_s, second_s = (_timed(loaded, fewest) for _ in range(2))
    gc.collect()
    memory.forget_peak()
    held = memory.held_bytes()
    load_s = read_s + max(first_s - second_s, 0.0)
    weights = getattr(loaded, "weights_bytes", None)
    return loaded, Opened(load_s, libraries_s, held, before, weights, loaded.train_steps, versions, device)


def _fewest_steps(loaded: Loaded) -> int:
    return next(steps for steps in range(2, loaded.train_steps + 1) if loaded.train_steps % steps == 0)


def _timed(loaded: Loaded, steps: int) -> float:
    began = time.perf_counter()
    loaded.generate(steps, [0])
    return time.perf_counter() - began


def _make(loaded: Loaded, steps: int, images: Sequence[int]) -> Made:
    evaluated = loaded.evaluations
    began, worked = time.perf_counter(), time.process_time()
    made = loaded.generate(steps, images)
    seconds, processor_s = time.perf_counter() - began, time.process_time() - worked
    return Made(np.asarray(made, np.float32), loaded.evaluations - evaluated, seconds, processor_s)


def _peak_bytes(loaded: Loaded, images: Sequence[int]) -> int:
    memory.forget_peak()
    held = memory.held_bytes()
    loaded.generate(_fewest_steps(loaded), images)
    return max(memory.most_held_bytes() - held, 0)


def _libraries(recipe: Recipe) -> tuple[dict[str, str], str]:
    """Imports what every such pipeline needs."""
    import platform

    versions = {"python": platform.python_version(), "numpy": np.__version__}
    if recipe.needs_torch:
        from genedge.calibrate.extra import torch

        versions["torch"] = torch.__version__
        if recipe.of_diffusers:
            from genedge.calibrate.of_diffusers import library_for

            versions["diffusers"] = library_for(recipe.source).__version__
        if torch.cuda.is_available():
            return versions, torch.cuda.get_device_name()
    return versions, processor()


def processor() -> str:
    """What the processor is called, and how many cores this process may use."""
    import platform

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {cores} core{'s' * (cores != 1)}"
