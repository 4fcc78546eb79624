"""What came of a run: each part measured beside predicted, and whether the policies' ranking holds."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from genedge.statistics import Interval, interval_of, mean
from genedge.testbed.rows import MEASURED, Row

HITS = "hit_ratio"
COMPARED = (*MEASURED, HITS)


class Beside(NamedTuple):
    """A number of a policy, measured beside predicted; means over slots, with intervals.

    Attributes:
        policy: what it is called.
        column: see `COMPARED`; of a request, the utility of a slot.
        predicted: by the equations.
        measured: in the testbed.
        ratio: measured over predicted; NaN where nothing is predicted.
    """

    policy: str
    column: str
    predicted: Interval
    measured: Interval
    ratio: Interval


class Pair(NamedTuple):
    """Two policies, the better one by the equations first.

    Attributes:
        better: its name.
        worse: the other's.
        predicted: by how much the other's total of a slot is higher.
        measured: the same, measured.
        predicted_better: share of slots in which it is better by the equations.
        measured_better: likewise, measured.
    """

    better: str
    worse: str
    predicted: Interval
    measured: Interval
    predicted_better: float
    measured_better: float


class Summary(NamedTuple):
    """What came of a run.

    Attributes:
        slots: how many.
        requests: of each policy.
        repeated: how often a slot was done again.
        beside: of each policy each column.
        predicted_ranking: policies by their total, the least first.
        measured_ranking: likewise.
        pairs: neighbours in the predicted ranking.
    """

    slots: int
    requests: int
    repeated: int
    beside: list[Beside]
    predicted_ranking: list[str]
    measured_ranking: list[str]
    pairs: list[Pair]

    @property
    def holds(self) -> bool:
        """Whether the policies rank as predicted."""
        return self.predicted_ranking == self.measured_ranking

    def of(self, policy: str, column: str) -> Beside:
        """A number of a policy.

        Args:
            policy: what it is called.
            column: see `COMPARED`.
        """
        return next(each for each in self.beside if (each.policy, each.column) == (policy, column))

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "slots": self.slots,
            "requests": self.requests,
            "repeated": self.repeated,
            "policies": {
                policy: {
                    each.column: {
                        "predicted": each.predicted.as_json(),
                        "measured": each.measured.as_json(),
                        "ratio": each.ratio.as_json(),
                    }
                    for each in self.beside
                    if each.policy == policy
                }
                for policy in dict.fromkeys(each.policy for each in self.beside)
            },
            "ranking": {
                "predicted": self.predicted_ranking,
                "measured": self.measured_ranking,
                "holds": self.holds,
                "pairs": [
                    pair._asdict() | {"predicted": pair.predicted.as_json(), "measured": pair.measured.as_json()}
                    for pair in self.pairs
                ],
            },
        }


def summary(rows: Sequence[Row]) -> Summary:
    """Sums a run up; slots are its samples.

    Args:
        rows: of whole slots, one or more.
    """
    policies = list(dict.fromkeys(row.policy for row in rows))
    slots = sorted({row.slot for row in rows})
    totals = {policy: _of_slots(rows, policy, slots, "utility") for policy in policies}
    rankings = [_ranking({policy: float(both[i].mean()) for policy, both in totals.items()}) for i in (0, 1)]
    again = {row.slot: row.repeated for row in rows}
    return Summary(
        slots=len(slots),
        requests=sum(row.policy == policies[0] for row in rows),
        repeated=sum(again.values()),
        beside=[
            _beside(policy, column, *_of_slots(rows, policy, slots, column))
            for policy in policies
            for column in COMPARED
        ],
        predicted_ranking=rankings[0],
        measured_ranking=rankings[1],
        pairs=[
            _pair(better, worse, *(totals[worse][i] - totals[better][i] for i in (0, 1)))
            for better, worse in zip(rankings[0], rankings[0][1:], strict=False)
        ],
    )


def _ranking(totals: Mapping[str, float]) -> list[str]:
    return sorted(totals, key=lambda policy: totals[policy])


def _beside(policy: str, column: str, predicted: np.ndarray, measured: np.ndarray) -> Beside:
    nothing = Interval(np.nan, np.nan, np.nan)
    ratio = nothing if not predicted.sum() else interval_of(_ratio, measured, predicted)
    return Beside(policy, column, interval_of(mean, predicted), interval_of(mean, measured), ratio)


def _pair(better: str, worse: str, predicted: np.ndarray, measured: np.ndarray) -> Pair:
    shares = (float((each > 0).mean()) for each in (predicted, measured))
    return Pair(better, worse, interval_of(mean, predicted), interval_of(mean, measured), *shares)


def _of_slots(rows: Sequence[Row], policy: str, slots: Sequence[int], column: str) -> tuple[np.ndarray, np.ndarray]:
    """Of each slot the total of the utility, and the mean of anything else; predicted and measured."""
    of_slot: dict[int, list[Row]] = {slot: [] for slot in slots}
    for row in rows:
        if row.policy == policy:
            of_slot[row.slot].append(row)
    reduce = np.sum if column == "utility" else np.mean
    predicted, measured = (
        np.array([reduce([_value(row, side, column) for row in of_slot[slot]]) for slot in slots])
        for side in ("predicted", "measured")
    )
    return predicted, measured


def _value(row: Row, side: str, column: str) -> float:
    if column == HITS:
        return float(getattr(row, f"{side}_hit"))
    return float(getattr(row, side)[column])


def _ratio(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    # Where only slots without a hit are left, nothing is predicted of generation at the base station.
    whole = mean(predicted)
    return np.where(whole != 0, mean(measured) / np.where(whole != 0, whole, 1.0), np.nan)
