"""The replay buffer: a ring of transitions."""

from typing import Generic, NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from genedge.cell.types import Slot


class Transition(NamedTuple):
    """One step, as stored and as sampled (then with a leading batch axis).

    Attributes:
        slot: what the base station saw, s.
        action: a, raw, before decoding.
        reward: r, normalised, in as many parts as the critic's value has.
        next_slot: what it saw next, s′.
    """

    slot: Slot
    action: Float[Array, "*batch A"]
    reward: Float[Array, "*batch V"]
    next_slot: Slot


class CacheTransition(NamedTuple):
    """One decision on the cache of a box, as stored and as sampled.

    Attributes:
        seen: the state in which it was taken.
        cache: which cache was named.
        reward: mean over the slots until the next decision, normalised.
        next_seen: the state in which that one is taken.
    """

    seen: Float[Array, "*batch M F"]
    cache: Int[Array, "*batch"]
    reward: Float[Array, "*batch"]
    next_seen: Float[Array, "*batch M F"]


class _Rewarded(Protocol):
    @property
    def reward(self) -> Array: ...


T = TypeVar("T", bound=_Rewarded)


class Replay(NamedTuple, Generic[T]):
    """A ring of transitions.

    Attributes:
        data: transitions, leading axis the capacity.
        added: how many were ever added.
    """

    data: T
    added: Int[Array, ""]


def empty_replay(capacity: int, like: T) -> Replay[T]:
    """A buffer without transitions.

    Args:
        capacity: most transitions held; then the oldest are overwritten.
        like: a transition, no batch axis; only shapes and types matter.
    """
    rows = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), like)
    return Replay(rows, jnp.int32(0))


def add(replay: Replay[T], transition: T) -> Replay[T]:
    """Adds a transition, over the oldest one if the buffer is full.

    Args:
        replay: the buffer.
        transition: one transition, no batch axis.
    """
    at = replay.added % replay.data.reward.shape[0]
    data = jax.tree.map(lambda rows, row: rows.at[at].set(row), replay.data, transition)
    return Replay(data, replay.added + 1)


def sample(replay: Replay[T], key: Array, batch: int) -> T:
    """A mini-batch drawn uniformly with replacement from what the buffer holds.

    Args:
        replay: the buffer; must hold something.
        key: a JAX random key.
        batch: number of transitions.
    """
    held = jnp.minimum(replay.added, replay.data.reward.shape[0])
    rows = jax.random.randint(key, (batch,), 0, held)
    return jax.tree.map(lambda data: data[rows], replay.data)
