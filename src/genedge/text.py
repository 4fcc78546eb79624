"""Text that somebody else wrote: shown without harm, and compared with what may have been meant."""

import re
import reprlib
from collections.abc import Iterable, Sequence
from html import escape

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80


def shown(text: str) -> str:
    r"""Text as it may be shown on a terminal, in a page or in a picture, in one line.

    What would not be seen there but do something, such as control characters, ends of lines and marks that turn the
    direction of writing, is written as Python writes it in a string, such as \x1b; so are halves of characters.

    Args:
        text: a name, or a message with names in it.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else escaped(c) for c in text)


def escaped(character: str) -> str:
    r"""A character as Python writes it in a string, such as \x1b.

    Args:
        character: any one.
    """
    return character.encode("unicode_escape").decode()


def shortened(value: object) -> str:
    """A value of the user's in a message, as Python writes it, however large it is.

    Args:
        value: what was given.
    """
    try:
        return in_brief(_REPR.repr(value))
    except ValueError:  # Python writes no numbers of thousands of digits.
        return "a number with too many digits"


def in_brief(text: str, most: int = 100) -> str:
    """A text of the user's in a message: on one line, cut where it is long, nothing that a terminal would obey.

    Args:
        text: what was given.
        most: characters kept.
    """
    one_line = shown(" ".join(text[: 2 * most].split()))
    return one_line[:most] + "..." if len(one_line) > most or len(text) > 2 * most else one_line


def in_cell(value: object) -> object:
    """A value as a cell of a table that people may open in a spreadsheet, which runs what looks like a formula.

    Args:
        value: a number, which stays one, or a text; one that would be run gets an apostrophe before it.
    """
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def html_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as a notebook shows it; whatever stands in it is text, and no markup.

    Args:
        title: what it shows; may be empty.
        columns: their headings.
        rows: as many values each; the first one is the row's name.
    """

    def told(value: object) -> str:
        return escape(shown(str(value)))

    caption = f"<caption>{told(title)}</caption>" if title else ""
    head = "".join(f"<th>{told(column)}</th>" for column in columns)
    body = "".join(
        f"<tr><th>{told(name)}</th>{''.join(f'<td>{told(value)}</td>' for value in values)}</tr>"
        for name, *values in rows
    )
    # Notebooks would set what stands between dollars as mathematics.
    return f'<table class="tex2jax_ignore">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant: for hints, which shall name nothing unrelated.

    Near is a word that takes at most one edit for every three letters, or of which one has all parts of the other,
    as `uplink_bandwidth_mhz` has of `bandwidth`, and `sdxl-base` of `sdxl`.

    Args:
        word: what was written.
        words: what might have been.

    Returns:
        The nearest, the first of several; None where none is near.
    """
    word, edits = word.casefold(), len(word) // 3
    parts = _parts(word)
    near = []
    for other in words:
        distance = _distance(word, other.casefold()) if abs(len(word) - len(other)) <= edits else edits + 1
        others = _parts(other.casefold())
        if distance <= edits or (min(len(word), len(other)) > 2 and (parts <= others or others <= parts)):
            near.append((distance, other))
    return min(near, key=lambda found: found[0])[1] if near else None


def _parts(word: str) -> set[str]:
    return {part for part in re.split(r"[\W_]+", word) if part}


def _distance(a: str, b: str) -> int:
    """How many letters to insert, drop, change or swap with their neighbour."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        two_before, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
            if i > 1 and j > 1 and (x, y) == (b[j - 2], a[i - 2]):
                row[j] = min(row[j], two_before[j - 2] + 1)
    return row[-1]
