"""Long traces: a Zipf–Markov popularity, and users who come back in sessions, mostly for their last model."""

from collections.abc import Iterator

import numpy as np

from genedge.replay.trace import Row

# As in the paper's cell: the popularity's skew is a Markov chain, stepped at every slot of 20 s.
SKEWS = np.array([0.4, 0.8, 1.2])
TRANSITION = np.array([[0.6, 0.3, 0.1], [0.2, 0.6, 0.2], [0.1, 0.3, 0.6]])
SLOT_S = 20.0
# GenTD26: of the groups that return, 72 % ask for their last model again.
SAME_MODEL = 0.72
STEPS = (30, 30, 30, 60, 120, 240)
BLOCK = 8192


def generate(requests: int, models: int, users: int, rate_per_s: float, seed: int) -> Iterator[Row]:
    """Draws a trace.

    Requests come as a Poisson process. Each is by one of 32 users at work with probability 0.8, else by any, who
    takes the place of one of them; a user asks for the last model again with probability 0.72, else for one by
    Zipf's law with the current skew.

    Args:
        requests: how many.
        models: how many there are, the first the most popular.
        users: how many there are.
        rate_per_s: mean number of requests a second.
        seed: of everything random.

    Yields:
        Requests in the order of time.
    """
    rng = np.random.default_rng(seed)
    popularity = np.arange(1, models + 1, dtype=float) ** -SKEWS[:, None]
    chances = (popularity / popularity.sum(axis=1, keepdims=True)).cumsum(axis=1)
    names = [f"M{m:04d}" for m in range(models)]
    last = np.full(users, -1)
    recent = [int(u) for u in rng.integers(0, users, 32)]
    state, slot, time = 1, 0, 0.0
    for start in range(0, requests, BLOCK):
        size = min(BLOCK, requests - start)
        gaps = rng.exponential(1 / rate_per_s, size).tolist()
        chance = rng.random((size, 4))
        fresh, place = rng.integers(0, users, size).tolist(), rng.integers(0, 32, size).tolist()
        steps = rng.choice(STEPS, size).tolist()
        for i in range(size):
            time += gaps[i]
            if time >= (slot + 1) * SLOT_S:
                slot = int(time // SLOT_S)
                state = int(np.searchsorted(TRANSITION[state].cumsum(), chance[i, 0]).clip(0, 2))
            user = recent[place[i]] if chance[i, 1] < 0.8 else fresh[i]
            recent[place[i]] = user
            if last[user] < 0 or chance[i, 2] >= SAME_MODEL:
                last[user] = min(int(np.searchsorted(chances[state], chance[i, 3])), models - 1)
            yield Row(time, names[last[user]], f"G{user:05d}", steps[i])
