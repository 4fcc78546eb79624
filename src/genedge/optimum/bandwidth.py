"""The bandwidth split that minimises the radio delay, and a lower bound on it.

The radio delay of a user depends on its share b alone, on a hit and on a miss alike, and is convex in it:
f(b) = d_in / r_up(b) + d_out / r_dw(b), Eq. (2), (4), (5) and (6). So the best shares make the marginal delay
−f'(b) the same for everybody, the multiplier ν of (11e). With y the signal to noise ratio over the user's
share, −f'(b) = Q(b) / b² with Q(b) = Σ time · ψ(y), summed over up and down, where ψ(y) = (ln(1+y) − y/(1+y))
/ ln²(1+y) changes slowly. In logarithms the condition is nearly linear, and a few Newton steps on all shares
and ν reach rounding.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from genedge.cell.types import Params, Slot
from genedge.optimum.savings import python_loop

NEWTON_STEPS = 5

# Below this signal to noise ratio the numerator of ψ is computed by its series.
SMALL = 1e-3

# The relative rounding error that bounds allow for; their true one is smaller by three orders of magnitude.
ROUNDING = 1e-12


class Links(NamedTuple):
    """Up and down links: the delay of a link with share b is time / (b ln(1 + y)).

    Attributes:
        time_s: d ln 2 / W, up and down; 0 at inactive places [s].
        snr: p h / (N0 W), signal to noise ratio over the whole band, up and down.
        own: True if the noise is taken over the user's own share, y = snr / b; else y = snr.
    """

    time_s: Float[np.ndarray, "2 K N"]
    snr: Float[np.ndarray, "2 K N"]
    own: bool

    @property
    def uplink(self) -> "Links":
        """The uplinks alone."""
        return self._replace(time_s=self.time_s[:1], snr=self.snr[:1])


def links(params: Params, slots: Slot) -> Links:
    """The links of the slots' users.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
    """
    active = np.asarray(slots.active)
    gain = np.where(active, np.asarray(slots.gain, np.float64), 1.0)  # Elsewhere there may be anything.
    output_bits = np.asarray(params.models.output_bits, np.float64)[np.asarray(slots.requests)]
    bits = np.stack([np.asarray(slots.input_bits, np.float64), output_bits])
    band_hz = np.array([float(params.W_up), float(params.W_dw)])[:, None, None]
    power_w = np.array([float(params.p_n), float(params.p_BS)])[:, None, None]
    return Links(
        time_s=np.where(active, bits * (np.log(2) / band_hz), 0.0),
        snr=gain * (power_w / (float(params.N0) * band_hz)),
        own=bool(params.noise_over_own_band),
    )


def split(link: Links, compiled: bool) -> Float[np.ndarray, "K N"]:
    """The bandwidth shares with the least total radio delay.

    Args:
        link: the links of K slots.
        compiled: whether to run compiled; compiling takes as long as some 20,000 slots take without.

    Returns:
        b, summing to 1 where anybody is active; 0 at inactive places.
    """
    if not compiled:
        return np.asarray(_split(np, python_loop, *link))
    with jax.enable_x64(True):
        return np.asarray(_split_compiled(*link))


@partial(jax.jit, static_argnames="own")
def _split_compiled(time_s: Array, snr: Array, own: bool) -> Array:
    share: Array = _split(jnp, jax.lax.fori_loop, time_s, snr, own)
    return share


def _split(xp: Any, loop: Any, time_s: Any, snr: Any, own: bool) -> Any:
    # Users first: sums over users then run along whole rows of slots.
    (time_up, time_dw), (snr_up, snr_dw) = xp.swapaxes(time_s, 1, 2), xp.swapaxes(snr, 1, 2)
    active = time_up > 0
    # With a gain of 0 the delay is infinite whatever the share; the least keeps the shares of the others.
    snr_up, snr_dw = xp.maximum(snr_up, 1e-30), xp.maximum(snr_dw, 1e-30)

    def psi_of(snr: Any, share: Any) -> tuple[Any, Any]:
        """ψ, and its derivative by log b."""
        if not own:
            return 1 / xp.log1p(snr), 0.0
        y = snr / share
        log = xp.log1p(y)
        fraction = y / (1 + y)
        psi = xp.where(y < SMALL, _psi_series(y), (log - fraction) / (log * log))
        return psi, xp.where(y < SMALL, y / 6, fraction / log * (2 * psi - fraction / log))

    def newton(_: Any, share: Any) -> Any:
        b = xp.where(active, share, 1.0)
        (psi_up, rise_up), (psi_dw, rise_dw) = psi_of(snr_up, b), psi_of(snr_dw, b)
        q = xp.where(active, time_up * psi_up + time_dw * psi_dw, 1.0)
        # level is log(−f') = log Q − 2 log b, and bend its derivative by log b.
        level = xp.log(q / (b * b))
        bend = (time_up * rise_up + time_dw * rise_dw) / q - 2
        # The log ν at which the shares, which sum to 1 now, still do if the levels were straight lines.
        weight = share / bend
        total = weight.sum(axis=0)
        multiplier = (weight * level).sum(axis=0) / xp.where(total < 0, total, -1.0)
        share = share * xp.exp(xp.where(active, (multiplier - level) / bend, 0.0))
        return share / xp.maximum(share.sum(axis=0), 1e-300)

    present = active.astype(float)
    equal = present / xp.maximum(present.sum(axis=0), 1)
    return loop(0, NEWTON_STEPS, newton, equal).T


def _psi_series(y: Any) -> Any:
    return 1 / 2 - y * (1 / 6 - y * (1 / 8 - y * (19 / 180)))


def delay(
    link: Links, share: Float[np.ndarray, "K N"]
) -> tuple[Float[np.ndarray, "K N"], Float[np.ndarray, "K N"]]:
    """Radio delay f(b) of every user and its derivative f'(b), in NumPy.

    Args:
        link: the links of K slots.
        share: b; positive where a user is active.

    Returns:
        f and f', 0 at inactive places [s].
    """
    active = link.time_s[0] > 0
    b = np.where(active, share, 1.0)
    y = link.snr / b if link.own else link.snr
    log = np.log1p(y)
    # A gain of 0 makes the delay infinite.
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(active, link.time_s / (b * log), 0.0).sum(axis=0)
        psi = 1 / log
        if link.own:
            series = 1 / 2 - y / 6 + y**2 / 8 - 19 / 180 * y**3
            psi = np.where(y < SMALL, series, (log - y / (1 + y)) / log**2)
        slope = np.where(active, -link.time_s * psi, 0.0).sum(axis=0) / b**2
    return value, slope


def lower_bound(link: Links, share: Float[np.ndarray, "K N"]) -> Float[np.ndarray, "K"]:
    """A bound that no split's total radio delay is below, by weak duality, in NumPy.

    For any ν ≥ 0 the least of Σ f(b) + ν (Σ b − 1) over 0 ≤ b ≤ 1 is such a bound. Each f is replaced by its
    tangent at the given share, which lies below it, so that the least is known exactly even if the share is
    not the best one.

    Args:
        link: the links of K slots.
        share: the shares at which tangents are drawn; the nearer to the best, the tighter.

    Returns:
        The bound, an allowance for rounding subtracted [s].
    """
    value, slope = delay(link, share)
    # With ν at the largest marginal delay, every tangent plus ν b is least at b = 0.
    multiplier = np.max(-slope, axis=-1, initial=0.0)
    with np.errstate(invalid="ignore"):
        bound = ((value - slope * share).sum(axis=-1) - multiplier) * (1 - ROUNDING)
    return np.where(np.isinf(value).any(axis=-1), np.inf, bound)


def radio_overhead_s(params: Params, slots: Slot) -> Float[np.ndarray, "*batch"]:
    """The fixed costs of all transfers by radio of each slot, the same for every decision [s].

    Args:
        params: the scenario.
        slots: leading axes *batch.
    """
    each_s = 0.0 if params.station is None else 2 * float(params.station.radio_overhead_s)
    return np.asarray(each_s * np.asarray(slots.active).sum(axis=-1))


class Radio(NamedTuple):
    """What every decision pays: the radio at its best.

    Attributes:
        share: the shares of the bandwidth with which it costs least.
        delay_s: what all users wait for it together then, Σ f(b) [s].
        cost: what it costs then, α Σ f(b).
        bound: what it costs with no shares less; `cost`, but for rounding.
    """

    share: Float[np.ndarray, "*batch N"]
    delay_s: Float[np.ndarray, "*batch"]
    cost: Float[np.ndarray, "*batch"]
    bound: Float[np.ndarray, "*batch"]


def least_radio(params: Params, slots: Slot) -> Radio:
    """The radio's part of the cost that no decision avoids.

    Args:
        params: the scenario.
        slots: leading axes *batch.
    """
    batch = slots.skew.shape
    link = links(params, jax.tree.map(lambda x: x.reshape(-1, *x.shape[len(batch) :]), slots))
    share = split(link, compiled=True)
    weight = float(params.delay_weight)
    delay_s = delay(link, share)[0].sum(axis=-1)
    least_s = lower_bound(link, share)
    if params.station is not None:
        overhead_s = radio_overhead_s(params, slots).reshape(-1)
        delay_s, least_s = delay_s + overhead_s, least_s + overhead_s * (1 - ROUNDING)
    cost = weight * delay_s
    bound = np.minimum(cost, weight * least_s)
    return Radio(share.reshape(*batch, -1), *(each.reshape(batch) for each in (delay_s, cost, bound)))
