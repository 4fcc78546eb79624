"""Multi-layer perceptrons as plain pytrees."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


class Mlp(NamedTuple):
    """Weights and biases of a multi-layer perceptron.

    Attributes:
        weights: one matrix (inputs, outputs) per layer.
        biases: one vector (outputs,) per layer.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]


def init_mlp(key: Array, sizes: Sequence[int], last_scale: float) -> Mlp:
    """A fresh network: He-normal hidden layers, a small last layer, zero biases.

    Args:
        key: a JAX random key.
        sizes: inputs, width of each hidden layer, outputs.
        last_scale: factor on the last layer's weights, so that the first outputs are near zero.
    """
    keys = jax.random.split(key, len(sizes) - 1)
    scales = [2**0.5] * (len(sizes) - 2) + [last_scale]
    weights = tuple(
        jax.random.normal(k, (inputs, outputs)) * scale / inputs**0.5
        for k, inputs, outputs, scale in zip(keys, sizes[:-1], sizes[1:], scales, strict=True)
    )
    return Mlp(weights, tuple(jnp.zeros(outputs) for outputs in sizes[1:]))


def apply_mlp(network: Mlp, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
    """The network's output; ReLU between layers, none after the last.

    Args:
        network: weights and biases.
        x: inputs.
    """
    *hidden, last = zip(network.weights, network.biases, strict=True)
    for weight, bias in hidden:
        x = jax.nn.relu(x @ weight + bias)
    return x @ last[0] + last[1]
