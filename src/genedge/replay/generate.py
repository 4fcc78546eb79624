"""Long traces: a Zipf–Markov popularity, and users who come back in sessions, mostly for their last model."""

import importlib.resources
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from genedge.replay.gaps import HOURS, AtRandom, InBursts
from genedge.replay.habits import Habits
from genedge.replay.shown import SESSION_S
from genedge.replay.trace import Row
from genedge.settings.reading import read_yaml

# GenTD26: of the groups that return, 72 % ask for their last model again.
SAME_MODEL = 0.72
STEPS = (30, 30, 30, 60, 120, 240)
AT_WORK, GOES_ON = 32, 0.8
BLOCK = 8192


class Skews(NamedTuple):
    """How the skew of the popularity changes.

    Attributes:
        states: skews.
        transition: from each to each, at every slot, cumulated over where to.
        slot_s: length of a slot [s].
        first: the first of them.
    """

    states: Sequence[float]
    transition: Float[np.ndarray, "S S"]
    slot_s: float
    first: int


@cache
def papers_skews() -> Skews:
    """That of the paper's cell, read from its scenario's file: a replay knows nothing else of the cell."""
    file = importlib.resources.files("genedge") / "scenarios" / "paper.yaml"
    said = read_yaml(file.read_text(encoding="utf-8"), "scenario paper")
    states = said["requests"]["skew_states"]["value"]
    transition = np.array(said["requests"]["transition"]["value"], float).cumsum(axis=1)
    return Skews(states, transition, float(said["cell"]["slot_duration_s"]["value"]), len(states) // 2)


class _Popularity:
    """Which model is asked for next."""

    def __init__(self, models: int, habits: Habits) -> None:
        self._skews = None if habits.weights is not None or habits.skew is not None else papers_skews()
        if habits.weights is not None:
            popularity = np.array([habits.weights], float)
        else:
            states = self._skews.states if self._skews is not None else [habits.skew]
            popularity = np.arange(1, models + 1, dtype=float) ** -np.array(states, float)[:, None]
        self._chances = (popularity / popularity.sum(axis=1, keepdims=True)).cumsum(axis=1)
        self._last = int(np.flatnonzero(popularity[0])[-1])
        self._state, self._slot = (0 if self._skews is None else self._skews.first), 0

    def passes(self, time: float, chance: float) -> None:
        """A request comes; the skew is as it is in its slot."""
        skews = self._skews
        if skews is not None and time >= (self._slot + 1) * skews.slot_s:
            self._slot = int(time // skews.slot_s)
            most = len(skews.states) - 1
            self._state = int(np.searchsorted(skews.transition[self._state], chance).clip(0, most))

    def drawn(self, chance: float) -> int:
        return min(int(np.searchsorted(self._chances[self._state], chance)), self._last)


class _Sessions:
    """Who asks: somebody whose session goes on, or the first of another's. Draws from a stream of its own."""

    def __init__(self, users: int, mean_requests: float, rng: np.random.Generator) -> None:
        self._users, self._goes_on, self._rng = users, 1 - 1 / mean_requests, rng
        self._open: list[int] = []
        self._asked: dict[int, float] = {}

    def asks(self, time: float) -> int:
        user = self._next(time) if self._rng.random() < self._goes_on else None
        if user is None:
            user = self._new(time)
        self._asked[user] = time
        return user

    def _next(self, time: float) -> int | None:
        """One of those whose session is open, each as likely; None if there is none."""
        while self._open:
            at = int(self._rng.integers(len(self._open)))
            user = self._open[at]
            if time - self._asked[user] <= SESSION_S:
                return user
            self._open[at] = self._open[-1]
            self._open.pop()
            del self._asked[user]
        return None

    def _new(self, time: float) -> int:
        """One whose session is not open; where nearly all are, after some trials anyone."""
        for _ in range(AT_WORK):
            user = int(self._rng.integers(self._users))
            asked = self._asked.get(user)
            if asked is None:
                self._open.append(user)
                return user
            if time - asked > SESSION_S:
                return user  # Still among the open ones, which are looked through when they are drawn.
        return user


def generate(
    requests: int, models: int, users: int, rate_per_s: float, seed: int, habits: Habits | None = None
) -> Iterator[Row]:
    """Draws a trace.

    Requests come as a Poisson process. Each is by one of 32 users at work with probability 0.8, else by any, who
    takes the place of one of them; a user asks for the last model again with probability 0.72, else for one by
    Zipf's law with the current skew. Of all this, what `habits` say is otherwise; when requests come, and in what
    sessions, have streams of their own, so that neither changes what else is drawn.

    Args:
        requests: how many.
        models: how many there are, the first the most popular.
        users: how many there are.
        rate_per_s: mean number of requests a second.
        seed: of everything random.
        habits: what it is to be like; None for as above.

    Yields:
        Requests in the order of time.

    Raises:
        InputError: the times between requests cannot be what they are to be.
    """
    habits = habits or Habits()
    rng, clocks_rng, sessions_rng = (np.random.default_rng(s) for s in (seed, [seed, 1], [seed, 2]))
    popularity = _Popularity(models, habits)
    names = habits.names or [f"M{m:04d}" for m in range(models)]
    clock, bursts = AtRandom(rate_per_s), _bursts(rate_per_s, habits)
    sessions = None
    if habits.session_requests is not None:
        sessions = _Sessions(users, habits.session_requests, sessions_rng)
    last = np.full(users, -1)
    recent = [int(u) for u in rng.integers(0, users, AT_WORK)]
    for start in range(0, requests, BLOCK):
        size = min(BLOCK, requests - start)
        # Drawn where they are not used, too, so that what else is drawn stays as it is.
        times = clock.times(rng, size)
        chance = rng.random((size, 4))
        fresh, place = rng.integers(0, users, size).tolist(), rng.integers(0, AT_WORK, size).tolist()
        steps = rng.choice(STEPS, size).tolist()
        if bursts is not None:
            times = bursts.times(clocks_rng, size)
        for i, time in enumerate(times):
            popularity.passes(time, chance[i, 0])
            if sessions is not None:
                user = sessions.asks(time)
            else:
                user = recent[place[i]] if chance[i, 1] < GOES_ON else fresh[i]
                recent[place[i]] = user
            if last[user] < 0 or chance[i, 2] >= SAME_MODEL:
                last[user] = popularity.drawn(chance[i, 3])
            yield Row(time, names[last[user]], f"G{user:05d}", steps[i])


def _bursts(rate_per_s: float, habits: Habits) -> InBursts | None:
    if habits.gaps_cv is None and habits.by_hour is None:
        return None
    return InBursts(rate_per_s, habits.gaps_cv, habits.by_hour or [1.0] * HOURS)
