"""How a figure fits where it shall stand: a column of a paper, with letters as large as its text's."""

from collections.abc import Sequence
from itertools import pairwise
from textwrap import fill
from typing import NamedTuple

from genedge.draw.canvas import OPEN, Look, width_in

# Beside each label of a legend: its symbol and the space to the next column; after the last one only a margin [em].
SYMBOL_EM, MARGIN_EM = 4.8, -1.2
# The least width of a figure that has room for names beside its lines, or for two panels of lines [inch].
LEAST_BESIDE_IN = 6.0


class Fit(NamedTuple):
    """The room that a figure has, where it is not the figure's own choice.

    Attributes:
        width_in: its width [inch]; None for the usual one.
        font_pt: size of all its letters [pt]; None for the usual sizes.
        title: whether it has one; in a paper the caption says the same.
    """

    width_in: float | None = None
    font_pt: float | None = None
    title: bool = True

    def width(self, usual_in: float) -> float:
        """Its width [inch].

        Args:
            usual_in: where none was asked for.
        """
        return usual_in if self.width_in is None else self.width_in

    def pt(self, usual_pt: float) -> float:
        """The size of letters [pt].

        Args:
            usual_pt: where none was asked for.
        """
        return usual_pt if self.font_pt is None else self.font_pt

    def look(self, usual_pt: float) -> Look:
        """The style in which it is made, and written.

        Args:
            usual_pt: of most letters.
        """
        return {**OPEN, "font.size": self.pt(usual_pt)}


AS_USUAL = Fit()


def in_lines(text: str, room_in: float, pt: float) -> str:
    """A text broken between words, so that no line is wider than its room, unless a word is.

    Args:
        text: the text; where it has lines they stay.
        room_in: width of the room [inch].
        pt: size of its letters.
    """
    return "\n".join(_broken(line, room_in, pt) for line in text.split("\n"))


def _broken(line: str, room_in: float, pt: float) -> str:
    letters = len(line)
    broken = line
    while letters > 1 and max(width_in(part, pt) for part in broken.split("\n")) > room_in:
        letters -= 1
        broken = fill(line, letters, break_long_words=False, break_on_hyphens=False)
    return broken


def columns_of(labels: Sequence[str], room_in: float, pt: float, most: int) -> int:
    """How many columns a legend has, so that it is no wider than its room.

    Args:
        labels: all of them, one below the other in a column, then the next column.
        room_in: width of the room [inch].
        pt: size of its letters.
        most: columns.
    """
    widths = [width_in(label, pt) + SYMBOL_EM * pt / 72 for label in labels]
    for columns in range(min(most, len(labels)), 1, -1):
        # So many of its columns have one label more than the others.
        long, least = len(labels) % columns, len(labels) // columns
        starts = [i * least + min(i, long) for i in range(columns + 1)]
        if sum(max(widths[a:b]) for a, b in pairwise(starts)) + MARGIN_EM * pt / 72 <= room_in:
            return columns
    return 1
