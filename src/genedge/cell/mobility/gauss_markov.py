"""Gauss–Markov (Liang and Haas 1999): velocities change little by little."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from genedge.cell.distributions import anywhere, normals, remembered
from genedge.cell.types import AnyArray
from genedge.settings.fields import Section, Speed, Tuned
from genedge.settings.provenance import assumed


class Drift(NamedTuple):
    """Where users are, and how they move.

    Attributes:
        position_m: where they are [m].
        velocity: along each side of the area, over its standard deviation.
    """

    position_m: Float[Array, "N 2"]
    velocity: Float[Array, "N 2"]


class GaussMarkov(NamedTuple):
    """Velocities of mean 0, Gaussian in both directions, correlated by α = exp(−τ/memory) from slot to slot.

    At the area's border users turn back, as light does at a mirror.

    Attributes:
        speed_m_per_s: mean speed [m/s].
        memory_s: how long a velocity lasts [s].
    """

    speed_m_per_s: Float[AnyArray, ""]
    memory_s: Float[AnyArray, ""]

    def first(self, area_m: Float[AnyArray, "2"], u: Float[AnyArray, "N 4"]) -> Drift:
        """Where users are when an episode begins: anywhere.

        Args:
            area_m: sides of the area [m].
            u: uniform in [0, 1).
        """
        return Drift(anywhere(area_m, u[..., :2]), jnp.stack(normals(u[..., 2:]), axis=-1))

    def move(
        self,
        before: Drift,
        area_m: Float[AnyArray, "2"],
        slot_s: Float[AnyArray, ""],
        u: Float[AnyArray, "N 4"],
    ) -> Drift:
        """Where they are a slot later.

        Args:
            before: in the slot before.
            area_m: sides of the area [m].
            slot_s: τ, how long a slot lasts [s].
            u: uniform in [0, 1).
        """
        # The mean length of a Gaussian vector is √(π/2) standard deviations.
        way_m = before.velocity * (self.speed_m_per_s * math.sqrt(2 / math.pi) * slot_s)
        area_m = jnp.asarray(area_m)
        # From one border there and back is twice the side; on the way back it is the mirror image that moves.
        along = jnp.mod(before.position_m + way_m + area_m / 2, 2 * area_m)
        back = along > area_m
        position_m = jnp.where(back, 2 * area_m - along, along) - area_m / 2
        heading = jnp.where(back, -before.velocity, before.velocity)
        new = jnp.stack(normals(u[..., 2:]), axis=-1)
        return Drift(position_m, remembered(heading, jnp.exp(-slot_s / self.memory_s), new))


class Settings(Section):
    """How fast users are, and how long they keep their way."""

    speed_m_per_s: Speed = assumed(1.0, "on foot")
    memory_s: Tuned = assumed(60.0, "three slots of the paper")

    def arrays(self) -> GaussMarkov:
        """The mobility."""
        return GaussMarkov(np.array(self.speed_m_per_s), np.array(self.memory_s))
