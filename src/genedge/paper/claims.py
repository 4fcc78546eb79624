"""What the paper claims in Sections V-C and VI, and a verdict on each line."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from genedge.statistics import Interval, over_groups

USERS = (10, 18)
ClaimMetric = Literal["utility", "hit ratio"]
BetterBy = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Claim(NamedTuple):
    """A number of the paper.

    Attributes:
        metric: of what.
        ours: whose advantage.
        base: over whom.
        percent: how much better, at 10 and at 18 users [%].
    """

    metric: ClaimMetric
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
READINGS: Mapping[ClaimMetric, Mapping[str, BetterBy]] = {
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
MEANINGS: Mapping[ClaimMetric, Mapping[str, str]] = {
    "utility": {"Σ U": "utility"},
    "hit ratio": {"requests that hit": "hit_ratio", "cached models asked for": "used_cache_ratio"},
}

# Who stands for the best that anyone could reach; no policy may have this name.
MOST = "most"

# (who or MOST, metric of `evaluate`, users) -> values, shape (C, R).
Values = Callable[[str, str, int], np.ndarray]


class Reading(NamedTuple):
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


Word = Literal["reproduced", "exceeded", "impossible", "undecided", "not reproduced"]


class Judged(NamedTuple):
    """A claim with what became of it.

    Attributes:
        text: the claim in words.
        claimed: its number [%]; None if it has none.
        found: every reading of it; none where it is no comparison.
        telling: the reading that the verdict is on, the one that favours the paper most; None where there is none.
        verdict: on that reading.
        why: in a sentence.
    """

    text: str
    claimed: float | None
    found: Sequence[Reading]
    telling: Reading | None
    verdict: Word
    why: str


def compared(better_by: BetterBy, ours: np.ndarray, base: np.ndarray) -> Interval:
    """How much better ours is [%]; undefined if it is so for any catalogue or run.

    Args:
        better_by: the reading.
        ours: values, shape (C, R) or (C, 1).
        base: likewise.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        values = better_by(*np.broadcast_arrays(ours, base))
    return over_groups(values if np.isfinite(values).all() else np.full(values.shape, np.nan))


def judge(claim: Claim, users: int, values: Values, contender: str) -> Judged:
    """A claim's number beside what was measured.

    Args:
        claim: the claim.
        users: number of users.
        values: the measurements.
        contender: who stands for the paper's DDPG.

    Returns:
        The claim with a verdict. Of several readings the one counts that favours the paper most.
    """
    ours = contender if claim.ours == "DDPG" else claim.ours
    claimed = claim.percent[USERS.index(users)]
    found = [
        Reading(
            meaning,
            reading,
            compared(better_by, values(ours, key, users), values(claim.base, key, users)),
            compared(better_by, values(MOST, key, users), values(claim.base, key, users)),
        )
        for meaning, key in MEANINGS[claim.metric].items()
        for reading, better_by in READINGS[claim.metric].items()
    ]
    verdict, telling = _verdict(claimed, found)
    why = _why(verdict, claimed, telling, found)
    text = f"{ours} is better than {claim.base} in {claim.metric}, {users} users"
    if claim.ours != "DDPG":
        text += " (derived)"
        why += "; the paper does not state it, it follows from two others"
    return Judged(text, claimed, found, telling, verdict, why)


def _verdict(claimed: float, found: Sequence[Reading]) -> tuple[Word, Reading]:
    """The verdict, and the reading that tells it."""

    def holds(f: Reading) -> bool:
        low, high = ends(f.measured)
        return low <= claimed <= high

    # An interval wider than half of the claim would hold almost anything.
    telling = [f for f in found if holds(f) and ends(f.measured)[1] - ends(f.measured)[0] <= claimed / 2]
    above = [f for f in found if ends(f.measured)[0] > claimed]
    wide = [f for f in found if holds(f)]
    if telling:
        return "reproduced", telling[0]
    if above:
        return "exceeded", above[0]
    limits = [ends(f.largest)[1] for f in found if np.isfinite(f.largest.mean)]
    if limits and max(limits) < claimed:
        return "impossible", _widest(found)
    if wide:
        return "undecided", wide[0]
    distance = [abs(f.measured.mean - claimed) if np.isfinite(f.measured.mean) else np.inf for f in found]
    return "not reproduced", found[int(np.argmin(distance))]


def ends(value: Interval) -> tuple[float, float]:
    """Both ends of an interval; what has none, of fewer than three catalogues or seeds, might be anything.

    Args:
        value: with its interval.
    """
    return (-np.inf, np.inf) if np.isnan(value.low) and np.isfinite(value.mean) else (value.low, value.high)


def _widest(found: Sequence[Reading]) -> Reading:
    """The reading that leaves most to any policy."""
    return max(found, key=lambda f: f.largest.mean if np.isfinite(f.largest.mean) else -np.inf)


