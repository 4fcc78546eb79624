"""Boxes from YAML files, in the manner of scenarios: a base, overrides, and each number with where it comes from.

    name: mine
    gpus: [{memory_gb: 24}]
    models:
      defaults: {memory_gb: 7, load_s: 9, B1_s_per_step: 0.15, B2_s: 1}
      sd15: {memory_gb: {value: 2.5, provenance: measured, note: in half precision}, load_s: 6}

A value stands alone, and is then the user's, or as `{value, provenance, note}`. In place of the models may stand a
catalogue's name or file. `--set` takes the same keys with dots: `cloud.wait_s=2`, `cloud=null`,
`gpus=[{memory_gb: 12}]`, `models=mine.yaml`, `models.sd15.load_s=4`; a name may have dots too.
"""

import hashlib
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from genedge.boxes.models import MB_PER_GB, Models
from genedge.boxes.sections import BoxSection, CloudSection, RamSection
from genedge.catalogue.load import DEFAULTS, Catalogue, Entries, load_catalogue, put, read_entries
from genedge.edge.box import Box, Cloud, Ram
from genedge.errors import InputError
from genedge.settings.presets import presets_in, text_of
from genedge.settings.provenance import Setting, nested, setting_of
from genedge.settings.reading import read_yaml
from genedge.settings.words import did_you_mean, validated
from genedge.text import in_brief, nearest, shortened

# Sections of a box by what they hold; all else is one value.
SECTIONS = {"cloud": tuple(CloudSection.model_fields), "ram": tuple(RamSection.model_fields)}
VALUES = tuple(key for key in BoxSection.model_fields if key not in SECTIONS)


class Said(NamedTuple):
    """What a file and overrides say, so far.

    Attributes:
        table: settings by path: ("gpus",), ("cloud", "wait_s").
        models: the entries of its catalogue.
    """

    table: dict[tuple[str, ...], Setting]
    models: Entries


