"""What of deadlines and fairness no decision of a slot avoids: the best case of each user, one bandwidth for all.

Each request is given the quickest way there is for it alone: the base station's, with the least steps, or the
cloud's. What is left is the radio delay, which falls with the user's share of the bandwidth, and shares sum to 1.
So no more requests are in time than have least shares that fit together; and no largest delay is possible at which
the least shares do not. Float64 NumPy; where bisection ends, its side on which the bound holds is taken.
"""

import numpy as np
from jaxtyping import Float

from genedge.cell.types import Params, Slot, models_in_float64
from genedge.optimum.bandwidth import Links, links

# Bisections: of a share in logarithms, from 1e-15 to 1; and of a delay.
SHARES, DELAYS = 36, 36
LEAST_SHARE = 1e-15


def unavoidable(params: Params, slots: Slot) -> Float[np.ndarray, "K"]:
    """A bound on what lateness and the largest delay add to the cost of each slot, whatever is decided.

    Args:
        params: the scenario.
        slots: K slots, leading axis K, in float64 NumPy.
    """
    costs, link, rest_s = params.costs, links(params, slots), _quickest(params, slots)
    active, bound = np.asarray(slots.active), np.zeros(len(rest_s))
    assert costs is not None
    outage = np.zeros(active.shape, bool) if slots.outage is None else np.asarray(slots.outage)
    outage_s = 0.0 if params.outage is None else float(params.outage.delay_s)
    if costs.deadline_s is not None and costs.late is not None:
        deadline_s = float(costs.deadline_s)
        least = np.sort(np.where(active, least_shares(link, deadline_s - rest_s), np.inf), axis=-1)
        in_time = (np.cumsum(least, axis=-1) <= 1).sum(axis=-1)
        late = active.sum(axis=-1) - in_time + (outage & (outage_s > deadline_s)).sum(axis=-1)
        bound += float(costs.late) * late
    if costs.fairness is not None:
        largest_s = np.maximum(
            _least_largest_delay(link, active, rest_s), np.where(outage.any(axis=-1), outage_s, 0)
        )
        bound += float(costs.fairness) * largest_s
    return bound


def _quickest(params: Params, slots: Slot) -> Float[np.ndarray, "K N"]:
    """Delay of each request beside what the radio takes for its bits, as if it were the only one."""
    m, asked = models_in_float64(params.models), np.asarray(slots.requests)
    steps = np.where(np.isfinite(m.floor_steps), m.floor_steps, 0.0)
    fits = np.isfinite(m.floor_steps) & (m.storage_gb <= float(params.C) * (1 + 1e-6))
    at_edge_s = np.where(fits, m.B1 * steps + m.B2, np.inf)[asked]
    backhaul_s = np.asarray(slots.input_bits, np.float64) / float(params.R_bc)
    backhaul_s = backhaul_s + (m.output_bits / float(params.R_cb))[asked]
    both_s = 0.0
    if params.station is not None:
        both_s = 2 * float(params.station.radio_overhead_s)
        backhaul_s = backhaul_s + 2 * float(params.station.backhaul_overhead_s)
    return both_s + np.minimum(at_edge_s, backhaul_s + (m.B1 * m.A3 + m.B2)[asked])


def _radio_s(link: Links, share: Float[np.ndarray, "K N"]) -> Float[np.ndarray, "K N"]:
    y = link.snr / share if link.own else link.snr
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(link.time_s > 0, link.time_s / (share * np.log1p(y)), 0.0).sum(axis=0)


def least_shares(link: Links, within_s: Float[np.ndarray, "K N"]) -> Float[np.ndarray, "K N"]:
    """A share of the bandwidth that each user exceeds whose radio delay is within a time, or has at the least.

    Args:
        link: of K slots.
        within_s: the time; where it cannot be kept the share is infinite [s].
    """
    low = np.full(within_s.shape, np.log(LEAST_SHARE))
    high = np.zeros(within_s.shape)
    for _ in range(SHARES):
        middle = (low + high) / 2
        enough = _radio_s(link, np.exp(middle)) <= within_s
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    alone = _radio_s(link, np.ones(within_s.shape)) <= within_s * (1 + 1e-9)
    return np.where(alone, np.exp(low), np.inf)


def _least_largest_delay(
    link: Links, active: np.ndarray, rest_s: Float[np.ndarray, "K N"]
) -> Float[np.ndarray, "K"]:
    """A delay that some user of each slot has at the least, however the bandwidth is shared."""

    def largest(share: np.ndarray) -> np.ndarray:
        delays_s = np.where(active, _radio_s(link, share) + rest_s, 0.0)
        return np.asarray(delays_s.max(axis=-1, initial=0.0))

    low = largest(np.ones(rest_s.shape))
    count = np.maximum(active.sum(axis=-1, keepdims=True), 1)
    high = largest(np.broadcast_to(1 / count, rest_s.shape))
    for _ in range(DELAYS):
        middle = (low + high) / 2
        needed = np.where(active, least_shares(link, middle[:, None] - rest_s), 0.0).sum(axis=-1)
        possible = needed <= 1
        low, high = np.where(possible, low, middle), np.where(possible, middle, high)
    return low
