"""Where a number comes from, shown wherever it is."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from pydantic import Field
from pydantic.fields import FieldInfo

from genedge.errors import InputError
from genedge.settings.fields import Section
from genedge.text import shortened

Provenance = Literal["paper", "restored", "measured", "assumed", "user"]


class Setting(NamedTuple):
    """A value with where it comes from.

    Attributes:
        value: as in the file, in the unit of its name.
        provenance: paper, restored, measured, assumed, or user (set by whoever runs the program).
        note: a remark, or empty.
    """

    value: Any
    provenance: Provenance
    note: str = ""

    def origin(self) -> dict[str, str]:
        """Provenance and note, as files and programs read them."""
        origin: dict[str, str] = {"provenance": self.provenance}
        if self.note:
            origin["note"] = self.note
        return origin

    def as_leaf(self) -> dict[str, Any]:
        """As it stands in a file, and `setting_of` reads it."""
        return {"value": self.value, **self.origin()}


def nested(table: Mapping[tuple[str, ...], Setting]) -> dict[str, Any]:
    """Settings as a file nests them.

    Args:
        table: by their path.
    """
    tree: dict[str, Any] = {}
    for path, setting in table.items():
        into = tree
        for part in path[:-1]:
            into = into.setdefault(part, {})
        into[path[-1]] = setting.as_leaf()
    return tree


def setting_of(leaf: Any, place: str) -> Setting:
    """A setting as it stands in a file: a plain value, which is the user's, or `{value, provenance, note}`.

    Args:
        leaf: as it was read.
        place: where it stands, for the error.

    Raises:
        InputError: it is neither.
    """
    if not (isinstance(leaf, dict) and "value" in leaf):
        return Setting(leaf, "user")
    unknown = set(leaf) - {"value", "provenance", "note"}
    provenance = leaf.get("provenance", "user")
    note = leaf.get("note") or ""
    if unknown or provenance not in get_args(Provenance) or isinstance(note, dict | list):
        raise InputError(
            f"{place}: a setting is a value or {{value, provenance, note}}, "
            f"its provenance one of {', '.join(get_args(Provenance))}, its note a text"
        )
    return Setting(leaf["value"], provenance, str(note))


def paper(value: Any, note: str = "") -> Any:
    """The default of a field that the paper states.

    Args:
        value: in the unit of the field's name.
        note: a remark.
    """
    return _default(Setting(value, "paper", note))


def assumed(value: Any, note: str = "") -> Any:
    """The default of a field that the paper does not give.

    Args:
        value: in the unit of the field's name.
        note: a remark.
    """
    return _default(Setting(value, "assumed", note))


def measured(value: Any, note: str) -> Any:
    """The default of a field that was measured.

    Args:
        value: in the unit of the field's name.
        note: where and how.
    """
    return _default(Setting(value, "measured", note))


def _default(setting: Setting) -> Any:
    # Checked like any other value, so that a list becomes the tuple that the field holds.
    origin: Any = setting.origin()
    return Field(default=setting.value, validate_default=True, json_schema_extra={"origin": origin})


def defaults(section: type[Section]) -> dict[str, Setting]:
    """The settings of a section that nobody has set; those without a default are not among them.

    Args:
        section: the class, each of its fields with a default that says where it comes from.

    Raises:
        InputError: a default is nothing that a scenario file can say.
    """
    return {
        key: _setting(field, f"{section.__name__}.{key}")
        for key, field in section.model_fields.items()
        if not field.is_required()
    }


def _setting(field: FieldInfo, place: str) -> Setting:
    extra = field.json_schema_extra
    # A plain default is one whose author says nothing of it.
    origin: Any = extra["origin"] if isinstance(extra, dict) and "origin" in extra else {"provenance": "assumed"}
    value = _as_in_a_file(field.get_default(call_default_factory=True), place)
    return Setting(value, origin["provenance"], origin.get("note", ""))


def _as_in_a_file(value: Any, place: str) -> Any:
    """A default as a file says it: a tuple is a list there, and what is none of its values is refused."""
    if isinstance(value, list | tuple):
        return [_as_in_a_file(each, place) for each in value]
    if isinstance(value, dict):
        return {str(key): _as_in_a_file(each, place) for key, each in value.items()}
    if value is not None and type(value) not in (bool, int, float, str):
        raise InputError(
            f"{place}: its default must be what a scenario file can say: numbers, texts, true, false, null, and "
            f"lists and mappings of them, not {shortened(value)}"
        )
    return value
