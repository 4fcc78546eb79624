"""What an agent sees of a slot, Eq. (16), as numbers of order one."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from genedge.cell.radio import path_loss_db
from genedge.cell.types import AnyArray, Params, Slot


def observation_size(models: int, places: int) -> int:
    """Length of the flat observation: 1 + N (4 + M).

    Args:
        models: M, number of models.
        places: N, number of places.
    """
    return 1 + places * (4 + models)


def observe(params: Params, slot: Slot) -> Float[Array, "*batch obs"]:
    """The state of Eq. (16) as a flat vector, normalised; zero at inactive places.

    In this order, N places each:

    - γ, scaled so that the skew's states span −1 to 1;
    - h in dB, minus what a user at a quarter of the area's side sees on average, over 20 dB;
    - d_in and then d_out, scaled so that their ranges span −1 to 1;
    - 1 where a user is active;
    - the model asked for, one-hot, M numbers for each place.

    Args:
        params: the scenario.
        slot: the slot, leading axes *batch.
    """
    active = jnp.asarray(slot.active)
    typical_db = -path_loss_db(params, jnp.min(jnp.asarray(params.area_m)) / 4)
    gain_db = 10 * jnp.log10(jnp.maximum(slot.gain, 1e-30))
    output_bits = jnp.asarray(params.models.output_bits)
    one_hot = jnp.asarray(slot.requests)[..., None] == jnp.arange(output_bits.shape[0])
    per_user = [
        (gain_db - typical_db) / 20,
        _scaled(slot.input_bits, params.input_bits),
        _scaled(output_bits[slot.requests], output_bits),
        jnp.ones(active.shape),
    ]
    flat = [jnp.where(active, values, 0.0) for values in per_user]
    asked = jnp.where(active[..., None], one_hot, False).reshape(*active.shape[:-1], -1)
    skew = _scaled(slot.skew, params.skews)[..., None]
    return jnp.concatenate([skew, *flat, asked.astype(skew.dtype)], axis=-1)


def _scaled(value: AnyArray, values: AnyArray) -> Array:
    """Maps the range of `values` to [−1, 1]; a range of zero width to 0."""
    low, high = jnp.min(jnp.asarray(values)), jnp.max(jnp.asarray(values))
    half = (high - low) / 2
    return jnp.where(half > 0, (value - (low + high) / 2) / jnp.where(half > 0, half, 1), 0.0)
