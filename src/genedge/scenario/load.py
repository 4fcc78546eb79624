"""Scenario files, from YAML to a validated scenario.

Each setting is a plain value or `{value, provenance, note}`. A file inherits what it does not set from its `base`,
a preset (`paper` unless it says otherwise). Units stand in the settings' names. Sections that name a model, such as
`channel: {model: two-slopes}`, have the settings of that model.
"""

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from genedge.errors import InputError
from genedge.own import from_file, in_file
from genedge.registry import Kind, named, unknown
from genedge.scenario import by_catalogue
from genedge.scenario.checks import (
    check_cell,
    check_chosen,
    check_costs,
    check_models,
    check_positions,
    check_radio,
    check_server,
    check_station,
)
from genedge.scenario.chosen import Chosen
from genedge.scenario.recorded import with_slots
from genedge.scenario.scenario import Scenario, validated_section, with_settings
from genedge.scenario.sections import NAMES_OF_MODELS, SECTIONS, DrawnModels, Settings
from genedge.settings.fields import Section
from genedge.settings.provenance import Setting, defaults, setting_of
from genedge.settings.reading import read_yaml, text_of_file
from genedge.settings.words import did_you_mean, validated
from genedge.text import in_brief, nearest, shortened

# Sections that name a model of a registered kind, and have the settings of that model.
CHOOSING: Mapping[str, Kind] = MappingProxyType({"channel": "channel", "mobility": "mobility"})

Own = Mapping[str, type[Section]]


def presets() -> tuple[str, ...]:
    """Names of the scenarios that ship with the package."""
    folder = importlib.resources.files("genedge") / "scenarios"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_scenario(
    scenario: str | Path, overrides: Sequence[str] | Mapping[str, Any] = (), slots: str | Path | None = None
) -> Scenario:
    """Loads a preset or a scenario file.

    Args:
        scenario: a preset's name, or the path of a YAML file.
        overrides: `key=value` each, with dotted keys and YAML values, applied in this order; or a mapping of dotted
            keys to values.
        slots: a file of JSON lines whose slots are met in place of drawn ones; None to draw them.

    Returns:
        The validated scenario.

    Raises:
        InputError: the file is missing or broken, a key is unknown, or a value makes no sense.
    """
    loaded = read_scenario(scenario, overrides, {})
    return loaded if slots is None else with_slots(loaded, slots)


