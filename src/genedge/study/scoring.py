"""Outcomes in float64, whatever precision decided."""

import jax
import numpy as np

from genedge.cell.service import serve
from genedge.cell.types import Decision, Outcome, Params, Slot
from genedge.checked import check_decision

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
        InputError: an argument has another type or shape.
    """
    check_decision(params, slots, decision, "slots")
    with jax.enable_x64(True):
        outcome: Outcome = jax.tree.map(np.asarray, _serve(params, slots, decision))
        return outcome
