"""A grid of settings, and the names of folders that its runs live in."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from genedge.errors import InputError
from genedge.settings.reading import read_yaml
from genedge.text import in_brief

# What every file system takes, whatever it makes of upper and lower case, and what reads as text, not as a number.
PLAIN = re.compile(r"(?!(?:true|false|null)$)[a-z](?:[a-z0-9._+-]*[a-z0-9])?")
# Letters of a name that are kept; some systems allow 255 bytes.
LONGEST = 100
DIGITS = 6


def grid(vary: Sequence[str]) -> list[dict[str, Any]]:
    """All combinations of values.

    Args:
        vary: `key=value,value,...` each, with dotted keys and YAML values.

    Returns:
        The values by key, of each combination; those of the last key change fastest.

    Raises:
        InputError: it is not written so, or a key is there twice.
    """
    axes: dict[str, list[Any]] = {}
    for text in vary:
        key, equals, values = text.partition("=")
        told, key = f"--vary {in_brief(text)}", key.strip()
        if not equals or not key or not values.strip():
            raise InputError(f"{told}: write key=value,value, for example --vary ddpg.batch=64,128")
        if key in axes:
            raise InputError(f"{told}: {key} is there twice; give all its values at once")
        axes[key] = read_yaml(f"[{values}]", told)
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def as_override(key: str, value: Any) -> str:
    """A setting as `--set` takes it.

    Args:
        key: its dotted key.
        value: as YAML gave it.
    """
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def folder_name(changes: Mapping[str, Any]) -> str:
    """The name of the folder for what was trained with some settings: another for others, on every file system.

    Args:
        changes: values by dotted key.
    """
    told = "_".join(f"{key}={_in_words(value)}" for key, value in changes.items())
    plain = re.sub(r"[^A-Za-z0-9._+=-]+", "-", told)
    if told == plain and len(plain) <= LONGEST and all(map(_is_plain, changes.values())):
        return plain
    exact = json.dumps([*changes.items()])
    return f"{plain[:LONGEST]}-{hashlib.sha256(exact.encode()).hexdigest()[:DIGITS]}"


def seeds_of(text: str) -> list[int]:
    """Seeds from a list with commas.

    Args:
        text: the list.

    Raises:
        InputError: it is none, or a seed is there twice.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,10}", word) and int(word) < 2**32 for word in words):
        raise InputError(f"--seeds {in_brief(text)}: write whole numbers with commas, such as 0,1,2")
    seeds = [int(word) for word in words]
    if len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds {in_brief(text)}: a seed is there twice; give each once")
    return seeds


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_number, value))


def _is_plain(value: Any) -> bool:
    """Whether a value's words are nobody else's."""
    if isinstance(value, str):
        return PLAIN.fullmatch(value) is not None
    return value is None or isinstance(value, bool) or _is_number(value) or _are_numbers(value)


def _in_words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if type(value) is float and float(f"{value:g}") == value:
        return f"{value:g}" + (".0" if value.is_integer() and abs(value) < 1e6 else "")
    if _are_numbers(value):
        # A list of one number is not that number.
        return "-".join(map(_in_words, value)) if len(value) > 1 else f"+{_in_words(value[0])}"
    return json.dumps(value, separators=(",", ":"))
