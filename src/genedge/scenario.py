"""Scenarios: settings with units and provenance, from YAML to the arrays that the cell computes with.

A scenario file is YAML. Each setting is a plain value or `{value, provenance, note}`. A file inherits what it
does not set from its `base`, a preset (`paper` unless it says otherwise). Units stand in the settings' names;
everything is turned into SI here and nowhere else.
"""

import hashlib
import importlib.resources
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar, get_args

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from genedge.cell.channels.log_distance import LogDistance
from genedge.cell.mobility.uniform import Uniform
from genedge.cell.types import Box, Models, Params
from genedge.errors import InputError
from genedge.limits import MOST_PLACES, check_cell, check_models, check_radio
from genedge.settings.reading import read_yaml, text_of_file, write_yaml
from genedge.text import in_brief, nearest, shortened

# --- The settings, section by section ---------------------------------------------------------------------


def _as_range(value: object) -> object:
    """One number means a range of zero width."""
    return value if isinstance(value, list | tuple) else [value, value]


def _carried(least: float, largest: float, or_zero: bool = False) -> AfterValidator:
    """Limits within which every verb can compute with a setting in single precision, see `genedge.limits`."""

    def check(value: float) -> float:
        if (value == 0 and or_zero) or least <= value <= largest:
            return value
        zero = "0 or " if or_zero else ""
        raise ValueError(f"must be {zero}from {least:g} to {largest:g}, which can be computed with, not {value:g}")

    return AfterValidator(check)


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"a range is [least, largest], not [{value[0]:g}, {value[1]:g}]")
    return value


