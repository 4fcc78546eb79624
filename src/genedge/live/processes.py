"""Processes that hold models: each in a group of its own, which ends with this process however that ends.

The kernel ends the process itself, but not what that has started, such as the server behind a script. So each has a
guard, a small process that waits for the end of a pipe from this one, and then ends the group.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from genedge.live.jobs import Failure

# Of what a process has said last, so many bytes are kept for whoever asks why it ended.
KEPT_BYTES = 4096
ENDS_WITHIN_S = 5.0
PR_SET_PDEATHSIG = 1
# The first thing it is told is which group.
GUARD = """
import os, signal

group = os.read(0, 20)
os.read(0, 1)
if group:
    try:
        os.killpg(int(group), signal.SIGKILL)
    except OSError:
        pass
"""


class Process:
    """A process.

    Attributes:
        pid: its number, and that of its group.
    """

    def __init__(self, process: asyncio.subprocess.Process, guard: asyncio.subprocess.Process, what: str) -> None:
        self._process, self._guard, self._what = process, guard, what
        self.pid = process.pid
        self._said = b""
        self._hears = asyncio.get_running_loop().create_task(self._hear())

    @property
    def stdin(self) -> asyncio.StreamWriter:
        """Its standard input."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> asyncio.StreamReader:
        """Its standard output."""
        assert self._process.stdout is not None
        return self._process.stdout

    def pids(self) -> list[int]:
        """Its number and those of all that it has started, as far as the system tells; none once all have ended."""
        try:
            names = [path.name for path in Path("/proc").iterdir()]
        except OSError:
            return []
        return [int(name) for name in names if name.isdecimal() and _group(int(name)) == self.pid]

    def held_mb(self) -> int:
        """What these hold of the host's memory; 0 if that is unknown."""
        try:
            pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids()]
        except OSError:
            return 0
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") // 1_000_000

    async def gone(self) -> str:
        """Returns why, when it has ended."""
        status = await self._process.wait()
        await asyncio.wait([self._hears], timeout=1.0)
        last = self._said.decode(errors="replace").strip().splitlines()
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        return f"{self._what} has ended {how}" + (f": {last[-1]}" if last else "")

    async def stop(self) -> None:
        """Ends it and all that it has started; returns when they are gone."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), ENDS_WITHIN_S)
        # What it has left behind goes too, and where it would not end, it itself.
        self._signal(signal.SIGKILL)
        await self._process.wait()
        self._hears.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._guard.kill()
        await self._guard.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def _hear(self) -> None:
        stream = self._process.stderr or self._process.stdout
        assert stream is not None
        while said := await stream.read(KEPT_BYTES):
            self._said = (self._said + said)[-KEPT_BYTES:]


class OfProcess:
    """What holds a model in a process, once that is started."""

    _process: Process | None = None

    async def stop(self) -> None:
        """Ends it and all that it has started."""
        if self._process is not None:
            await self._process.stop()

    def pids(self) -> Sequence[int]:
        """Its processes' numbers; none before it is started."""
        return () if self._process is None else self._process.pids()

    def held_mb(self) -> int:
        """What its processes hold of the host's memory; 0 before it is started."""
        return 0 if self._process is None else self._process.held_mb()

    async def gone(self) -> str:
        """Returns why, when it has ended."""
        assert self._process is not None
        return await self._process.gone()


async def start(command: Sequence[str], what: str, environment: Mapping[str, str], pipes: bool = False) -> Process:
    """Starts a process.

    Args:
        command: the program and its arguments, which no shell reads.
        what: it is, for messages.
        environment: variables on top of this process's.
        pipes: whether its standard input and output are this process's; else it has no input, and what it prints is
            heard like its errors.

    Raises:
        Failure: it cannot be started.
    """
    try:
        guard = await _guard()
        assert guard.stdin is not None
        told = guard.stdin.get_extra_info("pipe").fileno()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE if pipes else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE if pipes else asyncio.subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=lambda: _begins(told),
            )
        except BaseException:
            # Whatever has begun for all that ends.
            guard.stdin.close()
            raise
    except (OSError, ValueError) as e:
        raise Failure("failed", f"{what} cannot be started: {getattr(e, 'strerror', None) or e}") from None
    return Process(process, guard, what)


async def _guard() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", GUARD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


def free_port() -> int:
    """A port of this machine on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        port: int = s.getsockname()[1]
        return port


def visible(gpu: int) -> str:
    """The name of a GPU for a process that may use no other: of those that this process may use, if it may not all.

    Args:
        gpu: its number, among those that this process may use.
    """
    those = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return those[gpu] if gpu < len(those) else str(gpu)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def _begins(guard: int) -> None:
    """In the child, before it becomes what it is to be: from now on it has a guard."""
    os.write(guard, str(os.getpid()).encode())
    if sys.platform == "linux":
        ends_with_parent()


def ends_with_parent() -> None:
    """In the child, before it becomes what it is to be: the kernel ends it with its parent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
