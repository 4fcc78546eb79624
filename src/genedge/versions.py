"""Versions of what the bits of a result depend on."""

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path


def versions() -> dict[str, str]:
    """What the bits of a run or of a study depend on, beside its settings."""
    names = ("genedge", "jax", "jaxlib", "numpy", "optax")
    return {name: version(name) for name in names} | {"python": platform.python_version()}


@cache
def program() -> str:
    """A hash of this package's files and of the versions of its libraries: where it is the same, bits are."""
    package = Path(__file__).parent
    files = sorted(path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    digest = hashlib.sha256(repr(versions()).encode())
    for path in files:
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