# Models are told apart in pairs.
MOST_MODELS = 10_000

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e15, le=1e15)]
Decibels = Annotated[Number, Field(ge=-300, le=300)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Tuned = Annotated[Positive, _carried(1e-9, 1e15)]
# JAX counts in 32 bits.
Count = Annotated[int, Field(strict=True, gt=0, le=10**9)]
Power = Annotated[Decibels, _carried(-40, 100)]
Bandwidth = Annotated[Positive, _carried(1e-3, 1e6)]
Rate = Annotated[Positive, _carried(1e-6, 1e9)]
Length = Annotated[Positive, _carried(1e-3, 1e6)]
# A line of slots holds requests from a byte to 10¹⁵ bits.
Megabytes = Annotated[Positive, _carried(1e-6, 1e8)]
Gigabytes = Annotated[Positive, _carried(1e-6, 1e9)]
GigabytesOrNone = Annotated[NotNegative, _carried(1e-6, 1e9, or_zero=True)]
Seconds = Annotated[NotNegative, _carried(1e-9, 1e6, or_zero=True)]
Steps = Annotated[Positive, _carried(1e-3, 1e9)]
StepsOrNone = Annotated[NotNegative, _carried(1e-3, 1e9, or_zero=True)]
Quality = Annotated[NotNegative, _carried(1e-6, 1e9, or_zero=True)]
Weight = Annotated[Share, _carried(1e-6, 1, or_zero=True)]
GigabytesRange = Annotated[tuple[Gigabytes, Gigabytes], BeforeValidator(_as_range), AfterValidator(_ordered)]
GigabytesOrNoneRange = Annotated[
    tuple[GigabytesOrNone, GigabytesOrNone], BeforeValidator(_as_range), AfterValidator(_ordered)
]
MegabytesRange = Annotated[tuple[Megabytes, Megabytes], BeforeValidator(_as_range), AfterValidator(_ordered)]
SecondsRange = Annotated[tuple[Seconds, Seconds], BeforeValidator(_as_range), AfterValidator(_ordered)]
StepsRange = Annotated[tuple[Steps, Steps], BeforeValidator(_as_range), AfterValidator(_ordered)]
StepsOrNoneRange = Annotated[tuple[StepsOrNone, StepsOrNone], BeforeValidator(_as_range), AfterValidator(_ordered)]
QualityRange = Annotated[tuple[Quality, Quality], BeforeValidator(_as_range), AfterValidator(_ordered)]
WeightRange = Annotated[tuple[Weight, Weight], BeforeValidator(_as_range), AfterValidator(_ordered)]
CountRange = Annotated[tuple[Count, Count], BeforeValidator(_as_range), AfterValidator(_ordered)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_S = TypeVar("_S", bound=BaseModel)


class Cell(_Section):
    """Users, area and time."""

    users: Count
    places: Annotated[Count, Field(le=MOST_PLACES)]
    area_m: tuple[Length, Length]
    slots_per_episode: Count
    slot_duration_s: Annotated[Positive, _carried(1e-9, 1e9)]

    @model_validator(mode="after")
    def _users_fit(self) -> Self:
        if self.users > self.places:
            raise ValueError(f"users ({self.users}) must not exceed places ({self.places})")
        return self


class Radio(_Section):
    """Bandwidths, powers, noise and path loss."""

    uplink_bandwidth_mhz: Bandwidth
    downlink_bandwidth_mhz: Bandwidth
    user_power_dbm: Power
    bs_power_dbm: Power
    noise_dbm_per_hz: Annotated[Decibels, _carried(-250, 0)]
    noise_bandwidth: Literal["own", "whole"]
    path_loss_db_at_1_km: Decibels
    path_loss_db_per_decade: Annotated[Decibels, Field(ge=0)]
    least_distance_m: Length


class Backhaul(_Section):
    """Rates between the base station and the cloud, and how many requests the cloud serves at once."""

    to_cloud_mbit_per_s: Rate
    from_cloud_mbit_per_s: Rate
    shared: Annotated[bool, Field(strict=True)]
    cloud_generators: Annotated[Count, Field(le=100_000)] | None


class Requests(_Section):
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


class QualityFloor(_Section):
    """What a served request must get at least: a largest TV, or least steps; exactly one of them.

    `largest_tv: best` asks of every model the best TV it can reach.
    """

    largest_tv: Annotated[Positive, _carried(1e-6, 1e9)] | Literal["best"] | None = None
    least_steps: StepsOrNone | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.largest_tv is None) == (self.least_steps is None):
            raise ValueError("give either largest_tv or least_steps")
        return self


class Server(_Section):
    """What the base station has."""

    total_steps: Steps
    storage_gb: GigabytesOrNone
    quality_floor: QualityFloor | None
    pinned: tuple[Annotated[int, Field(strict=True, ge=0)], ...]
    cache_every_slots: Annotated[Count, Field(le=100_000)] | None
    offload: Annotated[bool, Field(strict=True)]


class Objective(_Section):
    """The weights of Eq. (14)."""

    alpha: Weight
    alpha_weighs: Literal["delay", "tv"]


class DrawnModels(_Section):
    """Ranges from which the seed draws the catalogue, uniformly."""

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


class GivenModel(_Section):
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


class _Agent(_Section):
    """What every agent that learns has: a length of training and networks."""

    episodes: Count
    width: Count
    layer_norm: Annotated[bool, Field(strict=True)]
    learning_rate_last: Share


class _OneCell(_Agent):
    """Which networks an agent has that is trained on one cell."""

    network: Literal["mlp", "equivariant"]
    hidden_layers: Annotated[tuple[Count, ...], Field(min_length=1, max_length=32)]


class _OffPolicy(_OneCell):
    """Settings of the agents that learn from a replay buffer."""

    discount: Annotated[Number, Field(ge=0, lt=1)]
    target_rate: Annotated[Number, Field(gt=0, le=1)]
    actor_learning_rate: Tuned
    critic_learning_rate: Tuned
    critics: Annotated[Count, Field(le=8)]
    credit: Literal["total", "per_user"]
    centring_rate: Share
    batch: Count
    replay_size: Annotated[Count, Field(le=10_000_000)]
    warmup_slots: Count

    @property
    def per_user(self) -> bool:
        """Whether the critic has a value for each user; only an equivariant one can."""
        return self.credit == "per_user" and self.network == "equivariant"


class Ddpg(_OffPolicy):
    """Settings of DDPG and, where the last three are on, of TD3."""

    noise_first: NotNegative
    noise_last: NotNegative
    policy_delay: Count
    target_noise: NotNegative
    target_noise_limit: NotNegative


class TwoTimescale(Ddpg):
    """Settings of the pair for boxes: DDPG for bandwidth and steps, and double DQN for the cache."""

    cache_width: Count
    cache_learning_rate: Tuned
    cache_discount: Annotated[Number, Field(ge=0, lt=1)]
    cache_target_rate: Annotated[Number, Field(gt=0, le=1)]
    cache_batch: Count
    cache_replay_size: Annotated[Count, Field(le=10_000_000)]
    cache_updates: Annotated[Count, Field(le=100)]
    chance_first: Share
    chance_last: Share
    chance_until: Annotated[Tuned, Field(le=1)]


class Sac(_OffPolicy):
    """Settings of the soft actor-critic."""

    first_temperature: Tuned
    temperature_learning_rate: NotNegative
    target_entropy: Number


class _Reinforce(_Agent):
    """What REINFORCE has, on one cell and on any."""

    learning_rate: Tuned
    decisions_per_slot: Annotated[Count, Field(ge=2)]
    updates_per_episode: Count
    noise_first: Tuned
    noise_last: Tuned
    limit: Tuned


class Reinforce(_Reinforce, _OneCell):
    """Settings of REINFORCE."""


class AnyCell(_Reinforce):
    """Settings of REINFORCE over cells of any size, each with its own users, catalogue, server and objective."""

    users: CountRange
    models: CountRange
    total_steps: StepsRange
    storage_gb: GigabytesRange
    delay_weight: WeightRange
    floor: Share

    @property
    def network(self) -> Literal["equivariant"]:
        """The only kind that serves cells of any size."""
        return "equivariant"


AgentSettings = Ddpg | Sac | Reinforce | AnyCell


class Hcras(_Section):
    """Settings of the genetic algorithm."""

    population: Annotated[Count, Field(ge=2, multiple_of=2)]
    generations: Count
    crossover_probability: Share
    crossover_index: NotNegative
    mutation_probability: Share
    mutation_index: NotNegative


class Settings(_Section):
    """All settings of a scenario, with the units in their names."""

    name: Annotated[str, Field(strict=True, min_length=1, max_length=255)]
    seed: Annotated[int, Field(strict=True, ge=0)]
    cell: Cell
    radio: Radio
    backhaul: Backhaul
    requests: Requests
    server: Server
    objective: Objective
    models: DrawnModels | tuple[GivenModel, ...]
    ddpg: Ddpg
    td3: Ddpg
    sac: Sac
    two_timescale: TwoTimescale
    reinforce: Reinforce
    any_cell: AnyCell
    hcras: Hcras

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
            if len(models) > MOST_MODELS:
                raise ValueError(
                    f"models: {len(models)} of them; at most {MOST_MODELS} can be told apart in a slot"
                )
            given = tuple(_validated(GivenModel, model, f"models.{i}") for i, model in enumerate(models))
            return tree | {"models": given}
        return tree | {"models": _validated(DrawnModels, models, "models")}


SECTIONS = tuple(name for name in Settings.model_fields if name not in ("name", "seed"))

# --- From file to scenario --------------------------------------------------------------------------------

Provenance = Literal["paper", "restored", "assumed", "user"]


class Setting(NamedTuple):
    """A value with where it comes from.

    Attributes:
        value: as in the file, in the unit of its name.
        provenance: paper, restored, assumed, or user (set by whoever runs the program).
        note: a remark, or empty.
    """

    value: Any
    provenance: Provenance
    note: str


@dataclass(frozen=True)
class Scenario:
    """A validated cell with its catalogue.

    Attributes:
        settings: all values, validated, in the units of their names.
        table: the same by dotted key, each with its provenance.
    """

    settings: Settings
    table: Mapping[str, Setting]

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.settings.name

    @cached_property
    def models(self) -> tuple[GivenModel, ...]:
        """The catalogue, drawn from the ranges by the scenario's seed, or as given."""
        models = self.settings.models
        return models if isinstance(models, tuple) else _draw(models, self.settings.seed)

    @cached_property
    def params(self) -> Params:
        """The scenario as float64 NumPy arrays in SI units."""
        return _params(self.settings, self.models)

    @cached_property
    def id(self) -> str:
        """A hash of everything that slots, decisions and costs depend on."""
        return hashlib.sha256(json.dumps(self._physics(), sort_keys=True).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """Everything needed to recompute costs in SI units, and every setting with unit and provenance."""
        settings = {
            key: {"value": setting.value, "unit": unit_of(key), **_origin(setting)}
            for key, setting in self.table.items()
        }
        return {
            "name": self.name,
            "scenario_id": self.id,
            **self._physics(),
            "seed": self.settings.seed,
            "users": self.settings.cell.users,
            "places": self.settings.cell.places,
            "settings": settings,
        }

    def as_yaml(self) -> str:
        """A scenario file that says the same, every setting written out with its provenance."""
        tree: dict[str, Any] = {"name": self.name}
        for key, setting in self.table.items():
            section, _, rest = key.partition(".")
            leaf = {"value": setting.value, **_origin(setting)}
            if rest:
                tree.setdefault(section, {})[rest] = leaf
            else:
                tree[section] = leaf
        return write_yaml(tree)

    def _physics(self) -> dict[str, Any]:
        s, p = self.settings, self.params
        symbols = ("W_up", "W_dw", "p_n", "p_BS", "N0", "R_bc", "R_cb", "S", "C")
        properties = ("storage_gb", "output_bits", "A1", "A2", "A3", "A4", "B1", "B2")
        floor = s.server.quality_floor
        return {
            "parameters": {symbol: float(getattr(p, symbol)) for symbol in symbols} | {"alpha": s.objective.alpha},
            "models": [
                {key: float(getattr(p.models, key)[m]) for key in properties} for m in range(len(self.models))
            ],
            "noise_bandwidth": s.radio.noise_bandwidth,
            "alpha_weighs": s.objective.alpha_weighs,
            "quality_floor": floor.model_dump(exclude_none=True) if floor else None,
            "skew_states": list(s.requests.skew_states),
            "transition": [list(row) for row in s.requests.transition],
            # Rounded, because the stationary state's last digits depend on the machine, and the id must not.
            "first_skew": [round(float(x), 12) for x in p.first_skew],
            "input_bits": [float(x) for x in p.input_bits],
            "slots_per_episode": s.cell.slots_per_episode,
            "area_m": list(s.cell.area_m),
            "path_loss": {
                "db_at_1_km": s.radio.path_loss_db_at_1_km,
                "db_per_decade": s.radio.path_loss_db_per_decade,
                "least_distance_m": s.radio.least_distance_m,
            },
        } | self._box()

    def _box(self) -> dict[str, Any]:
        """What sets a real box apart; nothing in a cell like the paper's."""
        s, box = self.settings, self.params.box
        if box is None:
            return {}
        return {
            "box": {
                "weights_gb": [float(x) for x in box.weights_gb],
                "load_s": [float(x) for x in box.load_s],
                "slot_duration_s": s.cell.slot_duration_s,
                "pinned": sorted(set(s.server.pinned)),
                "cache_every_slots": s.server.cache_every_slots,
                "offload": s.server.offload,
                "shared_backhaul": s.backhaul.shared,
                "cloud_generators": s.backhaul.cloud_generators,
                "rank_drift": s.requests.rank_drift,
            }
        }


def _origin(setting: Setting) -> dict[str, str]:
    return {"provenance": setting.provenance} | ({"note": setting.note} if setting.note else {})


def presets() -> tuple[str, ...]:
    """Names of the scenarios that ship with the package."""
    folder = importlib.resources.files("genedge") / "scenarios"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_scenario(scenario: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """Loads a preset or a scenario file.

    Args:
        scenario: a preset's name, or the path of a YAML file.
        overrides: `key=value` each, with dotted keys and YAML values, applied in this order.

    Returns:
        The validated scenario.

    Raises:
        InputError: the file is missing or broken, a key is unknown, or a value makes no sense.
    """
    if not isinstance(scenario, str | Path) or "\0" in str(scenario):
        raise InputError(f"scenario must be a preset's name or the path of a file, not {shortened(scenario)}")
    if isinstance(overrides, str) or not isinstance(overrides, Sequence):
        raise InputError(
            f"overrides must be a list of settings, such as ['objective.alpha=0.5'], not {shortened(overrides)}"
        )
    for override in overrides:
        if not isinstance(override, str):
            raise InputError(
                f"overrides must be text, such as 'objective.alpha=0.5', each of them, not {shortened(override)}"
            )
    text, source = _find(str(scenario))
    table, name = _table(text, source)
    if overrides:
        source += " with --set"
    for override in overrides:
        key, equals, value = override.partition("=")
        told = f"--set {in_brief(override)}"
        if not equals:
            raise InputError(f"{told}: write key=value, for example --set objective.alpha=0.5")
        _put(table, key.strip(), Setting(read_yaml(value, told), "user", ""), told)
    return _build(table, name, source)


def _find(scenario: str) -> tuple[str, str]:
    if scenario in presets():
        resource = importlib.resources.files("genedge") / "scenarios" / f"{scenario}.yaml"
        return resource.read_text(encoding="utf-8"), f"preset {scenario}"
    try:
        return text_of_file(Path(scenario)), scenario
    except (FileNotFoundError, NotADirectoryError):
        hint = _did_you_mean(scenario, presets())
        raise InputError(
            f"scenario {in_brief(repr(scenario), 300)}: no such preset or file{hint}; the presets are "
            f"{', '.join(presets())}"
        ) from None
    except (OSError, ValueError) as e:  # ValueError: of a name with a NUL.
        why, named = getattr(e, "strerror", None) or e, in_brief(repr(scenario), 300)
        raise InputError(f"scenario {named}: cannot be read as a text file: {why}") from None


def refuse_box(scenario: Scenario) -> None:
    """Refuses scenarios of boxes, for what looks at each slot alone.

    Args:
        scenario: the scenario.

    Raises:
        InputError: it is of a box.
    """
    if scenario.params.box is not None:
        raise InputError(
            f"scenario {scenario.name} is of a box (its cache lasts, its cloud or backhaul is shared, or "
            f"popularity drifts), and this looks at each slot alone; 'genedge evaluate', 'genedge train' and "
            f"genedge.evaluation.boxes.evaluate_box know boxes"
        )


def _table(text: str, source: str) -> tuple[dict[str, Setting], str]:
    """The settings of a file by dotted key, on top of those of its base, and the scenario's name."""
    tree = read_yaml(text, source)
    if not isinstance(tree, dict):
        raise InputError(f"{source}: a scenario is a mapping of settings, such as 'name: mine'")
    name = tree.pop("name", Path(source).stem)
    base = tree.pop("base", None if source == "preset paper" else "paper")
    table: dict[str, Setting] = {}
    if base is not None:
        if base not in presets():
            known = ", ".join(presets())
            raise InputError(f"{source}: base: {shortened(base)} is no preset; the presets are {known}")
        table, _ = _table(*_find(base))
    for section, content in tree.items():
        if section in SECTIONS and isinstance(content, dict) and "value" not in content:
            for key, leaf in content.items():
                place = f"{source}: {section}.{in_brief(key)}"
                _put(table, f"{section}.{key}", _setting(leaf, place), source)
        else:
            _put(table, section, _setting(content, f"{source}: {in_brief(section)}"), source)
    return table, name


def _setting(leaf: Any, place: str) -> Setting:
    if not (isinstance(leaf, dict) and "value" in leaf):
        return Setting(leaf, "user", "")
    unknown = set(leaf) - {"value", "provenance", "note"}
    provenance = leaf.get("provenance", "user")
    note = leaf.get("note") or ""
    if unknown or provenance not in get_args(Provenance) or isinstance(note, dict | list):
        raise InputError(
            f"{place}: a setting is a value or {{value, provenance, note}}, "
            f"its provenance one of paper, restored, assumed, user, its note a text"
        )
    return Setting(leaf["value"], provenance, str(note))


def _put(table: dict[str, Setting], key: str, setting: Setting, source: str) -> None:
    """Sets one key of the table; refuses keys that no scenario has."""
    known = _known_keys()
    if key == "name":
        raise InputError(f"{source}: the name belongs to the file; it cannot be set")
    if key == "models":
        if not isinstance(setting.value, list):
            raise InputError(f"{source}: models must be ranges (models.count, ...) or a list of models")
        for old in [k for k in table if k.startswith("models.")]:
            del table[old]
    elif key.startswith("models.") and "models" in table:
        raise InputError(
            f"{source}: {in_brief(key)}: this scenario gives its models one by one; set 'models' as a whole"
        )
    elif key in SECTIONS:
        example = next(k for k in known if k.startswith(f"{key}."))
        raise InputError(f"{source}: {key} is a section; set its keys one by one, such as {example}")
    elif key not in known:
        parent, _, last = key.rpartition(".")
        if parent in known:  # A dotted key may reach into a value that is a mapping.
            key, setting = parent, setting._replace(value={last: setting.value})
        else:
            meant = nearest(last, [k.rpartition(".")[2] for k in known])
            # Of the sections that have it the one that is like what was written, else the first.
            there = [k for k in known if k.rpartition(".")[2] == meant]
            section = nearest(parent, [k.rpartition(".")[0] for k in there])
            near = f"{section}.{meant}" if section else next(iter(there), None)
            hint = f"; did you mean {near}?" if near else "; 'genedge scenario show paper' lists all keys"
            raise InputError(f"{source}: there is no setting {shortened(key)}{hint}")
    table[key] = setting


def _known_keys() -> tuple[str, ...]:
    keys = ["seed"]
    for section in SECTIONS:
        fields = DrawnModels if section == "models" else Settings.model_fields[section].annotation
        assert isinstance(fields, type)
        assert issubclass(fields, BaseModel)
        keys += [f"{section}.{key}" for key in fields.model_fields]
    return tuple(keys)


def _build(table: dict[str, Setting], name: str, source: str) -> Scenario:
    tree: dict[str, Any] = {"name": name}
    for key, setting in table.items():
        section, _, rest = key.partition(".")
        if rest:
            tree.setdefault(section, {})[rest] = setting.value
        else:
            tree[section] = setting.value
    try:
        settings = _validated(Settings, tree, "")
        scenario = Scenario(settings, table)
        check_models(scenario.models)
        _check_server(settings, scenario.models)
        check_cell(settings, len(scenario.models))
        check_radio(scenario.params)
    except InputError as e:
        raise InputError(f"{source}: {e}") from None
    return scenario


def _validated(kind: type[_S], tree: Any, prefix: str) -> _S:
    try:
        return kind.model_validate(tree)
    except ValidationError as e:
        errors = e.errors()
        keys = [_dotted(prefix, error) for error in errors]
        # Several errors of one key are the alternatives that it had.
        about_first = [error for error, key in zip(errors, keys, strict=True) if key == keys[0]]
        raise InputError(_explain(keys[0], about_first)) from None


def _dotted(prefix: str, error: ErrorDetails) -> str:
    path = [prefix] * bool(prefix) + [str(part) for part in error["loc"]]
    # Errors of alternatives end in a tag, such as literal['best'], that is no part of the key.
    if path and error["type"] != "extra_forbidden" and re.search(r"[\[-]", path[-1]):
        path.pop()
    return ".".join(path)


def _explain(key: str, errors: list[ErrorDetails]) -> str:
    kind, message, value = errors[0]["type"], errors[0]["msg"], errors[0]["input"]
    if kind == "missing":
        return f"{key} is missing"
    if kind == "extra_forbidden":
        hint = _did_you_mean(key.rpartition(".")[2], [*GivenModel.model_fields, *QualityFloor.model_fields])
        return f"there is no setting {shortened(key)}{hint}"
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
        return f"{key}: {message}" if key else message
    expected = " or ".join(_expected(error, unit_of(key)) for error in errors)
    return f"{key} must be {expected}, not {shortened(value)}"


def _expected(error: ErrorDetails, unit: str) -> str:
    kind, in_unit, of_unit = error["type"], "", ""
    if unit != "1":
        in_unit, of_unit = f" in {unit}", f" {unit}"
    words = {
        "float_type": f"a number{in_unit}",
        "float_parsing": f"a number{in_unit}",
        "finite_number": f"a finite number{in_unit}",
        "bool_type": "true or false",
        "int_type": f"a whole number{in_unit}",
        "tuple_type": f"a list{in_unit}",
        "literal_error": error["msg"].removeprefix("Input should be "),
        "string_type": "text",
        "model_type": "a mapping of settings",
    }
    if kind in words:
        return words[kind]
    if kind == "too_short":
        return f"a list of at least {error['ctx']['min_length']}"
    if kind == "too_long":
        return f"a list of at most {error['ctx']['max_length']}"
    if kind in ("string_too_short", "string_too_long"):
        return "a text of 1 to 255 characters"
    return error["msg"].removeprefix("Input should be ") + of_unit


def _did_you_mean(word: str, words: Sequence[str]) -> str:
    near = nearest(word, words)
    return f" (did you mean {near}?)" if near else ""


# --- Units, and the arrays --------------------------------------------------------------------------------

_UNITS = (
    (r"_mbit_per_s$", "Mbit/s"),
    (r"_s_per_step$", "s/step"),
    (r"_dbm_per_hz$", "dBm/Hz"),
    (r"_db_at_1_km$", "dB"),
    (r"_db_per_decade$", "dB"),
    (r"_mhz$", "MHz"),
    (r"_dbm$", "dBm"),
    (r"_gb$", "GB"),
    (r"_mb$", "MB"),
    (r"_steps$", "steps"),
    (r"_tv$", "TV"),
    (r"_slots$", "slots"),
    (r"_m$", "m"),
    (r"_s$", "s"),
)


def unit_of(key: str) -> str:
    """Unit of a setting, read off its name; "1" if it has none.

    Args:
        key: the dotted key.
    """
    name = re.sub(r"(\.\d+)+$", "", key)
    return next((unit for pattern, unit in _UNITS if re.search(pattern, name)), "1")


def _draw(ranges: DrawnModels, seed: int) -> tuple[GivenModel, ...]:
    """Draws the catalogue: a stream per property, so that a changed range leaves the others' draws alone."""
    drawn: dict[str, Any] = {}
    for i, key in enumerate(GivenModel.model_fields):
        low, high = getattr(ranges, key)
        drawn[key] = (low + (high - low) * np.random.default_rng([seed, i]).random(ranges.count)).tolist()
    # Not validated again: between 0 and the least number of a setting there are smaller ones.
    return tuple(
        GivenModel.model_construct(**dict(zip(drawn, model, strict=True)))
        for model in zip(*drawn.values(), strict=True)
    )


def _check_server(s: Settings, models: tuple[GivenModel, ...]) -> None:
    """Refuses pinned models that are not there or do not fit, a cache that no episode ever decides on, and a floor
    that a lasting cache cannot keep."""
    server, every, slots = s.server, s.server.cache_every_slots, s.cell.slots_per_episode
    pinned = set(server.pinned)
    if every is not None and every >= slots:
        raise InputError(
            f"server.cache_every_slots ({every}) must be less than cell.slots_per_episode ({slots}), or no "
            f"decision on the cache would ever count"
        )
    if pinned and max(pinned) >= len(models):
        raise InputError(
            f"server.pinned: there is no model {max(pinned)}; models are numbered 0 to {len(models) - 1}"
        )
    taken_gb = sum(models[m].storage_gb + models[m].working_gb for m in pinned)
    if taken_gb > server.storage_gb:
        raise InputError(
            f"server.pinned: these models take {taken_gb:g} GB, more than server.storage_gb ({server.storage_gb:g})"
        )
    lasts = pinned or every is not None or any(model.load_s > 0 for model in models)
    if lasts and server.quality_floor is not None and not server.offload:
        raise InputError(
            "server.quality_floor: with pinned models, load times or server.cache_every_slots the cache may hold "
            "models with more requests than there are steps for; set server.offload to true, so that the rest goes "
            "to the cloud"
        )


def _watts(dbm: float) -> float:
    return 10 ** (dbm / 10) / 1000


def _params(s: Settings, models: tuple[GivenModel, ...]) -> Params:
    def column(key: str) -> np.ndarray:
        return np.array([getattr(model, key) for model in models], np.float64)

    weights_gb, load_s = column("storage_gb"), column("load_s")
    catalogue = Models(
        storage_gb=weights_gb + column("working_gb"),
        output_bits=np.round(column("output_size_mb") * 8e6),
        A1=column("A1_steps"),
        A2=column("A2_tv"),
        A3=column("A3_steps"),
        A4=column("A4_tv"),
        B1=column("B1_s_per_step"),
        B2=column("B2_s"),
        floor_steps=np.zeros(len(models)),
    )
    weighs_delay = s.objective.alpha_weighs == "delay"
    scalars = {
        "W_up": s.radio.uplink_bandwidth_mhz * 1e6,
        "W_dw": s.radio.downlink_bandwidth_mhz * 1e6,
        "p_n": _watts(s.radio.user_power_dbm),
        "p_BS": _watts(s.radio.bs_power_dbm),
        "N0": _watts(s.radio.noise_dbm_per_hz),
        "R_bc": s.backhaul.to_cloud_mbit_per_s * 1e6,
        "R_cb": s.backhaul.from_cloud_mbit_per_s * 1e6,
        "S": s.server.total_steps,
        "C": s.server.storage_gb,
        "delay_weight": s.objective.alpha if weighs_delay else 1 - s.objective.alpha,
        "tv_weight": 1 - s.objective.alpha if weighs_delay else s.objective.alpha,
        "slot_s": s.cell.slot_duration_s,
    }
    log_distance = (s.radio.path_loss_db_at_1_km, s.radio.path_loss_db_per_decade, s.radio.least_distance_m)
    return Params(
        **{key: np.array(value, np.float64) for key, value in scalars.items()},
        noise_over_own_band=np.array(s.radio.noise_bandwidth == "own"),
        area_m=np.array(s.cell.area_m, np.float64),
        channel=LogDistance(*(np.array(number, np.float64) for number in log_distance)),
        mobility=Uniform(),
        input_bits=np.array(s.requests.input_size_mb, np.float64) * 8e6,
        skews=np.array(s.requests.skew_states, np.float64),
        transition=np.array(s.requests.transition, np.float64),
        first_skew=_first_skew(s.requests),
        models=catalogue._replace(floor_steps=_floor_steps(catalogue, s.server.quality_floor)),
        box=_box(s, weights_gb, load_s),
    )


def _box(s: Settings, weights_gb: np.ndarray, load_s: np.ndarray) -> Box | None:
    """What sets a real box apart; None where nothing does, and the cell is like the paper's."""
    server, backhaul, every = s.server, s.backhaul, s.server.cache_every_slots
    on = (
        server.pinned,
        every,
        server.offload,
        backhaul.shared,
        backhaul.cloud_generators,
        s.requests.rank_drift > 0,
        load_s.any(),
    )
    if not any(on):
        return None
    return Box(
        weights_gb=weights_gb,
        load_s=load_s,
        # A hair less, so that a load of exactly two slots takes two; and no more than 32 bits count.
        load_slots=np.ceil(np.minimum(load_s / s.cell.slot_duration_s, 1e9) - 1e-9).astype(np.int32),
        pinned=np.isin(np.arange(len(load_s)), server.pinned),
        every=None if every is None else np.array(every, np.int32),
        offload=np.array(server.offload),
        shared=np.array(backhaul.shared),
        generators=np.array(
            math.inf if backhaul.cloud_generators is None else backhaul.cloud_generators, np.float64
        ),
        rank_drift=np.array(s.requests.rank_drift, np.float64),
    )


def _first_skew(requests: Requests) -> np.ndarray:
    transition = np.array(requests.transition, np.float64)
    if isinstance(requests.first_skew, int):
        return np.asarray(np.eye(len(transition))[requests.first_skew], np.float64)
    # π P = π, Σ π = 1; the least-squares solution is the exact one, and exists even if it is not unique.
    system = np.vstack([transition.T - np.eye(len(transition)), np.ones(len(transition))])
    stationary = np.linalg.lstsq(system, np.append(np.zeros(len(transition)), 1.0), rcond=None)[0]
    stationary = np.clip(stationary, 0, None)
    return np.asarray(stationary / stationary.sum(), np.float64)


def _floor_steps(models: Models, floor: QualityFloor | None) -> np.ndarray:
    """Least steps of a served request, for each model; infinite where the model cannot reach the floor."""
    A1, A2, A3, A4 = (np.asarray(a) for a in (models.A1, models.A2, models.A3, models.A4))
    if floor is None:
        return np.zeros(len(A1))
    if floor.least_steps is not None:
        return np.full(len(A1), floor.least_steps)
    tv = A4 if floor.largest_tv == "best" else np.full(len(A1), floor.largest_tv)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = A1 + (A2 - tv) / (A2 - A4) * (A3 - A1)
    return np.select([tv >= A2, tv == A4, tv < A4], [np.zeros(len(A1)), A3, np.full(len(A1), math.inf)], needed)
