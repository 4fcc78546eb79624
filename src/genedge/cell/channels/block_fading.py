"""Fading that lasts: the log-distance channel, its Rayleigh fading correlated from slot to slot."""

import math
from typing import Annotated, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from genedge.cell.channels.log_distance import LogDistance
from genedge.cell.distributions import LARGEST_POWER, LEAST_POWER, normals
from genedge.cell.types import AnyArray
from genedge.settings.fields import NotNegative, Section, carried
from genedge.settings.provenance import assumed


class Fading(NamedTuple):
    """What lasts.

    Attributes:
        real: of g, times √2: mean 0, variance 1.
        imaginary: likewise.
        gain: channel power gain of the slot.
    """

    real: Float[Array, "N"]
    imaginary: Float[Array, "N"]
    gain: Float[Array, "N"]


class BlockFading(NamedTuple):
    """Path loss of one slope, and Rayleigh fading that is constant in a slot and lasts from slot to slot.

    Two slots in a row are correlated as Jakes' spectrum says, by ρ = J0(2π f_D τ): g' = ρ g + √(1 − ρ²) e, as Nasir
    and Guo 2019 have it. So slots k apart are correlated by ρ^k, and the cell stays a Markov decision process.

    Attributes:
        log_distance: the path loss.
        doppler_hz: f_D, largest Doppler shift [Hz].
    """

    log_distance: LogDistance
    doppler_hz: Float[AnyArray, ""]

    def first(self, position_m: Float[AnyArray, "N 2"], u: Float[AnyArray, "N 4"]) -> Fading:
        """The fading when an episode begins.

        Args:
            position_m: where users are [m].
            u: uniform in [0, 1).
        """
        return self._fading(position_m, *normals(u[..., :2]))

    def move(
        self,
        before: Fading,
        position_m: Float[AnyArray, "N 2"],
        slot_s: Float[AnyArray, ""],
        u: Float[AnyArray, "N 4"],
    ) -> Fading:
        """The fading a slot later.

        Args:
            before: in the slot before.
            position_m: where users are now [m].
            slot_s: τ, how long a slot lasts [s].
            u: uniform in [0, 1).
        """
        correlation = bessel_j0(2 * math.pi * jnp.asarray(self.doppler_hz) * slot_s)
        fresh = jnp.sqrt(1 - correlation**2)
        real, imaginary = normals(u[..., :2])
        return self._fading(
            position_m,
            correlation * before.real + fresh * real,
            correlation * before.imaginary + fresh * imaginary,
        )

    def _fading(self, position_m: AnyArray, real: Array, imaginary: Array) -> Fading:
        power = jnp.clip((real**2 + imaginary**2) / 2, LEAST_POWER, LARGEST_POWER)
        distance_m = jnp.hypot(position_m[..., 0], position_m[..., 1])
        gain = 10 ** (-self.log_distance.path_loss_db(distance_m) / 10) * power
        return Fading(real, imaginary, gain)

    def typical_db(self, area_m: Float[AnyArray, "2"]) -> Float[Array, ""]:
        """As of the log-distance channel [dB].

        Args:
            area_m: sides of the area [m].
        """
        return self.log_distance.typical_db(area_m)

    def bounds(self, area_m: Float[AnyArray, "2"]) -> tuple[float, float]:
        """Least and largest gain that a slot can have.

        Args:
            area_m: sides of the area [m].
        """
        return self.log_distance.bounds(area_m)


def bessel_j0(x: Float[AnyArray, "*batch"]) -> Float[Array, "*batch"]:
    """J0, the Bessel function of the first kind, to 1e-7 (Abramowitz and Stegun, 9.4.1 and 9.4.3).

    Args:
        x: from 0.
    """
    near, far = jnp.minimum(x / 3, 1), 3 / jnp.maximum(x, 3)
    of_near = (1, -2.2499997, 1.2656208, -0.3163866, 0.0444479, -0.0039444, 0.0002100)
    of_size = (0.79788456, -0.00000077, -0.00552740, -0.00009512, 0.00137237, -0.00072805, 0.00014476)
    of_angle = (-0.78539816, -0.04166397, -0.00003954, 0.00262573, -0.00054125, -0.00029333, 0.00013558)
    size = jnp.polyval(jnp.array(of_size[::-1]), far)
    angle = x + jnp.polyval(jnp.array(of_angle[::-1]), far)
    beyond = size * jnp.cos(angle) / jnp.sqrt(jnp.maximum(x, 3))
    return jnp.where(x <= 3, jnp.polyval(jnp.array(of_near[::-1]), near**2), beyond)


class Settings(Section):
    """How fast the fading changes; the path loss is that of `radio`."""

    doppler_hz: Annotated[NotNegative, carried(1e-9, 1e6, or_zero=True)] = assumed(
        0.01, "users who sit still among others who do not: a correlation of 0.64 over 20 s; speed over wavelength"
    )

    def arrays(self, log_distance: LogDistance) -> BlockFading:
        """The channel.

        Args:
            log_distance: with the numbers of `radio`.
        """
        return BlockFading(log_distance, np.array(self.doppler_hz))