def as_texts(overrides: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Overrides as `key=value` each.

    Args:
        overrides: the same, or a mapping of dotted keys to values.

    Raises:
        InputError: they are neither, a key is no text, or a value is nothing that a scenario file could hold.
    """
    if isinstance(overrides, Sequence) and not isinstance(overrides, str):
        return list(overrides)
    if not isinstance(overrides, Mapping):
        raise InputError(
            f"overrides must be a list of settings, such as ['objective.alpha=0.5'], or a mapping, such as "
            f"{{'objective.alpha': 0.5}}, not {shortened(overrides)}"
        )
    texts = []
    for key, value in overrides.items():
        if not isinstance(key, str):
            raise InputError(f"overrides: a key must be text, such as 'objective.alpha', not {shortened(key)}")
        try:
            # What JSON says, YAML reads; NumPy's numbers and arrays have their own way to become plain ones.
            texts.append(f"{key}={json.dumps(getattr(value, 'tolist', lambda: value)())}")  # noqa: B023
        except Exception:
            kind = type(value).__name__
            raise InputError(f"overrides: {key} must be a value of a scenario file, not of {kind}") from None
    return texts


def read_scenario(scenario: str | Path, overrides: Sequence[str] | Mapping[str, Any], own: Own) -> Scenario:
    """The same, for hyperparameters too that a reader's own file declares.

    Args:
        scenario: a preset's name, or the path of a YAML file.
        overrides: `key=value` each, with dotted keys and YAML values, applied in this order; or a
            mapping of dotted keys to values.
        own: sections that only this reader knows, by name.

    Raises:
        InputError: the file is missing or broken, a key is unknown, or a value makes no sense.
    """
    if not isinstance(scenario, str | Path) or "\0" in str(scenario):
        raise InputError(f"scenario must be a preset's name or the path of a file, not {shortened(scenario)}")
    overrides = as_texts(overrides)
    for override in overrides:
        if not isinstance(override, str):
            raise InputError(
                f"overrides must be text, such as 'objective.alpha=0.5', each of them, not {shortened(override)}"
            )
    text, source = _find(str(scenario))
    table, name = _table(text, source, own)
    if overrides:
        source += " with --set"
    for override in overrides:
        key, equals, value = override.partition("=")
        told = f"--set {in_brief(override)}"
        if not equals:
            raise InputError(f"{told}: write key=value, for example --set objective.alpha=0.5")
        setting = _at_home(key.strip(), Setting(read_yaml(value, told), "user"), Path(), told)
        _put(table, key.strip(), setting, told, own)
    return _build(table, name, source, own)


def _find(scenario: str) -> tuple[str, str]:
    if scenario in presets():
        resource = importlib.resources.files("genedge") / "scenarios" / f"{scenario}.yaml"
        return resource.read_text(encoding="utf-8"), f"preset {scenario}"
    try:
        return text_of_file(Path(scenario)), scenario
    except (FileNotFoundError, NotADirectoryError):
        hint = did_you_mean(scenario, presets())
        raise InputError(
            f"scenario {in_brief(repr(scenario), 300)}: no such preset or file{hint}; the presets are "
            f"{', '.join(presets())}"
        ) from None
    except (OSError, ValueError) as e:  # ValueError: of a name with a NUL.
        why, called = getattr(e, "strerror", None) or e, in_brief(repr(scenario), 300)
        raise InputError(f"scenario {called}: cannot be read as a text file: {why}") from None


# --- The table of settings by dotted key --------------------------------------------------------------------


def _table(text: str, source: str, own: Own) -> tuple[dict[str, Setting], str]:
    """The settings of a file by dotted key, on top of those of its base, and the scenario's name."""
    tree = read_yaml(text, source)
    if not isinstance(tree, dict):
        raise InputError(f"{source}: a scenario is a mapping of settings, such as 'name: mine'")
    name = tree.pop("name", Path(source).stem)
    base = tree.pop("base", None if source == "preset paper" else "paper")
    table: dict[str, Setting] = {}
    if base is not None:
        if base not in presets():
            known = ", ".join(presets())
            raise InputError(f"{source}: base: {shortened(base)} is no preset; the presets are {known}")
        table, _ = _table(*_find(base), own)
    for section, content in tree.items():
        if _is_section(section, own) and isinstance(content, dict) and "value" not in content:
            # What a section has depends on the model, or the catalogue, that it names.
            for key in sorted(content, key=lambda key: key not in ("model", "catalogue")):
                setting = setting_of(content[key], f"{source}: {section}.{in_brief(key)}")
                dotted = f"{section}.{key}"
                _put(table, dotted, _at_home(dotted, setting, Path(source).parent, source), source, own)
        else:
            _put(table, section, setting_of(content, f"{source}: {in_brief(section)}"), source, own)
    return table, name


def _is_section(name: Any, own: Own) -> bool:
    return name in SECTIONS or name in CHOOSING or name in with_settings() or name in own


def refuse_section(name: str, whose: str) -> None:
    """Refuses a name for a section of a reader's own, where there is one of that name.

    Args:
        name: of the section.
        whose: it would be, for the error.

    Raises:
        InputError: there is one, or it is no name.
    """
    if _is_section(name, {}) or not name.isidentifier():
        raise InputError(f"{whose}, and a scenario cannot have another section {name!r}; rename the file")


def _at_home(key: str, setting: Setting, folder: Path, source: str) -> Setting:
    """A file is named from where its name was written: the scenario's folder, or the working one.

    Of a catalogue all that it says is read at once, and stays as it was.
    """
    section, _, rest = key.partition(".")
    if key == by_catalogue.KEY:
        return by_catalogue.as_read(setting, folder, source)
    if not isinstance(setting.value, str) or not (section in CHOOSING or key == "objective.function"):
        return setting
    if rest == "file" or (rest in ("model", "function") and in_file(setting.value)):
        return setting._replace(value=str((folder / setting.value).absolute()))
    return setting


def _put(table: dict[str, Setting], key: str, setting: Setting, source: str, own: Own) -> None:
    """Sets one key of the table; refuses keys that no scenario has."""
    section, _, rest = key.partition(".")
    if key == "name":
        raise InputError(f"{source}: the name belongs to the file; it cannot be set")
    if key == "models":
        if not isinstance(setting.value, list):
            raise InputError(
                f"{source}: models must be ranges (models.count, ...) or a list of models; or set models.catalogue"
            )
        _drop(table, "models.")
    elif key == by_catalogue.KEY:
        _drop(table, "models")
    elif key.startswith(f"{by_catalogue.KEY}.") and by_catalogue.KEY in table:
        setting = by_catalogue.changed(table[by_catalogue.KEY], key, setting, source)
        key = by_catalogue.KEY
    elif key.startswith("models.") and ("models" in table or by_catalogue.KEY in table):
        one_by_one = "gives its models one by one; set 'models'" if "models" in table else "has a catalogue; set it"
        raise InputError(f"{source}: {in_brief(key)}: this scenario {one_by_one} as a whole")
    elif section in CHOOSING and rest == "model":
        if table.get(key, setting).value != setting.value:
            _drop(table, f"{section}.")
        _settings_of(section, setting.value, source)
    elif _is_section(key, own):
        example = _keys_of(key, table, own)[0]
        raise InputError(f"{source}: {key} is a section; set its keys one by one, such as {example}")
    elif key not in _keys_of(section, table, own):
        key, setting = _within(key, setting, source, table, own)
    table[key] = setting


def _drop(table: dict[str, Setting], prefix: str) -> None:
    for old in [key for key in table if key.startswith(prefix)]:
        del table[old]


def _within(key: str, setting: Setting, source: str, table: Mapping[str, Setting], own: Own) -> tuple[str, Setting]:
    """An unknown key, which may reach into a value that is a mapping; else the error that says what was meant."""
    parent, _, last = key.rpartition(".")
    section = key.partition(".")[0]
    if parent in _keys_of(section, table, own):
        return parent, setting._replace(value={last: setting.value})
    if section in CHOOSING:
        known = _keys_of(section, table, own)
    else:
        sections = (*SECTIONS, *CHOOSING, *with_settings(), *own)
        known = ("seed", by_catalogue.KEY, *(k for name in sections for k in _keys_of(name, table, own)))
    meant = nearest(last, [k.rpartition(".")[2] for k in known])
    # Of the sections that have it the one that is like what was written, else the first.
    there = [k for k in known if k.rpartition(".")[2] == meant]
    like = nearest(parent, [k.rpartition(".")[0] for k in there])
    near = f"{like}.{meant}" if like else next(iter(there), None)
    if near:
        hint = f"; did you mean {near}?"
    elif section in CHOOSING and f"{section}.model" not in table:
        hint = f"; which there are depends on {section}.model, which must be set before"
    elif section in CHOOSING:
        hint = f"; there are {', '.join(known)}"
    else:
        hint = "; 'genedge scenario show paper --all' lists all keys"
    raise InputError(f"{source}: there is no setting {shortened(key)}{hint}")


def _keys_of(section: str, table: Mapping[str, Setting], own: Own) -> tuple[str, ...]:
    """The dotted keys of a section; none if there is no such section. The seed stands in none."""
    if section == "seed":
        return ("seed",)
    if section in SECTIONS:
        return _keys_of_cell(section)
    if section in CHOOSING:
        model = table.get(f"{section}.model")
        kind = None if model is None else _settings_of(section, model.value, section)
        return (f"{section}.model", *(f"{section}.{key}" for key in (kind.model_fields if kind else ())))
    kind = own.get(section)
    if section in with_settings():
        kind = with_settings()[section].load_settings()
    return tuple(f"{section}.{key}" for key in (kind.model_fields if kind else ()))


@cache
def _keys_of_cell(section: str) -> tuple[str, ...]:
    fields = DrawnModels if section == "models" else Settings.model_fields[section].annotation
    assert isinstance(fields, type)
    assert issubclass(fields, BaseModel)
    return tuple(f"{section}.{key}" for key in fields.model_fields)


# --- Models that a section names ----------------------------------------------------------------------------


def _settings_of(section: str, model: Any, source: str) -> type[Section]:
    """The settings of what a section's `model` names.

    Raises:
        InputError: there is none of that name.
    """
    known = named(CHOOSING[section])
    if isinstance(model, str) and in_file(model):
        try:
            own = from_file(model)
        except InputError as e:
            raise InputError(f"{source}: {e}") from e
        if not (isinstance(own, type) and issubclass(own, Section) and hasattr(own, "arrays")):
            raise InputError(
                f"{source}: {model}: is no {section}; it must be a class of settings, derived from "
                f"genedge.Section, with a method arrays"
            )
        return own
    if not isinstance(model, str) or model not in known:
        raise InputError(f"{source}: {unknown(section, str(model), known, ', and FILE.py:CLASS')}")
    kind: type[Section] = known[model].load_settings()
    return kind


# --- The scenario -------------------------------------------------------------------------------------------


def _build(table: dict[str, Setting], name: str, source: str, own: Own) -> Scenario:
    try:
        chosen = {}
        for section in CHOOSING:
            if f"{section}.model" in table:
                chosen[section] = _chosen(table, section)
        told, of_cell = {}, {}
        for key, setting in table.items():
            section = key.partition(".")[0]
            if section in with_settings() or section in own:
                told[key] = setting
            else:
                of_cell[key] = setting
        settings = validated(Settings, _tree(of_cell, name), "", NAMES_OF_MODELS)
        scenario = Scenario(settings, of_cell, told, chosen, own)
        for section in dict.fromkeys(key.partition(".")[0] for key in told):
            scenario.hyperparameters(section)
        check_models(scenario.models, scenario.model_names)
        check_server(settings, scenario.models)
        check_cell(settings, len(scenario.models))
        check_chosen(scenario.chosen, scenario.params)
        check_costs(scenario.params)
        check_station(settings, scenario.params)
        check_positions(settings, scenario.params)
        check_radio(scenario.params)
    except InputError as e:
        raise InputError(f"{source}: {e}") from None
    return scenario


def _chosen(table: dict[str, Setting], section: str) -> Chosen:
    """What a section has chosen; what nobody has set of it is put into the table."""
    model = table[f"{section}.model"].value
    kind = _settings_of(section, model, section)
    own = {}
    for key, default in defaults(kind).items():
        table.setdefault(f"{section}.{key}", default)
    for key in kind.model_fields:
        if f"{section}.{key}" in table:
            own[key] = table[f"{section}.{key}"]
    return Chosen(model, validated_section(kind, own, section))


def _tree(of_cell: Mapping[str, Setting], name: str) -> dict[str, Any]:
    tree: dict[str, Any] = {"name": name}
    for key, setting in of_cell.items():
        section, _, rest = key.partition(".")
        if section in CHOOSING:
            continue
        if rest:
            tree.setdefault(section, {})[rest] = setting.value
        else:
            tree[section] = setting.value
    return tree
