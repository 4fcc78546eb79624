"""Section II-C: transmission rates and delays; gains are made by the channels."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from genedge.cell.types import AnyArray, Params


def rate(
    share: Float[AnyArray, "*batch"],
    band_hz: Float[AnyArray, ""],
    power_w: Float[AnyArray, ""],
    gain: Float[AnyArray, "*batch"],
    N0: Float[AnyArray, ""],
    noise_over_own_band: Bool[AnyArray, ""],
) -> Float[Array, "*batch"]:
    """Transmission rate, Eq. (2) and (5): b W log2(1 + p h / (N0 b W)).

    Args:
        share: b, share of the band; must be positive.
        band_hz: W, the whole band [Hz].
        power_w: p, transmit power [W].
        gain: h, channel power gain.
        N0: noise power spectral density [W/Hz].
        noise_over_own_band: whether the noise is taken over b W, or over W.

    Returns:
        Rate [bit/s].
    """
    own_hz = share * band_hz
    noise_hz = jnp.where(noise_over_own_band, own_hz, band_hz)
    return jnp.asarray(own_hz * jnp.log1p(gain * (power_w / (N0 * noise_hz))) / jnp.log(2.0))


def uplink_delay(
    params: Params,
    share: Float[AnyArray, "*batch"],
    gain: Float[AnyArray, "*batch"],
    input_bits: Float[AnyArray, "*batch"],
) -> Float[Array, "*batch"]:
    """Radio part of the uplink delay, Eq. (4): d_in / r_up, and the transfer's fixed cost where it has one [s].

    Args:
        params: the scenario.
        share: b, share of the bandwidth, positive.
        gain: h, channel power gain.
        input_bits: d_in, request size [bit].
    """
    up = rate(share, params.W_up, params.p_n, gain, params.N0, params.noise_over_own_band)
    return _with_overhead(params, jnp.asarray(input_bits / up))


def downlink_delay(
    params: Params,
    share: Float[AnyArray, "*batch"],
    gain: Float[AnyArray, "*batch"],
    output_bits: Float[AnyArray, "*batch"],
) -> Float[Array, "*batch"]:
    """Radio part of the downlink delay, Eq. (6): d_out / r_dw, and the transfer's fixed cost [s].

    Args:
        params: the scenario.
        share: b, share of the bandwidth, positive.
        gain: h, channel power gain.
        output_bits: d_out, result size [bit].
    """
    down = rate(share, params.W_dw, params.p_BS, gain, params.N0, params.noise_over_own_band)
    return _with_overhead(params, jnp.asarray(output_bits / down))


def _with_overhead(params: Params, transfer_s: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    return transfer_s if params.station is None else transfer_s + params.station.radio_overhead_s


def backhaul_delay(
    params: Params, input_bits: Float[AnyArray, "*#batch"], output_bits: Float[AnyArray, "*#batch"]
) -> Float[AnyArray, "*batch"]:
    """What a miss adds to Eq. (4) and (6): d_in / R_bc + d_out / R_cb, and the fixed cost of both transfers [s].

    Args:
        params: the scenario.
        input_bits: d_in, request size [bit].
        output_bits: d_out, result size [bit].
    """
    both_s = input_bits / params.R_bc + output_bits / params.R_cb
    return both_s if params.station is None else both_s + 2 * params.station.backhaul_overhead_s
