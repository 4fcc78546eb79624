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

    # The price is the density of the model at which the steps run out; 0 if they do not.
    price, critical = np.zeros(len(slot)), np.full(len(slot), -1)
    left = budget.copy()
    for m in problem.useful:
        runs_out = (critical < 0) & (requests[:, m] * problem.extra[m] > left)
        price[runs_out] = problem.gain[m] / problem.extra[m]
        critical[runs_out] = m
        left -= requests[:, m] * problem.extra[m]

    # A node is a cache with the requests of some models fixed.
    node = np.flatnonzero(critical >= 0)
    full = np.zeros((len(node), len(problem.floor)))
    left = budget[node]
    slack = (bound - known[slot])[node]
    # A request that should get all steps, but is served partly, loses less than is counted for it here.
    credit = np.zeros(len(node))
    complete = np.ones(len(known), bool)
    for m in problem.useful:
        loss = problem.gain[m] - price[node] * problem.extra[m]
        wanting = requests[node, m]
        most = np.minimum(wanting, np.floor(left / problem.extra[m]))
        # A request loses its bargain if left out (loss > 0), or costs more than it saves if served (loss < 0).
        with_credit = slack + np.maximum(credit, loss)
        deviations = np.floor(with_credit / np.maximum(np.abs(loss), 1e-300))
        least = np.where(loss > 0, np.maximum(wanting - deviations, 0.0), 0.0)
        most = np.where(loss < 0, np.minimum(most, deviations), most)
        indifferent = critical[node] == m
        least, most = np.where(indifferent, 0.0, least), np.where(indifferent, 0.0, most)
        patterns = np.maximum(most - least + 1, 0).astype(np.int64)
        if patterns.sum() > MOST_PATTERNS:
            crowded = np.bincount(slot[node], patterns, len(known)) > MOST_PATTERNS // 10
            complete &= ~crowded
            patterns[crowded[slot[node]]] = 0
        parent, nth = _repeat(patterns)
        served = least[parent] + nth
        loss, wanting, indifferent = loss[parent], wanting[parent], indifferent[parent]
        lost = np.where(loss > 0, (wanting - served) * loss, -served * loss)
        slack = slack[parent] - np.where(indifferent, 0.0, lost)
        credit = np.maximum(credit[parent], np.where(~indifferent & (served < wanting), loss, 0.0))
        left = left[parent] - served * problem.extra[m]
        full, node = full[parent], node[parent]
        full[:, m] = served
        keep = slack + credit > 0
        full, node, slack, credit, left = full[keep], node[keep], slack[keep], credit[keep], left[keep]

    # The indifferent model takes what fits, or fewer requests, so that a request of another may have a larger
    # part. Leaving more than the largest part plus one of its own requests unused is never best.
    model = critical[node]
    extra = problem.extra[model]
    largest = max((problem.extra[m] for m in problem.useful), default=0.0)
    most = np.minimum(requests[node, model], np.floor(left / extra)) if len(node) else np.zeros(0)
    parent, nth = _repeat(np.minimum(most, np.floor(largest / np.maximum(extra, 1e-300)) + 1).astype(np.int64) + 1)
    node, full, left, model = node[parent], full[parent], left[parent], model[parent]
    served = most[parent] - nth
    full[np.arange(len(node)), model] = served
    left = left - served * problem.extra[model]

    saved = at_floor[node] + full @ problem.gain
    part_saves, partly = np.zeros(len(node)), np.zeros(len(node), np.int64)
    for m in problem.useful:
        saves = np.where(full[:, m] < requests[node, m], problem.partial(m, left), 0.0)
        better = saves > part_saves
        part_saves, partly = np.where(better, saves, part_saves), np.where(better, m, partly)
    saved = saved + part_saves
    part = np.where(part_saves > 0, np.minimum(left, problem.extra[partly]), 0.0)

    # The best pattern of each slot comes last in this order.
    order = np.lexsort((saved, slot[node]))
    last = np.append(slot[node][order][1:] != slot[node][order][:-1], True)[: len(order)]
    best = order[last]
    best = best[saved[best] > known[slot[node[best]]]]
    pattern = Pattern(cache[node[best]], full[best], partly[best], part[best])
    return Listed(slot[node[best]], pattern, saved[best], complete)


def _repeat(counts: Int[np.ndarray, "Q"]) -> tuple[Int[np.ndarray, "R"], Int[np.ndarray, "R"]]:
    """For every item, its index as often as it counts, and the number of each repetition."""
    parent = np.repeat(np.arange(len(counts)), counts)
    return parent, np.arange(len(parent)) - np.repeat(np.cumsum(counts) - counts, counts)
