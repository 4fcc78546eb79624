"""What the base station sees of a slot as a set of users and a set of models, whatever their numbers."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from genedge.cell.channels.log_distance import LogDistance
from genedge.cell.types import Params, Slot, as_seen
from genedge.limits import GAIN

USER_FEATURES = 4
MODEL_FEATURES = 10
# What log10 of a gain is measured from with the log-distance channel. Shipped networks are trained with it, and
# with these numbers of the channel.
USUAL_GAIN = -9.5
TRAINED_WITH = LogDistance(*np.array([128.1, 37.6, 1], np.float32))
# What a box adds to a model: `see_models`.
BOX_FEATURES = 4


class Tokens(NamedTuple):
    """A slot as an equivariant network reads it; exchanging two users or two models exchanges two rows.

    Attributes:
        users: features of each user; zero at inactive places.
        models: features of each model; zero for a model that can never be cached.
        asks: 1 where a user asks for a model.
        active: whether there is a user at this place.
        present: whether the model could be cached at all.
    """

    users: Float[Array, "*batch N F"]
    models: Float[Array, "M G"]
    asks: Float[Array, "*batch N M"]
    active: Bool[Array, "*batch N"]
    present: Bool[Array, "M"]


def tokens(params: Params, slot: Slot) -> Tokens:
    """The state of Eq. (16) and the catalogue as features of users and of models.

    Steps are counted in parts of S, storage in parts of C; times and TV are weighed as in Eq. (14), so that a cell
    with another α, S or C looks like one with another catalogue. The constants bring the numbers of the presets to
    order one; they mean nothing else.

    Args:
        params: the scenario.
        slot: the slot, leading axes *batch.
    """
    slot, active = as_seen(slot), jnp.asarray(slot.active)
    m = params.models
    present = jnp.asarray(jnp.isfinite(m.storage_gb))

    def alike(value: Array) -> Array:
        return jnp.broadcast_to(value[..., None], active.shape)

    users = [
        (jnp.log10(jnp.maximum(slot.gain, GAIN[0])) - usual_gain(params)) / 2,
        slot.input_bits / 4e7 - 1.5,
        alike(jnp.asarray(slot.skew) - 1),
        alike(active.sum(axis=-1) / 10 - 1),
    ]
    S = jnp.asarray(params.S)
    models = [
        jnp.where(present, m.storage_gb, 0) / params.C * 2 - 0.6,
        m.output_bits / 4e7 - 1.5,
        m.A1 / S * 20 - 1.5,
        m.A2 * params.tv_weight / 15 - 2.5,
        m.A3 / S * 20 - 3.5,
        m.A4 * params.tv_weight / 7.5 - 1,
        m.B1 * params.delay_weight * S / 175 - 1,
        m.B2 * params.delay_weight / 3.5 - 1,
        jnp.where(jnp.isfinite(m.floor_steps), m.floor_steps / m.A3, 2),
        jnp.broadcast_to(present.sum() / 10 - 1, present.shape),
    ]
    asks = jnp.asarray(slot.requests)[..., None] == jnp.arange(present.shape[0])
    return Tokens(
        users=jnp.where(active[..., None], jnp.stack(users, axis=-1), 0.0),
        models=jnp.where(present[:, None], jnp.stack(models, axis=-1), 0.0),
        asks=(asks & active[..., None]).astype(jnp.float32),
        active=active,
        present=present,
    )


def usual_gain(params: Params) -> Float[Array, ""] | float:
    """log10 of the gain that others are measured from.

    It is as far from −9.5 as the channel's typical gain is from the log-distance channel's in the same area.

    Args:
        params: the scenario.
    """
    channel = params.channel
    if isinstance(channel, LogDistance):
        return USUAL_GAIN
    # Channels that build on the scenario's log-distance one hold it.
    area_m = jnp.asarray(params.area_m)
    trained_with = LogDistance(*(jnp.asarray(x, area_m.dtype) for x in TRAINED_WITH))
    log_distance = getattr(channel, "log_distance", trained_with)
    return USUAL_GAIN + (channel.typical_db(params.area_m) - log_distance.typical_db(params.area_m)) / 10
