"""The best decision of every slot, with a bound that proves how good it is."""

from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Bool, Float

from genedge.cell.feasible import in_float64
from genedge.cell.types import Decision, Params, Slot
from genedge.errors import InputError
from genedge.given import refuse_traced
from genedge.optimum.bandwidth import ROUNDING, links, lower_bound, radio_overhead_s, split
from genedge.optimum.caches import near_best, search_price, worth_at
from genedge.optimum.certificate import certified, objective, outage_cost, radio_cost, refuse_uncertified
from genedge.optimum.exact import best_steps
from genedge.optimum.milp import solve_milp
from genedge.optimum.pricing import list_caches, price_caches
from genedge.optimum.savings import SLACK, Pattern, Savings, fill_steps, savings, steps_of
from genedge.optimum.unavoidable import unavoidable
from genedge.optimum.waiting import bound_with_waits, few_at_once
from genedge.precision import in_double
from genedge.xla import at_once

# As many caches as this are listed one by one; the paper's cell has 80 to 500.
MOST_CACHES = 8192

# Where there are more, `solve_priced` follows this many near the best price's cache.
SOME_CACHES = 256

# Numbers in an array of slots by caches, or slots by users, so that it stays in the processor's cache.
CHUNK = 65536

# From this many slots on, compiling (about a second) is worth its time.
COMPILED_FROM = 4096

# `solve_optimal` does not look for what improves by less than this share of the cost of cloud-only.
PRECISION = 1e-9

# With more models than this, the bound of `solve_priced` serves as the optimum: a little below it, so gaps look
# larger.
MOST_MODELS_SOLVED = 16

# Slots that neither listing nor enumeration settles are given to HiGHS for this long.
MILP_LIMIT_S = 60.0


_T = TypeVar("_T")


class Solved(NamedTuple):
    """Decisions with a bound.

    Attributes:
        decision: a feasible decision for each slot, in float64 NumPy.
        lower_bound: no feasible decision of the slot costs less; an allowance for rounding is subtracted.
    """

    decision: Decision
    lower_bound: Float[np.ndarray, "K"]


def solve_priced(params: Params, slots: Slot) -> Solved:
    """A good decision for each slot by pricing the steps: fast, its gap small but not always 0.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.

    Raises:
        InputError: the scenario is of a box, has a cost of the reader's own, or an argument is traced.
    """
    return _solve(params, slots, exact=False)


def solve_optimal(params: Params, slots: Slot) -> Solved:
    """The optimum of Eq. (15) for each slot, given its requests.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.

    Returns:
        Decisions whose gap is at most 1e-9 of the cost of sending everything to the cloud, but for slots with
        too many models to list their caches; there HiGHS may run into its time limit, and the bound says how
        far it got.

    With deadlines, fairness or waits at the base station, decisions are the best without them, and the bound counts
    what of them no decision avoids. Where a table of TV falls steeper again after a flatter piece, decisions are
    those of `solve_priced`; HiGHS is asked where there is no table.

    Raises:
        InputError: the scenario is of a box, has a cost of the reader's own, or an argument is traced.
    """
    return _solve(params, slots, exact=True)


def solve_best(params: Params, slots: Slot) -> Solved:
    """The optimum that others are compared with: `solve_optimal`, or `solve_priced` where there are many models.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.

    Raises:
        InputError: the scenario is of a box, has a cost of the reader's own, or an argument is traced.
    """
    few = params.models.A1.shape[0] <= MOST_MODELS_SOLVED
    return _solve(params, slots, exact=few)


