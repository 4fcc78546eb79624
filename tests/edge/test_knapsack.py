"""What fits and is worth the most, against every set there is."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genedge.edge.schedulers import knapsack
from genedge.edge.schedulers.knapsack import most_worth
from genedge.errors import InputError

THINGS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 1.2, 2.4, 3.6, 5.0]), st.integers(1, 12)), max_size=8)


@given(THINGS, st.integers(0, 60))
def test_no_set_that_fits_is_worth_more(things, capacity):
    worth = np.array([w for w, _ in things])
    size = np.array([s for _, s in things], np.int64)
    taken = most_worth(worth, size, capacity)
    assert len(set(taken)) == len(taken)
    assert size[taken].sum() <= capacity
    best = 0.0
    for count in range(len(things) + 1):
        for some in map(list, itertools.combinations(range(len(things)), count)):
            if size[some].sum() <= capacity:
                best = max(best, worth[some].sum())
    assert worth[taken].sum() == pytest.approx(best)
    assert (np.diff(worth[taken]) <= 0).all()


def test_thousands_of_models_by_the_megabyte():
    """Against the table over every capacity, which is too large to be the way."""
    rng = np.random.default_rng(0)
    worth, size, capacity = rng.exponential(1.0, 2000), rng.integers(1, 500, 2000), 20_000
    table = np.zeros(capacity + 1)
    for w, s in zip(worth, size, strict=True):
        table[s:] = np.maximum(table[s:], table[:-s] + w)
    assert worth[most_worth(worth, size, capacity)].sum() == pytest.approx(table[-1])


def test_what_would_take_too_much_memory_is_refused(monkeypatch):
    monkeypatch.setattr(knapsack, "MOST_SETS", 10)
    rng = np.random.default_rng(0)
    size = rng.integers(1000, 9000, 40)
    with pytest.raises(InputError, match="whole gigabytes, or leave it out of --schedulers"):
        most_worth(size + rng.random(40), size, 60_000)
