"""The one error that is meant for people, and how it quotes what they gave."""

import reprlib


class InputError(Exception):
    """Something the user gave is wrong.

    The message says what is wrong, where, and what would be right. The command line prints it without a
    traceback and exits with status 2.
    """


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80


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
    one_line = " ".join(text[: 2 * most].split())
    if len(one_line) > most or len(text) > 2 * most:
        one_line = one_line[:most] + "..."
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in one_line)
