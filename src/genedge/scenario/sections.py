"""The settings of a cell, section by section."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from genedge.errors import InputError
from genedge.limits import MOST_PLACES
from genedge.own import in_file
from genedge.registry import listed
from genedge.scenario.by_catalogue import catalogue_of, named_models
from genedge.settings.fields import (
    PIECES,
    Bandwidth,
    Cost,
    Count,
    Decibels,
    Gigabytes,
    GigabytesOrNone,
    GigabytesOrNoneRange,
    GigabytesRange,
    Length,
    Megabytes,
    MegabytesRange,
    NotNegative,
    Positive,
    Power,
    Quality,
    QualityRange,
    Rate,
    Seconds,
    SecondsRange,
    Section,
    Share,
    Steps,
    StepsOrNone,
    StepsOrNoneRange,
    StepsRange,
    TvCurve,
    Weight,
    carried,
)
from genedge.settings.words import validated
from genedge.text import shortened

# Models are told apart in pairs.
MOST_MODELS = 10_000


class CellSettings(Section):
    """Users, area and time."""

    users: Count
    places: Annotated[Count, Field(le=MOST_PLACES)]
    area_m: tuple[Length, Length]
    slots_per_episode: Count
    slot_duration_s: Annotated[Positive, carried(1e-9, 1e9)]

    @model_validator(mode="after")
    def _users_fit(self) -> Self:
        if self.users > self.places:
            raise ValueError(f"users ({self.users}) must not exceed places ({self.places})")
        return self


class RadioSettings(Section):
    """Bandwidths, powers, noise, path loss, what a transfer costs, and from which channel on a user is served."""

    uplink_bandwidth_mhz: Bandwidth
    downlink_bandwidth_mhz: Bandwidth
    user_power_dbm: Power
    bs_power_dbm: Power
    noise_dbm_per_hz: Annotated[Decibels, carried(-250, 0)]
    noise_bandwidth: Literal["own", "whole"]
    path_loss_db_at_1_km: Decibels
    path_loss_db_per_decade: Annotated[Decibels, Field(ge=0)]
    least_distance_m: Length
    # Those of a line of slots.
    outage_gain_db: Annotated[Decibels, Field(le=60)] | None
    outage_delay_s: Seconds
    transfer_overhead_s: Seconds


class BackhaulSettings(Section):
    """Rates between the base station and the cloud, what a transfer costs; how many the cloud serves at once."""

    to_cloud_mbit_per_s: Rate
    from_cloud_mbit_per_s: Rate
    transfer_overhead_s: Seconds
    shared: Annotated[bool, Field(strict=True)]
    cloud_generators: Annotated[Count, Field(le=100_000)] | None


class RequestsSettings(Section):
    """Request sizes and the Markov chain of the popularity's skew."""

    input_size_mb: MegabytesRange
    skew_states: Annotated[tuple[Annotated[NotNegative, Field(le=100)], ...], Field(min_length=1, max_length=100)]
    transition: tuple[tuple[Share, ...], ...]
    first_skew: Literal["stationary"] | Annotated[int, Field(strict=True, ge=0)]
    rank_drift: Share

    @model_validator(mode="after")
    def _chain(self) -> Self:
        states = len(self.skew_states)
        if len(self.transition) != states or any(len(row) != states for row in self.transition):
            raise ValueError(f"transition must have {states} rows of {states} numbers, one for each skew state")
        for i, row in enumerate(self.transition):
            if abs(sum(row) - 1) > 1e-9:
                raise ValueError(f"row {i} of transition must sum to 1, sums to {sum(row):g}")
        if isinstance(self.first_skew, int) and self.first_skew >= states:
            raise ValueError(f"first_skew must be stationary or a state from 0 to {states - 1}")
        return self


class QualityFloor(Section):
    """What a served request must get at least: a largest TV, or least steps; exactly one of them.

    `largest_tv: best` asks of every model the best TV it can reach.
    """

    largest_tv: Annotated[Positive, carried(1e-6, 1e9)] | Literal["best"] | None = None
    least_steps: StepsOrNone | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.largest_tv is None) == (self.least_steps is None):
            raise ValueError("give either largest_tv or least_steps")
        return self


class ServerSettings(Section):
    """What the base station has."""

    total_steps: Steps
    storage_gb: GigabytesOrNone
    quality_floor: QualityFloor | None
    pinned: tuple[Annotated[int, Field(strict=True, ge=0)], ...]
    cache_every_slots: Annotated[Count, Field(le=100_000)] | None
    offload: Annotated[bool, Field(strict=True)]
    generates_at_once: Annotated[Count, Field(le=100_000)] | None
    generation_order: Literal["as-they-arrive", "shortest-first"]


class ObservationSettings(Section):
    """What the base station sees of its users when it decides; costs follow from what is."""

    stale_slots: Annotated[int, Field(strict=True, ge=0, le=1000)]
    gain_noise_db: Annotated[NotNegative, carried(1e-6, 100, or_zero=True)]


