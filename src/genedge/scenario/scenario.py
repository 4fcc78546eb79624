"""A scenario: a validated cell with its catalogue and the hyperparameters that go with it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from genedge.catalogue.load import Catalogue
from genedge.cell.mobility.uniform import Uniform
from genedge.cell.types import Params, Slot, lasts
from genedge.errors import InputError
from genedge.own import digest
from genedge.registry import Entry, Kind, named
from genedge.scenario.arrays import draw_models, log_distance_of, params_of
from genedge.scenario.by_catalogue import KEY, catalogue_of, provenance_of
from genedge.scenario.chosen import USUAL, Chosen
from genedge.scenario.sections import NUMBERS_OF_MODELS, GivenModel, Settings
from genedge.settings.fields import Section
from genedge.settings.provenance import Setting, defaults, nested
from genedge.settings.reading import write_yaml
from genedge.settings.words import unit_of, validated
from genedge.text import html_table


class Recorded(NamedTuple):
    """Episodes of a file.

    Attributes:
        file: where it is, from the root on.
        sha256: a hash of what it holds.
        slots: E episodes of T slots, fields with leading axes (E, T), in float64.
    """

    file: str
    sha256: str
    slots: Slot

    @property
    def users(self) -> int:
        """The most users of a slot."""
        return int(self.slots.requests.shape[-1])

    @property
    def episodes(self) -> int:
        """How many episodes there are."""
        return len(self.slots.skew)

    @property
    def told(self) -> str:
        """Which file it was, for people."""
        return f"{Path(self.file).name} (sha256 {self.sha256[:12]})"


@dataclass(frozen=True)
class Scenario:
    """A validated cell with its catalogue.

    Attributes:
        settings: of the cell, validated, in the units of their names.
        of_cell: the same by dotted key, each with its provenance.
        told: hyperparameters by dotted key that files or the user have set; all others have their defaults.
        chosen: what sections that name a model have chosen, by section.
        own: sections of hyperparameters that a reader's own file declares, by name.
        recorded: slots of a file, in place of those that would be drawn; the id knows nothing of them.
    """

    settings: Settings
    of_cell: Mapping[str, Setting]
    told: Mapping[str, Setting]
    chosen: Mapping[str, Chosen] = field(default_factory=dict)
    own: Mapping[str, type[Section]] = field(default_factory=dict)
    recorded: Recorded | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.settings.name

    @cached_property
    def models(self) -> tuple[GivenModel, ...]:
        """The catalogue, drawn from the ranges by the scenario's seed, or as given."""
        models = self.settings.models
        return models if isinstance(models, tuple) else draw_models(models, self.settings.seed)

    @cached_property
    def catalogue(self) -> Catalogue | None:
        """Where the models are from; None if they are drawn, or given one by one without names."""
        return catalogue_of(self.of_cell[KEY].value) if KEY in self.of_cell else None

    @property
    def model_names(self) -> tuple[str, ...]:
        """What the catalogue calls the models; their numbers if there is none."""
        return tuple(map(str, range(len(self.models)))) if self.catalogue is None else self.catalogue.named

    def provenance_of(self, m: int, key: str) -> str:
        """Where a number of the catalogue comes from: that of the range it was drawn from, or of what was given.

        Args:
            m: the model.
            key: of its number, such as `storage_gb`.
        """
        models = self.settings.models
        if self.catalogue is not None:
            return provenance_of(self.catalogue, self.model_names[m], key)
        if isinstance(models, tuple):
            return self.of_cell["models"].provenance
        given = m < len(models.given) and getattr(models.given[m], key) is not None
        return self.of_cell["models.given" if given else f"models.{key}"].provenance

    @cached_property
    def params(self) -> Params:
        """The scenario as float64 NumPy arrays in SI units."""
        channel = log_distance_of(self.settings)
        if "channel" in self.chosen:
            channel = self.chosen["channel"].arrays(channel)
        mobility = self.chosen["mobility"].arrays() if "mobility" in self.chosen else Uniform()
        params = params_of(self.settings, self.models, channel, mobility)
        return params if self.recorded is None else params._replace(recorded=self.recorded.slots)

    @property
    def files(self) -> tuple[str, ...]:
        """Files that its numbers and costs come from, beside its own."""
        function = self.settings.objective.function
        of_chosen = [file for chosen in self.chosen.values() for file in chosen.files]
        return tuple(dict.fromkeys([*of_chosen, *([function.rpartition(":")[0]] if function else [])]))

    @property
    def remarks(self) -> list[str]:
        """What a reader of results should know of the cell besides, a line each."""
        if self.params.observation is None:
            return []
        seen = self.settings.observation
        slots = "1 slot" if seen.stale_slots == 1 else f"{seen.stale_slots} slots"
        return [
            f"Policies see channel gains of {slots} ago, with errors of {seen.gain_noise_db:g} "
            "dB. Costs follow from the gains themselves, and the optimum is that with perfect observation."
        ]

    @cached_property
    def id(self) -> str:
        """A hash of everything that slots, decisions and costs depend on."""
        return hashlib.sha256(json.dumps(self._physics(), sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def table(self) -> Mapping[str, Setting]:
        """All settings by dotted key, each with its provenance: the cell's, then the hyperparameters."""
        kinds = {section: entry.load_settings() for section, entry in with_settings().items()} | dict(self.own)
        return {
            **self.of_cell,
            **{
                f"{section}.{key}": setting
                for section, kind in kinds.items()
                for key, setting in self._of_section(section, kind).items()
            },
        }

    def _repr_html_(self) -> str:
        settings = [
            (key, self.in_brief(key), unit_of(key), setting.provenance, setting.note)
            for key, setting in self.of_cell.items()
        ]
        keys = NUMBERS_OF_MODELS
        catalogue = [
            (name, *(f"{getattr(model, key):.4g}" for key in keys))
            for name, model in zip(self.model_names, self.models, strict=True)
        ]
        columns = ("setting", "value", "unit", "provenance", "note")
        return html_table(f"scenario {self.name} ({self.id})", columns, settings) + html_table(
            "catalogue, by popularity rank", ("model", *keys), catalogue
        )

    def in_brief(self, key: str) -> str:
        """The value of a setting, as a table shows it that has the models below.

        Args:
            key: its dotted key.
        """
        return ", ".join(self.model_names) if key == KEY else json.dumps(self.table[key].value)

    def hyperparameters(self, section: str) -> Any:
        """The hyperparameters of a learner or a policy, validated.

        Args:
            section: of the scenario, such as `any_cell`.

        Raises:
            InputError: one of them makes no sense.
        """
        kind = self.own[section] if section in self.own else with_settings()[section].load_settings()
        return validated_section(kind, self._of_section(section, kind), section)

    def _of_section(self, section: str, kind: type[Section]) -> dict[str, Setting]:
        return {key: self.told.get(f"{section}.{key}", default) for key, default in defaults(kind).items()}

    def as_json(self) -> dict[str, Any]:
        """Everything needed to recompute costs in SI units, and every setting with unit and provenance."""
        settings = {
            key: {"value": setting.value, "unit": unit_of(key), **setting.origin()}
            for key, setting in self.table.items()
        }
        physics = self._physics()
        if self.catalogue is not None:
            named = zip(self.model_names, physics["models"], strict=True)
            physics["models"] = [{"name": name, **model} for name, model in named]
        return {
            "name": self.name,
            "scenario_id": self.id,
            **physics,
            "seed": self.settings.seed,
            "users": self.settings.cell.users,
            "places": self.settings.cell.places,
            "settings": settings,
        }

    def as_yaml(self) -> str:
        """A scenario file that says the same, every setting written out with its provenance."""
        return self._yaml

    @cached_property
    def _yaml(self) -> str:
        sections = {tuple(key.split(".", 1)): setting for key, setting in self.table.items()}
        return write_yaml({"name": self.name, **nested(sections)})

    def _physics(self) -> dict[str, Any]:
        s, p = self.settings, self.params
        symbols = ("W_up", "W_dw", "p_n", "p_BS", "N0", "R_bc", "R_cb", "S", "C")
        properties = ("storage_gb", "output_bits", "A1", "A2", "A3", "A4", "B1", "B2")
        floor = s.server.quality_floor
        return (
            {
                "parameters": {symbol: float(getattr(p, symbol)) for symbol in symbols}
                | {"alpha": s.objective.alpha},
                "models": [
                    {key: float(getattr(p.models, key)[m]) for key in properties}
                    | ({} if model.curve is None else {"curve": model.curve.model_dump(mode="json")})
                    for m, model in enumerate(self.models)
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
            }
            | self._box()
            | self._outage()
            | self._costs()
            | self._observation()
            | self._station()
            | self._chosen()
        )

    def _outage(self) -> dict[str, Any]:
        """From which gain on a user is served; nothing where everybody is."""
        radio = self.settings.radio
        if radio.outage_gain_db is None:
            return {}
        return {"outage": {"least_gain_db": radio.outage_gain_db, "delay_s": radio.outage_delay_s}}

    def _costs(self) -> dict[str, Any]:
        """What a slot costs beyond Eq. (14); nothing where that is all. Of a function, what its file holds."""
        objective = self.settings.objective
        if self.params.costs is None:
            return {}
        told: dict[str, Any] = {
            "energy_per_step": objective.energy_per_step,
            "deadline_s": objective.deadline_s,
            "late_penalty": None if objective.deadline_s is None else objective.late_penalty,
            "fairness_per_s": objective.fairness_per_s,
        }
        if objective.function is not None:
            path, _, name = objective.function.rpartition(":")
            told["function"] = {"name": name, "sha256": digest(Path(path))}
        return {"costs": told}

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

    def _observation(self) -> dict[str, Any]:
        """How channels are seen; nothing where they are seen as they are."""
        if self.params.observation is None:
            return {}
        return {"observation": self.settings.observation.model_dump(mode="json")}

    def _station(self) -> dict[str, Any]:
        """What the base station of a system that runs has; nothing of one like the paper's."""
        s = self.settings
        if self.params.station is None:
            return {}
        few = s.server.generates_at_once is not None
        return {
            "station": {
                "generates_at_once": s.server.generates_at_once,
                "generation_order": s.server.generation_order if few else None,
                "radio_transfer_overhead_s": s.radio.transfer_overhead_s,
                "backhaul_transfer_overhead_s": s.backhaul.transfer_overhead_s,
            }
        }

    def _chosen(self) -> dict[str, Any]:
        """The channel and the mobility; nothing of those of the paper's cell."""
        told: dict[str, Any] = {
            section: chosen.physics() for section, chosen in self.chosen.items() if chosen.model not in USUAL
        }
        if lasts(self.params):
            told["slot_duration_s"] = self.settings.cell.slot_duration_s
        return told


def with_settings() -> dict[str, Entry]:
    """What has hyperparameters in a scenario, by the name of their section."""
    kinds: tuple[Kind, ...] = ("agent", "policy")
    return {entry.section: entry for kind in kinds for entry in named(kind).values() if entry.settings}


def validated_section(kind: type[Section], table: Mapping[str, Setting], section: str) -> Any:
    """Settings of a section that has defaults.

    Args:
        kind: its class.
        table: its settings by name.
        section: its name, for the error.

    Raises:
        InputError: one of them makes no sense.
    """
    return validated(kind, {key: setting.value for key, setting in table.items()}, section)


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
