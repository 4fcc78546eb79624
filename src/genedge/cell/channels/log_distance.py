"""The paper's channel, Section II-C: path loss grows with the logarithm of the distance; Rayleigh fading, fresh."""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from genedge.cell.distributions import LARGEST_POWER, LEAST_POWER, rayleigh_power
from genedge.cell.types import AnyArray
from genedge.settings.fields import Section


class LogDistance(NamedTuple):
    """Path loss of one slope, Eq. (3), and Rayleigh fading that is fresh in every slot.

    Attributes:
        at_1_km_db: path loss at 1 km [dB].
        per_decade_db: path loss per tenfold distance [dB].
        least_m: distances below this one count as this one [m].
    """

    at_1_km_db: Float[AnyArray, ""]
    per_decade_db: Float[AnyArray, ""]
    least_m: Float[AnyArray, ""]

    def path_loss_db(self, distance_m: Float[AnyArray, "*batch"]) -> Float[Array, "*batch"]:
        """Path loss, Eq. (3): 128.1 + 37.6 log10(distance in km) with the paper preset's (assumed) constants.

        Args:
            distance_m: distance to the base station [m].
        """
        distance_km = jnp.maximum(distance_m, self.least_m) / 1000
        return jnp.asarray(self.at_1_km_db + self.per_decade_db * jnp.log10(distance_km))

    def gain(
        self, position_m: Float[AnyArray, "*batch 2"], u: Float[AnyArray, "*batch 2"]
    ) -> Float[Array, "*batch"]:
        """Channel power gain h = 10^(−PL/10) |g|², Section II-C.

        Args:
            position_m: where users are, the base station at the origin [m].
            u: uniform in [0, 1); the first makes |g|², power of the Rayleigh fading.
        """
        distance_m = jnp.hypot(position_m[..., 0], position_m[..., 1])
        return jnp.asarray(10 ** (-self.path_loss_db(distance_m) / 10) * rayleigh_power(u[..., 0]))

    def typical_db(self, area_m: Float[AnyArray, "2"]) -> Float[Array, ""]:
        """What a user at a quarter of the area's side has on average [dB].

        Args:
            area_m: sides of the area [m].
        """
        return -self.path_loss_db(jnp.min(jnp.asarray(area_m)) / 4)

    def bounds(self, area_m: Float[AnyArray, "2"]) -> tuple[float, float]:
        """Least and largest gain that a slot can have.

        Args:
            area_m: sides of the area [m].
        """
        least_m = float(self.least_m)
        farthest_m = max(least_m, math.hypot(*area_m) / 2)
        return self._mean_gain(farthest_m) * LEAST_POWER, self._mean_gain(least_m) * LARGEST_POWER

    def _mean_gain(self, distance_m: float) -> float:
        loss_db = float(self.at_1_km_db) + float(self.per_decade_db) * math.log10(distance_m / 1000)
        return 10 ** (-loss_db / 10)


class Settings(Section):
    """None of its own: its numbers are those of `radio`."""

    def arrays(self, log_distance: LogDistance) -> LogDistance:
        """The channel.

        Args:
            log_distance: with the numbers of `radio`.
        """
        return log_distance