class ObjectiveSettings(Section):
    """The weights of Eq. (14), and costs beyond it; or a function of one's own instead."""

    alpha: Weight
    alpha_weighs: Literal["delay", "tv"]
    energy_per_step: Cost
    deadline_s: Seconds | None
    late_penalty: Cost
    fairness_per_s: Cost
    function: Annotated[str, Field(strict=True)] | None

    @model_validator(mode="after")
    def _one_cost(self) -> Self:
        beyond = self.energy_per_step or self.deadline_s is not None or self.fairness_per_s
        if self.function is not None and beyond:
            raise ValueError(
                "function is the whole cost of a slot: leave out energy_per_step, deadline_s and fairness_per_s, "
                "or the function"
            )
        if self.function is not None and not in_file(self.function):
            raise ValueError(f"function must be FILE.py:FUNCTION, not {shortened(self.function)}")
        return self


class PartOfModel(Section):
    """What is known of one model; the rest is drawn."""

    storage_gb: Gigabytes | None = None
    output_size_mb: Megabytes | None = None
    A1_steps: StepsOrNone | None = None
    A2_tv: Quality | None = None
    A3_steps: Steps | None = None
    A4_tv: Quality | None = None
    B1_s_per_step: Seconds | None = None
    B2_s: Seconds | None = None
    working_gb: GigabytesOrNone | None = None
    load_s: Seconds | None = None


class DrawnModels(Section):
    """Ranges from which the seed draws the catalogue, uniformly, but for what is known of its first models."""

    count: Annotated[Count, Field(le=MOST_MODELS)]
    storage_gb: GigabytesRange
    output_size_mb: MegabytesRange
    A1_steps: StepsOrNoneRange
    A2_tv: QualityRange
    A3_steps: StepsRange
    A4_tv: QualityRange
    B1_s_per_step: SecondsRange
    B2_s: SecondsRange
    working_gb: GigabytesOrNoneRange
    load_s: SecondsRange
    given: tuple[PartOfModel, ...]

    @model_validator(mode="after")
    def _no_more_given(self) -> Self:
        if len(self.given) > self.count:
            raise ValueError(f"given has {len(self.given)} models, and count is {self.count}; raise the count")
        return self


class GivenModel(Section):
    """One model of a catalogue given model by model."""

    storage_gb: Gigabytes
    output_size_mb: Megabytes
    A1_steps: StepsOrNone
    A2_tv: Quality
    A3_steps: Steps
    A4_tv: Quality
    B1_s_per_step: Seconds
    B2_s: Seconds
    # Of a real box; a list of models need not give them.
    working_gb: GigabytesOrNone = 0.0
    load_s: Seconds = 0.0
    # In place of A1 to A4, which then follow from it.
    curve: TvCurve | None = None


NUMBERS_OF_MODELS = tuple(key for key in GivenModel.model_fields if key != "curve")


def _given(model: Any, place: str) -> GivenModel:
    if isinstance(model, dict) and model.get("curve") is not None:
        for key in PIECES:
            if key in model:
                raise InputError(
                    f"{place}: a curve stands in place of {listed(PIECES)}; leave out {key}, or the curve"
                )
        curve = validated(TvCurve, model["curve"], f"{place}.curve", tuple(TvCurve.model_fields))
        model = model | {"curve": curve} | curve.as_pieces()
    return validated(GivenModel, model, place, NAMES_OF_MODELS)


# What an unknown key of a model, or of a floor, may have meant.
NAMES_OF_MODELS = (*GivenModel.model_fields, *QualityFloor.model_fields)


class Settings(Section):
    """All settings of a cell, with the units in their names."""

    name: Annotated[str, Field(strict=True, min_length=1, max_length=255)]
    seed: Annotated[int, Field(strict=True, ge=0)]
    cell: CellSettings
    radio: RadioSettings
    backhaul: BackhaulSettings
    requests: RequestsSettings
    server: ServerSettings
    observation: ObservationSettings
    objective: ObjectiveSettings
    models: DrawnModels | tuple[GivenModel, ...]

    @model_validator(mode="before")
    @classmethod
    def _models_by_shape(cls, tree: dict[str, Any]) -> dict[str, Any]:
        # Chosen here, so that errors speak of one shape and not of both.
        if "models" not in tree:
            return tree
        models = tree["models"]
        if isinstance(models, list):
            if not models:
                raise ValueError("models: the list is empty; give at least one model, or ranges")
            _refuse_many(len(models))
            return tree | {"models": tuple(_given(model, f"models.{i}") for i, model in enumerate(models))}
        if isinstance(models, dict) and "catalogue" in models:
            named = named_models(catalogue_of(models["catalogue"]), NUMBERS_OF_MODELS)
            _refuse_many(len(named))
            return tree | {"models": tuple(_given(each, f"models.{m}") for m, each in named.items())}
        return tree | {"models": validated(DrawnModels, models, "models", NAMES_OF_MODELS)}


def _refuse_many(models: int) -> None:
    if models > MOST_MODELS:
        raise ValueError(f"models: {models} of them; at most {MOST_MODELS} can be told apart in a slot")


# The sections of a cell; what else a scenario holds are hyperparameters, see `Scenario.hyperparameters`.
SECTIONS = tuple(name for name in Settings.model_fields if name not in ("name", "seed"))
