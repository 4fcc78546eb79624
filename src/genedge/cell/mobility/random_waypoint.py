"""Random waypoint (Johnson and Maltz 1996): users walk straight to a place, rest, and walk on to the next."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from genedge.cell.distributions import anywhere
from genedge.cell.types import AnyArray
from genedge.settings.fields import SecondsRange, Section, SpeedRange
from genedge.settings.provenance import assumed


class Walk(NamedTuple):
    """Where users are, and where they go.

    Attributes:
        position_m: where they are [m].
        goal_m: where they go [m].
        speed_m_per_s: how fast [m/s].
        rest_s: how long they rest before they go [s].
    """

    position_m: Float[Array, "N 2"]
    goal_m: Float[Array, "N 2"]
    speed_m_per_s: Float[Array, "N"]
    rest_s: Float[Array, "N"]


class RandomWaypoint(NamedTuple):
    """Goals are uniform in the area, speeds and rests uniform in their ranges. Users begin anywhere, on their way.

    Who arrives within a slot rests, and walks on to the next goal in what is left of it; who reaches that too waits
    there for the next slot.

    Attributes:
        speed_m_per_s: least and largest speed [m/s].
        rest_s: shortest and longest rest at a goal [s].
    """

    speed_m_per_s: Float[AnyArray, "2"]
    rest_s: Float[AnyArray, "2"]

    def first(self, area_m: Float[AnyArray, "2"], u: Float[AnyArray, "N 4"]) -> Walk:
        """Where users are when an episode begins, at rest before they go to their first goals.

        Args:
            area_m: sides of the area [m].
            u: uniform in [0, 1).
        """
        here = anywhere(area_m, u[..., :2])
        return Walk(here, here, self._between(self.speed_m_per_s, u[..., 2]), jnp.zeros(u.shape[:-1]))

    def move(
        self,
        before: Walk,
        area_m: Float[AnyArray, "2"],
        slot_s: Float[AnyArray, ""],
        u: Float[AnyArray, "N 4"],
    ) -> Walk:
        """Where they are a slot later.

        Args:
            before: in the slot before.
            area_m: sides of the area [m].
            slot_s: how long a slot lasts [s].
            u: uniform in [0, 1).
        """
        here_m, left_s, rest_s = self._walk(before, jnp.asarray(slot_s))
        arrived = left_s > 0
        following = Walk(
            position_m=here_m,
            goal_m=anywhere(area_m, u[..., :2]),
            speed_m_per_s=self._between(self.speed_m_per_s, u[..., 2]),
            rest_s=self._between(self.rest_s, u[..., 3]),
        )
        then_m, _, then_rest_s = self._walk(following, left_s)
        return Walk(
            position_m=jnp.where(arrived[..., None], then_m, here_m),
            goal_m=jnp.where(arrived[..., None], following.goal_m, before.goal_m),
            speed_m_per_s=jnp.where(arrived, following.speed_m_per_s, before.speed_m_per_s),
            rest_s=jnp.where(arrived, then_rest_s, rest_s),
        )

    def _walk(self, walk: Walk, time_s: Array) -> tuple[Array, Array, Array]:
        """Where a walk leads in some time, how much of it is left at the goal, and what is left of the rest."""
        walking_s = jnp.maximum(time_s - walk.rest_s, 0)
        way_m = walk.goal_m - walk.position_m
        way_s = jnp.hypot(way_m[..., 0], way_m[..., 1]) / walk.speed_m_per_s
        part = jnp.where(way_s > walking_s, walking_s / jnp.where(way_s > 0, way_s, 1), 1)
        return (
            walk.position_m + part[..., None] * way_m,
            jnp.maximum(walking_s - way_s, 0),
            jnp.maximum(walk.rest_s - time_s, 0),
        )

    def _between(self, bounds: AnyArray, u: AnyArray) -> Array:
        return jnp.asarray(bounds[0] + (bounds[1] - bounds[0]) * u)


class Settings(Section):
    """How fast users walk, and how long they rest."""

    speed_m_per_s: SpeedRange = assumed([0.5, 1.5], "on foot")
    rest_s: SecondsRange = assumed([0.0, 60.0], "up to three slots of the paper")

    def arrays(self) -> RandomWaypoint:
        """The mobility."""
        return RandomWaypoint(np.array(self.speed_m_per_s), np.array(self.rest_s))
