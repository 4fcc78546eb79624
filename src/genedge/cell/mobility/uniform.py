"""The paper's users: uniform in the area, others in every slot."""

from typing import NamedTuple

from jax import Array
from jaxtyping import Float

from genedge.cell.distributions import anywhere
from genedge.cell.types import AnyArray
from genedge.settings.fields import Section


class Uniform(NamedTuple):
    """Everybody is anywhere in the area, anew in every slot."""

    def place(self, area_m: Float[AnyArray, "2"], u: Float[AnyArray, "*batch 2"]) -> Float[Array, "*batch 2"]:
        """Where users are, the base station at the origin, in the middle of the area [m].

        Args:
            area_m: sides of the area [m].
            u: uniform in [0, 1).
        """
        return anywhere(area_m, u)


class Settings(Section):
    """None: the area is that of `cell`."""

    def arrays(self) -> Uniform:
        """The mobility."""
        return Uniform()
