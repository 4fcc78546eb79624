"""The certified optimum, and the fast solver that comes with a bound, as policies."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from jax import Array

from genedge.cell.types import Decision, Params, Slot
from genedge.optimum import Solved, solve_optimal, solve_priced

# Policies whose decisions come with a lower bound, and hence a certificate.
SOLVERS: Mapping[str, Callable[[Params, Slot], Solved]] = MappingProxyType(
    {"optimal": solve_optimal, "priced": solve_priced}
)


def optimal(params: Params, slots: Slot, key: Array) -> Decision:
    """The best decision of each slot, see `solve_optimal`.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        key: unused; all policies are called alike.

    Returns:
        A decision for each slot.
    """
    return solve_optimal(params, slots).decision


def priced(params: Params, slots: Slot, key: Array) -> Decision:
    """A decision within a small, known gap of the best, see `solve_priced`.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        key: unused; all policies are called alike.

    Returns:
        A decision for each slot.
    """
    return solve_priced(params, slots).decision
