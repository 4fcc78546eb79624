"""Who waits: how evenly over users, how many long, which model and which user longest, and who starves.

What serving a request takes by itself, the load of its model and its generation, is its own time here. A wait is
long that is more than ten times that. A model or a user starves whose requests wait that long on average, and more
than ten times as long as all others.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from genedge.edge.models import Model
from genedge.replay.queue_tally import QueueTally

LONG = 10
# Of users only one with so many requests: of many users with one request, some had bad luck.
LEAST_REQUESTS = 10


class Waits(NamedTuple):
    """The mean wait of one model's requests, or of one user's.

    Attributes:
        name: of the model, or the user.
        requests: how many.
        wait_s: their mean wait [s].
        own_s: their mean own time [s].
        of_others: their mean wait over that of all other requests; None if those do not wait.
    """

    name: str
    requests: int
    wait_s: float
    own_s: float
    of_others: float | None


class WhoWaits(NamedTuple):
    """Who waits under one scheduler.

    Attributes:
        long: of each request, 1 if its wait is long.
        users: how many are known.
        jain: Jain's index of the users' slow-downs, their delays over own times: 1 if all are alike, 1/n if one
            of n has all the delay. None with fewer than two users.
        longest_model: the model with the longest mean wait; None if nobody is served.
        longest_user: likewise of the known users with at least ten requests, if there are any.
        starving_models: those that starve, the longest first.
        starving_users: likewise.
    """

    long: Float[np.ndarray, "n"]
    users: int
    jain: float | None
    longest_model: Waits | None
    longest_user: Waits | None
    starving_models: tuple[Waits, ...]
    starving_users: tuple[Waits, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it but the requests, for a program."""
        longest = {"model": self.longest_model, "user": self.longest_user}
        return {
            "users": self.users,
            "jain": self.jain,
            "longest": {kind: None if each is None else each._asdict() for kind, each in longest.items()},
            "starving": {
                "models": [each._asdict() for each in self.starving_models],
                "users": [each._asdict() for each in self.starving_users],
            },
        }


def who_waits(tally: QueueTally, models: Mapping[str, Model]) -> WhoWaits:
    """Who waits under one scheduler.

    Args:
        tally: of it.
        models: what each model takes.

    Source:
        R. Jain, D. Chiu, W. Hawe, "A quantitative measure of fairness and discrimination for resource allocation in
        shared computer systems", DEC-TR-301 (1984).
    """
    load_s = {name: models[name].load_s for name in set(tally.asked)}
    own_s = np.array(tally.own_s) + np.array([load_s[name] for name in tally.asked])
    waits = np.array(tally.waits)
    names, of_user = _numbered(tally.users)
    delays, own = _sums(of_user, np.array(tally.delays)), _sums(of_user, own_s)
    slow = np.array([d / o for d, o, name in zip(delays, own, names, strict=True) if name and o > 0])
    by_model = _waits(tally.asked, waits, own_s, 1)
    by_user = [each for each in _waits(tally.users, waits, own_s, LEAST_REQUESTS) if each.name]
    return WhoWaits(
        long=(waits > LONG * own_s).astype(float),
        users=sum(name != "" for name in names),
        jain=float(slow.sum() ** 2 / (len(slow) * (slow**2).sum())) if len(slow) > 1 and slow.any() else None,
        longest_model=by_model[0] if by_model else None,
        longest_user=by_user[0] if by_user else None,
        starving_models=tuple(each for each in by_model if _starves(each)),
        starving_users=tuple(each for each in by_user if _starves(each)),
    )


def _starves(each: Waits) -> bool:
    return each.wait_s > LONG * each.own_s and (each.of_others is None or each.of_others > LONG)


def _waits(
    names: Sequence[str], waits: Float[np.ndarray, "n"], own_s: Float[np.ndarray, "n"], least: int
) -> list[Waits]:
    """Of each name with at least so many requests, the longest mean wait first."""
    unique, of = _numbered(names)
    count, wait, own = _sums(of, np.ones(len(waits))), _sums(of, waits), _sums(of, own_s)
    total = float(waits.sum())

    def of_others(n: int, wait: float) -> float | None:
        others_s = total - wait
        return None if others_s <= 1e-9 * total or n == len(waits) else wait / n / (others_s / (len(waits) - n))

    found = [
        Waits(name, int(n), w / n, o / n, of_others(int(n), w))
        for name, n, w, o in zip(unique, count.tolist(), wait.tolist(), own.tolist(), strict=True)
        if n >= least
    ]
    return sorted(found, key=lambda each: (-each.wait_s, each.name))


def _numbered(names: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The different ones, and which of them each is."""
    numbers: dict[str, int] = {}
    of = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
    return list(numbers), of


def _sums(of: np.ndarray, values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "k"]:
    return np.bincount(of, values) if len(of) else np.zeros(0)
