"""The door to matplotlib: figures in the program's own style, others' text as it stands, files as their names say.

Nothing else in the package imports matplotlib. What the reader has set for it changes no figure, and what is drawn
changes nothing for the reader: neither settings nor backend, and pyplot is left alone.
"""

import gzip
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genedge.errors import InputError
from genedge.files import whole_file
from genedge.text import escaped, shown

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.colors import ListedColormap, LogNorm, to_rgb
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties, findfont, get_font
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch, Rectangle
    from matplotlib.ticker import LogFormatter, MaxNLocator
except Exception as e:  # Whatever its settings make it raise.
    raise InputError(
        f"matplotlib does not start ({type(e).__name__}: {' '.join(str(e).split())}); figures need it: mend the "
        "environment variable MPLBACKEND, or the file matplotlibrc here or in the folder of its settings"
    ) from None

__all__ = [
    "OPEN",
    "USUAL",
    "Axes",
    "Figure",
    "Line2D",
    "LineCollection",
    "ListedColormap",
    "LogNorm",
    "LogTicks",
    "MaxNLocator",
    "Patch",
    "Rectangle",
    "check_figure",
    "encoded",
    "in_figure",
    "pixels",
    "style",
    "to_rgb",
    "width_in",
    "write_figure",
]

Look = Mapping[str, Any]
USUAL: Look = MappingProxyType({})
OPEN: Look = MappingProxyType({"axes.spines.top": False, "axes.spines.right": False})

# Of matplotlib's formats without pgf, whose texts only LaTeX can measure; raw and rgba, which do not say how large
# they are; and avif and gif, which not every Pillow or matplotlib writes.
SUFFIXES = (".png", ".pdf", ".svg", ".svgz", ".eps", ".ps", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")

# Of a name in a figure; longer ones leave no room for what they name.
LONGEST_NAME = 24


@contextmanager
def style(look: Look = USUAL) -> Iterator[None]:
    """The style in which a figure is made, and drawn: matplotlib's own defaults, with all text taken literally.

    Args:
        look: what else is different, by the names of matplotlib's settings.
    """
    own: Any = {
        # The backend alone is left as it is: it would be loaded.
        **{key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"},
        "text.parse_math": False,
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        # Else every file of the same picture would be another.
        "svg.hashsalt": "genedge",
        **look,
    }
    with matplotlib.rc_context(own):
        yield


def in_figure(name: str, most: int = LONGEST_NAME) -> str:
    """Somebody's name for something, as a text of a figure: all of it visible, in one line, not too long.

    Args:
        name: of a scenario, a policy, a file or a folder.
        most: how many letters; of a longer name the end is shown, which of a folder tells most.
    """
    end = "".join(c if _has_glyph(c) else escaped(c) for c in shown(name[-most:]))
    if len(name) > most or len(end) > most:
        end = f"…{end[1 - most :]}"
    # Labels that begin with an underscore are left out of legends: here they begin with a space of no width.
    return f"\u200b{end}" if end.startswith("_") else end


@cache
def _has_glyph(character: str) -> bool:
    """Whether the font can show it; elsewhere it would be an empty box."""
    with style():
        return bool(get_font(findfont(FontProperties())).get_char_index(ord(character)))


@cache
def width_in(text: str, pt: float) -> float:
    """How wide a line of text is drawn [inch].

    Args:
        text: the line.
        pt: size of its letters.
    """
    with style():
        font = get_font(findfont(FontProperties()))
    font.set_size(pt, 72)
    font.set_text(text)
    return float(font.get_width_height()[0]) / 64 / 72


class LogTicks(LogFormatter):
    """Labels where matplotlib has them on logarithmic axes, as plain numbers."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The label at x, empty where there shall be none."""
        return f"{x:g}" if super().__call__(x, pos) else ""


def check_figure(path: Path) -> None:
    """Refuses the name of a figure's file that is none; to be called before there is any work to lose.

    Args:
        path: the file to be.

    Raises:
        InputError: its name does not say in which of the formats it shall be.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path}: a figure is a file such as {path.stem or 'figure'}.png; its name ends in one of "
            f"{', '.join(SUFFIXES)}"
        )


def encoded(figure: Figure, kind: str, dpi: int, look: Look = USUAL) -> bytes:
    """A figure's file, the same bytes whenever it is drawn.

    Args:
        figure: the figure.
        kind: one of SUFFIXES, without its point.
        dpi: pixels an inch.
        look: in which it was made.

    Raises:
        InputError: its parts do not fit into it.
    """
    if kind == "svgz":  # Matplotlib writes down when it was packed.
        return gzip.compress(encoded(figure, "svg", dpi, look), mtime=0)
    dates: Mapping[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    buffer = BytesIO()
    with style(look), warnings.catch_warnings():
        warnings.filterwarnings("error", "constrained_layout not applied", UserWarning)
        try:
            figure.savefig(buffer, format=kind, dpi=dpi, metadata=dates.get(kind))
        except UserWarning:
            raise InputError(
                f"the figure's parts do not fit into {figure.get_figwidth():.3g} inches with letters of "
                f"{look.get('font.size', 10):g} pt; give it more room, or smaller letters"
            ) from None
    if kind in ("eps", "ps"):
        return re.sub(rb"%%CreationDate: [^\n]*\n", b"", buffer.getvalue(), count=1)
    return buffer.getvalue()


def write_figure(figure: Figure, path: Path, look: Look = USUAL) -> None:
    """Writes a figure in the format that the file's name says.

    Args:
        figure: the figure.
        path: the file.
        look: in which it was made.

    Raises:
        InputError: the file's name says no format, or it cannot be written.
    """
    check_figure(path)
    with whole_file(path) as file:
        file.write(encoded(figure, path.suffix.lower().removeprefix("."), 150, look))


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """A figure as red, green and blue.

    Args:
        figure: H by W pixels large.

    Returns:
        The picture, shape (H, W, 3).
    """
    canvas = FigureCanvasAgg(figure)
    with style():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
