"""Outcomes in float64, whatever precision decided."""

import jax
import numpy as np

from genedge.cell.service import serve
from genedge.cell.types import Decision, Outcome, Params, Slot

_serve = jax.jit(serve)


def score(params: Params, slots: Slot, decision: Decision) -> Outcome:
    """The outcome in float64 NumPy, see `serve`.

    Args:
        params: the scenario.
        slots: slots, leading axes *batch.
        decision: a decision for each.
    """
    with jax.enable_x64(True):
        return Outcome(*(np.asarray(field) for field in _serve(params, slots, decision)))
