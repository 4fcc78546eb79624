"""From settings to the arrays that the cell computes with; everything is turned into SI here and nowhere else."""

import math
from typing import Any

import numpy as np

from genedge.cell.channels.log_distance import LogDistance
from genedge.cell.station import Station
from genedge.cell.types import (
    Box,
    Channel,
    Costs,
    Curve,
    LastingChannel,
    LastingMobility,
    Mobility,
    Models,
    Observation,
    Outage,
    Params,
)
from genedge.scenario.own_cost import cost_of_file
from genedge.scenario.sections import (
    NUMBERS_OF_MODELS,
    DrawnModels,
    GivenModel,
    ObjectiveSettings,
    ObservationSettings,
    QualityFloor,
    RadioSettings,
    RequestsSettings,
    Settings,
)
from genedge.settings.fields import TvCurve


def draw_models(ranges: DrawnModels, seed: int) -> tuple[GivenModel, ...]:
    """Draws the catalogue: a stream per property, so that a changed range leaves the others' draws alone.

    What is given of a model stands in the place of what was drawn, and shifts nothing.

    Args:
        ranges: where each property comes from.
        seed: of the catalogue.
    """
    drawn: dict[str, Any] = {}
    for i, key in enumerate(NUMBERS_OF_MODELS):
        low, high = getattr(ranges, key)
        drawn[key] = (low + (high - low) * np.random.default_rng([seed, i]).random(ranges.count)).tolist()
        for m, model in enumerate(ranges.given):
            known = getattr(model, key)
            drawn[key][m] = drawn[key][m] if known is None else known
    # Not validated again: between 0 and the least number of a setting there are smaller ones.
    return tuple(
        GivenModel.model_construct(**dict(zip(drawn, model, strict=True)))
        for model in zip(*drawn.values(), strict=True)
    )


def _watts(dbm: float) -> float:
    return 10 ** (dbm / 10) / 1000


def log_distance_of(s: Settings) -> LogDistance:
    """The paper's channel, with the numbers of `radio`.

    Args:
        s: a cell's settings.
    """
    numbers = s.radio.path_loss_db_at_1_km, s.radio.path_loss_db_per_decade, s.radio.least_distance_m
    return LogDistance(*(np.array(number, np.float64) for number in numbers))


def params_of(
    s: Settings,
    models: tuple[GivenModel, ...],
    channel: Channel | LastingChannel,
    mobility: Mobility | LastingMobility,
) -> Params:
    """A cell as float64 NumPy arrays in SI units.

    Args:
        s: its settings.
        models: its catalogue.
        channel: how strong users are received.
        mobility: where they are.
    """

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
        curve=_curve(models),
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
    return Params(
        **{key: np.array(value, np.float64) for key, value in scalars.items()},
        noise_over_own_band=np.array(s.radio.noise_bandwidth == "own"),
        area_m=np.array(s.cell.area_m, np.float64),
        input_bits=np.array(s.requests.input_size_mb, np.float64) * 8e6,
        skews=np.array(s.requests.skew_states, np.float64),
        transition=np.array(s.requests.transition, np.float64),
        first_skew=_first_skew(s.requests),
        channel=channel,
        mobility=mobility,
        models=catalogue._replace(floor_steps=_floor_steps(catalogue, models, s.server.quality_floor)),
        box=_box(s, weights_gb, load_s),
        outage=_outage(s.radio),
        costs=_costs(s.objective),
        recorded=None,
        observation=_observation(s.observation),
        station=_station(s),
    )


def _costs(objective: ObjectiveSettings) -> Costs | None:
    def number(value: float) -> np.ndarray:
        return np.array(value, np.float64)

    costs = Costs(
        energy=number(objective.energy_per_step) if objective.energy_per_step else None,
        deadline_s=None if objective.deadline_s is None else number(objective.deadline_s),
        late=None if objective.deadline_s is None else number(objective.late_penalty),
        fairness=number(objective.fairness_per_s) if objective.fairness_per_s else None,
        function=None if objective.function is None else cost_of_file(objective.function),
    )
    return None if all(cost is None for cost in costs) else costs


