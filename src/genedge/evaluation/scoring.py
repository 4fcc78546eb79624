"""Outcomes in float64, whatever precision decided."""

import jax
import numpy as np

from genedge.cell.service import serve
from genedge.cell.types import Decision, Outcome, Params, Slot
from genedge.given import check_decision, check_feasible, refuse_traced
from genedge.precision import in_double
from genedge.xla import at_once

_serve = jax.jit(serve)


def score(params: Params, slots: Slot, decision: Decision) -> Outcome:
    """Delays, quality and utility of every user in float64 NumPy, Eq. (4), (6), (10) to (14), see `serve`.

    Args:
        params: the scenario, `scenario.params`.
        slots: slots, leading axes *batch.
        decision: a decision for each: `cache` (*batch, M); `bandwidth` and `steps`, shares from 0 to 1,
            (*batch, N).

    Returns:
        The outcome, every field (*batch, N), times in seconds; zero at inactive places.

    Raises:
        InputError: an argument has another type, shape or value, or is traced, or a decision breaks a constraint,
            as `genedge score` refuses it.
    """
    refuse_traced("genedge.score", "genedge.serve", params=params, slots=slots, decision=decision)
    check_decision(params, slots, decision, "slots")
    check_feasible(*in_double((params, slots, decision)))
    return outcome(params, slots, decision)


def outcome(params: Params, slots: Slot, decision: Decision) -> Outcome:
    """The same for those who have looked at the decisions themselves.

    Args:
        params: the scenario.
        slots: slots, leading axes *batch.
        decision: a decision for each.
    """
    with at_once(), jax.enable_x64(True):
        scored: Outcome = jax.tree.map(np.asarray, _serve(*in_double((params, slots, decision))))
        return scored
