"""What is in a reader's own Python file, named `FILE.py:NAME`."""

import hashlib
import importlib.util
import sys
import traceback
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from genedge.errors import InputError


def in_file(name: str) -> bool:
    """Whether a name is of the form `FILE.py:NAME`.

    Args:
        name: as it was given.
    """
    return name.rpartition(":")[0].endswith(".py")


def from_file(name: str) -> Any:
    """What a Python file defines under a name; the file is run, as a module of its own.

    Args:
        name: `FILE.py:NAME`.

    Raises:
        InputError: the file is missing or does not run, or defines no such name.
    """
    path, _, attribute = name.rpartition(":")
    file = Path(path)
    module = _module(file, digest(file))
    if not hasattr(module, attribute):
        raise InputError(f"{file}: there is no {attribute!r} in it")
    return getattr(module, attribute)


def failure(name: str, error: BaseException) -> InputError:
    """The error for what a reader's own file does not do.

    Args:
        name: `FILE.py:NAME`.
        error: what was raised in it.
    """
    path, _, attribute = name.rpartition(":")
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == Path(path).resolve()]
    where = f" line {lines[-1]}" if lines else ""
    why = str(error).strip().partition("\n")[0]  # JAX explains itself at length.
    return InputError(f"{path}{where}: {attribute} fails: {type(error).__name__}: {why}")


def digest(file: Path) -> str:
    """A hash of what a file holds.

    Args:
        file: the file.

    Raises:
        InputError: it is not there or cannot be read.
    """
    try:
        if not file.is_file():  # Nor a pipe, which could not be read again.
            raise InputError(f"{file}: no such file")
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as e:
        raise InputError(f"{file}: cannot be read: {e.strerror or e}") from None


@cache
def _module(file: Path, content: str) -> ModuleType:
    """A file as a module; run once, as long as it holds the same."""
    # Two files in different folders may be called alike, and a file may change.
    name = f"genedge_own_{file.stem}_{hashlib.sha256(f'{file.absolute()} {content}'.encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Where dataclasses and pickle look for it.
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as e:
        raise InputError(f"{file}: does not run: {type(e).__name__}: {e}") from None
    return module
