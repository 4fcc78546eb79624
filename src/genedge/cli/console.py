"""The console that tables are printed on, and the lines beside them."""

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from genedge.cli.streams import on_terminal
from genedge.text import shown


class _Harmless(Console):
    """Shows text as it stands: no styles in square brackets, nothing that steers a terminal."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Every plain text that is printed, title and cell of a table passes here."""
        return super().render_str(shown(text), **how)


def console() -> Console:
    """Standard output: as wide as the terminal, in a pipe wide enough for every row; in a notebook without colours.

    Square brackets are intervals and units here, not styles.
    """
    plain = None if on_terminal(sys.stdout) else False
    width = None if sys.stdout.isatty() else 240
    return _Harmless(force_terminal=plain, width=width, markup=False, highlight=False, emoji=False)


def say(line: str) -> None:
    """Prints a line for people.

    Args:
        line: with names in it that are not ours.
    """
    print(shown(line))
