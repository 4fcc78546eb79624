"""Schedulers from YAML files: an order and an eviction, each with its numbers and where these come from.

    name: mine
    order: {name: dwell, kappa: {value: 8, provenance: measured, note: on last week's requests}}
    eviction: {name: lru}
    keep_alive_s: 300

A value stands alone, and is then the user's, or as `{value, provenance, note}`. Numbers that are not said are as
tuned for the package. `ORDER+EVICTION` stands for a file that says no numbers.
"""

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from genedge.boxes.parts import Besides, NoNumbers
from genedge.errors import InputError
from genedge.registry import Entry, named, unknown
from genedge.settings.fields import Section
from genedge.settings.presets import presets_in, text_of
from genedge.settings.provenance import Setting, nested, setting_of
from genedge.settings.reading import read_yaml
from genedge.settings.words import validated
from genedge.text import in_brief, nearest, shortened

_S = TypeVar("_S", bound=Section)
SUFFIXES = (".yaml", ".yml")
PartKind = Literal["order", "eviction"]
PARTS: tuple[PartKind, ...] = ("order", "eviction")
# Settings by path: ("order", "name"), ("order", "kappa"), ("keep_alive_s",).
Table = dict[tuple[str, ...], Setting]


class Part(NamedTuple):
    """An order or an eviction.

    Attributes:
        entry: of the registry.
        numbers: its own, by the names of its arguments.
    """

    entry: Entry
    numbers: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class SchedulerFile:
    """A scheduler that was read.

    Attributes:
        name: its own.
        table: every setting with its provenance.
        order: says which request is next.
        eviction: says what is given up.
        besides: what the box is held to, and what is done besides.
    """

    name: str
    table: Mapping[tuple[str, ...], Setting]
    order: Part
    eviction: Part
    besides: Besides

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        return {"name": self.name, **nested(self.table)}


def scheduler_presets() -> tuple[str, ...]:
    """Names of the schedulers that ship with the package as files."""
    return presets_in(_shipped())


def load_scheduler(name: str) -> SchedulerFile:
    """Reads a scheduler.

    Args:
        name: a preset's, `ORDER+EVICTION`, or the path of a YAML file.

    Raises:
        InputError: there is no such scheduler, order or eviction, the file is broken, or a value makes no sense.
    """
    if name in scheduler_presets() or name.endswith(SUFFIXES):
        return _read(*text_of("scheduler", name, _shipped(), Path()), Path(name).stem)
    order, plus, eviction = name.partition("+")
    if not plus:
        known = ", ".join(scheduler_presets())
        raise InputError(
            f"scheduler {name!r}: write ORDER+EVICTION, such as dwell+cost-aware, FILE.yaml, FILE.py:CLASS, "
            f"or one of {known}"
        )
    return _of({"order": {"name": order}, "eviction": {"name": eviction}}, "", name)


def eviction_in_slots(name: str) -> Part:
    """An eviction with its numbers as tuned for slot boxes, or where nothing is said of these, as anywhere.

    Args:
        name: its name in the registry.
    """
    numbers = _tuned("slots").get(name, {})
    return _part("eviction", {"name": name, **numbers}, "tuned.yaml: ", {})


def _shipped() -> Traversable:
    return importlib.resources.files("genedge.boxes") / "scheduler_files"


def _read(text: str, source: str, stem: str) -> SchedulerFile:
    tree = read_yaml(text, source)
    if not isinstance(tree, dict):
        raise InputError(f"{source}: a scheduler is a mapping of settings, such as 'order: {{name: dwell}}'")
    name = tree.pop("name", stem)
    if not isinstance(name, str) or not name:
        raise InputError(f"{source}: name must be text, not {shortened(name)}")
    return _of(tree, f"{source}: ", name)


def _of(tree: Mapping[str, Any], source: str, name: str) -> SchedulerFile:
    """A scheduler of what was written; what stands before each message is the source."""
    table: Table = {}
    order, eviction = (_part(kind, tree.get(kind), source, table) for kind in PARTS)
    besides = {}
    for key, leaf in tree.items():
        if key in PARTS:
            continue
        _refuse_unknown(key, (*PARTS, *Besides.model_fields), source, key)
        table[(key,)] = setting_of(leaf, f"{source}{in_brief(key)}")
        besides[key] = table[(key,)].value
    return SchedulerFile(name, table, order, eviction, _valid(Besides, besides, source, ""))


def _part(kind: PartKind, content: Any, source: str, table: Table) -> Part:
    """An order or an eviction; its settings are added to the table."""
    said = content if isinstance(content, dict) else {}
    named_so = setting_of(said.get("name"), f"{source}{kind}.name")
    if not isinstance(named_so.value, str):
        raise InputError(f"{source}{kind} must say its name, such as '{kind}: {{name: {next(iter(named(kind)))}}}'")
    entry = named(kind).get(named_so.value)
    if entry is None:
        raise unknown(kind, named_so.value, named(kind))
    section: type[Section] = entry.load_settings() if entry.settings else NoNumbers
    tuned = _tuned(kind).get(entry.name, {})
    numbers = {key: setting_of(leaf, f"tuned.yaml: {kind}.{entry.name}.{key}") for key, leaf in tuned.items()}
    for key, leaf in said.items():
        _refuse_unknown(key, ("name", *section.model_fields), source, f"{kind}.{key}")
        if key != "name":
            numbers[key] = setting_of(leaf, f"{source}{kind}.{key}")
    table[(kind, "name")] = named_so
    table.update({(kind, key): setting for key, setting in numbers.items()})
    read = _valid(section, {key: setting.value for key, setting in numbers.items()}, source, kind)
    return Part(entry, dict(read))


@cache
def _tuned(group: str) -> Mapping[str, Mapping[str, Any]]:
    """Numbers of parts as they are tuned for the package."""
    resource = importlib.resources.files("genedge.boxes") / "tuned.yaml"
    numbers: Mapping[str, Any] = read_yaml(resource.read_text(encoding="utf-8"), "tuned.yaml")[group]
    return numbers


def _refuse_unknown(key: str, known: tuple[str, ...], source: str, told: str) -> None:
    if key not in known:
        meant = nearest(key, known)
        hint = f"; did you mean {meant}?" if meant else f"; there are {', '.join(known)}"
        raise InputError(f"{source}there is no setting {in_brief(told)}{hint}")


def _valid(section: type[_S], tree: Mapping[str, Any], source: str, prefix: str) -> _S:
    try:
        return validated(section, tree, prefix)
    except InputError as e:
        raise InputError(f"{source}{e}") from None
