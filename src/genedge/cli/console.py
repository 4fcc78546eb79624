"""The console that tables are printed on."""

import sys

from rich.console import Console


def console() -> Console:
    """Standard output: as wide as the terminal, in a pipe wide enough for every row.

    Square brackets are intervals and units here, not styles.
    """
    return Console(width=None if sys.stdout.isatty() else 240, markup=False, highlight=False)
