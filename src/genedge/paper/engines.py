"""Where the tasks of a study are done: on this machine's cores, or on a Ray cluster.

Both give the same bits on like machines: a task has one thread, whatever else runs beside it. Both do again what
was lost with a worker or a node.
"""

import contextlib
import os
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from genedge.errors import InputError
from genedge.interruption import no_ctrl_c_for_children, serve
from genedge.paper.tasks import Found, Task, key_of, perform

# Set before JAX is imported, so that a task's bits do not depend on what runs beside it.
ONE_THREAD = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}

# What may be better the next time; everything else a task raises is its own fault.
PASSING = (OSError, MemoryError)
TRIES = 3

# Takes tasks and a folder for unfinished work; yields each task with its result as it is done.
Engine = Callable[[Sequence[Task], Path], Iterator[tuple[Task, Found]]]


def on_cores(tasks: Sequence[Task], scratch: Path) -> Iterator[tuple[Task, Found]]:
    """Does tasks in processes of this machine, one for each core that it may use.

    Args:
        tasks: what to do, in this order.
        scratch: a folder for unfinished work, where the next session goes on.

    Yields:
        Each task and its result, in the order in which they are done.

    Raises:
        InputError: a task was given something wrong, or workers are lost again and again.
    """
    left = list(tasks)
    tries: Counter[Task] = Counter()
    lost = 0
    while left:
        try:
            for task, outcome in _pool(left, scratch):
                if isinstance(outcome, BaseException):
                    tries[task] += 1
                    _give_up_after(tries[task], task, outcome)
                    continue
                left.remove(task)
                lost = 0
                yield task, outcome
        except BrokenProcessPool:
            lost += 1
            if lost == TRIES:
                raise InputError(
                    "worker processes were killed again and again, perhaps for want of memory; the same command "
                    "goes on from here"
                ) from None


def _give_up_after(tries: int, task: Task, error: BaseException) -> None:
    if tries == TRIES:
        raise InputError(f"failed {TRIES} times, at last with {error!r}: {task}") from error


def _pool(tasks: Sequence[Task], scratch: Path) -> Iterator[tuple[Task, Found | BaseException]]:
    """One pool's work: each task with its result, or with a failure that may pass."""
    before = set(active_children())
    with _environment(ONE_THREAD):
        pool = ProcessPoolExecutor(_cores(), get_context("spawn"), serve, (os.getpid(),))
        try:
            with no_ctrl_c_for_children():  # Submitting starts them.
                futures = {pool.submit(perform, task, scratch / key_of(task)): task for task in tasks}
            yield from _outcomes(futures)
        except BaseException:
            for process in set(active_children()) - before:
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _outcomes(futures: Mapping[Future[Found], Task]) -> Iterator[tuple[Task, Found | BaseException]]:
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
    """An engine that does tasks on a Ray cluster, one core each.

    The nodes need genedge installed; files that policies are named by must lie at the same path on each.

    Args:
        address: of the cluster's head, `HOST:PORT`; None for the one that Ray finds by itself, or a new
            one on this machine.

    Raises:
        InputError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise InputError("--engine ray needs Ray; install it with: pip install 'genedge[ray]'") from None

    def engine(tasks: Sequence[Task], scratch: Path) -> Iterator[tuple[Task, Found]]:
        if address is not None:
            _answers(address)
        try:
            ray.init(address, log_to_driver=False, runtime_env={"env_vars": ONE_THREAD})
        except (ConnectionError, RuntimeError, ValueError) as e:
            raise InputError(
                f"--address {address}: no Ray cluster answers there: {str(e).splitlines()[0]}"
            ) from None
        try:
            yield from _done_by(ray, tasks)
        finally:
            ray.shutdown()

    return engine


def _done_by(ray: Any, tasks: Sequence[Task]) -> Iterator[tuple[Task, Found]]:
    """Tasks with what they found, as the cluster finishes them."""
    # Ray itself repeats what was lost with a worker or a node.
    remote = ray.remote(_perform_anywhere).options(num_cpus=1, max_retries=TRIES, retry_exceptions=list(PASSING))
    pending = {remote.remote(task, key_of(task)): task for task in tasks}
    while pending:
        for done in ray.wait(list(pending), num_returns=1)[0]:
            task = pending.pop(done)
            yield task, _fetched(ray, done, task)


def _fetched(ray: Any, done: Any, task: Task) -> Found:
    """What a task found, or in words why it failed."""
    try:
        found: Found = ray.get(done)
    except ray.exceptions.RayTaskError as e:
        if isinstance(e.cause, InputError):
            raise e.cause from None
        raise InputError(f"failed, at last with {e.cause!r}: {task}") from e
    except ray.exceptions.RayError as e:
        raise InputError(f"Ray lost a piece of work again and again: {e}: {task}") from e
    return found


def _answers(address: str) -> None:
    """Refuses an address where nobody listens; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError, OverflowError) as e:
        raise InputError(f"--address {address}: no Ray cluster answers there, give HOST:PORT ({e})") from None


def _perform_anywhere(task: Task, key: str) -> Found:
    """Does a task on a node that may share no disk with the others."""
    if key_of(task) != key:
        raise InputError(
            f"node {socket.gethostname()} has another version of genedge or of its libraries; install the same"
        )
    scratch = Path(tempfile.gettempdir()) / f"genedge-{key_of(task)}"
    result = perform(task, scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    return result
