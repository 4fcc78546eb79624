"""Files: written so that they are whole or not there, read so that nothing hangs and nothing fills the memory."""

import contextlib
import io
import os
import select
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from genedge.errors import InputError

# Scenarios, descriptions and results are far below; Python's objects take many times as much as their text.
MOST_BYTES = 64 << 20
# A pipe that nobody has opened for writing by then is taken for one that nobody will.
WRITER_WITHIN_MS = 1000

# In the hidden names of what is being written.
RANDOM_BYTES = 6

# What is to be removed whenever the process ends.
_unfinished: set[Path] = set()


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that appears under its name only once it is complete.

    A link is followed, so that it goes on to point there. An existing file's mode stays; a new one's is what the
    user's umask leaves. Where a file has further names (hard links), these keep what it held before.

    Args:
        path: where it shall be; folders above it are made.

    Raises:
        InputError: it cannot be written, for want of space or of permission, or because a folder or a device has
            its name.
    """
    try:
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and not stat.S_ISREG(mode):
            raise InputError(f"{path}: cannot be written: there is something else than a file; choose another name")
        if mode is not None and not os.access(path, os.W_OK):
            raise InputError(f"{path}: cannot be written: it is write-protected; choose another name")
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            unfinished_beside(target) as hidden,
            open(os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666), "w+b") as file,
        ):
            if mode is not None:
                os.chmod(hidden, stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(hidden, target)
    except OSError as e:
        raise InputError(f"{path}: cannot be written: {e.strerror or e}") from None


@contextlib.contextmanager
def unfinished_beside(path: Path) -> Iterator[Path]:
    """A hidden name next to a path, for a file or a folder that is not whole yet.

    What still has that name afterwards is removed, however the process ends, unless it is killed.

    Args:
        path: what it shall become.
    """
    hidden = path.with_name(f".{path.name}.{os.urandom(RANDOM_BYTES).hex()}")
    with removed_afterwards(hidden):
        yield hidden


@contextlib.contextmanager
def removed_afterwards(path: Path) -> Iterator[None]:
    """What has this name afterwards is removed, however the process ends, unless it is killed.

    Args:
        path: of a file or a folder, which need not be there.
    """
    _unfinished.add(path)
    try:
        yield
    finally:
        _remove(path)
        _unfinished.discard(path)


def remove_unfinished() -> None:
    """Removes what is not whole, because the process ends."""
    for hidden in list(_unfinished):
        with contextlib.suppress(OSError):
            _remove(hidden)


def remove_left_behind(path: Path) -> None:
    """Removes the hidden files next to a path that processes left which were killed while they wrote it.

    Args:
        path: what they would have become; nobody else is writing it now.
    """
    for hidden in path.parent.glob(f".{path.name}.{'[0-9a-f]' * 2 * RANDOM_BYTES}"):
        if hidden.is_file() and not hidden.is_symlink():
            hidden.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file that is small by nature.

    Args:
        path: a file, or a pipe such as `/dev/stdin`.
        most: how many bytes it may have.

    Raises:
        OSError: it cannot be opened or read.
        UnicodeDecodeError: it is not in UTF-8.
        InputError: it is something else than a file or a pipe, larger, or a pipe that nobody writes to.
    """
    return read_bytes(path, most).decode("utf-8")


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """What a file holds that is small by nature; see `read_text`.

    Args:
        path: a file, or a pipe such as `/dev/stdin`.
        most: how many bytes it may have.
    """
    with open_input(path) as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise InputError(f"{path}: too large; it may have {most >> 20} MiB")
    return raw


def open_input(path: Path) -> IO[bytes]:
    """Opens a file, or a pipe such as `/dev/stdin`, to be read once from its beginning to its end.

    Args:
        path: the file or pipe.

    Raises:
        OSError: it cannot be opened.
        InputError: it is something else, or a pipe that nobody writes to.
    """
    # Sockets and disks are not even opened; what is opened must not block before somebody writes to it.
    kind = os.stat(path).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind) or stat.S_ISCHR(kind) or stat.S_ISDIR(kind)):
        raise InputError(f"{path}: neither a file nor a pipe; give a file")
    raw = _Input(path, opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))
    file = io.BufferedReader(raw)
    try:
        if stat.S_ISFIFO(kind):
            poll = select.poll()
            poll.register(raw, select.POLLIN)
            if not poll.poll(WRITER_WITHIN_MS):
                file.peek(1)
                if raw.ended:
                    raise InputError(f"{path}: a pipe that nobody writes to; give a file")
        if hasattr(os, "set_blocking"):
            os.set_blocking(raw.fileno(), True)
    except BaseException:
        file.close()
        raise
    return file


class _Input(io.FileIO):
    """A file that remembers whether it was read to its end, which is not the same as having nothing to say yet."""

    ended = False

    def readinto(self, buffer: Any, /) -> int | None:
        count = super().readinto(buffer)
        self.ended = count == 0
        return count


def refuse_no_plain_file(path: Path) -> None:
    """Refuses what cannot be read more than once, or has no end; what is missing is left to be told by `open`.

    Args:
        path: the file.

    Raises:
        InputError: it is a folder, a pipe, a socket or a device.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a plain file; give the name of one")
