"""What a file of a box may say. Whatever a box does not have is not asked for."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from genedge.settings.fields import Count, NotNegative, Number, Positive, Section, Share

Gigabytes = Annotated[NotNegative, Field(le=1e6)]
Seconds = Annotated[NotNegative, Field(le=1e9)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=255)]


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


class ModelSection(Section):
    """What a model takes; what is not said is as in the defaults, and there it is 0 but for memory, load and steps.

    Generation takes B1 · steps + B2, as in Eq. (13).
    """

    memory_gb: Gigabytes | None = None
    working_gb: Gigabytes | None = None
    load_s: Seconds | None = None
    B1_s_per_step: Seconds | None = None
    B2_s: Seconds | None = None
    request_mb: Gigabytes | None = None
    result_mb: Gigabytes | None = None


class BoxSection(Section):
    """A whole box."""

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
    models: dict[Name, ModelSection]


# What a model takes if neither it nor the defaults say so; what stands nowhere must be said.
UNSAID: dict[str, Any] = {"working_gb": 0.0, "B2_s": 0.0, "request_mb": 0.0, "result_mb": 0.0}
