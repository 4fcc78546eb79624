"""What nobody could go below, against everything that could be done."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge.replay.exact import most_hits_of_sets
from genedge.replay.queueing import shortest_remaining_first


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), min_size=1, max_size=5))
def test_nobody_is_faster_than_shortest_remaining_first(jobs):
    """Against every order, jobs interrupted at whole seconds."""
    jobs.sort()
    found = shortest_remaining_first([t for t, _ in jobs], [float(s) for _, s in jobs])

    def least(now, left):
        there = [i for i, s in enumerate(left) if s and jobs[i][0] <= now]
        if not any(left):
            return 0
        if not there:
            return least(now + 1, left)
        waiting = len(there)
        best = math.inf
        # Of equal jobs it does not matter which.
        for i in {left[i]: i for i in there}.values():
            after = (*left[:i], left[i] - 1, *left[i + 1 :])
            best = min(best, memo(now + 1, after))
        return waiting + best

    cache = {}

    def memo(now, left):
        if (now, left) not in cache:
            cache[now, left] = least(now, left)
        return cache[now, left]

    assert found == pytest.approx(memo(0, tuple(s for _, s in jobs)))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=7),
    st.lists(st.integers(1, 5), min_size=4, max_size=4),
    st.integers(1, 9),
    st.booleans(),
)
def test_the_most_hits_of_sets_against_everything_that_could_be_held(asked, sizes, room, must_load):
    """Against all sets after all requests."""
    sets = [s for n in range(5) for s in itertools.combinations(range(4), n) if sum(sizes[m] for m in s) <= room]

    def may_follow(before, after, model):
        if not set(after) <= {*before, model}:
            return False
        return not must_load or model in after or sizes[model] > room

    best = {(): 0}
    for model in asked:
        following = {}
        for before, hits in best.items():
            for after in sets:
                if model in before and after == before:
                    following[after] = max(following.get(after, 0), hits + 1)
                elif model not in before and may_follow(before, after, model):
                    following[after] = max(following.get(after, 0), hits)
        best = following
    assert most_hits_of_sets(asked, sizes, room, must_load) == max(best.values())
