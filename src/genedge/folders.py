"""Folders that have one writer at a time."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from genedge.errors import InputError
from genedge.files import removed_afterwards

LOCK = ".genedge.lock"

# Of attempts to take a lock whose file, or whose folder, its last holder removes at that very moment.
TRIES = 100


@contextlib.contextmanager
def one_writer(folder: Path, option: str = "--out") -> Iterator[None]:
    """Keeps all other processes and threads of genedge from writing to a folder meanwhile.

    The lock is the system's: it ends with the process that holds it, however that ends. Where that was killed, the
    file stays behind, and holds nobody up.

    Args:
        folder: made if it is not there, and removed again if nothing was put into it.
        option: by which another is chosen.

    Raises:
        InputError: somebody else writes to it, or it cannot be written.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        lock = _take(folder, option)
        try:
            # While it is held, so that nobody can have taken it: see `_take`.
            with removed_afterwards(folder / LOCK):
                yield
        finally:
            os.close(lock)
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing, its lock aside.

    Args:
        folder: the folder.
    """
    return all(path.name == LOCK for path in folder.iterdir())


def _take(folder: Path, option: str) -> int:
    """Takes a folder's lock; returns the open file that holds it."""
    try:
        import fcntl
    except ImportError:
        raise InputError("genedge runs on Linux and macOS; on Windows, run it inside WSL") from None
    path = folder / LOCK
    try:
        for _ in range(TRIES):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            except FileNotFoundError:
                continue  # Whoever made the folder took it away again.
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Else it was taken just after its last holder had removed it, and is nobody's lock any more.
                if _is_at(file, path):
                    _sign(file)
                    return file
            except BlockingIOError:
                told = os.read(file, 20)
                os.close(file)
                by = f" (process {told.decode()})" if told.isdigit() else ""
                raise _taken(folder, by, option) from None
            except BaseException:
                os.close(file)
                raise
            os.close(file)
    except OSError as e:
        raise InputError(f"{folder}: cannot be written: {e.strerror or e}") from None
    raise _taken(folder, "", option)


def _sign(lock: int) -> None:
    """Whoever finds it taken can say by whom; where the disk is full it is taken all the same."""
    with contextlib.suppress(OSError):
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.lstat(path))
    except FileNotFoundError:
        return False


def _taken(folder: Path, by: str, option: str) -> InputError:
    return InputError(f"{folder}: is being written by another genedge{by}; wait for it, or choose another {option}")
