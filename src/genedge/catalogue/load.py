"""Catalogues from YAML files.

    name: mine
    base: sdxl-24gb
    models:
      defaults: {load_s: 12}
      sd15: {memory_gb: {value: 2.5, provenance: measured, note: in half precision}, load_s: 6}

A value stands alone, and is then the user's, or as `{value, provenance, note}`. What a model does not say is as the
defaults say, and so is whatever has another name; a file says what differs from its `base`, a preset.
"""

import hashlib
import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from genedge.catalogue.sections import KEYS, ModelSection
from genedge.errors import InputError
from genedge.settings.presets import presets_in, text_of
from genedge.settings.provenance import Setting, setting_of
from genedge.settings.reading import read_yaml
from genedge.settings.words import validated
from genedge.text import in_brief, nearest, shortened

OF_FILE = ("name", "base", "models")
DEFAULTS = "defaults"
LONGEST_NAME = 255

# What is said of each model, by its name and that of the number; under `defaults`, of all others.
Entries = dict[str, dict[str, Setting]]


@dataclass(frozen=True)
class Catalogue:
    """Models by name; one that stands nowhere is as the defaults say.

    Attributes:
        name: its own.
        entries: what is said of each model, and under `defaults` of all others.
        source: what to call it in messages.

    Raises:
        InputError: a number makes no sense.
    """

    name: str
    entries: Mapping[str, Mapping[str, Setting]]
    source: str

    def __post_init__(self) -> None:
        for model, entry in self.entries.items():
            values = {key: setting.value for key, setting in entry.items()}
            try:
                validated(ModelSection, values, f"models.{in_brief(model)}", KEYS)
            except InputError as e:
                raise InputError(f"{self.source}: {e}") from None

    @property
    def named(self) -> tuple[str, ...]:
        """Those that have an entry, in its order."""
        return tuple(model for model in self.entries if model != DEFAULTS)

    @property
    def id(self) -> str:
        """Of its values."""
        values = {
            model: {key: setting.value for key, setting in entry.items()} for model, entry in self.entries.items()
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    def setting(self, model: str, key: str) -> Setting | None:
        """A number of a model, with where it comes from; None if neither its entry nor the defaults say it.

        Args:
            model: its name.
            key: of the number, such as `load_s`.
        """
        for entry in (model, DEFAULTS):
            said = self.entries.get(entry, {}).get(key)
            if said is not None and said.value is not None:
                return said
        return None

    def value(self, model: str, key: str, unsaid: float | None = None) -> float:
        """The same without where it comes from.

        Args:
            model: its name.
            key: of the number.
            unsaid: what holds if nothing is said; None if something must be.

        Raises:
            InputError: nothing is said, and must be.
        """
        said = self.setting(model, key)
        if said is not None:
            return float(said.value)
        if unsaid is None:
            raise InputError(
                f"{self.source}: models.{in_brief(model)}.{key} is missing, and models.{DEFAULTS} has none"
            )
        return unsaid

    def as_tree(self) -> dict[str, Any]:
        """Its models as a file says them, and `read_entries` reads them."""
        return {
            model: {key: setting.as_leaf() for key, setting in entry.items()}
            for model, entry in self.entries.items()
        }


def catalogue_presets() -> tuple[str, ...]:
    """Names of the catalogues that ship with the package."""
    return presets_in(_shipped())


def load_catalogue(catalogue: str, home: Path) -> Catalogue:
    """Reads a catalogue.

    Args:
        catalogue: a preset's name, or the path of a YAML file.
        home: where a path begins that does not begin at the root.

    Raises:
        InputError: it is not there or broken, a key is unknown, or a value makes no sense.
    """
    text, source = text_of("catalogue", catalogue, _shipped(), home)
    tree = read_yaml(text, source)
    if not isinstance(tree, dict):
        raise InputError(f"{source}: a catalogue is a mapping of {', '.join(OF_FILE)}")
    for key in tree:
        if key not in OF_FILE:
            raise InputError(f"{source}: there is no {shortened(key)}; a catalogue has {', '.join(OF_FILE)}")
    name, base = tree.get("name", Path(source).stem), tree.get("base")
    if not isinstance(name, str) or not name:
        raise InputError(f"{source}: name must be text, not {shortened(name)}")
    entries: Entries = {}
    if base is not None:
        presets = catalogue_presets()
        if base not in presets:
            raise InputError(
                f"{source}: base: {shortened(base)} is no preset; the presets are {', '.join(presets)}"
            )
        entries = {model: dict(entry) for model, entry in load_catalogue(base, home).entries.items()}
    read_entries(tree.get("models"), source, entries)
    return Catalogue(name, entries, source)


def read_entries(models: Any, source: str, entries: Entries) -> None:
    """Adds what is said of models.

    Args:
        models: as they were read from a file, by name.
        source: what to call it in messages.
        entries: to add to.

    Raises:
        InputError: it is no mapping of models, or a key is unknown.
    """
    if not isinstance(models, dict):
        raise InputError(f"{source}: models must be a mapping of names, not {shortened(models)}")
    for model, takes in models.items():
        if not isinstance(takes, dict):
            raise InputError(
                f"{source}: models.{in_brief(model)} must be a mapping of settings, not {shortened(takes)}"
            )
        if not 0 < len(model) <= LONGEST_NAME:
            raise InputError(f"{source}: models: a name has 1 to {LONGEST_NAME} characters, not {len(model)}")
        entries.setdefault(model, {})
        for key, leaf in takes.items():
            put(entries, model, key, leaf, source)


def put(entries: Entries, model: str, key: str, leaf: Any, source: str) -> None:
    """Sets one number of a model.

    Args:
        entries: to set it in.
        model: its name.
        key: of the number.
        leaf: as it was read: a value, or `{value, provenance, note}`.
        source: what to call it in messages.

    Raises:
        InputError: the key is unknown, or it is no setting.
    """
    place = f"models.{in_brief(model)}.{in_brief(key)}"
    if key not in KEYS:
        meant = nearest(key, KEYS)
        hint = f"; did you mean {meant}?" if meant else f"; there are {', '.join(KEYS)}"
        raise InputError(f"{source}: there is no setting {place}{hint}")
    entries.setdefault(model, {})[key] = setting_of(leaf, f"{source}: {place}")


def _shipped() -> Traversable:
    return importlib.resources.files("genedge.catalogue") / "files"
