"""What the settings of all agents have in common: types of fields, and numbers that compiled code is handed.

A learning rate is an argument of the compiled training loop, a batch size is a part of it: so a sweep over learning
rates compiles once.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Annotated, Any, Literal, Protocol, get_args

import jax
import jax.numpy as jnp
from jax import Array
from pydantic import Field

from genedge.settings.fields import Count, Number, Section

Discount = Annotated[Number, Field(ge=0, lt=1)]
TargetRate = Annotated[Number, Field(gt=0, le=1)]
Switch = Annotated[bool, Field(strict=True)]
NetworkKind = Literal["mlp", "equivariant"]
HiddenLayers = Annotated[tuple[Count, ...], Field(min_length=1, max_length=32)]
ReplaySize = Annotated[Count, Field(le=10_000_000)]


class _Traced:
    """Marks a whole number that no shape depends on."""


# A whole number that compiled code takes as an argument, as it does all numbers that are not whole.
TracedCount = Annotated[Count, _Traced()]


class AgentSettings(Section):
    """What every agent has; to JAX a pytree.

    Its leaves are the numbers that are not whole, ranges of them, and whole ones declared as `TracedCount`. A zero
    is no leaf, since it may switch off a part of the code: see `is_off`. All else is fixed, since shapes and
    branches may depend on it.
    """

    episodes: TracedCount

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        jax.tree_util.register_pytree_node(cls, _flatten, cls._unflatten)

    @classmethod
    def _unflatten(cls, structure: tuple[Any, ...], leaves: Iterable[Any]) -> "AgentSettings":
        traced, fixed = structure
        # Inside compiled code they are arrays; they were validated before they went in.
        return cls.model_construct(**dict(zip(traced, leaves, strict=True)), **dict(fixed))


def _flatten(settings: AgentSettings) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    values = dict(settings)
    numbers = _numbers(type(settings))
    traced = tuple(name for name, value in values.items() if name in numbers and not is_off(value))
    fixed = tuple((name, value) for name, value in values.items() if name not in traced)
    return tuple(values[name] for name in traced), (traced, fixed)


@cache
def _numbers(kind: type[AgentSettings]) -> frozenset[str]:
    """Names of the settings that no shape depends on, by how they are declared."""
    found = set()
    for name, field in kind.model_fields.items():
        parts = get_args(field.annotation) or (field.annotation,)
        whole = all(getattr(part, "__origin__", part) is not float for part in parts)
        if not whole or any(isinstance(mark, _Traced) for mark in field.metadata):
            found.add(name)
    return frozenset(found)


def is_off(number: Any) -> bool:
    """Whether a setting is 0; within compiled code too, where all others are arrays.

    Args:
        number: a setting that is not whole.
    """
    return isinstance(number, float) and number == 0


class Networks(Protocol):
    """Settings of the networks of an agent."""

    @property
    def network(self) -> NetworkKind:
        """Which kind."""

    @property
    def hidden_layers(self) -> tuple[int, ...]:
        """Widths of a multi-layer perceptron's."""

    @property
    def width(self) -> int:
        """Of an equivariant network."""

    @property
    def layer_norm(self) -> bool:
        """Whether hidden layers are normalised."""


def falling(first: float, share_left: float, updates: Array | float) -> Callable[[Array], Array]:
    """A learning rate that falls linearly, and then stays.

    Args:
        first: before the first update.
        share_left: how much of it is left after the last.
        updates: after how many that is.

    Returns:
        The learning rate after so many updates.
    """
    last = first * share_left

    def rate(done: Array) -> Array:
        over = jnp.minimum(jnp.float32(done) / jnp.float32(updates), 1)
        return (first - last) * (1 - over) + last

    return rate
