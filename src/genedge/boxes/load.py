"""Boxes from YAML files, in the manner of scenarios: a base, overrides, and each number with where it comes from.

    name: mine
    gpus: [{memory_gb: 24}]
    models:
      defaults: {memory_gb: 7, load_s: 9, B1_s_per_step: 0.15, B2_s: 1}
      sd15: {memory_gb: {value: 2.5, provenance: measured, note: in half precision}, load_s: 6}

A value stands alone, and is then the user's, or as `{value, provenance, note}`. `--set` takes the same keys with
dots: `cloud.wait_s=2`, `cloud=null`, `gpus=[{memory_gb: 12}]`, `models.sd15.load_s=4`; a name may have dots too.
"""

import hashlib
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genedge.boxes.sections import UNSAID, BoxSection, CloudSection, ModelSection, RamSection
from genedge.edge.box import Box, Cloud, Ram
from genedge.edge.models import Model
from genedge.errors import InputError
from genedge.settings.provenance import Setting, setting_of
from genedge.settings.reading import read_yaml, text_of_file
from genedge.settings.words import did_you_mean, validated
from genedge.text import in_brief, nearest, shortened

MB_PER_GB = 1000
DEFAULTS = "defaults"
# Sections of a box by what they hold; all else is one value.
SECTIONS = {"cloud": tuple(CloudSection.model_fields), "ram": tuple(RamSection.model_fields)}
VALUES = tuple(key for key in BoxSection.model_fields if key not in ("cloud", "ram", "models"))

# Settings by path: ("gpus",), ("cloud", "wait_s"), ("models", NAME, "load_s").
Table = dict[tuple[str, ...], Setting]


class Catalogue(dict[str, Model]):
    """Models by name; one that stands nowhere is as the defaults say.

    Attributes:
        named: those that the file names.
    """

    def __init__(self, models: Mapping[str, ModelSection], source: str) -> None:
        """Of a file.

        Args:
            models: as they stand there.
            source: what to call it in messages.

        Raises:
            InputError: the defaults, and a model itself, do not say what it takes.
        """
        self._defaults = models.get(DEFAULTS, ModelSection())
        self._source = source
        self._sizes: dict[str, tuple[float, float]] = {}
        self.named = tuple(name for name in models if name != DEFAULTS)
        super().__init__({name: self._model(name, models[name]) for name in self.named})

    def __missing__(self, name: str) -> Model:
        model = self[name] = self._model(name, ModelSection())
        return model

    def sizes(self, name: str) -> tuple[float, float]:
        """Of a request for a model, and of its result [MB].

        Args:
            name: of the model.
        """
        return self._sizes[self[name].name]

    def _model(self, name: str, given: ModelSection) -> Model:
        def of(key: str) -> float:
            for section in (given, self._defaults):
                value = getattr(section, key)
                if value is not None:
                    return float(value)
            if key not in UNSAID:
                raise InputError(
                    f"{self._source}: models.{in_brief(name)}.{key} is missing, and models.{DEFAULTS} has none"
                )
            return float(UNSAID[key])

        self._sizes[name] = of("request_mb"), of("result_mb")
        return Model(
            name,
            # What takes something takes no less than a megabyte.
            max(round(of("memory_gb") * MB_PER_GB), 1),
            of("load_s"),
            of("B1_s_per_step"),
            of("B2_s"),
            round(of("working_gb") * MB_PER_GB),
        )