@at_once()
def _solve(params: Params, slots: Slot, exact: bool) -> Solved:
    if params.box is not None:
        raise InputError(
            "the optimum of a slot alone is that of cells like the paper's; that of a box is in "
            "genedge.optimum.dynamic.solve_box"
        )
    refuse_traced("the certified optimum", "policy 'knapsack', which can be traced", params=params, slots=slots)
    refuse_uncertified(params)
    slots = in_double(slots)
    count, places = slots.requests.shape
    caches = list_caches(np.asarray(params.models.storage_gb, np.float64), float(params.C), MOST_CACHES)
    size = int(np.clip(CHUNK // max(places, 1 if caches is None else len(caches)), 1, 512))
    compiled = count >= COMPILED_FROM
    parts = []
    for start in range(0, count, size):
        index = np.arange(start, min(start + size, count))
        # A last chunk of the same size spares compiling for another one.
        padded = np.append(index, np.repeat(index[-1], size - len(index))) if compiled else index
        part = _solve_chunk(params, _take(slots, padded), caches, exact, compiled)
        parts.append(_take(part, np.arange(len(index))))
    solved: Solved = jax.tree.map(lambda *x: np.concatenate(x), *parts)
    return solved


def _solve_chunk(params: Params, slots: Slot, caches: np.ndarray | None, exact: bool, compiled: bool) -> Solved:
    link = links(params, slots)
    share = split(link, compiled)
    # What is decided does not change what users in an outage cost.
    best_radio = float(params.delay_weight) * lower_bound(link, share)
    radio = best_radio + outage_cost(params, slots) * (1 - ROUNDING)
    if params.station is not None:
        radio = radio + float(params.delay_weight) * radio_overhead_s(params, slots) * (1 - ROUNDING)
    problem = savings(params, slots)
    if caches is not None:
        found = _among(problem, caches, exact and problem.exact, compiled)
    else:
        each = [
            _near_price(problem.at(slice(k, k + 1)), exact and problem.exact) for k in range(len(problem.cloud))
        ]
        found = jax.tree.map(lambda *x: np.concatenate(x), *each)
    steps = steps_of(problem, slots, found.pattern)
    if params.costs is not None and certified(params) == "bound":
        # Part of the bound is what nobody avoids, however the rest is decided.
        radio = radio + unavoidable(params, slots) * (1 - ROUNDING)
    least = radio + problem.cloud - found.most - ROUNDING * problem.cloud
    if few_at_once(params) and caches is not None:
        saved = np.minimum(price_caches(problem, caches, compiled).bound, found.most[:, None])
        more = bound_with_waits(params, slots, problem, caches, saved) - (best_radio + problem.cloud - found.most)
        least = least + np.where(more > 0, more, 0.0)
    solved = Solved(in_float64(Decision(found.pattern.cache, share, steps)), least)
    for k in np.flatnonzero(~found.settled if exact and params.models.curve is None else []):
        _improve_by_milp(params, _take(slots, slice(k, k + 1)), _take(solved, slice(k, k + 1)))
    return solved


class _Found(NamedTuple):
    """Patterns of K slots.

    Attributes:
        pattern: a good or the best pattern.
        saved: what it saves.
        most: what any pattern saves at most.
        settled: whether it is the best.
    """

    pattern: Pattern
    saved: Float[np.ndarray, "K"]
    most: Float[np.ndarray, "K"]
    settled: Bool[np.ndarray, "K"]


def _among(problem: Savings, caches: np.ndarray, exact: bool, compiled: bool) -> _Found:
    """A good pattern among those with one of the given caches, or the best."""
    priced = price_caches(problem, caches, compiled)
    pattern, saved = fill_steps(problem, caches[priced.best])
    most = np.maximum(priced.bound.max(axis=-1), saved)
    if not exact:
        return _Found(pattern, saved, most, most <= saved)
    tolerance = PRECISION * problem.cloud
    settled = np.ones(len(saved), bool)
    # The most promising cache of each slot first: what it saves rules out most of the others.
    for first in (True, False):
        promising = priced.bound > (saved + tolerance)[:, None]
        if first:
            promising &= priced.bound == most[:, None]
        slot, cache = np.nonzero(promising)
        listed = best_steps(problem, slot, caches[cache], priced.bound[slot, cache], saved + tolerance)
        for field, better in zip(pattern, listed.pattern, strict=True):
            field[listed.slot] = better
        saved[listed.slot] = listed.saved
        settled &= listed.complete
    return _Found(pattern, saved, np.where(settled, np.minimum(most, saved + tolerance), most), settled)


def _near_price(problem: Savings, exact: bool) -> _Found:
    """The same for one slot whose caches are too many to list: among those that are near best at the best price."""
    search = search_price(problem)
    found = _among(problem, search.caches, exact, compiled=False)
    tolerance = PRECISION * problem.cloud
    worth, capacity = worth_at(problem, search.price), problem.capacity_gb * (1 + SLACK)
    paid = search.price * problem.steps
    # What a first listing finds shortens the next one.
    for most in (SOME_CACHES, MOST_CACHES, MOST_CACHES) if exact else (SOME_CACHES,):
        least = float(found.saved[0] + tolerance[0] - paid)
        if search.bound <= least + paid:
            return found._replace(most=np.maximum(found.saved, search.bound), settled=np.ones(1, bool))
        caches, complete = near_best(worth, problem.storage_gb, capacity, least, most)
        caches = np.concatenate([found.pattern.cache, caches])
        found = _among(problem, caches, exact, compiled=False)
        if complete:
            return found._replace(most=np.minimum(np.maximum(found.most, least + paid), search.bound))
    return found._replace(most=np.array([search.bound]), settled=np.zeros(1, bool))


def _improve_by_milp(params: Params, slot: Slot, solved: Solved) -> None:
    """Writes what HiGHS finds for one slot into its solution, where that is better."""
    milp = solve_milp(params, _take(slot, 0), gap=PRECISION, time_limit_s=MILP_LIMIT_S)
    decision = Decision(milp.cache[None], solved.decision.bandwidth, milp.steps[None])
    if objective(params, slot, decision)[0] < objective(params, slot, solved.decision)[0]:
        solved.decision.cache[:], solved.decision.steps[:] = decision.cache, decision.steps
    apart = radio_cost(params, slot, decision) + outage_cost(params, slot)
    bound = apart * (1 - ROUNDING) + milp.lower_bound * (1 - PRECISION)
    solved.lower_bound[:] = np.maximum(solved.lower_bound, bound)


def _take(tree: _T, index: Any) -> _T:
    taken: _T = jax.tree.map(lambda x: x[index], tree)
    return taken
