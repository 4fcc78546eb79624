"""Waits at a base station that generates few requests at once: as they are, and what of them nobody avoids.

Of requests that are there together the sum of times at which they begin is least where the shortest goes first. The
longest of all, one for each of the k generators, then delay nobody, the k before them one each, and so on. It grows
with every time, so with no more steps than a quality floor asks for it is a bound for each cache: more models serve
more requests, which wait more. Whoever waits for others may have been sending meanwhile; hence waits count together
with uploads. Float64 NumPy.
"""

import heapq

import numpy as np
from jaxtyping import Bool, Float

from genedge.cell.station import Station
from genedge.cell.types import Params, Slot, models_in_float64
from genedge.optimum.bandwidth import ROUNDING, Links, delay, links, lower_bound, split
from genedge.optimum.savings import Savings

# How much of the waits is set against the uploads during which they are spent; the best of these bounds counts.
PARTS = (0.25, 0.5, 0.75, 1.0)


def few_at_once(params: Params) -> bool:
    """Whether requests may wait for the base station.

    Args:
        params: the scenario.
    """
    return params.station is not None and params.station.generators is not None


def waited(
    station: Station,
    hit: Bool[np.ndarray, "K N"],
    arrival_s: Float[np.ndarray, "K N"],
    takes_s: Float[np.ndarray, "K N"],
) -> Float[np.ndarray, "K N"]:
    """How long each request waits until it is generated, event by event; written apart from the cell's.

    Args:
        station: the scenario's.
        hit: who is generated at the base station.
        arrival_s: when each is there [s].
        takes_s: what each takes [s].
    """
    found, generators = np.zeros(hit.shape), _whole(station, hit.shape[1])
    for k in range(len(hit)):
        coming = [int(n) for n in np.argsort(arrival_s[k], kind="stable") if hit[k, n] and arrival_s[k, n] < np.inf]
        free_s = [0.0] * max(min(generators, len(coming)), 1)
        waiting: list[tuple[float, int]] = []
        begun, begins_s = 0, 0.0
        while begun < len(coming) or waiting:
            begins_s = max(free_s[0], begins_s if waiting else arrival_s[k, coming[begun]])
            while begun < len(coming) and arrival_s[k, coming[begun]] <= begins_s:
                urgency = takes_s[k, coming[begun]] if station.shortest_first else 0.0
                heapq.heappush(waiting, (float(urgency), begun))
                begun += 1
            n = coming[heapq.heappop(waiting)[1]]
            found[k, n] = begins_s - arrival_s[k, n]
            heapq.heapreplace(free_s, begins_s + takes_s[k, n])
    return found


def bound_with_waits(
    params: Params,
    slots: Slot,
    problem: Savings,
    caches: Bool[np.ndarray, "P M"],
    saved: Float[np.ndarray, "K P"],
) -> Float[np.ndarray, "K"]:
    """A bound on the cost of each slot that counts waits, but for what is the same for every decision.

    Uploads and waits together last at the least until the requests served have begun, which is where waits are
    bounded; so as much of the uploads is left out as waits are counted.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        problem: the same.
        caches: all caches that fit.
        saved: what each saves at most if nobody waits.
    """
    link, active, weight = links(params, slots), np.asarray(slots.active), float(params.delay_weight)
    least_s = least_waits(params, problem, caches) * (1 - ROUNDING)
    # Nobody is generated before the first upload ends, which may have had the whole band.
    alone_s, _ = delay(link.uplink, np.ones(active.shape))
    first_s = np.where(active, alone_s, np.inf).min(axis=-1, initial=np.inf)
    with np.errstate(invalid="ignore"):
        begins_s = np.where(active.any(axis=-1), active.sum(axis=-1) * first_s, 0.0) * (1 - ROUNDING)
    best = np.full(len(active), -np.inf)
    for part in PARTS:
        # Downlink first: an uplink that is left out takes no time, and who takes none first is absent.
        less = Links(link.time_s[::-1] * np.array([1.0, 1 - part])[:, None, None], link.snr[::-1], link.own)
        radio_s = lower_bound(less, split(less, compiled=False)) + part * begins_s
        rest = problem.cloud + (weight * part * least_s - saved).min(axis=-1)
        best = np.maximum(best, weight * radio_s + rest)
    return best


def least_waits(params: Params, problem: Savings, caches: Bool[np.ndarray, "P M"]) -> Float[np.ndarray, "K P"]:
    """What those whom each cache serves at least wait until they begin, if all get no more steps than their floor.

    Args:
        params: the scenario.
        problem: K slots.
        caches: the caches.
    """
    m = models_in_float64(params.models)
    takes_s = m.B1 * problem.floor + m.B2
    longer = np.zeros((len(problem.cloud), len(caches)), int)
    total_s = np.zeros(longer.shape)
    before = _rounds(params, int(problem.requests.sum(axis=-1).max(initial=0)))
    for model in np.argsort(-takes_s, kind="stable"):
        with_these = longer + np.outer(problem.requests[:, model].astype(int), caches[:, model])
        total_s += takes_s[model] * (before[with_these] - before[longer])
        longer = with_these
    return total_s


def _rounds(params: Params, requests: int) -> Float[np.ndarray, "n"]:
    """Sum of ⌊i/k⌋ over i < j, for every j up to a number of requests."""
    assert params.station is not None
    each = np.arange(requests) // _whole(params.station, requests)
    return np.concatenate([[0.0], np.cumsum(each)])


def _whole(station: Station, requests: int) -> int:
    """How many generators there are that requests could use."""
    assert station.generators is not None
    return max(min(int(np.ceil(float(station.generators))), requests), 1)
