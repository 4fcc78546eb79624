"""What a catalogue may say of a model."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from genedge.settings.fields import Count, NotNegative, Quality, Section, Steps, StepsOrNone, TvCurve

Gigabytes = Annotated[NotNegative, Field(le=1e6)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=255)]
Seconds = Annotated[NotNegative, Field(le=1e9)]


class WorkerSection(Section):
    """What serves a model in a live box: a pipeline in a process of ours, or a server that a command starts."""

    pipeline: Annotated[str, Field(strict=True, min_length=1)] | None = None
    command: Annotated[str, Field(strict=True, min_length=1)] | None = None
    health: Annotated[str, Field(strict=True, pattern="^/")] = "/health"

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.pipeline is None) == (self.command is None):
            raise ValueError("give pipeline or command, and not both")
        return self


class PeakSection(Section):
    """What generating so many images at once, of so many pixels each, was measured to take besides the weights."""

    images: Count
    pixels: Count | None = None
    gb: Gigabytes


def _alike(peaks: tuple[PeakSection, ...]) -> tuple[PeakSection, ...]:
    if len({peak.pixels is None for peak in peaks}) > 1:
        raise ValueError("give pixels for each of them, or for none")
    return peaks


Peaks = Annotated[tuple[PeakSection, ...], Field(min_length=1, max_length=1000), AfterValidator(_alike)]


class ModelSection(Section):
    """What a model takes, and how good it is; what is not said is as in the catalogue's defaults.

    Generation takes B1 · steps + B2, as in Eq. (12); quality goes from A2 at A1 steps to A4 at A3, as in Eq. (10)
    and (11).
    With `least_steps` its owner lets a request be generated under load; besides its own it needs the weights of
    `needs`. A live box reserves, for each request, what `peaks` say of its images and their size.
    """

    memory_gb: Gigabytes | None = None
    working_gb: Gigabytes | None = None
    peaks: Peaks | None = None
    load_s: Seconds | None = None
    A1_steps: StepsOrNone | None = None
    A2_tv: Quality | None = None
    A3_steps: Steps | None = None
    A4_tv: Quality | None = None
    B1_s_per_step: Seconds | None = None
    B2_s: Seconds | None = None
    curve: TvCurve | None = None
    request_mb: Gigabytes | None = None
    result_mb: Gigabytes | None = None
    least_steps: StepsOrNone | None = None
    needs: tuple[Name, ...] | None = None
    worker: WorkerSection | None = None


KEYS = tuple(ModelSection.model_fields)
