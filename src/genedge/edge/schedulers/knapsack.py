"""What is worth the most together and fits: the 0/1 knapsack, exactly."""

import numpy as np
from jaxtyping import Float, Int

from genedge.errors import InputError

# Sets to look at, of 4 bytes each. Only sizes of odd megabytes and very even worths come near it.
MOST_SETS = 1 << 26


def most_worth(worth: Float[np.ndarray, "n"], size: Int[np.ndarray, "n"], capacity: int) -> list[int]:
    """The things that are worth the most together, and fit.

    Goes through the things from the densest on, and keeps of all sets those that no other one beats in both worth
    and size (Nemhauser and Ullmann, 1969) and that could still become the best, were the rest divisible.

    Args:
        worth: of each thing, not negative.
        size: of each thing, at least 1.
        capacity: of all that is taken.

    Returns:
        Their indices, those of most worth first; things of no worth are never taken.

    Raises:
        InputError: there are too many sets to look at.
    """
    able = np.flatnonzero((worth > 0) & (size <= capacity))
    able = able[np.argsort(-worth[able] / size[able], kind="stable")]
    own, takes = worth[able], size[able]
    worth_to, size_to = (np.concatenate([[0], np.cumsum(column)]) for column in (own, takes))
    density = np.append(own / takes, 0.0)
    used, got = np.zeros(1, np.int64), np.zeros(1)
    # Of each set, which one it was before; counted on beyond them if it took the thing.
    came: list[np.ndarray] = []
    best, looked_at = 0.0, 0
    for k in range(able.size):
        used, got = np.concatenate([used, used + takes[k]]), np.concatenate([got, got + own[k]])
        order = np.lexsort((-got, used))
        order = order[used[order] <= capacity]
        most = np.maximum.accumulate(got[order])
        order = order[np.append(True, most[1:] > most[:-1])]
        used, got = used[order], got[order]
        # The densest of the rest that fit whole, and a part of the next.
        room = capacity - used
        last = np.searchsorted(size_to, size_to[k + 1] + room, side="right") - 1
        whole = got + worth_to[last] - worth_to[k + 1]
        part = (room - (size_to[last] - size_to[k + 1])) * density[last]
        best = max(best, float(whole.max()))
        able_to_win = whole + part >= best * (1 - 1e-9)
        used, got = used[able_to_win], got[able_to_win]
        came.append(order[able_to_win].astype(np.int32))
        looked_at += used.size
        if looked_at > MOST_SETS:
            raise InputError(
                f"static: to choose the best among {able.size} models takes too much memory; give their sizes in "
                "whole gigabytes, or leave it out of --schedulers"
            )
    taken: list[int] = []
    at = int(np.argmax(got))
    for k in range(able.size - 1, -1, -1):
        before = came[k - 1].size if k else 1
        at = int(came[k][at])
        if at >= before:
            at -= before
            taken.append(int(able[k]))
    return sorted(taken, key=lambda i: (-worth[i], i))
