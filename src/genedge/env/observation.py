"""What an agent sees of a slot, Eq. (16), as numbers of order one."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from genedge.cell.popularity import popularity
from genedge.cell.sight import seen_bounds
from genedge.cell.types import AnyArray, Memory, Params, Slot, as_seen
from genedge.limits import GAIN

# Values scaled to −1 and 1 may miss them by this much in single precision.
ROUNDING = 1e-4


def observation_size(models: int, places: int, box: bool = False) -> int:
    """Length of the flat observation: 1 + N (4 + M), and 1 + 4 M more of a box.

    Args:
        models: M, number of models.
        places: N, number of places.
        box: whether there is a memory to see.
    """
    return 1 + places * (4 + models) + (1 + 4 * models if box else 0)


def observe(params: Params, slot: Slot) -> Float[Array, "*batch obs"]:
    """The state of Eq. (16) as a flat vector, normalised; zero at inactive places.

    In this order, N places each:

    - γ, scaled so that the skew's states span −1 to 1;
    - h in dB, as the base station sees it, minus the channel's typical one in the area, over 20 dB;
    - d_in and then d_out, scaled so that their ranges span −1 to 1;
    - 1 where a user is active;
    - the model asked for, one-hot, M numbers for each place;
    - of a box, the slots until the next decision on the cache, over K, and `see_models` of its M models.

    Args:
        params: the scenario.
        slot: the slot, leading axes *batch.
    """
    slot, active = as_seen(slot), jnp.asarray(slot.active)
    typical_db = params.channel.typical_db(params.area_m)
    gain_db = 10 * jnp.log10(jnp.maximum(slot.gain, GAIN[0]))
    output_bits = jnp.asarray(params.models.output_bits)
    one_hot = jnp.asarray(slot.requests)[..., None] == jnp.arange(output_bits.shape[0])
    per_user = [
        (gain_db - typical_db) / 20,
        scaled(slot.input_bits, params.input_bits),
        scaled(output_bits[slot.requests], output_bits),
        jnp.ones(active.shape),
    ]
    flat = [jnp.where(active, values, 0.0) for values in per_user]
    asked = jnp.where(active[..., None], one_hot, False).reshape(*active.shape[:-1], -1)
    skew = scaled(slot.skew, params.skews)[..., None]
    seen = [skew, *flat, asked.astype(skew.dtype)]
    if slot.memory is not None:
        seen += [until_decision(params, slot.memory)[..., None], *see_models(params, slot, slot.memory)]
    return jnp.concatenate(seen, axis=-1)


def observation_bounds(params: Params, places: int) -> tuple[Float[np.ndarray, "obs"], Float[np.ndarray, "obs"]]:
    """Least and largest value of each number of the observation, in the order of `observe`.

    Args:
        params: the scenario.
        places: N, number of places.
    """
    gains, sizes = seen_bounds(params), np.asarray(params.input_bits)
    if params.recorded is not None and np.any(params.recorded.active):
        # Those of a file may be any; where all are in an outage, there are none.
        gains = _extremes(params.recorded, as_seen(params.recorded).gain)
        sizes = np.array(_extremes(params.recorded, params.recorded.input_bits))
    (weakest, smallest), (strongest, largest) = (
        _seen(params, gain, bits) for gain, bits in zip(gains, sizes, strict=True)
    )
    # An inactive place shows 0, so 0 is always within.
    low = [-1.0, *[min(weakest, 0.0)] * places, *[min(smallest, -1.0)] * places, *[-1.0] * places]
    high = [1.0, *[max(strongest, 0.0)] * places, *[max(largest, 1.0)] * places, *[1.0] * places]
    models = len(params.models.A1)
    flags = places * (1 + models)
    low, high = [*(x - ROUNDING for x in low), *[0.0] * flags], [*(x + ROUNDING for x in high), *[1.0] * flags]
    if params.box is not None:
        # The next decision; held; serves; loading; popularity.
        longest = float(np.max(params.box.load_slots)) / 3 + ROUNDING
        low += [0.0] * (1 + 4 * models)
        high += [1.0] * (1 + 2 * models) + [longest] * models + [models / 2 + ROUNDING] * models
    return np.array(low, np.float32), np.array(high, np.float32)


def _extremes(slots: Slot, values: AnyArray) -> tuple[float, float]:
    there = np.asarray(values)[np.asarray(slots.active)]
    return float(there.min()), float(there.max())


def _seen(params: Params, gain: float, bits: float) -> tuple[float, float]:
    """A channel gain and the size of a request as an agent sees them."""
    alone = Slot(
        skew=np.asarray(params.skews[0]),
        requests=np.zeros(1, int),
        input_bits=np.array([bits]),
        gain=np.array([gain]),
        position_m=np.zeros((1, 2)),
        active=np.ones(1, bool),
    )
    seen = observe(params, alone)
    return float(seen[1]), float(seen[2])


def until_decision(params: Params, memory: Memory) -> Float[Array, "*batch"]:
    """Slots until the next decision on the cache, as a part of those between two.

    Args:
        params: the scenario, of a box.
        memory: when the slot begins, leading axes *batch.
    """
    every = 1 if params.box is None or params.box.every is None else params.box.every
    return jnp.asarray(memory.until / every)


def see_models(params: Params, slot: Slot, memory: Memory) -> tuple[Float[Array, "*batch M"], ...]:
    """What a box knows of its models when a slot begins, as numbers of order one.

    Args:
        params: the scenario, of a box.
        slot: the slot, leading axes *batch.
        memory: when it begins.

    Returns:
        1 where a model is held; 1 where it serves; slots that its load would take or still takes, over three; and
        its popularity now, times half the number of models.
    """
    assert params.box is not None
    held, serves = jnp.asarray(memory.held), jnp.asarray(memory.held & (memory.wait == 0))
    models = held.shape[-1]
    loading = jnp.where(held, memory.wait, params.box.load_slots) / 3
    popular = popularity(params, slot) * models / 2
    return held.astype(popular.dtype), serves.astype(popular.dtype), loading.astype(popular.dtype), popular


def scaled(value: AnyArray, values: AnyArray) -> Array:
    """Maps a range to [−1, 1]; one of zero width to 0.

    Args:
        value: any numbers.
        values: the range is from the least to the largest of these.
    """
    low, high = jnp.min(jnp.asarray(values)), jnp.max(jnp.asarray(values))
    half = (high - low) / 2
    return jnp.where(half > 0, (value - (low + high) / 2) / jnp.where(half > 0, half, 1), 0.0)
