"""Settings that ship with the package, by name, and files of one's own, by path."""

from importlib.resources.abc import Traversable
from pathlib import Path

from genedge.errors import InputError
from genedge.settings.reading import text_of_file
from genedge.settings.words import did_you_mean
from genedge.text import in_brief


def presets_in(folder: Traversable) -> tuple[str, ...]:
    """Names of the presets in a folder of the package.

    Args:
        folder: with a YAML file for each.
    """
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def text_of(kind: str, given: str, folder: Traversable, home: Path) -> tuple[str, str]:
    """The text of a preset or of a file.

    Args:
        kind: what it is, for messages.
        given: a preset's name, or a path, of which `~` is the user's folder.
        folder: with the presets.
        home: where a path begins that does not begin at the root.

    Returns:
        The text, and what to call it in messages.

    Raises:
        InputError: there is no such preset or file, or the file cannot be read.
    """
    presets = presets_in(folder)
    if given in presets:
        return (folder / f"{given}.yaml").read_text(encoding="utf-8"), f"{kind} {given}"
    called = f"{kind} {in_brief(repr(given), 300)}"
    try:
        path = home / Path(given).expanduser()
        return text_of_file(path), str(path)
    except (FileNotFoundError, NotADirectoryError):
        hint, known = did_you_mean(given, presets), ", ".join(presets)
        beside = "" if home == Path() else f" in {home}"
        raise InputError(f"{called}: no such preset or file{beside}{hint}; the presets are {known}") from None
    except (OSError, ValueError, RuntimeError) as e:  # RuntimeError: of a ~ that is nobody's.
        raise InputError(f"{called}: cannot be read: {getattr(e, 'strerror', None) or e}") from None
