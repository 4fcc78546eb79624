"""Where pieces of work are done that need nothing of each other: on this machine's cores, or on a Ray cluster.

Both give the same bits on like machines: a piece has one thread, whatever else runs beside it. Both do again what
was lost with a worker or a node.
"""

import contextlib
import os
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, Protocol, TypeVar

from genedge.clusters import connected, ray_module
from genedge.errors import InputError
from genedge.interruption import no_ctrl_c_for_children, serve
from genedge.xla import set_up_jax

# Set before JAX is imported, so that a piece's bits do not depend on what runs beside it.
ONE_THREAD = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}

# What may be better the next time; everything else that a piece raises is its own fault.
PASSING = (OSError, MemoryError)
TRIES = 3


class Work(Protocol):
    """A piece of work: plain values, so that it can be sent anywhere, and equal to another that has the same."""

    @property
    def key(self) -> str:
        """A name for it, another for each version of all that its result depends on."""
        ...

    def run(self, folder: Path) -> Any:
        """Does it.

        Args:
            folder: for what is unfinished, its own; what was cut off goes on from there.

        Returns:
            What it found: plain values, to be sent back.
        """
        ...


_Work = TypeVar("_Work", bound=Work)


class Engine(Protocol):
    """Takes pieces of work, each with its folder; yields each with what it found, as it is done."""

    def __call__(self, work: Mapping[_Work, Path]) -> Iterator[tuple[_Work, Any]]:
        """Does it."""
        ...


def perform(work: Work, folder: Path) -> Any:
    """Does a piece of work, in whatever process this is.

    Args:
        work: what to do.
        folder: for what is unfinished.
    """
    set_up_jax()
    return work.run(folder)


def on_cores(work: Mapping[_Work, Path]) -> Iterator[tuple[_Work, Any]]:
    """Does work in processes of this machine, one for each core that it may use.

    Args:
        work: what to do, in this order, and for each piece a folder for what is unfinished, where the next session
            goes on.

    Yields:
        Each piece and its result, in the order in which they are done.

    Raises:
        InputError: a piece was given something wrong, or workers are lost again and again.
    """
    left = dict(work)
    tries: Counter[_Work] = Counter()
    lost = 0
    while left:
        try:
            for piece, outcome in _pool(left):
                if isinstance(outcome, BaseException):
                    tries[piece] += 1
                    _give_up_after(tries[piece], piece, outcome)
                    continue
                del left[piece]
                lost = 0
                yield piece, outcome
        except BrokenProcessPool:
            lost += 1
            if lost == TRIES:
                raise InputError(
                    "worker processes were killed again and again, perhaps for want of memory; the same command "
                    "goes on from here"
                ) from None


def _give_up_after(tries: int, piece: Work, error: BaseException) -> None:
    if tries == TRIES:
        raise InputError(f"failed {TRIES} times, at last with {error!r}: {piece}") from error


def _pool(work: Mapping[_Work, Path]) -> Iterator[tuple[_Work, Any]]:
    """One pool's work: each piece with its result, or with a failure that may pass."""
    before = set(active_children())
    with _environment(ONE_THREAD):
        pool = ProcessPoolExecutor(_cores(), get_context("spawn"), serve, (os.getpid(),))
        try:
            with no_ctrl_c_for_children():  # Submitting starts them.
                futures = {pool.submit(perform, piece, folder): piece for piece, folder in work.items()}
            yield from _outcomes(futures)
        except BaseException:
            for process in set(active_children()) - before:
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _outcomes(futures: Mapping[Future[Any], _Work]) -> Iterator[tuple[_Work, Any]]:
    for future in as_completed(futures):
        error = future.exception()
        if error is None:
            yield futures[future], future.result()
        elif isinstance(error, PASSING):
            yield futures[future], error
        else:
            raise error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables that processes started within inherit."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def on_ray(address: str | None) -> Engine:
    """An engine that does work on a Ray cluster, one core a piece.

    The nodes need genedge installed; files of the reader's own that are named must lie at the same path on each.

    Args:
        address: of the cluster's head, `HOST:PORT`; None for the one that Ray finds by itself, or a new
            one on this machine.

    Raises:
        InputError: Ray is not installed.
    """
    ray_module()

    def engine(work: Mapping[_Work, Path]) -> Iterator[tuple[_Work, Any]]:
        with connected(address, ONE_THREAD) as ray:
            yield from _done_by(ray, list(work))

    return engine


def _done_by(ray: Any, work: Sequence[_Work]) -> Iterator[tuple[_Work, Any]]:
    """Pieces of work with what they found, as the cluster finishes them."""
    # Ray itself repeats what was lost with a worker or a node.
    remote = ray.remote(_perform_anywhere).options(num_cpus=1, max_retries=TRIES, retry_exceptions=list(PASSING))
    pending = {remote.remote(piece, piece.key): piece for piece in work}
    while pending:
        for done in ray.wait(list(pending), num_returns=1)[0]:
            piece = pending.pop(done)
            yield piece, _fetched(ray, done, piece)


def _fetched(ray: Any, done: Any, piece: Work) -> Any:
    """What a piece of work found, or in words why it failed."""
    try:
        found = ray.get(done)
    except ray.exceptions.RayTaskError as e:
        if isinstance(e.cause, InputError):
            raise e.cause from None
        raise InputError(f"failed, at last with {e.cause!r}: {piece}") from e
    except ray.exceptions.RayError as e:
        raise InputError(f"Ray lost a piece of work again and again: {e}: {piece}") from e
    return found


def _perform_anywhere(piece: Work, key: str) -> Any:
    """Does a piece of work on a node that may share no disk with the others."""
    if piece.key != key:
        raise InputError(
            f"node {socket.gethostname()} has another version of genedge or of its libraries; install the same"
        )
    folder = Path(tempfile.gettempdir()) / f"genedge-{key}"
    found = perform(piece, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return found