def _why(verdict: Word, claimed: float, telling: Reading, found: Sequence[Reading]) -> str:
    widest = _widest(found)
    most = f"no policy could have more than {percentage(widest.largest)} ({widest.meaning}, {widest.reading})"
    measured = f"measured: {percentage(telling.measured)} ({telling.meaning}, {telling.reading})"
    return {
        "reproduced": f"{measured}; {claimed:g} % lies within the interval",
        "exceeded": f"{measured}, more than the {claimed:g} % claimed",
        "impossible": f"in every reading {claimed:g} % lies above what the certificate allows: {most}",
        "undecided": f"{measured}: "
        + (
            "fewer than three catalogues or seeds have no interval"
            if np.isnan(telling.measured.low)
            else f"the interval holds {claimed:g} %, but is too wide to tell"
        ),
        "not reproduced": f"{measured}, not {claimed:g} %; {most}",
    }[verdict]


def percentage(value: Interval, digits: int = 1) -> str:
    """A percentage with its interval, for people.

    Args:
        value: [%].
        digits: after the point.
    """
    if np.isnan(value.mean):
        return "undefined"
    ends = "" if np.isnan(value.low) else f" [{value.low:z.{digits}f}, {value.high:z.{digits}f}]"
    return f"{value.mean:z.{digits}f} %{ends}".replace("-", "−")


def judge_rise_and_fall(whose: str, rates: Sequence[float], rewards: Sequence[Interval]) -> Judged:
    """That the converged reward rises, then falls, as a learning rate grows.

    Args:
        whose: actor or critic.
        rates: its learning rates, rising.
        rewards: the mean reward at the end of training with each; NaN where it diverged, which is worse than any.
    """
    worst = Interval(-np.inf, -np.inf, -np.inf)
    rewards = [worst if np.isnan(reward.mean) else reward for reward in rewards]
    best = int(np.argmax([r.mean for r in rewards]))
    inside = 0 < best < len(rates) - 1
    few = len(rates) < 3
    clear = inside and all(ends(rewards[i])[1] < ends(rewards[best])[0] for i in (0, len(rates) - 1))
    told = (f"{_reward(rewards[i])} at {rates[i]:g}" for i in sorted({0, best, len(rates) - 1}))
    why = f"on one catalogue {', '.join(told)}"
    verdict: Word
    if clear:
        verdict = "reproduced"
    elif few:
        verdict = "undecided"
        why += "; fewer than three rates do not tell"
    elif inside:
        verdict = "undecided"
        why += "; the intervals of the best rate and of an end overlap, or there are none"
    else:
        verdict = "not reproduced"
    return Judged(
        f"the converged reward rises, then falls, as the {whose}'s learning rate grows",
        None,
        (),
        None,
        verdict,
        why,
    )


def _reward(value: Interval) -> str:
    if value.mean == -np.inf:
        return "divergence"
    ends = "" if np.isnan(value.low) else f" [{value.low:.0f}, {value.high:.0f}]"
    return f"{value.mean:.0f}{ends}".replace("-", "−")


def judge_rise(what: str, key: str, contender: str, values: Values) -> Judged:
    """That something rises with the number of users.

    Args:
        what: in words.
        key: the metric of `evaluate`.
        contender: who stands for the paper's DDPG.
        values: the measurements.
    """
    change, largest = (
        compared(lambda many, few: 100 * (many / few - 1), values(who, key, USERS[1]), values(who, key, USERS[0]))
        for who in (contender, MOST)
    )
    verdict: Word = "not reproduced" if not ends(change)[1] > 0 else "undecided"
    if ends(change)[0] > 0:
        verdict = "reproduced"
    reading = Reading(what, f"from {USERS[0]} to {USERS[1]} users", change, largest)
    return Judged(
        f"the {what} of {contender} rises with more users",
        None,
        [reading],
        reading,
        verdict,
        f"it changes by {percentage(change)} from {USERS[0]} to {USERS[1]} users; that of the best possible in it "
        f"by {percentage(largest)}",
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
    found = [
        Reading(
            what,
            reading,
            *(compared(better_by, values(who, key, users), values(base, key, users)) for who in (contender, MOST)),
        )
        for reading, better_by in READINGS["utility"].items()
    ]
    low, high = ends(found[0].measured)
    verdict: Word = "not reproduced"
    if low > 0:
        verdict = "reproduced"
    elif not ends(found[0].largest)[1] > 0:
        verdict = "impossible"
    elif high > 0:
        verdict = "undecided"
    return Judged(
        f"{contender} has {what} than {base}, {users} users",
        None,
        found,
        found[0],
        verdict,
        f"measured: lower by {percentage(found[0].measured)} of {base}'s; no policy could be lower by more than "
        f"{percentage(found[0].largest)}",
    )
