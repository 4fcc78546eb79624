"""Streets: the urban micro cell of 3GPP TR 38.901 (version 16.1), street canyon."""

import math
from typing import Annotated, Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtr
from jaxtyping import Float
from pydantic import Field

from genedge.cell.channels.log_distance import LogDistance
from genedge.cell.distributions import (
    FARTHEST,
    LARGEST_POWER,
    LEAST_POWER,
    normals,
    rayleigh_power,
    remembered,
)
from genedge.cell.types import AnyArray
from genedge.settings.fields import Length, Positive, Section, carried
from genedge.settings.provenance import assumed, measured

# Table 7.4.1-1: the height of what stands around [m], the least distance that it knows [m], and light [m/s].
ENVIRONMENT_M, LEAST_M, LIGHT_M_PER_S = 1.0, 10.0, 3e8


class Street(NamedTuple):
    """What lasts, along a user's way.

    Attributes:
        position_m: where users are [m].
        sight: mean 0, variance 1; there is a line of sight while its quantile is below the probability of one.
        shadow: mean 0, variance 1; times the standard deviation, the shadowing in dB.
        in_sight: whether there is a line of sight.
        gain: channel power gain of the slot.
    """

    position_m: Float[Array, "N 2"]
    sight: Float[Array, "N"]
    shadow: Float[Array, "N"]
    in_sight: Array
    gain: Float[Array, "N"]


class UrbanMicro(NamedTuple):
    """Line of sight by chance, path loss with and without it, shadowing; Rayleigh fading, fresh in every slot.

    Line of sight and shadowing follow a user's way: both are correlated by exp(−d/d_corr) over d metres. Whether
    there is a line of sight comes of a correlated number, as in Section 7.6.3.3, so that it lasts.

    Attributes:
        carrier_ghz: carrier frequency [GHz].
        station_height_m: height of the base station's antenna [m].
        user_height_m: height of a user's [m].
        shadowing_db: standard deviations of the shadowing with and without line of sight [dB].
        shadowing_m: over how many metres it is correlated, likewise [m].
        sight_m: over how many metres the line of sight is correlated [m].
    """

    carrier_ghz: Float[AnyArray, ""]
    station_height_m: Float[AnyArray, ""]
    user_height_m: Float[AnyArray, ""]
    shadowing_db: Float[AnyArray, "2"]
    shadowing_m: Float[AnyArray, "2"]
    sight_m: Float[AnyArray, ""]

    def sight_probability(self, distance_m: Float[AnyArray, "*batch"]) -> Float[Array, "*batch"]:
        """Probability of a line of sight, Table 7.4.2-1.

        Args:
            distance_m: to the base station, on the ground [m].
        """
        far_m = jnp.maximum(distance_m, 18.0)
        return 18 / far_m + jnp.exp(-far_m / 36) * (1 - 18 / far_m)

    def path_losses_db(
        self, distance_m: Float[AnyArray, "*batch"], xp: Any = jnp
    ) -> tuple[Float[AnyArray, "*batch"], Float[AnyArray, "*batch"]]:
        """Path loss with a line of sight and without, Table 7.4.1-1 [dB].

        Args:
            distance_m: to the base station, on the ground [m]; below 10 m it counts as 10 m.
            xp: jax.numpy, or numpy.
        """
        ground_m, fc = xp.maximum(distance_m, LEAST_M), self.carrier_ghz
        between_m = xp.asarray(self.station_height_m) - self.user_height_m
        direct_m = xp.hypot(ground_m, between_m)
        heights_m2 = (self.station_height_m - ENVIRONMENT_M) * (self.user_height_m - ENVIRONMENT_M)
        break_m = 4 * heights_m2 * fc * (1e9 / LIGHT_M_PER_S)
        near = 32.4 + 21 * xp.log10(direct_m) + 20 * xp.log10(fc)
        far = 32.4 + 40 * xp.log10(direct_m) + 20 * xp.log10(fc) - 9.5 * xp.log10(break_m**2 + between_m**2)
        with_sight = xp.where(ground_m <= break_m, near, far)
        without = 22.4 + 35.3 * xp.log10(direct_m) + 21.3 * xp.log10(fc) - 0.3 * (self.user_height_m - 1.5)
        return xp.asarray(with_sight), xp.asarray(xp.maximum(with_sight, without))

    def first(self, position_m: Float[AnyArray, "N 2"], u: Float[AnyArray, "N 4"]) -> Street:
        """Line of sight, shadowing and gain when an episode begins.

        Args:
            position_m: where users are [m].
            u: uniform in [0, 1).
        """
        sight, shadow = normals(u[..., 2:])
        in_sight = self._in_sight(position_m, sight)
        return self._street(position_m, sight, shadow, in_sight, u)

    def move(
        self,
        before: Street,
        position_m: Float[AnyArray, "N 2"],
        slot_s: Float[AnyArray, ""],
        u: Float[AnyArray, "N 4"],
    ) -> Street:
        """The same a slot later.

        Args:
            before: in the slot before.
            position_m: where users are now [m].
            slot_s: how long a slot lasts [s]; the way alone counts.
            u: uniform in [0, 1).
        """
        way = jnp.asarray(position_m) - before.position_m
        way_m = jnp.hypot(way[..., 0], way[..., 1])
        new_sight, new_shadow = normals(u[..., 2:])
        sight = remembered(before.sight, jnp.exp(-way_m / self.sight_m), new_sight)
        in_sight = self._in_sight(position_m, sight)
        correlated_m = jnp.where(in_sight, self.shadowing_m[0], self.shadowing_m[1])
        shadow = remembered(before.shadow, jnp.exp(-way_m / correlated_m), new_shadow)
        return self._street(position_m, sight, shadow, in_sight, u)

    def _in_sight(self, position_m: AnyArray, sight: Array) -> Array:
        return ndtr(sight) < self.sight_probability(jnp.hypot(position_m[..., 0], position_m[..., 1]))

    def _street(self, position_m: AnyArray, sight: Array, shadow: Array, in_sight: Array, u: AnyArray) -> Street:
        losses_db = self.path_losses_db(jnp.hypot(position_m[..., 0], position_m[..., 1]))
        loss_db = jnp.where(in_sight, *losses_db)
        shadow_db = jnp.where(in_sight, self.shadowing_db[0], self.shadowing_db[1]) * shadow
        gain = 10 ** (-(loss_db + shadow_db) / 10) * rayleigh_power(u[..., 0])
        return Street(jnp.asarray(position_m), sight, shadow, in_sight, gain)

    def typical_db(self, area_m: Float[AnyArray, "2"]) -> Float[Array, ""]:
        """What a user at a quarter of the area's side has on average, with and without line of sight [dB].

        Args:
            area_m: sides of the area [m].
        """
        distance_m = jnp.min(jnp.asarray(area_m)) / 4
        seen, (with_sight, without) = self.sight_probability(distance_m), self.path_losses_db(distance_m)
        return -jnp.asarray(seen * with_sight + (1 - seen) * without)

    def bounds(self, area_m: Float[AnyArray, "2"]) -> tuple[float, float]:
        """Least and largest gain that a slot can have.

        Args:
            area_m: sides of the area [m].
        """
        farthest_db = np.array(self.path_losses_db(np.array(math.hypot(*area_m) / 2), np))
        nearest_db = np.array(self.path_losses_db(np.array(LEAST_M), np))
        shadow_db = FARTHEST * np.asarray(self.shadowing_db)
        least, largest = (farthest_db + shadow_db).max(), (nearest_db - shadow_db).min()
        return float(10 ** (-least / 10) * LEAST_POWER), float(10 ** (-largest / 10) * LARGEST_POWER)


