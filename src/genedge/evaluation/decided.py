"""What a policy decided over all slots that it met: how many different decisions, and whether they are simple."""

import numpy as np
from jaxtyping import Float

from genedge.cell.types import Decision, Outcome, Params, Slot, present
from genedge.evaluation.scoring import outcome as outcome_of
from genedge.results import Measured, Quantity, single, tail_quantities
from genedge.spread import tail

# Shares that differ by less are the same.
ROUNDED = 1e-6

COUNTS = {
    "caches": "different caches, over all slots",
    "decisions": "different decisions, over all slots: cache, steps and shares, to a millionth",
}


def facts(slots: Slot, decision: Decision, outcome: Outcome) -> dict[str, Quantity]:
    """How many different decisions a policy made, and what the means of its requests hide.

    Args:
        slots: leading axes *batch, users by place.
        decision: of each.
        outcome: of each.
    """
    there = np.asarray(present(slots))
    costs = {"delay_s": outcome.delay_s, "utility": outcome.utility}
    hidden = {metric: tail(np.asarray(values)[there]) for metric, values in costs.items()}
    counted = {
        "caches": _different(np.asarray(decision.cache)),
        "decisions": _different(*_rounded(slots, decision)),
    }
    return {
        **{key: single(count) for key, count in counted.items()},
        **{key: value for metric, each in hidden.items() for key, value in tail_quantities(metric, each).items()},
    }


def counts_as_json(row: Measured) -> dict[str, float]:
    """How many different decisions a policy made; of several runs the mean.

    Args:
        row: of a policy, or of runs.
    """
    return {key: row.value(key).mean if row.runs else int(row.value(key).mean) for key in COUNTS}


def equals(
    params: Params, slots: Slot, decision: Decision, outcome: Outcome, cloud_shares: Float[np.ndarray, "*batch N"]
) -> tuple[str, ...]:
    """Whether a policy comes down to `cloud-only`: it costs the same in every slot, and serves nobody.

    Args:
        params: the scenario.
        slots: leading axes *batch.
        decision: of each.
        outcome: of each.
        cloud_shares: of the bandwidth, as `cloud-only` divides it.
    """
    if outcome.hit.any():
        return ()
    nothing = Decision(np.zeros_like(decision.cache), cloud_shares, np.zeros_like(decision.steps))
    base = outcome_of(params, slots, nothing).utility.sum(axis=-1)
    # An infinite delay is the same as another.
    same = np.isclose(outcome.utility.sum(axis=-1), base, rtol=ROUNDED, atol=0).all()
    return ("cloud-only",) if same else ()


def alike(slots: Slot, decision: Decision, other: Decision) -> bool:
    """Whether two policies decide the same in every slot, to a millionth.

    Args:
        slots: leading axes *batch.
        decision: of each.
        other: of each too.
    """
    return all(map(np.array_equal, _rounded(slots, decision), _rounded(slots, other)))


def _rounded(slots: Slot, decision: Decision) -> tuple[np.ndarray, ...]:
    """A decision in whole numbers: two that differ by less than rounding are the same; places without users too."""
    shares = (np.rint(np.where(slots.active, each, 0) / ROUNDED) for each in (decision.steps, decision.bandwidth))
    return (np.asarray(decision.cache), *(share.astype(np.int32) for share in shares))


def _different(*parts: np.ndarray) -> int:
    """How many different rows arrays have side by side, leading axes *batch."""
    rows = [np.ascontiguousarray(part).reshape(-1, part.shape[-1]) for part in parts]
    return len({b"".join(row.tobytes() for row in together) for together in zip(*rows, strict=True)})
