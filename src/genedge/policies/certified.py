"""The certified optimum, and the fast solver that comes with a bound, as policies."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from jax import Array

from genedge.cell.types import Decision, Params, Slot
from genedge.errors import InputError
from genedge.optimum import Solved, solve_optimal, solve_priced
from genedge.optimum.certificate import certified

# Policies whose decisions come with a lower bound, and hence a certificate.
SOLVERS: Mapping[str, Callable[[Params, Slot], Solved]] = MappingProxyType(
    {"optimal": solve_optimal, "priced": solve_priced}
)


def refuse_solver(name: str, params: Params) -> None:
    """Refuses a policy whose decisions would not be what its name says.

    Args:
        name: a key of SOLVERS.
        params: the scenario.

    Raises:
        InputError: the scenario's slots have no optimum that is known.
    """
    known = certified(params)
    if known == "none":
        raise InputError(
            f"policy {name!r}: of objective.function, a cost of your own, no optimum and no bound is known; leave "
            f"it out"
        )
    if known == "bound" and name == "optimal":
        raise InputError(
            "policy 'optimal': with objective.deadline_s, objective.fairness_per_s or server.generates_at_once, or "
            "a curve that falls steeper again after a flatter piece, a bound is known and no optimum; take 'priced'"
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
