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
from genedge.cell.generation import generation_delay, image_cost, weighed
from genedge.cell.radio import backhaul_delay
from genedge.cell.types import Params, Slot, models_in_float64
from genedge.optimum.pieces import available, pieces, useful, wanted
from genedge.precision import in_double

# Storage and owed steps may exceed their limit by as much as cell.feasible.fill_cache allows.
SLACK = TOLERANCE / 2


class Savings(NamedTuple):
    """The slots' caching problem, per model, and what steps above its floor save a served request, see `Pieces`.

    Attributes:
        requests: how many active users ask for the model.
        at_floor: saving of its cached copy if every request gets its floor, and no more.
        cacheable: whether it is asked for and fits, its requests' floors included.
        floor: least steps of a served request; 0 where the model cannot reach the floor.
        of: model of each piece; None where each model has one.
        before: the piece that must come before each, −1 if none; None where no model has two.
        extra: steps of each piece.
        gain: saving of a request that gets all of them.
        slope: saving per step once they save at all.
        dead: steps of the piece from which it saves.
        exact: whether a part of a piece saves just that, or at least that.
        useful: pieces that gain something, by descending gain / extra.
        cloud: cost of each slot if everything goes to the cloud, without the radio part.
        steps: S.
        storage_gb: storage of each model.
        capacity_gb: C.
    """

    requests: Float[np.ndarray, "K M"]
    at_floor: Float[np.ndarray, "K M"]
    cacheable: Bool[np.ndarray, "K M"]
    floor: Float[np.ndarray, "M"]
    of: Int[np.ndarray, "P"] | None
    before: Int[np.ndarray, "P"] | None
    extra: Float[np.ndarray, "P"]
    gain: Float[np.ndarray, "P"]
    slope: Float[np.ndarray, "P"]
    dead: Float[np.ndarray, "P"]
    exact: bool
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

    def partial(self, piece: int, steps: np.ndarray) -> np.ndarray:
        """Saving of a request that gets some steps of a piece.

        Args:
            piece: index of the piece.
            steps: 0 or more.
        """
        useful = np.minimum(steps, self.extra[piece])
        return np.asarray(np.maximum(self.slope[piece] * (useful - self.dead[piece]), 0.0))


class Pattern(NamedTuple):
    """A decision about caching and steps, request by request only where it matters.

    Attributes:
        cache: ρ.
        full: how many requests get all of each piece.
        partly: the piece of which one more request gets a part; any if none does.
        part: how many steps of it; 0 if there is none.
    """

    cache: Bool[np.ndarray, "K M"]
    full: Float[np.ndarray, "K P"]
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
    of_steps = pieces(params)

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
        **of_steps._asdict(),
        useful=useful(of_steps),
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
    of_pieces = wanted(problem.of, requests)
    full, part = np.zeros_like(of_pieces), np.zeros_like(left)
    partly = np.zeros(len(left), np.int64)
    saved, last = np.zeros_like(left), np.zeros(len(left), np.int64)
    best = np.zeros_like(left)
    for position, m in enumerate(problem.useful):
        wanting = available(problem.before, m, of_pieces[:, m], full)
        full[:, m] = np.minimum(wanting, np.floor(left / problem.extra[m]))
        left -= full[:, m] * problem.extra[m]
        saved += full[:, m] * problem.gain[m]
        with_part = saved + np.where(full[:, m] < wanting, problem.partial(m, left), 0.0)
        better = with_part > best
        best = np.where(better, with_part, best)
        partly = np.where(better, m, partly)
        part = np.where(
            better & (with_part > saved), np.minimum(left, problem.extra[m]), np.where(better, 0.0, part)
        )
        last = np.where(better, position, last)
    # The request that is served partly may leave nothing to the pieces after its own.
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

    above = _above(problem, pattern, asked, place)
    hit = np.take_along_axis(pattern.cache, asked, axis=-1) & active
    return np.asarray(np.where(hit, problem.floor[asked] + above, 0.0) / problem.steps)


def _above(
    problem: Savings, pattern: Pattern, asked: Int[np.ndarray, "K N"], place: Int[np.ndarray, "K N"]
) -> Float[np.ndarray, "K N"]:
    """Steps above the floor of each request, by its place among those for the same model."""
    if problem.of is None:
        full = np.take_along_axis(pattern.full, asked, axis=-1)
        part = np.where((asked == pattern.partly[:, None]) & (place == full), pattern.part[:, None], 0.0)
        return np.where(place < full, problem.extra[asked], part)
    above = np.zeros(asked.shape)
    for piece, model in enumerate(problem.of):
        full, mine = pattern.full[:, piece, None], asked == model
        above += np.where(mine & (place < full), problem.extra[piece], 0.0)
        partly = mine & (place == full) & (pattern.partly[:, None] == piece)
        above += np.where(partly, pattern.part[:, None], 0.0)
    return above


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
