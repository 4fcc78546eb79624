"""Models of a cell out of a catalogue: `models: {catalogue: NAME|FILE}`.

What was read of the file is what a scenario holds, and writes, so that none depends on where the file is later.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genedge.catalogue.load import Catalogue, Entries, load_catalogue, put, read_entries
from genedge.errors import InputError
from genedge.settings.fields import PIECES
from genedge.settings.provenance import Setting
from genedge.settings.words import did_you_mean
from genedge.text import shortened

KEY = "models.catalogue"
# A cell's names for what a catalogue says, where they differ.
NAMES_THERE = {"storage_gb": "memory_gb", "output_size_mb": "result_mb"}
# Of a real box; the paper's models need not say it.
UNSAID = {"working_gb": 0.0, "load_s": 0.0}
# Ends the note on a catalogue that is not as its file is.
CHANGED = ", changed"


def as_read(setting: Setting, folder: Path, source: str) -> Setting:
    """A catalogue that is named, with all that it says in the place of its name.

    Args:
        setting: a preset's name, a path, or what a catalogue says.
        folder: where a path begins that does not begin at the root.
        source: what to call the scenario in messages.

    Raises:
        InputError: there is no such catalogue, or it is broken.
    """
    if not isinstance(setting.value, str):
        return setting
    try:
        read = load_catalogue(setting.value, folder)
    except InputError as e:
        raise InputError(f"{source}: {KEY}: {e}") from None
    return setting._replace(value=read.as_tree(), note=setting.note or f"{read.name}, {read.id}")


def catalogue_of(tree: Any) -> Catalogue:
    """The catalogue that a scenario holds.

    Args:
        tree: its entries, as a file says them.

    Raises:
        InputError: it is none, or names no model.
    """
    entries: Entries = {}
    read_entries(tree, KEY, entries)
    catalogue = Catalogue("", entries, KEY)
    if not catalogue.named:
        raise InputError(f"{KEY}: it names no model; in a cell each has an entry, the most popular first")
    return catalogue


def changed(catalogue: Setting, key: str, setting: Setting, source: str) -> Setting:
    """What a catalogue says, but for one number.

    Args:
        catalogue: its entries, as a file says them.
        key: `models.catalogue.NAME.KEY`; a name may have dots too.
        setting: of the number.
        source: what to call it in messages.

    Raises:
        InputError: there is no such model, or no such key.
    """
    entries: Entries = {}
    read_entries(catalogue.value, KEY, entries)
    model, _, number = key.removeprefix(f"{KEY}.").rpartition(".")
    if model not in entries:
        hint = did_you_mean(model, tuple(entries))
        raise InputError(f"{source}: {KEY} has no model {shortened(model)}{hint}; write {KEY}.NAME.KEY")
    put(entries, model, number, setting.as_leaf(), source)
    note = catalogue.note if catalogue.note.endswith(CHANGED) else catalogue.note + CHANGED
    return Setting(Catalogue("", entries, source).as_tree(), catalogue.provenance, note)


def named_models(catalogue: Catalogue, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What a cell asks of its models, by their names; a curve in place of A1 to A4, if they have one.

    Args:
        catalogue: it.
        keys: what the cell calls its numbers.

    Raises:
        InputError: it does not say one of them.
    """
    found: dict[str, dict[str, Any]] = {}
    for model in catalogue.named:
        curve = _curve_of(catalogue, model)
        asked = [key for key in keys if curve is None or key not in PIECES]
        found[model] = {key: catalogue.value(model, NAMES_THERE.get(key, key), UNSAID.get(key)) for key in asked}
        found[model] |= {} if curve is None else {"curve": curve.value}
    return found


def _curve_of(catalogue: Catalogue, model: str) -> Setting | None:
    """Its own, or that of the defaults unless its own entry says one of A1 to A4."""
    own = catalogue.entries[model]
    if own.get("curve") is None and any(key in own for key in PIECES):
        return None
    return catalogue.setting(model, "curve")


def provenance_of(catalogue: Catalogue, model: str, key: str) -> str:
    """Where a number of a model comes from.

    Args:
        catalogue: it.
        model: its name.
        key: what the cell calls it.
    """
    curve = _curve_of(catalogue, model) if key in PIECES else None
    said = curve or catalogue.setting(model, NAMES_THERE.get(key, key))
    return "assumed" if said is None else said.provenance
