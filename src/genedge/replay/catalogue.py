"""The catalogue of a trace: what each model takes to hold, to load and to run, and where each number comes from."""

import importlib.resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from genedge.errors import InputError
from genedge.settings.fields import Section
from genedge.settings.provenance import Provenance
from genedge.settings.reading import read_yaml, text_of_file
from genedge.text import in_brief

MB_PER_GB = 1000


class Sourced(Section):
    """A value with where it comes from."""

    value: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e9)]
    provenance: Provenance = "user"
    note: str = ""


def _as_setting(value: object) -> object:
    """A plain value is the user's."""
    return value if isinstance(value, dict | Sourced) else {"value": value}


def _positive(value: object) -> object:
    setting = _as_setting(value)
    given = setting.get("value") if isinstance(setting, dict) else None
    if isinstance(given, int | float) and given < 0.001:
        raise ValueError("must be at least 0.001")
    return setting


SourcedNotNegative = Annotated[Sourced, BeforeValidator(_as_setting)]
SourcedPositive = Annotated[Sourced, BeforeValidator(_positive)]


class Cloud(Section):
    """The way to the cloud: a backhaul rate for each request, and a wait before the cloud generates."""

    backhaul_mbit_per_s: SourcedPositive
    wait_s: SourcedNotNegative


class Model(Section):
    """One model: what is not given here is as in the catalogue's defaults."""

    memory_gb: SourcedPositive | None = None
    load_s: SourcedNotNegative | None = None
    s_per_step: SourcedNotNegative | None = None
    s_fixed: SourcedNotNegative | None = None
    request_mb: SourcedNotNegative | None = None
    result_mb: SourcedNotNegative | None = None
    tv: SourcedNotNegative | None = None


class Defaults(Section):
    """What holds for every model that does not say otherwise."""

    memory_gb: SourcedPositive
    load_s: SourcedNotNegative
    s_per_step: SourcedNotNegative
    s_fixed: SourcedNotNegative
    request_mb: SourcedNotNegative
    result_mb: SourcedNotNegative
    tv: SourcedNotNegative


class Catalogue(Section):
    """A catalogue file."""

    name: Annotated[str, Field(strict=True, min_length=1, max_length=255)]
    alpha: SourcedNotNegative
    cloud: Cloud
    defaults: Defaults
    models: dict[str, Model]

    def as_json(self) -> dict[str, Any]:
        """Every setting with its provenance."""
        return self.model_dump(exclude_none=True)


class TraceModels:
    """The models met so far, numbered as they came, and what each takes.

    Attributes:
        names: of each model.
        memory_mb: whole megabytes, so that sums are exact.
        load_s: time from the start of a load until the model serves.
        s_per_step: generation time of a step.
        s_fixed: generation time besides the steps.
        request_mb: of a request that does not say.
        result_mb: of a request that does not say.
        tv: of every image.
        saving_s: what a hit saves at the usual sizes: the cloud's wait and the backhaul's delay.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.ids: dict[str, int] = {}
        self.names: list[str] = []
        self.memory_mb: list[int] = []
        self.load_s: list[float] = []
        self.s_per_step: list[float] = []
        self.s_fixed: list[float] = []
        self.request_mb: list[float] = []
        self.result_mb: list[float] = []
        self.tv: list[float] = []
        self.saving_s: list[float] = []

    @property
    def s_per_mb(self) -> float:
        """What a megabyte takes on the backhaul."""
        return 8.0 / self.catalogue.cloud.backhaul_mbit_per_s.value

    def number(self, name: str) -> int:
        """The model's number; a name that was not met before gets the next one.

        Args:
            name: as in the trace.
        """
        known = self.ids.get(name)
        if known is not None:
            return known
        given, defaults = self.catalogue.models.get(name), self.catalogue.defaults

        def of(key: str) -> float:
            own = getattr(given, key, None)
            return float((own or getattr(defaults, key)).value)

        self.ids[name] = number = len(self.names)
        self.names.append(name)
        self.memory_mb.append(max(round(of("memory_gb") * MB_PER_GB), 1))
        for key in ("load_s", "s_per_step", "s_fixed", "request_mb", "result_mb", "tv"):
            getattr(self, key).append(of(key))
        sizes = self.request_mb[number] + self.result_mb[number]
        self.saving_s.append(self.catalogue.cloud.wait_s.value + sizes * self.s_per_mb)
        return number


def catalogues() -> tuple[str, ...]:
    """Names of the catalogues that ship with the package."""
    folder = importlib.resources.files("genedge.replay") / "catalogues"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_catalogue(catalogue: str) -> Catalogue:
    """Reads a catalogue.

    Args:
        catalogue: a name among `catalogues()`, or the path of a YAML file.

    Raises:
        InputError: it is not there, is not YAML, or has an unknown key or a value that makes no sense.
    """
    if catalogue in catalogues():
        folder = importlib.resources.files("genedge.replay") / "catalogues"
        text = (folder / f"{catalogue}.yaml").read_text(encoding="utf-8")
    else:
        try:
            text = text_of_file(Path(catalogue))
        except FileNotFoundError:
            known = ", ".join(catalogues())
            raise InputError(f"{catalogue}: no such catalogue; give a file, or one of {known}") from None
        except OSError as e:
            raise InputError(f"{in_brief(catalogue)}: cannot be read: {e.strerror or e}") from None
    tree = read_yaml(text, catalogue)
    if not isinstance(tree, dict):
        raise InputError(f"{catalogue}: a catalogue is a mapping with the keys {', '.join(Catalogue.model_fields)}")
    try:
        read = Catalogue.model_validate(tree)
    except ValidationError as e:
        error = e.errors()[0]
        where = ".".join(str(part) for part in error["loc"])
        raise InputError(f"{catalogue}: {in_brief(where)}: {error['msg'].removeprefix('Value error, ')}") from None
    if read.alpha.value > 1:
        raise InputError(f"{catalogue}: alpha: a weight from 0 to 1, not {read.alpha.value:g}")
    return read
