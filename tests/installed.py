"""Which tests are heavy, and what of their needs is there."""

import importlib.util
import shutil
from collections.abc import Iterable

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def lacks(names: tuple[str, ...]) -> list[str]:
    """Those of the names that are not there.

    Args:
        names: of modules, or `chromium`.
    """
    return [name for name in names if not (CHROMIUM if name == "chromium" else importlib.util.find_spec(name))]


def some_heavy(names: Iterable[str], *long: str) -> list[object]:
    """Parameters of a test, those heavy whose compilation takes longest.

    Args:
        names: all of them.
        long: those.
    """
    return [pytest.param(name, marks=pytest.mark.heavy) if name in long else name for name in names]