def _outage(radio: RadioSettings) -> Outage | None:
    if radio.outage_gain_db is None:
        return None
    least_gain = 10 ** (radio.outage_gain_db / 10)
    return Outage(np.array(least_gain, np.float64), np.array(radio.outage_delay_s, np.float64))


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


def _observation(s: ObservationSettings) -> Observation | None:
    """How channels are seen; None where they are seen as they are, as in the paper's cell."""
    if s.stale_slots == 0 and s.gain_noise_db == 0:
        return None
    return Observation(np.zeros(s.stale_slots), np.array(s.gain_noise_db, np.float64))


def _station(s: Settings) -> Station | None:
    """What the base station of a system that runs has; None for one like the paper's."""
    k, overheads_s = s.server.generates_at_once, (s.radio.transfer_overhead_s, s.backhaul.transfer_overhead_s)
    if k is None and not any(overheads_s):
        return None
    return Station(
        None if k is None else np.array(k, np.float64),
        np.array(s.server.generation_order == "shortest-first"),
        *(np.array(overhead_s, np.float64) for overhead_s in overheads_s),
    )


def _first_skew(requests: RequestsSettings) -> np.ndarray:
    transition = np.array(requests.transition, np.float64)
    if isinstance(requests.first_skew, int):
        return np.asarray(np.eye(len(transition))[requests.first_skew], np.float64)
    # π P = π, Σ π = 1; the least-squares solution is the exact one, and exists even if it is not unique.
    system = np.vstack([transition.T - np.eye(len(transition)), np.ones(len(transition))])
    stationary = np.linalg.lstsq(system, np.append(np.zeros(len(transition)), 1.0), rcond=None)[0]
    stationary = np.clip(stationary, 0, None)
    return np.asarray(stationary / stationary.sum(), np.float64)


def _curve(models: tuple[GivenModel, ...]) -> Curve | None:
    """TV over steps as tables, as soon as one model has one: three pieces are one of two steps."""
    if all(model.curve is None for model in models):
        return None
    tables = [
        ((model.A1_steps, model.A3_steps), (model.A2_tv, model.A4_tv))
        if model.curve is None
        else (model.curve.steps, model.curve.tv)
        for model in models
    ]
    most = max(len(steps) for steps, _ in tables)
    steps, tv = (
        np.array([(*table[i], *[table[i][-1]] * (most - len(table[i]))) for table in tables], np.float64)
        for i in range(2)
    )
    return Curve(steps, tv)


def _reached(curve: TvCurve, tv: float) -> float:
    """Least steps of a table at which TV is no more than that; infinite where it never is."""
    end = next((i for i, each in enumerate(curve.tv) if each <= tv), None)
    if end is None or end == 0:
        return math.inf if end is None else 0.0
    falls = (curve.tv[end - 1] - tv) / (curve.tv[end - 1] - curve.tv[end])
    return curve.steps[end - 1] + falls * (curve.steps[end] - curve.steps[end - 1])


def _floor_steps(models: Models, given: tuple[GivenModel, ...], floor: QualityFloor | None) -> np.ndarray:
    """Least steps of a served request, for each model; infinite where the model cannot reach the floor."""
    A1, A2, A3, A4 = (np.asarray(a) for a in (models.A1, models.A2, models.A3, models.A4))
    if floor is None:
        return np.zeros(len(A1))
    if floor.least_steps is not None:
        return np.full(len(A1), floor.least_steps)
    tv = A4 if floor.largest_tv == "best" else np.full(len(A1), floor.largest_tv)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = A1 + (A2 - tv) / (A2 - A4) * (A3 - A1)
    for m, model in enumerate(given):
        if model.curve is not None:
            needed[m] = _reached(model.curve, tv[m])
    return np.select([tv >= A2, tv == A4, tv < A4], [np.zeros(len(A1)), A3, np.full(len(A1), math.inf)], needed)
