"""The base station of a system that runs: requests queue for it, and each transfer has a fixed cost. All ours."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float


class Station(NamedTuple):
    """What the paper's base station lacks.

    Attributes:
        generators: k, requests that it generates at once; None where each has a generator of its own.
        shortest_first: whether of the requests that wait the one goes first whose generation is the shortest; else
            the one that came first.
        radio_overhead_s: fixed cost of each transfer by radio, up and down [s].
        backhaul_overhead_s: fixed cost of each transfer over the backhaul, there and back [s].
    """

    generators: Float[Array | np.ndarray, ""] | None
    shortest_first: Bool[Array | np.ndarray, ""]
    radio_overhead_s: Float[Array | np.ndarray, ""]
    backhaul_overhead_s: Float[Array | np.ndarray, ""]


def waits(
    station: Station,
    served: Bool[Array, "N *batch"],
    arrival_s: Float[Array, "N *batch"],
    takes_s: Float[Array, "N *batch"],
) -> Float[Array, "N *batch"]:
    """How long each request waits at the base station until it is generated.

    A generator that is free takes the next of those that have arrived, and nobody is interrupted. Of requests that
    are alike, the one that came first goes first, then the one at the lower place. A slot begins with all
    generators free.

    Args:
        station: the scenario's, its `generators` not None.
        served: who is generated here; places first.
        arrival_s: when each request is there, from the slot's beginning: where its upload ends [s].
        takes_s: what each takes to be generated [s].

    Returns:
        The wait of each; 0 for others, and for a request that never arrives [s].
    """
    place = jnp.arange(served.shape[0]).reshape(-1, *[1] * (served.ndim - 1))
    # More generators than requests are of no use; those that are not there are never free.
    there = place.astype(takes_s.dtype) < jnp.asarray(station.generators, takes_s.dtype)
    free_s = jnp.broadcast_to(jnp.where(there, 0.0, jnp.inf), served.shape)
    urgency = jnp.where(station.shortest_first, takes_s, arrival_s)

    def begin_next(_: Any, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        """The next request begins: with the first generator that is free, when one is there that waits."""
        free_s, waiting, waited_s = state
        begins_s = jnp.maximum(free_s.min(axis=0), jnp.where(waiting, arrival_s, jnp.inf).min(axis=0))
        first = waiting & (arrival_s <= begins_s)
        for key in (urgency, arrival_s):
            first &= key == jnp.where(first, key, jnp.inf).min(axis=0)
        first &= place == jnp.argmax(first, axis=0)
        generator = first.any(axis=0) & (place == jnp.argmin(free_s, axis=0))
        ends_s = begins_s + jnp.where(first, takes_s, 0.0).sum(axis=0)
        arrived = first & jnp.isfinite(arrival_s)
        waited_s = jnp.where(arrived, begins_s - jnp.where(arrived, arrival_s, 0.0), waited_s)
        return jnp.where(generator, ends_s, free_s), waiting & ~first, waited_s

    start = (free_s.astype(takes_s.dtype), served, jnp.zeros_like(takes_s))
    _, _, waited_s = jax.lax.fori_loop(0, served.shape[0], begin_next, start)
    return waited_s
