"""Processes of the testbed: each ends with the one that started it, however that ends."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any

from genedge.errors import InputError
from genedge.interruption import no_ctrl_c_for_children, serve

ENDS_WITHIN_S = 5.0
PR_SET_PDEATHSIG, CLONE_NEWNET = 1, 0x40000000

# A life: told how to speak with whoever started it, and what it shall know; returns when nobody listens any more.
Life = Callable[..., None]


class Broken(Exception):
    """A process has ended, or does not answer; what it was doing has to be done again."""


class Process:
    """A process, seen from the one that started it.

    Attributes:
        what: it is, for messages.
        pid: its number.
    """

    def __init__(self, what: str, process: Any, pipe: Connection) -> None:
        self.what, self.pid = what, int(process.pid)
        self._process, self._pipe = process, pipe

    def tell(self, message: Any) -> None:
        """Sends it something.

        Args:
            message: plain values.

        Raises:
            Broken: it is gone.
        """
        try:
            self._pipe.send(message)
        except OSError:
            raise Broken(self._gone()) from None

    def hear(self, within_s: float) -> Any:
        """What it says next.

        Args:
            within_s: how long to wait [s].

        Raises:
            Broken: it is gone, or says nothing.
            InputError: it says that it cannot do what it was asked for.
        """
        ((_, said),) = heard([self], within_s)
        return said

    def end(self) -> None:
        """Asks it to end."""
        self._pipe.close()
        self._process.terminate()

    def wait(self) -> None:
        """Returns when it has ended, which one that does not want to is made to."""
        self._process.join(ENDS_WITHIN_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def receive(self) -> Any:
        """What it has said, which is there already."""
        try:
            said = self._pipe.recv()
        except (EOFError, OSError):
            raise Broken(self._gone()) from None
        if isinstance(said, InputError | Broken):
            raise said
        return said

    def fileno(self) -> int:
        """Its pipe, for those who wait for several."""
        return self._pipe.fileno()

    def _gone(self) -> str:
        self._process.join(ENDS_WITHIN_S)
        return f"{self.what} has ended (status {self._process.exitcode})"


def heard(processes: Sequence[Process], within_s: float) -> list[tuple[Process, Any]]:
    """What those of several say who say something first.

    Args:
        processes: who may say something; where one's end is another's trouble, those first whom it begins with.
        within_s: how long to wait [s].

    Raises:
        Broken: one is gone, or none says anything.
        InputError: one says that it cannot do what it was asked for.
    """
    until = monotonic() + within_s
    ready: list[Any] = wait(processes, max(0.0, until - monotonic()))  # type: ignore[arg-type]
    if not ready:
        raise Broken(f"{', '.join(process.what for process in processes)}: no answer within {within_s:.0f} s")
    return [(process, process.receive()) for process in processes if process in ready]


@contextmanager
def running(what: str, life: Life, given: Sequence[Any], apart: bool) -> Iterator[Process]:
    """A process that ends with the block.

    Args:
        what: it is, for messages.
        life: what it does, see `Life`; a function of a module, as it is found by its name.
        given: what it shall know.
        apart: whether it has a network of its own, with nothing in it yet.

    Raises:
        Broken: it does not start.
        InputError: it cannot have a network of its own.
    """
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_live, args=(life, there, os.getpid(), apart, what, tuple(given)))
    with no_ctrl_c_for_children():
        process.start()
    there.close()
    seen = Process(what, process, here)
    try:
        yield seen
    finally:
        seen.end()
        seen.wait()


def ends_with(parent: int) -> None:
    """From here on the kernel ends this process with its parent, which leaves Ctrl-C to it.

    Args:
        parent: its number.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    serve(parent)


def _live(life: Life, pipe: Connection, parent: int, apart: bool, what: str, given: tuple[Any, ...]) -> None:
    try:
        if apart:
            _leave_network()
        life(pipe, parent, *given)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except InputError as e:
        pipe.send(InputError(str(e)))
    except Exception as e:
        pipe.send(Broken(f"{what} fails: {type(e).__name__}: {(str(e) or 'no reason').splitlines()[0]}"))


def _leave_network() -> None:
    """A network for this process and those that it starts: it is gone when the last of them is."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise InputError(f"no network of its own can be had: {os.strerror(ctypes.get_errno())}; use --links paced")
