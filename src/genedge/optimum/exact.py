"""The best steps for the caches that a bound leaves in question, by enumeration.

For a given cache, requests at the price of a step fall into those that should get all useful steps, those
that should get none, and those of the one model that the price makes indifferent. What the bound loses when k
requests of a model are treated otherwise is k times a known amount, and the losses of several models add up.
So every pattern of steps that might beat the best known one is found by listing, model by model, the
deviations whose losses together stay below the difference between the bound and the best known saving.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from genedge.optimum.pieces import available, wanted
from genedge.optimum.savings import Pattern, Savings

# More patterns than this at once are too many; the slots that have most of them are then left to the MILP.
MOST_PATTERNS = 500_000


class Listed(NamedTuple):
    """What a listing found.

    Attributes:
        slot: the slots in which a pattern beats the known saving.
        pattern: the best one of each of these.
        saved: what it saves.
        complete: of every slot, whether all patterns that might beat the known saving were listed.
    """

    slot: Int[np.ndarray, "J"]
    pattern: Pattern
    saved: Float[np.ndarray, "J"]
    complete: Bool[np.ndarray, "K"]


class _Nodes(NamedTuple):
    """Caches with the requests of some models fixed, one a row.

    Attributes:
        cache: which of the caches in question.
        full: how many requests get all of each piece; 0 for pieces not yet fixed.
        left: steps that are left.
        slack: what may still be lost without falling to the known saving.
        credit: what was counted too much: a request that should get all steps, but is served partly, loses less.
    """

    cache: Int[np.ndarray, "R"]
    full: Float[np.ndarray, "R P"]
    left: Float[np.ndarray, "R"]
    slack: Float[np.ndarray, "R"]
    credit: Float[np.ndarray, "R"]

    def at(self, rows: np.ndarray) -> "_Nodes":
        """Some of them, in the order of their numbers."""
        return _Nodes(*(column[rows] for column in self))


def best_steps(
    problem: Savings,
    slot: Int[np.ndarray, "Q"],
    cache: Bool[np.ndarray, "Q M"],
    bound: Float[np.ndarray, "Q"],
    known: Float[np.ndarray, "K"],
) -> Listed:
    """Finds the pattern that saves most among those with the given caches, if it beats what is known.

    Args:
        problem: K slots.
        slot: the slot of each cache in question.
        cache: the caches; their floors fit.
        bound: what each saves at most, by fractional filling.
        known: saving to beat in each slot.
    """
    requests = np.where(cache, problem.requests[slot], 0.0)
    at_floor = np.where(cache, problem.at_floor[slot], 0.0).sum(axis=-1)
    budget = np.maximum(problem.steps - requests @ problem.floor, 0.0)
    requests = wanted(problem.of, requests)
    price, critical = _price(problem, requests, budget)

    nodes = _roots(problem, critical, budget, bound - known[slot])
    complete = np.ones(len(known), bool)
    for m in problem.useful:
        nodes, crowded = _fix(problem, m, nodes, requests, slot, price, critical)
        complete &= ~crowded
    nodes = _fill_indifferent(problem, nodes, requests, critical)

    part_saves, partly = np.zeros(len(nodes.cache)), np.zeros(len(nodes.cache), np.int64)
    for m in problem.useful:
        wanting = available(problem.before, m, requests[nodes.cache, m], nodes.full)
        saves = np.where(nodes.full[:, m] < wanting, problem.partial(m, nodes.left), 0.0)
        better = saves > part_saves
        part_saves, partly = np.where(better, saves, part_saves), np.where(better, m, partly)
    saved = at_floor[nodes.cache] + nodes.full @ problem.gain + part_saves
    part = np.where(part_saves > 0, np.minimum(nodes.left, problem.extra[partly]), 0.0)

    # The best pattern of each slot comes last in this order.
    of_slot = slot[nodes.cache]
    order = np.lexsort((saved, of_slot))
    last = np.append(of_slot[order][1:] != of_slot[order][:-1], True)[: len(order)]
    best = order[last]
    best = best[saved[best] > known[of_slot[best]]]
    pattern = Pattern(cache[nodes.cache[best]], nodes.full[best], partly[best], part[best])
    return Listed(of_slot[best], pattern, saved[best], complete)


def _price(
    problem: Savings, requests: Float[np.ndarray, "Q P"], budget: Float[np.ndarray, "Q"]
) -> tuple[Float[np.ndarray, "Q"], Int[np.ndarray, "Q"]]:
    """The price of a step, and the piece that it makes indifferent, where steps run out; 0 and −1 if never."""
    price, critical = np.zeros(len(budget)), np.full(len(budget), -1)
    left = budget.copy()
    for m in problem.useful:
        runs_out = (critical < 0) & (requests[:, m] * problem.extra[m] > left)
        price[runs_out] = problem.gain[m] / problem.extra[m]
        critical[runs_out] = m
        left -= requests[:, m] * problem.extra[m]
    return price, critical


def _roots(
    problem: Savings, critical: Int[np.ndarray, "Q"], budget: Float[np.ndarray, "Q"], slack: Float[np.ndarray, "Q"]
) -> _Nodes:
    """The caches whose steps run out, with no requests fixed."""
    cache = np.flatnonzero(critical >= 0)
    full = np.zeros((len(cache), len(problem.extra)))
    return _Nodes(cache, full, budget[cache], slack[cache], np.zeros(len(cache)))


def _fix(
    problem: Savings,
    m: int,
    nodes: _Nodes,
    requests: Float[np.ndarray, "Q P"],
    slot: Int[np.ndarray, "Q"],
    price: Float[np.ndarray, "Q"],
    critical: Int[np.ndarray, "Q"],
) -> tuple[_Nodes, Bool[np.ndarray, "K"]]:
    """Fixes the requests of one more piece in every way that loses no more than may be lost.

    Returns:
        The nodes that this makes, and the slots that would have had too many of them.
    """
    loss = problem.gain[m] - price[nodes.cache] * problem.extra[m]
    wanting = requests[nodes.cache, m]
    most = np.minimum(wanting, np.floor(nodes.left / problem.extra[m]))
    if problem.before is not None and problem.before[m] >= 0:
        # No more than have the piece before; how many these are is seen last of all of the indifferent one.
        has = np.where(critical[nodes.cache] == problem.before[m], wanting, nodes.full[:, problem.before[m]])
        most = np.minimum(most, has)
    # A request loses its bargain if left out (loss > 0), or costs more than it saves if served (loss < 0).
    with_credit = nodes.slack + np.maximum(nodes.credit, loss)
    deviations = np.floor(with_credit / np.maximum(np.abs(loss), 1e-300))
    least = np.where(loss > 0, np.maximum(wanting - deviations, 0.0), 0.0)
    most = np.where(loss < 0, np.minimum(most, deviations), most)
    indifferent = critical[nodes.cache] == m
    least, most = np.where(indifferent, 0.0, least), np.where(indifferent, 0.0, most)
    patterns = np.maximum(most - least + 1, 0).astype(np.int64)

    slots = len(problem.requests)
    crowded = np.zeros(slots, bool)
    if patterns.sum() > MOST_PATTERNS:
        crowded = np.bincount(slot[nodes.cache], patterns, slots) > MOST_PATTERNS // 10
        patterns[crowded[slot[nodes.cache]]] = 0

    parent, nth = _repeat(patterns)
    served = least[parent] + nth
    loss, wanting, indifferent = loss[parent], wanting[parent], indifferent[parent]
    lost = np.where(loss > 0, (wanting - served) * loss, -served * loss)
    slack = nodes.slack[parent] - np.where(indifferent, 0.0, lost)
    credit = np.maximum(nodes.credit[parent], np.where(~indifferent & (served < wanting), loss, 0.0))
    full = nodes.full[parent]
    full[:, m] = served
    made = _Nodes(nodes.cache[parent], full, nodes.left[parent] - served * problem.extra[m], slack, credit)
    return made.at(slack + credit > 0), crowded


def _fill_indifferent(
    problem: Savings, nodes: _Nodes, requests: Float[np.ndarray, "Q P"], critical: Int[np.ndarray, "Q"]
) -> _Nodes:
    """Gives the indifferent piece what fits, or fewer requests, so that a request of another has a larger part.

    Leaving more than the largest part plus one of its own requests unused is never best.
    """
    model = critical[nodes.cache]
    extra = problem.extra[model]
    largest = max((problem.extra[m] for m in problem.useful), default=0.0)
    most = np.zeros(0)
    if len(nodes.cache):
        most = np.minimum(requests[nodes.cache, model], np.floor(nodes.left / extra))
    parent, nth = _repeat(np.minimum(most, np.floor(largest / np.maximum(extra, 1e-300)) + 1).astype(np.int64) + 1)
    served = most[parent] - nth
    filled = nodes.at(parent)
    filled.full[np.arange(len(parent)), model[parent]] = served
    filled = filled._replace(left=filled.left - served * extra[parent])
    return (
        filled
        if problem.before is None
        else filled.at(_in_order(problem.before, filled.full, requests[filled.cache]))
    )


def _in_order(
    before: Int[np.ndarray, "P"], full: Float[np.ndarray, "R P"], requests: Float[np.ndarray, "R P"]
) -> Bool[np.ndarray, "R"]:
    """Where no request has a piece without the one before it."""
    return np.asarray((full <= np.where(before < 0, requests, full[:, before])).all(axis=-1))


def _repeat(counts: Int[np.ndarray, "Q"]) -> tuple[Int[np.ndarray, "R"], Int[np.ndarray, "R"]]:
    """For every item, its index as often as it counts, and the number of each repetition."""
    parent = np.repeat(np.arange(len(counts)), counts)
    return parent, np.arange(len(parent)) - np.repeat(np.cumsum(counts) - counts, counts)
