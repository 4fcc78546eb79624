"""What a cache and steps save against sending everything to the cloud: the problem that is left once b is chosen.

Users who ask for the same model differ only in their channel and their request size, and neither bears on
what steps buy them. So a slot is described by a few numbers per model, and a decision by which models are
cached, how many requests of each get all useful steps, and which single request gets a part of them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from genedge.cell.feasible import TOLERANCE
from genedge.cell.generation import cost_of_a_step, generation_delay, image_cost, saved_by_a_step, weighed
from genedge.cell.radio import backhaul_delay
from genedge.cell.types import Params, Slot, models_in_float64
from genedge.precision import in_double

# Storage and owed steps may exceed their limit by as much as cell.feasible.fill_cache allows.
SLACK = TOLERANCE / 2


class Savings(NamedTuple):
    """The slots' caching problem, per model; a served request of model m that gets x steps above its floor saves
    max(0, slope_m (x − dead_m)) more than one that gets none, for x up to extra_m.

    Attributes:
        requests: how many active users ask for the model.
        at_floor: saving of its cached copy if every request gets its floor, and no more.
        cacheable: whether it is asked for and fits, its requests' floors included.
        floor: least steps of a served request; 0 where the model cannot reach the floor.
        extra: useful steps above the floor; 0 where more than the floor improves nothing.
        gain: saving of a request that gets all of them, 0 if it saves nothing.
        slope: saving per step once a request saves at all.
        dead: steps above the floor from which a request saves.
        useful: models whose requests gain something, by descending gain / extra.
        cloud: cost of each slot if everything goes to the cloud, without the radio part.
        steps: S.
        storage_gb: storage of each model.
        capacity_gb: C.
    """

    requests: Float[np.ndarray, "K M"]
    at_floor: Float[np.ndarray, "K M"]
    cacheable: Bool[np.ndarray, "K M"]
    floor: Float[np.ndarray, "M"]
    extra: Float[np.ndarray, "M"]
    gain: Float[np.ndarray, "M"]
    slope: Float[np.ndarray, "M"]
    dead: Float[np.ndarray, "M"]
    useful: tuple[int, ...]
    cloud: Float[np.ndarray, "K"]
    steps: float
    storage_gb: Float[np.ndarray, "M"]
    capacity_gb: float

    def at(self, slots: np.ndarray | slice) -> "Savings":
        """The same for some of the slots.

        Args:
            slots: their indices.
        """
        return self._replace(
            requests=self.requests[slots],
            at_floor=self.at_floor[slots],
            cacheable=self.cacheable[slots],
            cloud=self.cloud[slots],
        )

    def partial(self, model: int, steps: np.ndarray) -> np.ndarray:
        """Saving of a request of a model that gets some steps above its floor.

        Args:
            model: index of the model.
            steps: steps above its floor, 0 or more.
        """
        useful = np.minimum(steps, self.extra[model])
        return np.asarray(np.maximum(self.slope[model] * (useful - self.dead[model]), 0.0))


class Pattern(NamedTuple):
    """A decision about caching and steps, request by request only where it matters.

    Attributes:
        cache: ρ.
        full: how many requests of each model get all useful steps.
        partly: the model of the request that gets a part of them; any if none does.
        part: its steps above the floor; 0 if there is none.
    """

    cache: Bool[np.ndarray, "K M"]
    full: Float[np.ndarray, "K M"]
    partly: Int[np.ndarray, "K"]
    part: Float[np.ndarray, "K"]


def savings(params: Params, slots: Slot) -> Savings:
    """Describes the slots' caching problem.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
    """
    params = in_double(params)
    m, delay, S, C = models_in_float64(params.models), float(params.delay_weight), float(params.S), float(params.C)
    asked = np.asarray(slots.requests)
    active = np.asarray(slots.active)
    count, models = asked.shape[0], len(m.A1)

    reachable = np.isfinite(m.floor_steps)
    floor = np.where(reachable, m.floor_steps, 0.0)
    extra = np.maximum(m.A3 - floor, 0.0)
    flat = np.maximum(m.A1 - floor, 0.0)
    slope = np.asarray(saved_by_a_step(params, m))
    improves = (slope > 0) & (extra > 0)
    safe_slope = np.where(improves, slope, 1.0)
    # On the flat part a step costs time and improves nothing; the slope then earns that back first.
    dead = np.where(improves, flat * (1 + np.asarray(cost_of_a_step(params, m)) / safe_slope), np.inf)
    gain = np.where(dead < extra, slope * (extra - np.where(improves, dead, 0.0)), 0.0)
    improves = gain > 0
    extra = np.where(improves, extra, 0.0)
    density = gain / np.where(improves, extra, 1.0)

    served, in_cloud = image_cost(params, m, floor), weighed(params, generation_delay(m, m.A3), m.A4)
    backhaul_s = backhaul_delay(params, np.asarray(slots.input_bits, np.float64), m.output_bits[asked])
    cell = (np.arange(count)[:, None] * models + asked)[active]
    requests = np.bincount(cell, minlength=count * models).reshape(count, models).astype(np.float64)
    backhaul = np.bincount(cell, delay * backhaul_s[active], count * models).reshape(count, models)

    return Savings(
        requests=requests,
        at_floor=backhaul + requests * (in_cloud - served),
        cacheable=(requests > 0)
        & reachable
        & (m.storage_gb <= C * (1 + SLACK))
        & (requests * floor <= S * (1 + SLACK)),
        floor=floor,
        extra=extra,
        gain=gain,
        slope=np.where(improves, slope, 0.0),
        dead=np.where(improves, dead, 0.0),
        useful=tuple(int(model) for model in np.argsort(-density, kind="stable") if gain[model] > 0),
        cloud=(backhaul + requests * in_cloud).sum(axis=-1),
        steps=S,
        storage_gb=np.asarray(m.storage_gb),
        capacity_gb=C,
    )


def fill_steps(problem: Savings, cache: Bool[np.ndarray, "K M"]) -> tuple[Pattern, Float[np.ndarray, "K"]]:
    """Steps for given caches: all useful ones by greatest saving per step, the rest where it helps most.

    Args:
        problem: K slots.
        cache: ρ; the floors it owes must fit.

    Returns:
        The decisions, and what each saves.
    """
    requests = np.where(cache, problem.requests, 0.0)
    left = np.maximum(problem.steps - requests @ problem.floor, 0.0)
    full, part = np.zeros_like(requests), np.zeros_like(left)
    partly = np.zeros(len(left), np.int64)
    saved, last = np.zeros_like(left), np.zeros(len(left), np.int64)
    best = np.zeros_like(left)
    for position, m in enumerate(problem.useful):
        full[:, m] = np.minimum(requests[:, m], np.floor(left / problem.extra[m]))
        left -= full[:, m] * problem.extra[m]
        saved += full[:, m] * problem.gain[m]
        with_part = saved + np.where(full[:, m] < requests[:, m], problem.partial(m, left), 0.0)
        better = with_part > best
        best = np.where(better, with_part, best)
        partly = np.where(better, m, partly)
        part = np.where(
            better & (with_part > saved), np.minimum(left, problem.extra[m]), np.where(better, 0.0, part)
        )
        last = np.where(better, position, last)
    # The request that is served partly may leave nothing to the models after its own.
    for position, m in enumerate(problem.useful):
        full[:, m] = np.where(position <= last, full[:, m], 0.0)
    return Pattern(cache, full, partly, part), best + np.where(cache, problem.at_floor, 0.0).sum(axis=-1)


def steps_of(problem: Savings, slots: Slot, pattern: Pattern) -> Float[np.ndarray, "K N"]:
    """Shares of the steps, request by request.

    Args:
        problem: K slots.
        slots: the same, leading axis K.
        pattern: a decision for each.

    Returns:
        ξ; requests of one model are served in the order of their places.
    """
    asked = np.asarray(slots.requests)
    active = np.asarray(slots.active)
    # Place in the queue of those who ask for the same model; inactive places queue behind all models.
    key = np.where(active, asked, len(problem.floor))
    order = np.argsort(key, axis=-1, kind="stable")
    in_order = np.take_along_axis(key, order, axis=-1)
    index = np.broadcast_to(np.arange(asked.shape[1]), asked.shape)
    starts = np.concatenate([np.ones((len(key), 1), bool), in_order[:, 1:] != in_order[:, :-1]], axis=-1)
    first = np.maximum.accumulate(np.where(starts, index, 0), axis=-1)
    place = np.empty_like(order)
    np.put_along_axis(place, order, index - first, axis=-1)

    full = np.take_along_axis(pattern.full, asked, axis=-1)
    part = np.where((asked == pattern.partly[:, None]) & (place == full), pattern.part[:, None], 0.0)
    above = np.where(place < full, problem.extra[asked], part)
    hit = np.take_along_axis(pattern.cache, asked, axis=-1) & active
    return np.asarray(np.where(hit, problem.floor[asked] + above, 0.0) / problem.steps)


def python_loop(start: int, stop: int, body: Callable[[int, Any], Any], carry: Any) -> Any:
    """`jax.lax.fori_loop` for NumPy: arithmetic written once runs compiled for many slots, and at once for few.

    Args:
        start: first index.
        stop: one past the last index.
        body: takes an index and the carry, gives the next carry.
        carry: the first.

    Returns:
        The last carry.
    """
    for i in range(start, stop):
        carry = body(i, carry)
    return carry
