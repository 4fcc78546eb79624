"""What a file of a box may say. Whatever a box does not have is not asked for."""

from typing import Annotated

from pydantic import AfterValidator, Field

from genedge.catalogue.sections import Gigabytes, Name, Seconds
from genedge.settings.fields import Count, Number, Positive, Section, Share


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise ValueError(f"{twice} stands there twice")
    return names


Names = Annotated[tuple[Name, ...], AfterValidator(_each_once)]


class GpuSection(Section):
    """One GPU: its memory for models, less what is kept back; it does one thing at a time."""

    memory_gb: Gigabytes


class CloudSection(Section):
    """Where requests may go instead; each has the backhaul's rate for itself."""

    wait_s: Seconds
    backhaul_mbit_per_s: Annotated[Positive, Field(ge=1e-3, le=1e9)]
    generators: Count | None = None


class RamSection(Section):
    """A second tier: the host's memory. What leaves a GPU stays there, and comes back sooner."""

    memory_gb: Gigabytes
    load_share: Share


class BoxSection(Section):
    """A whole box, but for its models, which are a catalogue."""

    gpus: Annotated[tuple[GpuSection, ...], Field(min_length=1, max_length=1000)]
    cloud: CloudSection | None = None
    ram: RamSection | None = None
    reserve_gb: Gigabytes = 0.0
    pins: Names = ()
    warm: Names = ()
    most_models: Count | None = None
    keep_alive_s: Seconds | None = None
    overlap: Annotated[Number, Field(ge=1, le=1000)] | None = None
    think_s: Seconds | None = None
    queue: Annotated[bool, Field(strict=True)] = True
    alpha: Share | None = None