@dataclass(frozen=True, eq=False)
class BoxFile:
    """A box that was read.

    Attributes:
        name: its own.
        table: every setting with its provenance, by path, those of models as ("models", NAME, "load_s").
        box: what it has.
        models: what each model takes.
        think_s: from a result to its user's next request [s]; None if requests come at their own times.
        alpha: the weight of the delay in the utility, Eq. (14), the rest being that of the images' quality; None if
            quality is of no account.
    """

    name: str
    table: Mapping[tuple[str, ...], Setting]
    box: Box
    models: Models
    think_s: float | None
    alpha: float | None

    @property
    def id(self) -> str:
        """Of its values: equal for boxes that behave alike."""
        values = {".".join(path): setting.value for path, setting in self.table.items()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        return {"name": self.name, "id": self.id, **nested(self.table)}


def box_presets() -> tuple[str, ...]:
    """Names of the boxes that ship with the package."""
    return presets_in(_shipped())


def load_box(box: str, overrides: Sequence[str] = (), memory_gb: float | None = None) -> BoxFile:
    """Reads a box.

    Args:
        box: a preset's name, or the path of a YAML file.
        overrides: `key=value` each, with dotted keys and YAML values, applied in this order.
        memory_gb: of each GPU, in place of what the file says; None to leave it.

    Raises:
        InputError: it is not there or broken, a key is unknown, or a value makes no sense.
    """
    text, source = text_of("box", box, _shipped(), Path())
    said, name = _said(text, source)
    for override in overrides:
        key, equals, value = override.partition("=")
        told = f"--set {in_brief(override)}"
        if not equals:
            raise InputError(f"{told}: write key=value, for example --set cloud.wait_s=2")
        _set(said, key.strip(), read_yaml(value, told), told)
    if memory_gb is not None and ("gpus",) in said.table:
        gpus = said.table[("gpus",)].value
        count = len(gpus) if isinstance(gpus, list) else 1
        said.table[("gpus",)] = Setting([{"memory_gb": memory_gb}] * count, "user")
    return _built(name, said, source)


def _shipped() -> Traversable:
    return importlib.resources.files("genedge.boxes") / "files"


def _said(text: str, source: str) -> tuple[Said, str]:
    """What a file says, on top of what its base does, and its name."""
    tree = read_yaml(text, source)
    if not isinstance(tree, dict):
        raise InputError(f"{source}: a box is a mapping of settings, such as 'gpus: [{{memory_gb: 24}}]'")
    name, base = tree.pop("name", Path(source).stem), tree.pop("base", None)
    if not isinstance(name, str) or not name:
        raise InputError(f"{source}: name must be text, not {shortened(name)}")
    said = Said({}, {})
    if base is not None:
        if base not in box_presets():
            raise InputError(
                f"{source}: base: {shortened(base)} is no preset; the presets are {', '.join(box_presets())}"
            )
        said, _ = _said(*text_of("box", base, _shipped(), Path()))
    for key, content in tree.items():
        if key == "models":
            _models(said.models, content, source, Path(source).parent)
        else:
            _put(said.table, (key,), content, source)
    return said, name


def _models(entries: Entries, content: Any, source: str, home: Path) -> None:
    """A catalogue takes the place of all that was said of models; a mapping is added to it."""
    if not isinstance(content, str):
        read_entries(content, source, entries)
        return
    try:
        catalogue = load_catalogue(content, home)
    except InputError as e:
        raise InputError(f"{source}: models: {e}") from None
    entries.clear()
    entries.update({model: dict(entry) for model, entry in catalogue.entries.items()})


def _set(said: Said, key: str, value: Any, told: str) -> None:
    """Sets a dotted key; between `models.` and the last dot stands a name."""
    section, _, rest = key.partition(".")
    if section != "models":
        _put(said.table, tuple(key.split(".")), value, told)
    elif not rest:
        _models(said.models, value, told, Path())
    else:
        model, dot, setting = rest.rpartition(".")
        if not dot:
            raise InputError(f"{told}: write models.NAME.KEY, for example models.{DEFAULTS}.load_s")
        put(said.models, model, setting, value, told)


def _put(table: dict[tuple[str, ...], Setting], path: tuple[str, ...], leaf: Any, source: str) -> None:
    """Sets one setting, or those of a section that are told; refuses what no box has."""
    section = path[0]
    known: Sequence[str] = (*VALUES, *SECTIONS, "models")
    if section in SECTIONS:
        known = SECTIONS[section]
        if len(path) == 1:
            if isinstance(leaf, dict) and "value" not in leaf:
                for setting, value in leaf.items():
                    _put(table, (section, setting), value, source)
                return
            if leaf is not None:
                raise InputError(f"{source}: {section} is null, or has {', '.join(known)}; not {shortened(leaf)}")
            for other in [other for other in table if other[0] == section]:
                del table[other]
            return
    if path[-1] not in known or len(path) > 2 or (len(path) > 1 and section in VALUES):
        meant = nearest(path[-1], known)
        hint = f"; did you mean {meant}?" if meant else f"; there are {', '.join(known)}"
        raise InputError(f"{source}: there is no setting {in_brief('.'.join(path))}{hint}")
    table[path] = setting_of(leaf, f"{source}: {in_brief('.'.join(path))}")


def _built(name: str, said: Said, source: str) -> BoxFile:
    tree: dict[str, Any] = {}
    for path, setting in said.table.items():
        if len(path) == 1:
            tree[path[0]] = setting.value
        else:
            tree.setdefault(path[0], {})[path[1]] = setting.value
    try:
        read = validated(BoxSection, tree, "", tuple(BoxSection.model_fields))
    except InputError as e:
        raise InputError(f"{source}: {e}") from None
    models = Models(Catalogue(name, said.models, source))
    for key, names in (("pins", read.pins), ("warm", read.warm)):
        for model in names:
            if model not in models:
                hint = did_you_mean(model, models.named)
                raise InputError(f"{source}: {key}: {in_brief(model)} is no model of this box{hint}")
    if not read.queue:
        _refuse_what_queues(read, said.models, source)
    reserve_mb = round(read.reserve_gb * MB_PER_GB)
    cloud, ram = read.cloud, read.ram
    box = Box(
        gpus=tuple(max(_whole_mb(gpu.memory_gb) - reserve_mb, 0) for gpu in read.gpus),
        cloud=None if cloud is None else Cloud(cloud.wait_s, 8.0 / cloud.backhaul_mbit_per_s, cloud.generators),
        ram=None if ram is None else Ram(_whole_mb(ram.memory_gb), ram.load_share),
        pins=read.pins,
        warm=read.warm,
        most_models=read.most_models,
        keep_alive_s=read.keep_alive_s,
        overlap=read.overlap,
        queue=read.queue,
    )
    table = dict(said.table)
    for model, entry in said.models.items():
        table |= {("models", model, key): setting for key, setting in entry.items()}
    return BoxFile(name, table, box, models, read.think_s, read.alpha)


def _refuse_what_queues(read: BoxSection, models: Entries, source: str) -> None:
    """A box without a queue is one GPU that does everything at once, and a cloud that takes whoever misses."""
    working, needs = (
        any(key in entry and entry[key].value for entry in models.values()) for key in ("working_gb", "needs")
    )
    wrong = {
        "cloud must be given: who asks for what is not loaded goes there": read.cloud is None,
        "cloud.generators must be null": read.cloud is not None and read.cloud.generators is not None,
        f"gpus must be one, not {len(read.gpus)}": len(read.gpus) > 1,
        "overlap must be null, since a GPU does everything at once": read.overlap is not None,
        "think_s must be null, since requests come at their own times": read.think_s is not None,
        "working_gb of models must be 0, since many are generated at once; add it to memory_gb": working,
        "models can need no weights of others; add them to memory_gb": needs,
    }
    for what, so in wrong.items():
        if so:
            raise InputError(f"{source}: in a box without a queue (queue: false), {what}")


def _whole_mb(gigabytes: float) -> int:
    """Rounded down, but for what floating point took off."""
    return int(gigabytes * MB_PER_GB + 1e-6)
