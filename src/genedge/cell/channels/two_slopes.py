"""Two slopes: what is near the base station loses less per tenfold distance than what is far."""

import math
from typing import Annotated, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from pydantic import Field

from genedge.cell.channels.log_distance import LogDistance
from genedge.cell.distributions import LARGEST_POWER, LEAST_POWER, rayleigh_power
from genedge.cell.types import AnyArray
from genedge.settings.fields import Decibels, Length, Section
from genedge.settings.provenance import assumed


class TwoSlopes(NamedTuple):
    """Path loss of one slope up to a distance and of another from there on; Rayleigh fading, fresh in every slot.

    Attributes:
        log_distance: path loss beyond the break, and the least distance that counts.
        near_per_decade_db: path loss per tenfold distance up to the break [dB].
        break_m: where both meet [m].
    """

    log_distance: LogDistance
    near_per_decade_db: Float[AnyArray, ""]
    break_m: Float[AnyArray, ""]

    def path_loss_db(self, distance_m: Float[AnyArray, "*batch"]) -> Float[Array, "*batch"]:
        """Path loss: that of the log-distance channel from the break on, and continuous at it.

        Args:
            distance_m: distance to the base station [m].
        """
        counted_m = jnp.maximum(distance_m, self.log_distance.least_m)
        far = self.log_distance.path_loss_db(jnp.maximum(counted_m, self.break_m))
        return jnp.asarray(far + self.near_per_decade_db * jnp.log10(jnp.minimum(counted_m / self.break_m, 1)))

    def gain(
        self, position_m: Float[AnyArray, "*batch 2"], u: Float[AnyArray, "*batch 2"]
    ) -> Float[Array, "*batch"]:
        """Channel power gain 10^(−PL/10) |g|².

        Args:
            position_m: where users are, the base station at the origin [m].
            u: uniform in [0, 1); the first makes |g|².
        """
        distance_m = jnp.hypot(position_m[..., 0], position_m[..., 1])
        return 10 ** (-self.path_loss_db(distance_m) / 10) * rayleigh_power(u[..., 0])

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
        least_m = float(self.log_distance.least_m)
        farthest_m = max(least_m, math.hypot(*area_m) / 2)
        return self._mean_gain(farthest_m) * LEAST_POWER, self._mean_gain(least_m) * LARGEST_POWER

    def _mean_gain(self, distance_m: float) -> float:
        at_1_km_db, per_decade_db, _ = (float(x) for x in self.log_distance)
        break_m = float(self.break_m)
        loss_db = at_1_km_db + per_decade_db * math.log10(max(distance_m, break_m) / 1000)
        loss_db += float(self.near_per_decade_db) * math.log10(min(distance_m / break_m, 1))
        return 10 ** (-loss_db / 10)


class Settings(Section):
    """What sets two slopes apart from the one of `radio`, which holds beyond the break."""

    near_db_per_decade: Annotated[Decibels, Field(ge=0)] = assumed(20.0, "as in free space")
    break_distance_m: Length = assumed(50.0, "a fifth of the paper's area")

    def arrays(self, log_distance: LogDistance) -> TwoSlopes:
        """The channel.

        Args:
            log_distance: with the numbers of `radio`.
        """
        return TwoSlopes(log_distance, np.array(self.near_db_per_decade), np.array(self.break_distance_m))
