"""The options of figures: in which file, how wide, in letters of which size, with or without a title."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from genedge.errors import InputError
from genedge.text import in_brief

if TYPE_CHECKING:
    from genedge.draw.canvas import Figure
    from genedge.draw.fit import Fit

# Lengths of an inch, by unit.
UNITS = {"in": 1.0, "cm": 2.54, "mm": 25.4, "pt": 72.0}
LEAST_IN, MOST_IN = 1.0, 60.0


class Room(NamedTuple):
    """The room that a figure has, as it was asked for.

    Attributes:
        width: a number with its unit.
        font: size of all letters [pt].
        no_title: whether the title is left out.
    """

    width: str | None
    font: float | None
    no_title: bool

    @property
    def told(self) -> list[str]:
        """The options, as they stand on a command line."""
        width = [] if self.width is None else ["--width", self.width]
        font = [] if self.font is None else ["--font", f"{self.font:g}"]
        return [*width, *font, *["--no-title"] * self.no_title]

    @property
    def fit(self) -> "Fit":
        """What figures are drawn for.

        Raises:
            InputError: the width is no length, or beyond reason.
        """
        from genedge.draw.fit import Fit

        return Fit(None if self.width is None else _inches(self.width), self.font, not self.no_title)


def _inches(text: str) -> float:
    found = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{0,6})?)\s*(in|cm|mm|pt)\s*", text)
    if not found:
        raise InputError(
            f"--width {in_brief(text)}: give a number and its unit, {', '.join(UNITS)}; such as 3.5in or 88mm"
        )
    inches = float(found[1]) / UNITS[found[2]]
    if not LEAST_IN <= inches <= MOST_IN:
        raise InputError(f"--width {in_brief(text)}: a figure is {LEAST_IN:g} to {MOST_IN:g} inches wide")
    return inches


def _drawable(figure: Path | None) -> Path | None:
    """Refuses a figure that could not be drawn, before there is any work to lose."""
    if figure is not None:
        from genedge.draw.canvas import check_figure

        check_figure(figure)
    return figure


FigureOption = Annotated[
    Path | None,
    typer.Option(
        "--figure",
        dir_okay=False,
        metavar="FILE",
        callback=_drawable,
        help="Also draw a figure, in the format that its name says: .png, .pdf, .svg, .svgz, .eps, .ps, .jpg, "
        ".webp or .tif; fonts are embedded.",
    ),
]
WidthOption = Annotated[
    str | None,
    typer.Option(
        "--width", metavar="LENGTH", help="Of a figure, in in, cm, mm or pt, such as 3.5in; panels flow into it."
    ),
]
FontOption = Annotated[
    float | None, typer.Option("--font", min=4, max=40, metavar="PT", help="Size of all letters of a figure [pt].")
]
NoTitleOption = Annotated[bool, typer.Option("--no-title", help="Leave out a figure's title.")]


def room_of(figure: Path | None, width: str | None, font: float | None, no_title: bool) -> "Fit":
    """The room of a verb's one figure.

    Args:
        figure: its file.
        width: a number with its unit.
        font: size of all letters [pt].
        no_title: whether the title is left out.

    Raises:
        InputError: there is room for no figure, or the width is no length.
    """
    room = Room(width, font, no_title)
    if figure is None and room.told:
        raise InputError(f"{room.told[0]} is that of a figure; give --figure FILE with it")
    return room.fit


def write(path: Path, figure: "Figure", fit: "Fit") -> None:
    """Writes a figure.

    Args:
        path: the file.
        figure: it, as drawn for the room.
        fit: the room it has.
    """
    from genedge.draw.canvas import write_figure
    from genedge.draw.dots import FONT_PT

    write_figure(figure, path, fit.look(FONT_PT))
