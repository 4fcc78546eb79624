"""What of the heavy tests' needs is there."""

import importlib.util
import shutil

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def lacks(names: tuple[str, ...]) -> list[str]:
    """Those of the names that are not there.

    Args:
        names: of modules, or `chromium`.
    """
    return [name for name in names if not (CHROMIUM if name == "chromium" else importlib.util.find_spec(name))]
