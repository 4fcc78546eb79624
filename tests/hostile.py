"""Names that mean something to somebody who shows them."""

import warnings
from dataclasses import replace

from matplotlib.text import Text

from genedge.draw.canvas import Figure, pixels
from genedge.scenario import Scenario

# Without a slash and without a zero, so that files may have these names.
NAMES = (
    "$x^2$",
    "$\\frac{$",
    "costs $5 and $6",
    "\\$\\alpha_{}",
    "_hidden",
    "__",
    "two\nlines\r",
    "\x1b[31mred\x1b]0;title\x07",
    "[red]loud[/red][/]",
    "[red]",
    ":smile: {x} %s",
    "\u202etxt.exe\u2069",
    "a byte \udc80",
    "half \ud800",
    "\u4e2d\u6587 \U0001f600 \u05d0",
    "<script>alert('1')</script>&amp;",
    "=1+1",
    "+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "-2+3",
    "long" * 60,
    "'\"",
)


# Each of them once: for where it takes a while to show them.
PAIRS = tuple(zip(NAMES[::2], NAMES[::-2], strict=True))


def texts_of(figure: Figure) -> list[str]:
    """All that is written in a figure, which is drawn with every warning an error; none of it is mathematics."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels(figure)
    texts = figure.findobj(Text)
    assert not any(text.get_parse_math() or text.get_usetex() for text in texts)
    return [text.get_text() for text in texts]


def renamed(scenario: Scenario, name: str) -> Scenario:
    """A scenario under another name."""
    return replace(scenario, settings=scenario.settings.model_copy(update={"name": name}))
