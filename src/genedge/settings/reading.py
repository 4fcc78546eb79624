"""What people write, read with care: YAML of settings, catalogues and plans, and JSON of slots and decisions.

Of YAML there is what settings need: mappings, lists, text, numbers, true, false and null. Anchors, tags and merge
keys are refused, a key may be given once, and a date is text. All that is refused is an InputError in one line.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from genedge.errors import InputError
from genedge.files import read_bytes
from genedge.text import in_brief, shortened

# A hundred times the longest preset; a larger one would take minutes to read.
MOST_BYTES = 2**20

# Settings are four deep.
MOST_LEVELS = 16

# Every number that a machine computes with can be written shorter.
MOST_DIGITS = 100

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*|0x[0-9a-fA-F]+)")
# YAML itself wants a dot and a sign in 1e6; people do not.
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: Mapping[str, bool | None] = {
    written: value
    for words, value in (("true yes on", True), ("false no off", False), ("null", None))
    for word in words.split()
    for written in (word, word.capitalize(), word.upper())
} | {"": None, "~": None}


def text_of_file(path: Path) -> str:
    """The text of a file that a person wrote; a byte order mark is dropped.

    Args:
        path: the file.

    Raises:
        InputError: it is too large, neither a file nor a pipe, or no UTF-8 text.
        OSError: it cannot be read.
    """
    raw = read_bytes(path, MOST_BYTES)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        raise InputError(f"{path}: line {line} cannot be read as a text file; save it as UTF-8") from None


def read_yaml(text: str, source: str) -> Any:
    """The value that a YAML text stands for: mappings with text as keys, lists, text, numbers, booleans and None.

    Args:
        text: the text.
        source: what to call it in messages.

    Raises:
        InputError: it is not YAML, or more of it than settings need.
    """
    if len(text) > MOST_BYTES:
        raise InputError(f"{source}: not valid YAML: longer than {MOST_BYTES} characters; no setting is")
    try:
        return _value(text)
    except yaml.YAMLError as e:
        raise InputError(f"{source}: not valid YAML: {_reason(e)}") from None
    except (ValueError, OverflowError):  # PyYAML's own, of "\\UFFFFFFFF" and of a version in thousands of digits.
        raise InputError(f"{source}: not valid YAML: an escape code that is no character, or no version") from None


class _Refused(yaml.YAMLError):
    """YAML that settings do not need."""

    def __init__(self, problem: str, event: yaml.Event) -> None:
        super().__init__(f"{problem}{_place(event.start_mark)}")


def _place(mark: Any) -> str:
    return f" (line {mark.line + 1}, column {mark.column + 1})"


def _reason(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return in_brief(str(error), 200)
    context = f"{error.context}, " if error.context else ""
    return in_brief(f"{context}{error.problem}", 200) + _place(error.problem_mark)


def _value(text: str) -> Any:
    """Builds the value from the parser's events: no recursion, and nothing that the text does not write out."""
    # Each open collection with the key that waits for its value; the outermost is the document.
    document: list[Any] = []
    open_: list[tuple[Any, list[str]]] = [(document, [])]
    documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Refused("a second document begins; give one", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
        elif isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
                raise _Refused("anchors (&) and aliases (*) are not for settings; write them out", event)
            into, waiting = open_[-1]
            if isinstance(into, dict) and not waiting:
                waiting.append(_key(event, into))
                continue
            value = _one(event)
            if isinstance(into, dict):
                into[waiting.pop()] = value
            else:
                into.append(value)
            if isinstance(event, yaml.CollectionStartEvent):
                open_.append((value, []))
                if len(open_) > MOST_LEVELS:
                    raise _Refused(f"nested more than {MOST_LEVELS} deep", event)
    return document[0] if document else None


def _key(event: yaml.NodeEvent, of: Mapping[str, Any]) -> str:
    key = _one(event)
    if not isinstance(key, str):
        raise _Refused(f"a setting's name must be text, not {shortened(key)}; write it in quotes", event)
    if key == "<<":
        raise _Refused("merge keys (<<) are not for settings; write them out", event)
    if key in of:
        raise _Refused(f"{shortened(key)} is given twice", event)
    return key


def _one(event: yaml.NodeEvent) -> Any:
    """The value that begins with an event, without what it will hold."""
    if getattr(event, "tag", None) is not None:
        raise _Refused("tags (!) are not for settings; write plain values", event)
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    assert isinstance(event, yaml.ScalarEvent)
    text = event.value
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in text):
        raise _Refused("a control character in a text", event)
    return text if event.style else _plain(text, event)


def _plain(text: str, event: yaml.Event) -> str | int | float | bool | None:
    """What a text without quotes stands for."""
    if text in _WORDS:
        return _WORDS[text]
    kind = int if _INT.fullmatch(text) else float if _FLOAT.fullmatch(text) else None
    if kind is not None:
        if len(text) > MOST_DIGITS:
            raise _Refused(f"a number of {len(text)} characters; {MOST_DIGITS} are enough for any", event)
        return int(text, 0) if kind is int else float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


class _Dumper(yaml.SafeDumper):
    """Writes what `read_yaml` reads as the same value."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(f"^(?:{_FLOAT.pattern})$"), list("-+.0123456789")
)


def write_yaml(tree: Mapping[str, Any]) -> str:
    """A YAML text that `read_yaml` reads as the same value.

    Args:
        tree: mappings with text as keys, lists, text, numbers, booleans and None.
    """
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110)


def read_json(text: str, place: str) -> Any:
    """The value that a JSON text stands for.

    Args:
        text: the text.
        place: what to call it in messages.

    Raises:
        InputError: it is not JSON, or an object gives a key twice.
    """

    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for key, value in pairs:
            if key in read:
                raise InputError(f"{place}: not valid JSON: {shortened(key)} is given twice")
            read[key] = value
        return read

    try:
        return json.loads(text, object_pairs_hook=each_once)
    except json.JSONDecodeError as e:
        raise InputError(f"{place}, column {e.colno}: not valid JSON: {e.msg}") from None
    except RecursionError:
        raise InputError(f"{place}: not valid JSON: nested too deeply") from None
    except ValueError:  # What Python says of a number with thousands of digits.
        raise InputError(f"{place}: a number with too many digits") from None
