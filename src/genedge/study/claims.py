"""What the paper claims in Sections V-C and VI, and a verdict on each line."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from genedge.study.statistics import Interval, interval_over_runs

USERS = (10, 18)
Metric = Literal["utility", "hit ratio"]


class Claim(NamedTuple):
    """A number of the paper.

    Attributes:
        metric: of what.
        ours: whose advantage.
        base: over whom.
        percent: how much better, at 10 and at 18 users [%].
    """

    metric: Metric
    ours: str
    base: str
    percent: tuple[float, float]


# The last line of each three is not in the paper; it follows from the two before.
CLAIMS = (
    Claim("hit ratio", "DDPG", "HCRAS", (15.99, 22.58)),
    Claim("hit ratio", "DDPG", "RCARS", (35.93, 81.87)),
    Claim("hit ratio", "HCRAS", "RCARS", (17.2, 48.4)),
    Claim("utility", "DDPG", "HCRAS", (21.69, 17.33)),
    Claim("utility", "DDPG", "RCARS", (30.19, 30.21)),
    Claim("utility", "HCRAS", "RCARS", (10.8, 15.6)),
)

# What "better by" may mean: of the base's value, or of ours.
READINGS: Mapping[Metric, Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "utility": {
        "(base − ours) / base": lambda ours, base: 100 * (base - ours) / base,
        "base / ours − 1": lambda ours, base: 100 * (base / ours - 1),
    },
    "hit ratio": {
        "ours / base − 1": lambda ours, base: 100 * (ours / base - 1),
        "(ours − base) / ours": lambda ours, base: 100 * (ours - base) / ours,
    },
}

# What each metric may mean: the measured quantity by what to call it.
MEANINGS: Mapping[Metric, Mapping[str, str]] = {
    "utility": {"Σ U": "utility"},
    "hit ratio": {"requests that hit": "hit_ratio", "cached models asked for": "used_cache_ratio"},
}

# (who, metric of `evaluate`, users) -> values, shape (C, R); who may be "most": the best that anyone could reach.
Values = Callable[[str, str, int], np.ndarray]


class Found(NamedTuple):
    """One reading of one claim, as measured.

    Attributes:
        meaning: of the metric.
        reading: of "better by".
        measured: [%].
        largest: that any policy could have reached on the same slots [%].
    """

    meaning: str
    reading: str
    measured: Interval
    largest: Interval


Word = Literal["reproduced", "exceeded", "impossible", "not reproduced"]


class Judged(NamedTuple):
    """A claim with what became of it.

    Attributes:
        text: the claim in words.
        claimed: its number [%]; None if it has none.
        found: every reading; none where the claim has no number.
        verdict: on the reading that favours the paper most.
        why: in a sentence.
    """

    text: str
    claimed: float | None
    found: Sequence[Found]
    verdict: Word
    why: str


def judge(claim: Claim, users: int, values: Values, contender: str) -> Judged:
    """A claim's number beside what was measured.

    Args:
        claim: the claim.
        users: number of users.
        values: the measurements.
        contender: who stands for the paper's DDPG.

    Returns:
        The claim with a verdict. Of several readings the one counts that favours the paper most; a claim is
        impossible if in every reading it lies above what any policy could have reached.
    """
    ours = contender if claim.ours == "DDPG" else claim.ours
    claimed = claim.percent[USERS.index(users)]
    found = [
        Found(
            meaning,
            reading,
            interval_over_runs(
                better_by(*np.broadcast_arrays(values(ours, key, users), values(claim.base, key, users)))
            ),
            interval_over_runs(
                better_by(*np.broadcast_arrays(values("most", key, users), values(claim.base, key, users)))
            ),
        )
        for meaning, key in MEANINGS[claim.metric].items()
        for reading, better_by in READINGS[claim.metric].items()
    ]
    verdict, telling = _verdict(claimed, found)
    text = f"{ours} is better than {claim.base} by {claimed:g} % in {claim.metric}, {users} users"
    return Judged(text, claimed, found, verdict, _why(verdict, claimed, telling, ours))


def _verdict(claimed: float, found: Sequence[Found]) -> tuple[Word, Found]:
    """The verdict, and the reading that tells it."""
    nearest = min(found, key=lambda f: abs(f.measured.mean - claimed) if np.isfinite(f.measured.mean) else np.inf)
    for f in found:
        low, high = _ends(f.measured)
        if low <= claimed <= high:
            return "reproduced", f
    for f in found:
        if _ends(f.measured)[0] > claimed:
            return "exceeded", f
    if all(_ends(f.largest)[1] < claimed for f in found):
        return "impossible", max(found, key=lambda f: f.largest.mean)
    return "not reproduced", nearest


def _ends(value: Interval) -> tuple[float, float]:
    return (value.mean, value.mean) if np.isnan(value.low) else (value.low, value.high)


def _why(verdict: Word, claimed: float, f: Found, ours: str) -> str:
    measured = f"{told(f.measured)} ({f.meaning}, {f.reading})"
    most = f"the most that any policy could reach is {told(f.largest)}"
    return {
        "reproduced": f"{ours} is better by {measured}; {claimed:g} % lies within the interval",
        "exceeded": f"{ours} is better by {measured}, more than the {claimed:g} % claimed",
        "impossible": f"in every reading {claimed:g} % lies above what the certificate allows: here {most}",
        "not reproduced": f"{ours} is better by {measured}, not by {claimed:g} %; {most}",
    }[verdict]


def told(value: Interval) -> str:
    """A percentage with its interval, for people.

    Args:
        value: [%].
    """
    if np.isnan(value.mean):
        return "undefined"
    if np.isnan(value.low):
        return f"{value.mean:.1f} %"
    return f"{value.mean:.1f} % [{value.low:.1f}, {value.high:.1f}]"


def judge_rise_and_fall(rates: Sequence[float], rewards: Sequence[Interval]) -> Judged:
    """That the converged reward rises, then falls, as the learning rate grows.

    Args:
        rates: the actor's learning rates, rising.
        rewards: the mean reward at the end of training with each.
    """
    best = int(np.argmax([r.mean for r in rewards]))
    inside = 0 < best < len(rates) - 1
    clear = inside and all(_ends(rewards[i])[1] < _ends(rewards[best])[0] for i in (0, len(rates) - 1))
    ends = f"{_reward(rewards[0])} at {rates[0]:g}, {_reward(rewards[best])} at {rates[best]:g}, "
    ends += f"{_reward(rewards[-1])} at {rates[-1]:g}"
    return Judged(
        "the converged reward rises, then falls, as the learning rate grows",
        None,
        (),
        "reproduced" if clear else "not reproduced",
        ends + ("" if clear else "; the intervals of the best rate and of the ends overlap" * inside),
    )


def _reward(value: Interval) -> str:
    return f"{value.mean:.0f}" + ("" if np.isnan(value.low) else f" [{value.low:.0f}, {value.high:.0f}]")


def judge_rise(what: str, key: str, contender: str, values: Values) -> Judged:
    """That something rises with the number of users.

    Args:
        what: in words.
        key: the metric of `evaluate`.
        contender: who stands for the paper's DDPG.
        values: the measurements.
    """
    few, many = (values(contender, key, n) for n in USERS)
    change = interval_over_runs(100 * (many / few - 1))
    rises = _ends(change)[0] > 0
    return Judged(
        f"the {what} of {contender} rises with the number of users",
        None,
        (),
        "reproduced" if rises else "not reproduced",
        f"it changes by {told(change)} from {USERS[0]} to {USERS[1]} users",
    )


def judge_lower(what: str, key: str, contender: str, base: str, users: int, values: Values) -> Judged:
    """That the paper's agent has less of something than a benchmark.

    Args:
        what: in words.
        key: the metric of `evaluate`; lower is better.
        contender: who stands for the paper's DDPG.
        base: the benchmark.
        users: number of users.
        values: the measurements.
    """
    ours, theirs = np.broadcast_arrays(values(contender, key, users), values(base, key, users))
    saved = interval_over_runs(100 * (theirs - ours) / theirs)
    return Judged(
        f"{contender} has {what} than {base}, {users} users",
        None,
        (),
        "reproduced" if _ends(saved)[0] > 0 else "not reproduced",
        f"it is lower by {told(saved)} of {base}'s",
    )
