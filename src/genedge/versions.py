"""Versions of what the bits of a result depend on."""

import platform
from importlib.metadata import version


def versions() -> dict[str, str]:
    """What the bits of a run or of a study depend on, beside its settings."""
    names = ("genedge", "jax", "jaxlib", "numpy", "optax")
    return {name: version(name) for name in names} | {"python": platform.python_version()}