@dataclass(frozen=True, eq=False)
class BoxFile:
    """A box that was read.

    Attributes:
        name: its own.
        table: every setting with its provenance.
        box: what it has.
        models: what each model takes.
        think_s: from a result to its user's next request [s]; None if requests come at their own times.
    """

    name: str
    table: Mapping[tuple[str, ...], Setting]
    box: Box
    models: Catalogue
    think_s: float | None

    @property
    def id(self) -> str:
        """Of its values: equal for boxes that behave alike."""
        values = {".".join(path): setting.value for path, setting in self.table.items()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        tree: dict[str, Any] = {"name": self.name, "id": self.id}
        for path, setting in self.table.items():
            into = tree
            for part in path[:-1]:
                into = into.setdefault(part, {})
            into[path[-1]] = {"value": setting.value, **setting.origin()}
        return tree


def box_presets() -> tuple[str, ...]:
    """Names of the boxes that ship with the package."""
    folder = importlib.resources.files("genedge.boxes") / "files"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_box(box: str, overrides: Sequence[str] = (), memory_gb: float | None = None) -> BoxFile:
    """Reads a box.

    Args:
        box: a preset's name, or the path of a YAML file.
        overrides: `key=value` each, with dotted keys and YAML values, applied in this order.
        memory_gb: of each GPU, in place of what the file says; None to leave it.

    Raises:
        InputError: it is not there or broken, a key is unknown, or a value makes no sense.
    """
    text, source = _find(box)
    table, name = _table(text, source)
    for override in overrides:
        key, equals, value = override.partition("=")
        told = f"--set {in_brief(override)}"
        if not equals:
            raise InputError(f"{told}: write key=value, for example --set cloud.wait_s=2")
        _put(table, _path(key.strip(), told), read_yaml(value, told), told)
    if memory_gb is not None and ("gpus",) in table:
        gpus = table[("gpus",)].value
        count = len(gpus) if isinstance(gpus, list) else 1
        table[("gpus",)] = Setting([{"memory_gb": memory_gb}] * count, "user")
    return _built(name, table, source)


def _find(box: str) -> tuple[str, str]:
    if box in box_presets():
        resource = importlib.resources.files("genedge.boxes") / "files" / f"{box}.yaml"
        return resource.read_text(encoding="utf-8"), f"box {box}"
    try:
        return text_of_file(Path(box)), box
    except (FileNotFoundError, NotADirectoryError):
        hint, known = did_you_mean(box, box_presets()), ", ".join(box_presets())
        raise InputError(
            f"box {in_brief(repr(box), 300)}: no such preset or file{hint}; the presets are {known}"
        ) from None
    except (OSError, ValueError) as e:
        raise InputError(f"box {in_brief(repr(box), 300)}: cannot be read: {getattr(e, 'strerror', e)}") from None


def _table(text: str, source: str) -> tuple[Table, str]:
    """The settings of a file, on top of those of its base, and its name."""
    tree = read_yaml(text, source)
    if not isinstance(tree, dict):
        raise InputError(f"{source}: a box is a mapping of settings, such as 'gpus: [{{memory_gb: 24}}]'")
    name, base = tree.pop("name", Path(source).stem), tree.pop("base", None)
    if not isinstance(name, str) or not name:
        raise InputError(f"{source}: name must be text, not {shortened(name)}")
    table: Table = {}
    if base is not None:
        if base not in box_presets():
            raise InputError(
                f"{source}: base: {shortened(base)} is no preset; the presets are {', '.join(box_presets())}"
            )
        table, _ = _table(*_find(base))
    for key, content in tree.items():
        if key == "models":
            if not isinstance(content, dict):
                raise InputError(f"{source}: models must be a mapping of names, not {shortened(content)}")
            for model, takes in content.items():
                if not isinstance(takes, dict):
                    raise InputError(
                        f"{source}: models.{in_brief(model)} must be a mapping of settings, not {shortened(takes)}"
                    )
                table.setdefault(("models", model), Setting({}, "user"))
                for setting, value in takes.items():
                    _put(table, ("models", model, setting), value, source)
        elif key in SECTIONS and isinstance(content, dict) and "value" not in content:
            for setting, value in content.items():
                _put(table, (key, setting), value, source)
        else:
            _put(table, (key,), content, source)
    return table, name


def _path(key: str, told: str) -> tuple[str, ...]:
    """A dotted key as a path; between `models.` and the last dot stands a name."""
    section, _, rest = key.partition(".")
    if section != "models":
        return tuple(key.split("."))
    model, dot, setting = rest.rpartition(".")
    if not dot:
        raise InputError(f"{told}: write models.NAME.KEY, for example models.{DEFAULTS}.load_s")
    return "models", model, setting


def _put(table: Table, path: tuple[str, ...], leaf: Any, source: str) -> None:
    """Sets one setting; refuses what no box has."""
    section = path[0]
    if section == "models":
        known: Sequence[str] = tuple(ModelSection.model_fields)
    elif section in SECTIONS:
        known = SECTIONS[section]
        if len(path) == 1:
            if leaf is not None:
                raise InputError(f"{source}: {section} is null, or has {', '.join(known)}; not {shortened(leaf)}")
            for other in [other for other in table if other[0] == section]:
                del table[other]
            return
    else:
        known = (*VALUES, *SECTIONS, "models")
    if path[-1] not in known or len(path) > 3 or (len(path) > 1 and section in VALUES):
        meant = nearest(path[-1], known)
        hint = f"; did you mean {meant}?" if meant else f"; there are {', '.join(known)}"
        raise InputError(f"{source}: there is no setting {in_brief('.'.join(path))}{hint}")
    if section == "models":
        table.setdefault(path[:2], Setting({}, "user"))
    table[path] = setting_of(leaf, f"{source}: {in_brief('.'.join(path))}")


def _built(name: str, table: Table, source: str) -> BoxFile:
    tree: dict[str, Any] = {"models": {}}
    for path, setting in table.items():
        if len(path) == 1:
            tree[path[0]] = setting.value
        elif len(path) == 2 and path[0] == "models":
            tree["models"][path[1]] = {}
        else:
            into = tree
            for part in path[:-1]:
                into = into.setdefault(part, {})
            into[path[-1]] = setting.value
    try:
        read = validated(BoxSection, tree, "", tuple(BoxSection.model_fields))
    except InputError as e:
        raise InputError(f"{source}: {e}") from None
    models = Catalogue(read.models, source)
    for key, names in (("pins", read.pins), ("warm", read.warm)):
        for model in names:
            if model not in models:
                hint = did_you_mean(model, models.named)
                raise InputError(f"{source}: {key}: {in_brief(model)} is no model of this box{hint}")
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
    )
    kept = {path: setting for path, setting in table.items() if not (path[0] == "models" and len(path) == 2)}
    return BoxFile(name, kept, box, models, read.think_s)


def _whole_mb(gigabytes: float) -> int:
    """Rounded down, but for what floating point took off."""
    return int(gigabytes * MB_PER_GB + 1e-6)
