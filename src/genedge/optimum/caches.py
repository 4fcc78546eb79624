"""Where caches are too many to list: one price on the steps, a knapsack over models, and what is near it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from genedge.optimum.pieces import summed
from genedge.optimum.savings import SLACK, Savings

# Evaluations of the price at most; each bounds what can be saved.
MOST_PRICES = 30


class Search(NamedTuple):
    """What the search for the best price of one slot found.

    Attributes:
        caches: the caches that were best at some price, those whose floors fit.
        price: the price with the least bound.
        bound: what any decision saves at most.
    """

    caches: Bool[np.ndarray, "P M"]
    price: float
    bound: float


def worth_at(problem: Savings, price: float) -> Float[np.ndarray, "M"]:
    """What caching each model is worth in a slot if steps cost a price; −∞ where it is of no use.

    Args:
        problem: one slot.
        price: price of a step.
    """
    each = np.maximum(problem.gain - price * problem.extra, 0.0)
    bargain = summed(problem.of, each, len(problem.floor)) - price * problem.floor
    return np.where(problem.cacheable[0], problem.at_floor[0] + problem.requests[0] * bargain, -np.inf)


def search_price(problem: Savings) -> Search:
    """Finds the price on the steps at which the bound is least.

    The bound at a price is what all the steps cost plus the best knapsack of what caches are then worth. It
    is convex in the price, and its slope is the number of steps left over. So two prices, one too low and one
    too high, give two tangents, and where these cross is the next price to try.

    Args:
        problem: one slot.
    """
    capacity = problem.capacity_gb * (1 + SLACK)
    requests, S = problem.requests[0], problem.steps
    owed = requests * problem.floor
    # The empty cache owes no steps and always fits.
    caches = [np.zeros(len(problem.floor), bool)]

    def bound_at(price: float) -> tuple[float, float]:
        worth = worth_at(problem, price)
        cache, value = best_knapsack(worth, problem.storage_gb, capacity)
        pays = problem.gain > price * problem.extra
        steps = summed(problem.of, np.where(pays, problem.extra, 0.0), len(requests))
        wanted = owed + requests * steps
        if owed[cache].sum() <= S * (1 + SLACK):
            caches.append(cache)
        return price * S + value, S - wanted[cache].sum()

    low, (low_bound, low_left) = 0.0, bound_at(0.0)
    best_price, best_bound = low, low_bound
    if low_left < 0:
        # At this price no request is worth a step.
        high = max((float(problem.gain[m] / problem.extra[m]) for m in problem.useful), default=0.0)
        full = problem.at_floor[0] + requests * summed(problem.of, problem.gain, len(requests))
        high = max(high, float(np.max(full[owed > 0] / owed[owed > 0], initial=0.0)))
        high_bound, high_left = bound_at(high)
        for _ in range(MOST_PRICES):
            if high_bound < best_bound:
                best_price, best_bound = high, high_bound
            if low_bound < best_bound:
                best_price, best_bound = low, low_bound
            if high_left == low_left:
                break
            price = (low_bound - low_left * low - high_bound + high_left * high) / (high_left - low_left)
            least = low_bound + low_left * (price - low)
            if not low < price < high or least >= best_bound * (1 - 1e-9):
                break
            bound, left = bound_at(price)
            if left < 0:
                low, low_bound, low_left = price, bound, left
            else:
                high, high_bound, high_left = price, bound, left
    return Search(np.array(caches), best_price, best_bound)


def best_knapsack(
    worth: Float[np.ndarray, "M"], size: Float[np.ndarray, "M"], capacity: float
) -> tuple[Bool[np.ndarray, "M"], float]:
    """The exact 0/1 knapsack, by dynamic programming over the pairs of size and worth that no other pair beats.

    Args:
        worth: what each item is worth; items worth 0 or less stay out.
        size: size of each item.
        capacity: sizes add up to this at most.

    Returns:
        Which items to take, and what they are worth together.
    """
    items, w, c = _by_density(worth, size)
    chosen = np.zeros(len(worth), bool)
    chosen[items] = _greedy(c, capacity)
    known = float(worth[chosen].sum())

    free, forced = _settled(w, c, capacity, known)
    forced, items, w, c = items[forced], items[free], w[free], c[free]
    fill = _Fractional(w, c)

    used, value, layers = size[forced].sum(keepdims=True), worth[forced].sum(keepdims=True), []
    best: tuple[int, int] | None = None
    for i in range(len(items)):
        fits = np.flatnonzero(used + c[i] <= capacity)
        parent = np.concatenate([np.arange(len(used)), fits])
        taken = np.arange(len(parent)) >= len(used)
        used, value = used[parent] + c[i] * taken, value[parent] + w[i] * taken
        # Only states that are worth more than every state of no greater size can be best.
        order = np.lexsort((-value, used))
        ahead = np.maximum.accumulate(value[order])
        order = order[np.append(True, ahead[1:] > ahead[:-1])]
        order = order[value[order] + fill.worth(i + 1, capacity - used[order]) > known]
        used, value = used[order], value[order]
        layers.append((parent[order], taken[order]))
        if len(value) == 0:
            break
        if value[-1] > known:
            known, best = float(value[-1]), (i, len(value) - 1)
    if best is not None:
        chosen[:] = False
        chosen[forced] = True
        layer, state = best
        for i in range(layer, -1, -1):
            parent, taken = layers[i]
            chosen[items[i]] = taken[state]
            state = parent[state]
    return chosen, known


def near_best(
    worth: Float[np.ndarray, "M"], size: Float[np.ndarray, "M"], capacity: float, least: float, most: int
) -> tuple[Bool[np.ndarray, "P M"], bool]:
    """All choices of items that fit and are worth more than a given value, or many of them.

    Args:
        worth: what each item is worth, possibly less than nothing; −∞ where it must stay out.
        size: size of each item.
        capacity: sizes add up to this at most.
        least: the value to exceed.
        most: how many choices to follow at once; where there are more, the most promising.

    Returns:
        The choices, and whether they are all.
    """
    items, w, c = _by_density(worth, size)
    free, forced = _settled(w, c, capacity, least)
    forced, items = items[forced], items[free]
    fill = _Fractional(w[free], c[free])
    others = np.flatnonzero((worth <= 0) & np.isfinite(worth))
    used, value, chosen = (
        size[forced].sum(keepdims=True),
        worth[forced].sum(keepdims=True),
        np.zeros((1, len(worth)), bool),
    )
    chosen[:, forced] = True
    keep = value + fill.worth(0, capacity - used) > least
    used, value, chosen = used[keep], value[keep], chosen[keep]
    complete = True
    for i, item in enumerate(np.concatenate([items, others])):
        fits = np.flatnonzero(used + size[item] <= capacity)
        parent = np.concatenate([np.arange(len(used)), fits])
        taken = np.arange(len(parent)) >= len(used)
        used, value = used[parent] + size[item] * taken, value[parent] + worth[item] * taken
        bound = value + fill.worth(min(i + 1, len(items)), capacity - used)
        keep = np.flatnonzero(bound > least)
        if len(keep) > most:
            keep = keep[np.argpartition(-bound[keep], most)[:most]]
            complete = False
        used, value, chosen = used[keep], value[keep], chosen[parent[keep]]
        chosen[:, item] = taken[keep]
    return chosen, complete


def _by_density(worth: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    items = np.flatnonzero(worth > 0)
    items = items[np.argsort(-worth[items] / size[items], kind="stable")]
    return items, worth[items], size[items]


def _greedy(size: np.ndarray, capacity: float) -> np.ndarray:
    chosen = np.zeros(len(size), bool)
    for i in range(len(size)):
        if size[i] <= capacity:
            chosen[i] = True
            capacity -= size[i]
    return chosen


def _settled(worth: np.ndarray, size: np.ndarray, capacity: float, known: float) -> tuple[np.ndarray, np.ndarray]:
    """Which items may be in or out, and which must be in, in any choice that is worth more than what is known.

    To have an item otherwise than the fractional knapsack has it takes from that bound what the item is worth
    more or less than its size at the price of capacity; for most items, that is too much.
    """
    fill = _Fractional(worth, size)
    price = fill.price(capacity)
    free = fill.worth(0, capacity) - np.abs(worth - price * size) > known
    return free, ~free & (worth > price * size)


class _Fractional:
    """The knapsack of items by density, the last one taken in part: a bound on the 0/1 knapsack."""

    def __init__(self, worth: np.ndarray, size: np.ndarray) -> None:
        self.worth_before = np.concatenate([[0.0], np.cumsum(worth)])
        self.size_before = np.concatenate([[0.0], np.cumsum(size)])

    def worth(self, first: int, left: np.ndarray | float) -> np.ndarray:
        """What the items from `first` on are worth at most in what is left of the capacity."""
        filled = np.interp(self.size_before[first] + left, self.size_before, self.worth_before)
        return np.asarray(filled - self.worth_before[first])

    def price(self, capacity: float) -> float:
        """What a little more capacity is worth."""
        last = int(np.searchsorted(self.size_before, capacity, side="right"))
        if last == len(self.size_before):
            return 0.0
        worth, size = np.diff(self.worth_before)[last - 1], np.diff(self.size_before)[last - 1]
        return float(worth / size)
