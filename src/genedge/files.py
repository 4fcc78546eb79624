"""Files that are either whole or not there."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from genedge.errors import InputError


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that appears under its name only once it is complete.

    Args:
        path: where it shall be; folders above it are made.

    Raises:
        InputError: it cannot be written, for want of space or of permission, or because a folder or a device has
            its name.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: cannot be written: there is something else than a file; choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, 0o644)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as e:
        raise InputError(f"{path}: cannot be written: {e.strerror or e}") from None
