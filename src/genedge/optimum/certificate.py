"""Certificates: the objective of a decision, recomputed, beside a bound that no decision is below.

Everything here is float64 NumPy and shares no code with the cell that policies and learners compute with.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from genedge.cell.types import Decision, Params, Slot
from genedge.errors import InputError
from genedge.given import refuse_traced
from genedge.optimum.bandwidth import delay, links, radio_overhead_s
from genedge.optimum.pieces import pieces
from genedge.optimum.waiting import few_at_once, waited

Certified = Literal["exact", "bound", "none"]


def certified(params: Params) -> Certified:
    """What can be proven of a scenario's slots.

    Args:
        params: the scenario, of no box.

    Returns:
        `exact`, the least cost of a slot; `bound`, where deadlines, fairness or waits at the base station tie
        bandwidth and steps together, or where a table of TV falls steeper again after a flatter piece that was of
        use: a cost that no decision is below, and perhaps none attains; `none`, with a cost of the reader's own.
    """
    costs = params.costs
    if costs is None or all(cost is None for cost in costs[1:]):  # Energy is part of what steps cost.
        if few_at_once(params):
            return "bound"
        return "exact" if params.models.curve is None or pieces(params).exact else "bound"
    return "bound" if costs.function is None else "none"


class Certificate(NamedTuple):
    """How far decisions can be from the best; at most so far where `certified` says `bound`.

    Attributes:
        objective: cost of each decision, the inner sum of Eq. (15), and what `params.costs` adds.
        lower_bound: no feasible decision of the slot costs less.
        gap: (objective − lower_bound) / objective; 0 where nothing costs anything.
    """

    objective: Float[np.ndarray, "K"]
    lower_bound: Float[np.ndarray, "K"]
    gap: Float[np.ndarray, "K"]


def objective(params: Params, slots: Slot, decision: Decision) -> Float[np.ndarray, "K"]:
    """The cost of each slot, Σ_n U_n of Eq. (14) and what `params.costs` adds, from the decision as it is.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        decision: a decision for each.
    """
    m = params.models
    asked = np.asarray(slots.requests)
    active = np.asarray(slots.active)
    hit = np.take_along_axis(np.asarray(decision.cache, bool), asked, axis=-1)
    A1, A2, A3, A4, B1, B2, output_bits = (
        np.asarray(column, np.float64)[asked] for column in (m.A1, m.A2, m.A3, m.A4, m.B1, m.B2, m.output_bits)
    )
    steps = np.where(hit, np.asarray(decision.steps, np.float64) * float(params.S), A3)
    tv = np.select([steps <= A1, steps >= A3], [A2, A4], A2 + (A4 - A2) * (steps - A1) / (A3 - A1))
    if m.curve is not None:
        for model, (at, of) in enumerate(zip(*np.asarray(m.curve, np.float64), strict=True)):
            tv = np.where(asked == model, np.interp(steps, at, of), tv)
    input_bits = np.asarray(slots.input_bits, np.float64)
    backhaul_s = np.where(hit, 0.0, input_bits / float(params.R_bc) + output_bits / float(params.R_cb))
    delay_s = backhaul_s + B1 * steps + B2
    if params.station is not None:
        transfers_s = 2 * float(params.station.backhaul_overhead_s)
        delay_s = delay_s + np.where(hit, 0.0, transfers_s) + _waits(params, slots, decision, hit, B1 * steps + B2)
    cost = float(params.delay_weight) * delay_s + float(params.tv_weight) * tv
    served = radio_cost(params, slots, decision) + np.where(active, cost, 0.0).sum(axis=-1)
    whole = served + outage_cost(params, slots)
    if params.costs is None:
        return whole
    radio_s, _ = delay(links(params, slots), np.asarray(decision.bandwidth, np.float64))
    each_radio_s = 0.0 if params.station is None else 2 * float(params.station.radio_overhead_s)
    of_each = np.where(active, radio_s + each_radio_s + delay_s, 0.0)
    return whole + _beyond(params, slots, of_each, np.where(hit & active, steps, 0.0))


def _waits(
    params: Params,
    slots: Slot,
    decision: Decision,
    hit: Bool[np.ndarray, "K N"],
    takes_s: Float[np.ndarray, "K N"],
) -> Float[np.ndarray, "K N"]:
    """What each request waits for the base station."""
    if params.station is None or params.station.generators is None:
        return np.zeros(hit.shape)
    link = links(params, slots)
    upload_s, _ = delay(link.uplink, np.asarray(decision.bandwidth, np.float64))
    arrival_s = upload_s + float(params.station.radio_overhead_s)
    return waited(params.station, hit & np.asarray(slots.active), arrival_s, takes_s)


def _beyond(
    params: Params, slots: Slot, delay_s: Float[np.ndarray, "K N"], steps: Float[np.ndarray, "K N"]
) -> Float[np.ndarray, "K"]:
    """What energy, lateness and the largest delay add to the cost of each slot."""
    costs, total = params.costs, np.zeros(len(delay_s))
    assert costs is not None
    there = np.asarray(slots.active)
    if params.outage is not None and slots.outage is not None:
        delay_s = np.where(slots.outage, float(params.outage.delay_s), delay_s)
        there = there | np.asarray(slots.outage)
    if costs.energy is not None:
        total += float(costs.energy) * steps.sum(axis=-1)
    if costs.deadline_s is not None and costs.late is not None:
        total += float(costs.late) * (there & (delay_s > float(costs.deadline_s))).sum(axis=-1)
    if costs.fairness is not None:
        total += float(costs.fairness) * delay_s.max(axis=-1, initial=0.0)
    return total


def radio_cost(params: Params, slots: Slot, decision: Decision) -> Float[np.ndarray, "K"]:
    """The part of the cost that the bandwidth alone determines: the weighted radio delays, the same for any cache.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        decision: a decision for each.
    """
    radio_s, _ = delay(links(params, slots), np.asarray(decision.bandwidth, np.float64))
    each_s = radio_s.sum(axis=-1)
    if params.station is not None:
        each_s = each_s + radio_overhead_s(params, slots)
    return np.asarray(float(params.delay_weight) * each_s)


def refuse_uncertified(params: Params) -> None:
    """Refuses a cost of the reader's own, of which nothing can be proven.

    Args:
        params: the scenario.

    Raises:
        InputError: it has one.
    """
    if certified(params) == "none":
        raise InputError("objective.function is a cost of your own, of which no optimum and no bound is known")


def outage_cost(params: Params, slots: Slot) -> Float[np.ndarray, "*batch"]:
    """The part of the cost that no decision changes: that of users in an outage.

    Args:
        params: the scenario.
        slots: leading axes *batch.
    """
    if params.outage is None or slots.outage is None:
        return np.zeros(np.shape(slots.skew))
    each = float(params.delay_weight) * float(params.outage.delay_s)
    return np.asarray(each * np.asarray(slots.outage).sum(axis=-1))


def certify(params: Params, slots: Slot, decision: Decision, lower_bound: Float[np.ndarray, "K"]) -> Certificate:
    """Recomputes what decisions cost and states their gaps.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        decision: a decision for each.
        lower_bound: a valid bound on each slot's cost, as `solve_optimal` and `solve_priced` return it.

    Raises:
        InputError: an argument is traced, or the scenario has a cost of the reader's own.
    """
    refuse_traced("genedge.optimum.certify", "genedge.serve", params=params, slots=slots, decision=decision)
    refuse_uncertified(params)
    cost = objective(params, slots, decision)
    # A user with a channel gain of 0 costs infinitely much, whatever is decided.
    infinite = np.isinf(cost) & np.isinf(lower_bound)
    difference = np.where(infinite, 0.0, cost - np.where(infinite, 0.0, lower_bound))
    return Certificate(cost, np.asarray(lower_bound), difference / np.where(cost > 0, cost, 1.0))
