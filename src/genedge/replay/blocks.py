"""Means over blocks of a trace, and with them intervals: what differs from stretch to stretch of one trace.

The requests that are served, in the order in which they came, are cut into blocks of equally many, at most twenty
(Schmeiser, Operations Research 30 (1982), finds little gain in more). Requests of one queue are no independent
samples, but blocks nearly are, if they are long against the waits: each lasts at least twenty times as long as all
but one in a hundred requests take, or there are fewer, and with fewer than five no interval. Schedulers meet the
same requests, so that a difference is one of equal blocks, and what is common to both cancels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from genedge.boxes.models import MB_PER_GB
from genedge.replay.queue_tally import PARTS, QueueTally
from genedge.results import Quantity, single

MOST, FEWEST = 20, 5
# How long a block lasts at least, against the 99 % quantile of the delays.
LONG = 20

# An amount in each block, and of how much: requests, hours, or seconds of GPUs.
InBlocks = tuple[Float[np.ndarray, "K"], Float[np.ndarray, "K"]]


def blocks_of(tally: QueueTally) -> int:
    """How many blocks a replay has.

    Args:
        tally: of a scheduler.

    Returns:
        From five to twenty; one where the trace is too short for intervals.
    """
    if tally.served < FEWEST:
        return 1
    lasts_s = LONG * tally.sketch.quantile(0.99)
    most = MOST if lasts_s == 0 else (tally.end - tally.begin) / lasts_s
    count = int(min(MOST, most, tally.served))
    return count if count >= FEWEST else 1


def in_blocks(tally: QueueTally, count: int, **more: Float[np.ndarray, "n"]) -> dict[str, InBlocks]:
    """What a replay comes to in each block, by metric.

    Args:
        tally: of a scheduler.
        count: of blocks.
        **more: other metrics of each request, in the order of the tally.
    """
    times = np.array(tally.times)
    order = np.lexsort((np.array(tally.numbers), times))
    first = np.linspace(0, len(order), count + 1).astype(int)
    inner = times[order[first[1:-1]]] if len(order) else np.zeros(0)
    edges = np.concatenate([[tally.begin], inner, [tally.end]])
    requests, spans = np.diff(first).astype(float), np.diff(edges)

    def of_requests(values: Float[np.ndarray, "n"]) -> InBlocks:
        so_far = np.concatenate([[0.0], np.cumsum(values[order])])
        return np.diff(so_far[first]), requests

    waits, delays = np.array(tally.waits), np.array(tally.delays)
    own_load, others_loads, gpu = np.array(tally.own_loads), np.array(tally.others_loads), np.array(tally.gpu)
    cloud, served = gpu < 0, delays - waits
    found = {"mean_s": of_requests(delays)} | {metric: of_requests(values) for metric, values in more.items()}
    parts = (np.where(cloud, 0.0, served), waits - own_load - others_loads, own_load, others_loads)
    for part, values in zip(PARTS, (*parts, np.where(cloud, served, 0.0)), strict=True):
        found[part] = of_requests(values)
    came = np.array([time for time, _ in tally.loaded])
    brought = np.array([mb / MB_PER_GB for _, mb in tally.loaded])
    for metric, each in (("loads_per_hour", np.ones(len(came))), ("gb_per_hour", brought)):
        so_far = np.concatenate([[0.0], np.cumsum(each)])
        found[metric] = np.diff(so_far[np.searchsorted(came, [*edges[:-1], np.inf])]), spans / 3600
    busy = _busy(tally, times + waits, times + delays, edges)
    return found | {metric: (amount, spans * tally.gpus) for metric, amount in busy.items()}


def _busy(
    tally: QueueTally, began: Float[np.ndarray, "n"], ended: Float[np.ndarray, "n"], edges: Float[np.ndarray, "E"]
) -> dict[str, Float[np.ndarray, "K"]]:
    """Seconds of GPUs that generate, load, and do neither, in each block."""
    gpu = np.array(tally.gpu)
    none = np.zeros(len(edges) - 1)
    generating, loading, idle = none.copy(), none.copy(), none.copy()
    for g, loads in enumerate(tally.loading):
        here = gpu == g
        generates = np.stack([began[here], ended[here]], axis=-1)
        loads_here = np.array(loads, float).reshape(-1, 2)
        generating += _within(generates, edges)
        loading += _within(loads_here, edges)
        idle += np.diff(edges) - _within(_joined(np.concatenate([generates, loads_here])), edges)
    return {"generating": generating, "loading": loading, "idle": idle}


def _within(spans: Float[np.ndarray, "n 2"], edges: Float[np.ndarray, "E"]) -> Float[np.ndarray, "K"]:
    """How much of them lies between one edge and the next, all together."""
    start, length = spans[:, 0], spans[:, 1] - spans[:, 0]
    return np.diff([np.clip(edge - start, 0, length).sum() for edge in edges])


def _joined(spans: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    """The same as spans that do not overlap."""
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    if len(spans) == 0:
        return spans
    reach = np.maximum.accumulate(spans[:, 1])
    begins = np.concatenate([[True], spans[1:, 0] > reach[:-1]])
    return np.stack([spans[begins, 0], reach[np.concatenate([begins[1:], [True]])]], axis=-1)


def means(blocks: Mapping[str, InBlocks]) -> dict[str, Quantity]:
    """Each metric over all blocks, with its interval.

    Args:
        blocks: of a scheduler.
    """
    return {metric: Quantity(_mean, each) if _some(each) else single(None) for metric, each in blocks.items()}


def saved(ours: QueueTally, base: QueueTally, metrics: Sequence[str]) -> dict[str, Quantity]:
    """By how much each metric is less than that of another scheduler, in blocks that are long enough for both.

    Args:
        ours: the one.
        base: the other; if it serves as many requests they are the same, and intervals are those of differences.
        metrics: of which.

    Returns:
        By metric the difference; `share` is that of the mean delay over the other's.
    """
    count = min(blocks_of(ours), blocks_of(base)) if ours.served == base.served else 1
    of_ours, of_base = (in_blocks(tally, count) for tally in (ours, base))
    found = {}
    for metric in metrics:
        samples = (*of_ours[metric], *of_base[metric])
        found[metric] = Quantity(_less, samples) if _some(of_ours[metric], of_base[metric]) else single(None)
    both = (of_ours["mean_s"], of_base["mean_s"])
    some = _some(*both) and float(both[1][0].sum()) > 0
    return {**found, "share": Quantity(_share, (*both[0], *both[1])) if some else single(None)}


def _some(*all_of: InBlocks) -> bool:
    return all(float(of.sum()) > 0 for _, of in all_of)


def _mean(amount: np.ndarray, of: np.ndarray) -> np.ndarray:
    whole = of.sum(axis=-1)
    return np.where(whole > 0, amount.sum(axis=-1) / np.where(whole > 0, whole, 1.0), np.nan)


def _less(ours: np.ndarray, of_ours: np.ndarray, base: np.ndarray, of_base: np.ndarray) -> np.ndarray:
    return np.asarray(_mean(base, of_base) - _mean(ours, of_ours))


def _share(ours: np.ndarray, of_ours: np.ndarray, base: np.ndarray, of_base: np.ndarray) -> np.ndarray:
    return np.asarray(1 - _mean(ours, of_ours) / _mean(base, of_base))
