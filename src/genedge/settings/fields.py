"""Types of fields: what a number may be; within their limits every verb can compute in single precision."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Settings that belong together, each under a name that tells its unit; none but these."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def as_range(value: object) -> object:
    """One number means a range of zero width.

    Args:
        value: as it was written.
    """
    return value if isinstance(value, list | tuple) else [value, value]


def carried(least: float, largest: float, or_zero: bool = False) -> AfterValidator:
    """Limits within which every verb can compute with a setting in single precision.

    Args:
        least: of the numbers that can be computed with.
        largest: of them.
        or_zero: whether 0 is allowed too.
    """

    def check(value: float) -> float:
        if (value == 0 and or_zero) or least <= value <= largest:
            return value
        zero = "0 or " if or_zero else ""
        raise ValueError(f"must be {zero}from {least:g} to {largest:g}, which can be computed with, not {value:g}")

    return AfterValidator(check)


def ordered(value: tuple[float, float]) -> tuple[float, float]:
    """Refuses a range whose least number is above its largest.

    Args:
        value: the range.
    """
    if value[0] > value[1]:
        raise ValueError(f"a range is [least, largest], not [{value[0]:g}, {value[1]:g}]")
    return value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e15, le=1e15)]
Decibels = Annotated[Number, Field(ge=-300, le=300)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Tuned = Annotated[Positive, carried(1e-9, 1e15)]
# JAX counts in 32 bits.
Count = Annotated[int, Field(strict=True, gt=0, le=10**9)]
Power = Annotated[Decibels, carried(-40, 100)]
Bandwidth = Annotated[Positive, carried(1e-3, 1e6)]
Rate = Annotated[Positive, carried(1e-6, 1e9)]
Length = Annotated[Positive, carried(1e-3, 1e6)]
Speed = Annotated[Positive, carried(1e-6, 1e4)]
# A line of slots holds requests from a byte to 10¹⁵ bits.
Megabytes = Annotated[Positive, carried(1e-6, 1e8)]
Gigabytes = Annotated[Positive, carried(1e-6, 1e9)]
GigabytesOrNone = Annotated[NotNegative, carried(1e-6, 1e9, or_zero=True)]
Seconds = Annotated[NotNegative, carried(1e-9, 1e6, or_zero=True)]
Steps = Annotated[Positive, carried(1e-3, 1e9)]
StepsOrNone = Annotated[NotNegative, carried(1e-3, 1e9, or_zero=True)]
Quality = Annotated[NotNegative, carried(1e-6, 1e9, or_zero=True)]
Cost = Annotated[NotNegative, carried(1e-9, 1e9, or_zero=True)]
Weight = Annotated[Share, carried(1e-6, 1, or_zero=True)]
GigabytesRange = Annotated[tuple[Gigabytes, Gigabytes], BeforeValidator(as_range), AfterValidator(ordered)]
GigabytesOrNoneRange = Annotated[
    tuple[GigabytesOrNone, GigabytesOrNone], BeforeValidator(as_range), AfterValidator(ordered)
]
MegabytesRange = Annotated[tuple[Megabytes, Megabytes], BeforeValidator(as_range), AfterValidator(ordered)]
SecondsRange = Annotated[tuple[Seconds, Seconds], BeforeValidator(as_range), AfterValidator(ordered)]
SpeedRange = Annotated[tuple[Speed, Speed], BeforeValidator(as_range), AfterValidator(ordered)]
StepsRange = Annotated[tuple[Steps, Steps], BeforeValidator(as_range), AfterValidator(ordered)]
StepsOrNoneRange = Annotated[tuple[StepsOrNone, StepsOrNone], BeforeValidator(as_range), AfterValidator(ordered)]
QualityRange = Annotated[tuple[Quality, Quality], BeforeValidator(as_range), AfterValidator(ordered)]
WeightRange = Annotated[tuple[Weight, Weight], BeforeValidator(as_range), AfterValidator(ordered)]
CountRange = Annotated[tuple[Count, Count], BeforeValidator(as_range), AfterValidator(ordered)]


class TvCurve(Section):
    """TV over steps as a table: linear between its steps, constant before the first and after the last."""

    steps: Annotated[tuple[StepsOrNone, ...], Field(min_length=2, max_length=40)]
    tv: Annotated[tuple[Quality, ...], Field(min_length=2, max_length=40)]

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if len(self.steps) != len(self.tv):
            raise ValueError(f"{len(self.steps)} steps and {len(self.tv)} values of TV; give one for each")
        for (begin, end), (above, below) in zip(pairwise(self.steps), pairwise(self.tv), strict=True):
            if end <= begin:
                raise ValueError(f"steps must rise, and {end:g} comes after {begin:g}")
            if below > above:
                raise ValueError(
                    f"TV must not rise with steps, and is {above:g} at {begin:g} of them and {below:g} at {end:g}"
                )
        if self.tv[0] == self.tv[-1]:
            raise ValueError(f"TV is {self.tv[0]:g} with all steps; a model whose TV does not fall needs none")
        return self

    def as_pieces(self) -> dict[str, float]:
        """Where it begins to fall, and where it ends, as A1 to A4 say it."""
        last = next(i for i, tv in enumerate(self.tv) if tv < self.tv[0]) - 1
        end = self.tv.index(self.tv[-1])
        keys = self.steps[last], self.tv[0], self.steps[end], self.tv[-1]
        return dict(zip(PIECES, keys, strict=True))


PIECES = ("A1_steps", "A2_tv", "A3_steps", "A4_tv")
