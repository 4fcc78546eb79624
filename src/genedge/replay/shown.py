"""What is in a trace: how often for what, by whom, and how bursty."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genedge.replay.trace import rows_in_order

# A user who asks again within this time is in the same session [s].
SESSION_S = 600.0


@dataclass(frozen=True)
class Shown:
    """What is told of a trace.

    Attributes:
        trace: the file.
        requests: how many.
        begin: time of the first [s].
        end: of the last [s].
        models: requests by model, the most asked for first.
        users: how many are named.
        steps: of all requests together.
        sessions: of named users: who asks again within ten minutes is in the same one.
        same_again: share of the requests of named users, but the first of each, that are for their last model.
        gaps_variation: coefficient of variation of the times between requests; 1 if they come at random.
        busiest_hour: requests in the busiest hour, counted from the first.
    """

    trace: str
    requests: int
    begin: float
    end: float
    models: Mapping[str, int]
    users: int
    steps: float
    sessions: int
    same_again: float | None
    gaps_variation: float | None
    busiest_hour: int

    @property
    def hours(self) -> float:
        """From the first request to the last [h]."""
        return (self.end - self.begin) / 3600

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {**self.__dict__, "hours": self.hours, "models": dict(self.models)}


def show(trace: Path) -> Shown:
    """What is in a trace, in memory that does not grow with its length.

    Args:
        trace: the file.

    Raises:
        InputError: it cannot be read.
    """
    models: Counter[str] = Counter()
    last: dict[str, tuple[float, str]] = {}
    begin = before = None
    steps = gaps = squares = 0.0
    requests = sessions = again = same = 0
    hours: Counter[int] = Counter()
    for time, model, user, asked, *_ in rows_in_order(trace):
        if begin is None or before is None:
            begin = before = time
        gap = time - before
        gaps, squares, before = gaps + gap, squares + gap * gap, time
        requests += 1
        steps += asked
        models[model] += 1
        hours[int((time - begin) // 3600)] += 1
        if user:
            earlier = last.get(user)
            sessions += earlier is None or time - earlier[0] > SESSION_S
            if earlier is not None:
                again += 1
                same += earlier[1] == model
            last[user] = time, model
    assert begin is not None
    assert before is not None
    n = requests - 1
    mean = gaps / n if n else 0.0
    variation = None if mean == 0 else max(squares / n - mean * mean, 0.0) ** 0.5 / mean
    return Shown(
        trace=str(trace),
        requests=requests,
        begin=begin,
        end=before,
        models=dict(models.most_common()),
        users=len(last),
        steps=steps,
        sessions=sessions,
        same_again=same / again if again else None,
        gaps_variation=variation,
        busiest_hour=max(hours.values()),
    )
