"""Errors of settings in words, and units as names tell them."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from genedge.errors import InputError
from genedge.text import nearest, shortened

_S = TypeVar("_S", bound=BaseModel)

_UNITS = (
    (r"_mbit_per_s$", "Mbit/s"),
    (r"_s_per_step$", "s/step"),
    (r"_dbm_per_hz$", "dBm/Hz"),
    (r"_db_at_1_km$", "dB"),
    (r"_db_per_decade$", "dB"),
    (r"_m_per_s$", "m/s"),
    (r"_per_step$", "1/step"),
    (r"_per_s$", "1/s"),
    (r"_ghz$", "GHz"),
    (r"_mhz$", "MHz"),
    (r"_hz$", "Hz"),
    (r"_dbm$", "dBm"),
    (r"_db$", "dB"),
    (r"_gb$", "GB"),
    (r"_mb$", "MB"),
    (r"_steps$", "steps"),
    (r"_tv$", "TV"),
    (r"_slots$", "slots"),
    (r"_m$", "m"),
    (r"_s$", "s"),
)


def unit_of(key: str) -> str:
    """Unit of a setting, read off its name; "1" if it has none.

    Args:
        key: the dotted key.
    """
    name = re.sub(r"(\.\d+)+$", "", key)
    return next((unit for pattern, unit in _UNITS if re.search(pattern, name)), "1")


def validated(kind: type[_S], tree: Any, prefix: str, known: Sequence[str] = ()) -> _S:
    """Settings of a kind, or one error that says what is wrong where.

    Args:
        kind: which settings.
        tree: as they were written.
        prefix: the dotted key above them; empty at the top.
        known: names that an unknown one may have meant.

    Raises:
        InputError: a setting is missing, unknown, or makes no sense.
    """
    try:
        return kind.model_validate(tree)
    except ValidationError as e:
        errors = e.errors()
        keys = [_dotted(prefix, error) for error in errors]
        # Several errors of one key are the alternatives that it had.
        about_first = [error for error, key in zip(errors, keys, strict=True) if key == keys[0]]
        raise InputError(_explain(keys[0], about_first, known)) from None


def _dotted(prefix: str, error: ErrorDetails) -> str:
    path = [str(part) for part in error["loc"]]
    if prefix:
        path.insert(0, prefix)
    # Errors of alternatives end in a tag, such as literal['best'], that is no part of the key.
    if path and error["type"] != "extra_forbidden" and re.search(r"[\[-]", path[-1]):
        path.pop()
    return ".".join(path)


def _explain(key: str, errors: list[ErrorDetails], known: Sequence[str]) -> str:
    kind, message, value = errors[0]["type"], errors[0]["msg"], errors[0]["input"]
    if kind == "missing":
        return f"{key} is missing"
    if kind == "extra_forbidden":
        hint = did_you_mean(key.rpartition(".")[2], known)
        return f"there is no setting {shortened(key)}{hint}"
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
        return f"{key}: {message}" if key else message
    expected = " or ".join(_expected(error, unit_of(key)) for error in errors)
    return f"{key} must be {expected}, not {shortened(value)}"


def _expected(error: ErrorDetails, unit: str) -> str:
    kind, in_unit, of_unit = error["type"], "", ""
    if unit != "1":
        in_unit, of_unit = f" in {unit}", f" {unit}"
    words = {
        "float_type": f"a number{in_unit}",
        "float_parsing": f"a number{in_unit}",
        "finite_number": f"a finite number{in_unit}",
        "bool_type": "true or false",
        "int_type": f"a whole number{in_unit}",
        "tuple_type": f"a list{in_unit}",
        "literal_error": error["msg"].removeprefix("Input should be "),
        "string_type": "text",
        "model_type": "a mapping of settings",
    }
    if kind in words:
        return words[kind]
    if kind == "too_short":
        return f"a list of at least {error['ctx']['min_length']}"
    if kind == "too_long":
        return f"a list of at most {error['ctx']['max_length']}"
    if kind in ("string_too_short", "string_too_long"):
        return "a text of 1 to 255 characters"
    return error["msg"].removeprefix("Input should be ") + of_unit


def did_you_mean(word: str, words: Sequence[str]) -> str:
    """A hint at what was meant, in brackets; empty if nothing is near.

    Args:
        word: as it was written.
        words: that would have been right.
    """
    near = nearest(word, words)
    return f" (did you mean {near}?)" if near else ""