Height = Annotated[Positive, carried(1.1, 1000)]
Deviation = Annotated[float, Field(strict=True, ge=0, le=20)]


class Settings(Section):
    """A street canyon; the path loss of `radio` is of no account."""

    carrier_ghz: Annotated[Positive, carried(0.5, 100)] = assumed(2.0, "that of the paper preset's path loss")
    station_height_m: Height = assumed(10.0, "TR 38.901, Table 7.2-1")
    user_height_m: Height = assumed(1.5, "TR 38.901, Table 7.2-1, the least")
    shadowing_db: tuple[Deviation, Deviation] = measured(
        [4.0, 7.82], "TR 38.901, Table 7.4.1-1: with and without line of sight"
    )
    shadowing_distance_m: tuple[Length, Length] = measured(
        [10.0, 13.0], "TR 38.901, Table 7.5-6: with and without line of sight"
    )
    sight_distance_m: Length = measured(50.0, "TR 38.901, Table 7.6.3.1-2")

    def arrays(self, log_distance: LogDistance) -> UrbanMicro:
        """The channel.

        Args:
            log_distance: unused; this channel has a path loss of its own.
        """
        return UrbanMicro(
            carrier_ghz=np.array(self.carrier_ghz),
            station_height_m=np.array(self.station_height_m),
            user_height_m=np.array(self.user_height_m),
            shadowing_db=np.array(self.shadowing_db),
            shadowing_m=np.array(self.shadowing_distance_m),
            sight_m=np.array(self.sight_distance_m),
        )
