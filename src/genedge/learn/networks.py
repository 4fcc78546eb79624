"""Networks as plain pytrees: the paper's multi-layer perceptron, and one that knows the cell's symmetry."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from genedge.cell.types import AnyArray
from genedge.env.tokens import MODEL_FEATURES, USER_FEATURES, Tokens


class Dense(NamedTuple):
    """An affine layer.

    Attributes:
        weight: matrix (inputs, outputs).
        bias: vector (outputs,).
    """

    weight: Array
    bias: Array


class Norm(NamedTuple):
    """What follows layer normalisation, Ba et al. 2016.

    Attributes:
        gain: vector (width,).
        shift: vector (width,).
    """

    gain: Array
    shift: Array


class Mlp(NamedTuple):
    """A multi-layer perceptron.

    Attributes:
        layers: first to last.
        norms: one for each hidden layer, or none.
    """

    layers: tuple[Dense, ...]
    norms: tuple[Norm, ...]


class Equivariant(NamedTuple):
    """A network over users and models: users see the model they ask for, models see who asks for them.

    Exchanging two users, or two models together with the requests for them, exchanges the outputs alike.

    Attributes:
        user: users' own features, into the width.
        asked: features of the model a user asks for.
        model: models' own features.
        askers: what the users of a model say together.
        everyone: what all users say together.
        model_again: models, a second time.
        catalogue: what all models say together, to the models.
        user_again: users, a second time.
        answer: what a user's model says to it.
        cell: what all models say together, to the users.
        user_last: users, a third time.
        model_last: models, a third time.
        user_out: users' outputs.
        model_out: models' outputs; none in a critic.
        norms: one for each of the six hidden layers, or none.
    """

    user: Dense
    asked: Dense
    model: Dense
    askers: Dense
    everyone: Dense
    model_again: Dense
    catalogue: Dense
    user_again: Dense
    answer: Dense
    cell: Dense
    user_last: Dense
    model_last: Dense
    user_out: Dense
    model_out: Dense
    norms: tuple[Norm, ...]


class OfCaches(NamedTuple):
    """The value of a state of a box and a cache, as a network over models: exchanging two changes nothing.

    Attributes:
        model: models' features and whether the cache holds them, into the width.
        catalogue: what all models say together, to each.
        model_again: models, a second time.
        cell: what all models say together, of the whole.
        out: the value.
        norms: one for each of the three hidden layers, or none.
    """

    model: Dense
    catalogue: Dense
    model_again: Dense
    cell: Dense
    out: Dense
    norms: tuple[Norm, ...]


# Spread of weights, times the root of a layer's inputs, that keeps the size of what ReLUs pass on: He et al. 2015.
HE = 2**0.5


def init_mlp(key: Array, sizes: Sequence[int], last_scale: float, layer_norm: bool) -> Mlp:
    """A fresh multi-layer perceptron.

    Args:
        key: a JAX random key.
        sizes: inputs, width of each hidden layer, outputs.
        last_scale: scale of the last layer, so that the first outputs are near zero.
        layer_norm: whether hidden layers are normalised.
    """
    scales = [HE] * (len(sizes) - 2) + [last_scale]
    layers = _init_layers(key, list(zip(sizes[:-1], sizes[1:], scales, strict=True)))
    return Mlp(layers, tuple(_init_norm(width) for width in sizes[1:-1]) if layer_norm else ())


def apply_mlp(network: Mlp, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
    """The network's output; ReLU between layers, none after the last.

    Args:
        network: the network.
        x: inputs.
    """
    *hidden, last = network.layers
    for i, layer in enumerate(hidden):
        x = _hidden(network.norms, i, _dense(layer, x))
    return _dense(last, x)


def init_equivariant(
    key: Array, width: int, extra: tuple[int, int], outputs: tuple[int, int], last_scale: float, layer_norm: bool
) -> Equivariant:
    """A fresh equivariant network.

    Args:
        key: a JAX random key.
        width: of every hidden layer.
        extra: further features of each user and of each model, beyond those of `tokens`: a critic's actions.
        outputs: of each user and of each model.
        last_scale: scale of the output layers, so that the first outputs are near zero.
        layer_norm: whether hidden layers are normalised.
    """
    inputs = {"user": USER_FEATURES + extra[0], "asked": MODEL_FEATURES, "model": MODEL_FEATURES + extra[1]}
    hidden = Equivariant._fields[:-3]
    sizes = [(inputs.get(name, width), width, HE) for name in hidden]
    sizes += [(width, outputs[0], last_scale), (width, outputs[1], last_scale)]
    layers = dict(zip(Equivariant._fields, _init_layers(key, sizes), strict=False))
    return Equivariant(**layers, norms=tuple(_init_norm(width) for _ in range(6)) if layer_norm else ())


def apply_equivariant(
    network: Equivariant,
    seen: Tokens,
    of_users: Float[Array, "*batch N U"],
    of_models: Float[Array, "*batch M V"],
) -> tuple[Float[Array, "*batch N user_outputs"], Float[Array, "*batch M model_outputs"]]:
    """The network's outputs for users and for models.

    Args:
        network: the network.
        seen: the slot, leading axes *batch.
        of_users: further features of each user, as many as the network was made for.
        of_models: further features of each model.
    """
    n = network
    asks, active, present = seen.asks, seen.active[..., None], seen.present[:, None]

    # Users say things only while they are active, models only if they could be cached.
    user_features = jnp.concatenate([seen.users, of_users], axis=-1)
    users = _hidden(n.norms, 0, _dense(n.user, user_features) + asks @ _dense(n.asked, seen.models))
    users = jnp.where(active, users, 0.0)

    askers = jnp.swapaxes(asks, -1, -2) @ users
    everyone = users.sum(axis=-2, keepdims=True) / 10
    # The features of `tokens` are the same in every slot; what a critic adds to them is not.
    known = seen.models.shape[-1]
    own = seen.models @ n.model.weight[:known] + of_models @ n.model.weight[known:] + n.model.bias
    models = _hidden(n.norms, 1, own + _dense(n.askers, askers) + _dense(n.everyone, everyone))
    models = jnp.where(present, models, 0.0)

    catalogue = models.sum(axis=-2, keepdims=True) / 10
    models = _hidden(n.norms, 2, _dense(n.model_again, models) + _dense(n.catalogue, catalogue))
    models = jnp.where(present, models, 0.0)

    cell = models.sum(axis=-2, keepdims=True) / 10
    answer = asks @ _dense(n.answer, models)
    users = _hidden(n.norms, 3, _dense(n.user_again, users) + answer + _dense(n.cell, cell))
    users = _hidden(n.norms, 4, _dense(n.user_last, users))
    models = _hidden(n.norms, 5, _dense(n.model_last, models))
    return _dense(n.user_out, users), _dense(n.model_out, models)


def init_of_caches(key: Array, width: int, features: int, last_scale: float, layer_norm: bool) -> OfCaches:
    """A fresh network over the models of a box.

    Args:
        key: a JAX random key.
        width: of every hidden layer.
        features: of each model.
        last_scale: scale of the output layer, so that the first outputs are near zero.
        layer_norm: whether hidden layers are normalised.
    """
    sizes = [(features + 1, width, HE), *[(width, width, HE)] * 3, (width, 1, last_scale)]
    model, catalogue, model_again, cell, out = _init_layers(key, sizes)
    norms = tuple(_init_norm(width) for _ in range(3)) if layer_norm else ()
    return OfCaches(model, catalogue, model_again, cell, out, norms)


def apply_of_caches(
    network: OfCaches, models: Float[Array, "*batch M F"], caches: Bool[AnyArray, "C M"]
) -> Float[Array, "*batch C"]:
    """The value of each cache.

    Args:
        network: the network.
        models: features of the models in each state.
        caches: those that may be named.
    """
    n, known = network, models.shape[-1]
    named = jnp.where(jnp.asarray(caches), 1.0, -1.0).astype(models.dtype)[..., None]
    # The features are the same for all caches.
    own = (models @ n.model.weight[:known] + n.model.bias)[..., None, :, :]
    said = _hidden(n.norms, 0, own + named * n.model.weight[known])
    together = said.sum(axis=-2, keepdims=True) / 10
    said = _hidden(n.norms, 1, _dense(n.model_again, said) + _dense(n.catalogue, together))
    whole = _hidden(n.norms, 2, _dense(n.cell, said.sum(axis=-2) / 10))
    return _dense(n.out, whole)[..., 0]


def _dense(layer: Dense, x: Array) -> Array:
    return x @ layer.weight + layer.bias


def _init_layers(key: Array, sizes: Sequence[tuple[int, int, float]]) -> tuple[Dense, ...]:
    """Fresh layers of given inputs, outputs and scale: normal weights, zero biases."""
    # All weights are drawn at once, and not by a fusing compiler anew for each layer: a draw costs compile time.
    counts = [inputs * outputs for inputs, outputs, _ in sizes]
    normal = jax.lax.optimization_barrier(jax.random.normal(key, (sum(counts),)))
    drawn = jnp.split(normal, np.cumsum(counts)[:-1])
    return tuple(
        Dense(weights.reshape(inputs, outputs) * (scale / inputs**0.5), jnp.zeros(outputs))
        for weights, (inputs, outputs, scale) in zip(drawn, sizes, strict=True)
    )


def _init_norm(width: int) -> Norm:
    return Norm(jnp.ones(width), jnp.zeros(width))


def _hidden(norms: tuple[Norm, ...], i: int, x: Array) -> Array:
    """Normalises over the width if there are norms, then ReLU."""
    if norms:
        x -= x.mean(axis=-1, keepdims=True)
        x *= jax.lax.rsqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
        x = x * norms[i].gain + norms[i].shift
    return jax.nn.relu(x)
