"""Positions from a file: where each user is in each slot, as measured or simulated elsewhere."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from genedge.cell.types import AnyArray


class Where(NamedTuple):
    """Where users are.

    Attributes:
        slot: number of the slot.
        position_m: where they are [m].
    """

    slot: Int[Array, ""]
    position_m: Float[Array, "N 2"]


class Positions(NamedTuple):
    """Every episode meets the positions of the file, slot after slot; after its last slot they begin anew.

    Attributes:
        of_users_m: where each user is in each slot, the base station at the origin [m].
    """

    of_users_m: Float[AnyArray, "slots users 2"]

    def first(self, area_m: Float[AnyArray, "2"], u: Float[AnyArray, "N 4"]) -> Where:
        """Where users are when an episode begins.

        Args:
            area_m: sides of the area [m]; unused.
            u: uniform in [0, 1); only how many there are counts.
        """
        return self._at(jnp.int32(0), u.shape[0])

    def move(
        self,
        before: Where,
        area_m: Float[AnyArray, "2"],
        slot_s: Float[AnyArray, ""],
        u: Float[AnyArray, "N 4"],
    ) -> Where:
        """Where they are a slot later.

        Args:
            before: in the slot before.
            area_m: sides of the area [m]; unused.
            slot_s: how long a slot lasts [s]; the file has a line for each slot.
            u: uniform in [0, 1); only how many there are counts.
        """
        return self._at(before.slot + 1, u.shape[0])

    def _at(self, slot: Array, places: int) -> Where:
        slots, users, _ = self.of_users_m.shape
        # Places that the file knows nothing of are as its users are, from the first one on.
        return Where(slot, jnp.asarray(self.of_users_m)[slot % slots, jnp.arange(places) % users])
