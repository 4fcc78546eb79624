"""An actor and its catalogue as the arrays that the runner computes with.

Everything that depends on the catalogue alone is worked in here, and so is the scaling of what an actor sees. That
scaling is not written a second time: it is read off `observe` and `tokens` by showing them slots, so that it cannot
drift away from them. What they see of a user is affine in the logarithm of the gain, the request size, the skew and
the number of active users. All is in double precision, but rounded where the actor's own single precision rounds.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from genedge.cell.types import Params, Slot
from genedge.env.observation import observe
from genedge.env.tokens import tokens
from genedge.learn.networks import Dense, Equivariant, Mlp, Norm

# How an equivariant network weighs the sum over users and over models.
TOGETHER = 1 / 10

# A common gain. What is seen is measured from there, so that single precision is lost on small numbers only.
COMMON_GAIN = 1e-10
LOG_GAIN = float(np.float32(np.log(COMMON_GAIN)))

MORE_USERS = 10

Arrays = dict[str, np.ndarray]


class _Layer(NamedTuple):
    """A `Dense` in float64."""

    weight: np.ndarray
    bias: np.ndarray


def mlp_arrays(actor: Mlp, params: Params, places: int) -> Arrays:
    """The arrays of a multi-layer perceptron, its first layer taken apart by place.

    Args:
        actor: the network.
        params: the scenario.
        places: N, number of places that it was made for.
    """
    M = len(params.models.A1)
    layers = [_float64(layer) for layer in actor.layers]
    # Of the channels, the first is the action.
    size = M + 2 * places
    layers[-1] = layers[-1]._replace(weight=layers[-1].weight[:, :size], bias=layers[-1].bias[:size])
    if actor.norms:
        layers[:-1] = [_centred(layer) for layer in layers[:-1]]

    # Nobody, nobody at another skew, one user with each model in turn, one user with another request size.
    slots, gains = _alike(params, M + 3, places), _alike(params, 2, places)
    slots["skew"][1] += 1
    slots["requests"][2:-1] = np.arange(M)[:, None]
    slots["input_bits"][-1] *= 2
    gains["gain"][1] = COMMON_GAIN
    seen, seen_gains = [], []
    look = jax.jit(observe)
    for n in range(places):
        here = np.arange(places) == n
        slots["active"][2:], gains["active"][:] = here, here
        seen.append(np.asarray(look(params, Slot(**slots)), np.float64) @ layers[0].weight)
        with jax.enable_x64(True):
            seen_gains.append(np.asarray(look(params, Slot(**gains))) @ layers[0].weight)
    of_place, of_gain = np.stack(seen), np.stack(seen_gains)
    nobody, other_skew = of_place[0, :2]
    users, other_bits = of_place[:, 2:-1], of_place[:, -1]
    gain_slope = (of_gain[:, 1] - of_gain[:, 0]) / np.log(COMMON_GAIN)
    asked = users - nobody + gain_slope[:, None] * LOG_GAIN
    arrays = {
        **_references(slots),
        "bias": layers[0].bias + nobody,
        "skew_slope": other_skew - nobody,
        # The last row is that of an inactive place.
        "asked": np.concatenate([asked.reshape(places * M, -1), np.zeros((1, nobody.size))]),
        "gain_slope": gain_slope,
        "input_bits_slope": (other_bits - users[:, 0]) / slots["input_bits"][0, 0],
    }
    for i, layer in enumerate(layers[1:], 1):
        arrays |= {f"weight{i}": layer.weight, f"bias{i}": layer.bias}
    return _in_memory(arrays | _norm_arrays(actor.norms))


def equivariant_arrays(actor: Equivariant, params: Params) -> Arrays:
    """The arrays of a network over users and models.

    Args:
        actor: the network.
        params: the scenario.
    """
    M = len(params.models.A1)
    n = {name: _float64(getattr(actor, name)) for name in Equivariant._fields if name != "norms"}
    if actor.norms:
        n = {name: layer if name.endswith("_out") else _centred(layer) for name, layer in n.items()}
    channels = len(n["model_out"].bias)

    # One user; with another request size; at another skew; among others.
    slots, gains = _alike(params, 4, 1 + MORE_USERS), _alike(params, 2, 1)
    slots["input_bits"][1] *= 2
    slots["skew"][2] += 1
    slots["active"][:, 0] = slots["active"][3] = True
    gains["gain"][1] = COMMON_GAIN
    gains["active"][:] = True
    look = jax.jit(tokens)
    seen = look(params, Slot(**slots))
    user, other_bits, other_skew, more = np.asarray(seen.users[:, 0], np.float64)
    models = np.asarray(seen.models, np.float64)
    with jax.enable_x64(True):
        at_one, at_common = np.asarray(look(params, Slot(**gains)).users[:, 0])
    gain_slope, more_slope = (at_common - at_one) / np.log(COMMON_GAIN), (more - user) / MORE_USERS
    slopes = [gain_slope, (other_bits - user) / slots["input_bits"][0, 0], other_skew - user, more_slope]
    reference = user + gain_slope * LOG_GAIN - more_slope
    asked = models @ n["asked"].weight + n["asked"].bias + reference @ n["user"].weight + n["user"].bias
    return _in_memory(
        {
            **_references(slots),
            "user_own": np.stack(slopes[:2]) @ n["user"].weight,
            "user_alike": np.stack(slopes[2:]) @ n["user"].weight,
            # The last row is that of an inactive place.
            "asked": np.concatenate([asked, np.zeros((1, asked.shape[1]))]),
            # One-hot over the models, and then 1 for all users together.
            "asks": np.concatenate([np.eye(M + 1, M), np.ones((M + 1, 1))], axis=1),
            "own": models @ n["model"].weight + n["model"].bias + n["askers"].bias + n["everyone"].bias,
            "askers": n["askers"].weight,
            "everyone": n["everyone"].weight * TOGETHER,
            "model_again": n["model_again"].weight,
            "catalogue": n["catalogue"].weight * TOGETHER,
            "model_again_bias": n["model_again"].bias + n["catalogue"].bias,
            "answer": n["answer"].weight,
            "answer_bias": n["answer"].bias,
            "cell": n["cell"].weight * TOGETHER,
            "user_again": n["user_again"].weight,
            "user_again_bias": n["user_again"].bias + n["cell"].bias,
            "user_last": n["user_last"].weight,
            "user_last_bias": n["user_last"].bias,
            "model_last": n["model_last"].weight,
            "model_last_bias": n["model_last"].bias,
            # Of the channels, the first is the action.
            "user_out": n["user_out"].weight[:, ::channels],
            "user_out_bias": n["user_out"].bias[::channels],
            "model_out": n["model_out"].weight[:, ::channels],
            "model_out_bias": n["model_out"].bias[::channels],
            **_norm_arrays(actor.norms),
        }
    )


def _alike(params: Params, slots: int, places: int) -> dict[str, Any]:
    """The fields of slots to be changed: all alike, nobody active.

    Single precision knows their numbers exactly; the logarithm of the gain is zero.
    """
    shape = slots, places
    return {
        "skew": np.full(slots, np.float32(np.min(params.skews)), np.float64),
        "requests": np.zeros(shape, int),
        "input_bits": np.full(shape, np.float32(params.input_bits[0]), np.float64),
        "gain": np.ones(shape),
        "position_m": np.zeros((*shape, 2)),
        "active": np.zeros(shape, bool),
    }


def _references(slots: Arrays) -> Arrays:
    """What the runner first subtracts from the numbers of a slot."""
    return {
        "skew0": slots["skew"][0],
        "input_bits0": slots["input_bits"][0, 0],
        "log_gain0": np.array(LOG_GAIN),
    }


def _float64(layer: Dense) -> _Layer:
    return _Layer(np.asarray(layer.weight, np.float64), np.asarray(layer.bias, np.float64))


def _centred(layer: _Layer) -> _Layer:
    """The layer without the mean over its outputs, which layer normalisation takes away anyway."""
    return _Layer(*(x - x.mean(axis=-1, keepdims=True) for x in layer))


def _norm_arrays(norms: tuple[Norm, ...]) -> Arrays:
    gains = {f"norm_gain{i}": np.asarray(norm.gain) for i, norm in enumerate(norms)}
    return gains | {f"norm_shift{i}": np.asarray(norm.shift) for i, norm in enumerate(norms)}


def _in_memory(arrays: Mapping[str, np.ndarray]) -> Arrays:
    # Row by row: else a matrix product may take another, slower way.
    return {name: np.asarray(array, np.float64, order="C") for name, array in arrays.items()}
