"""Who waits, against what is counted by hand, and who starves."""

import pytest
from tallied import replayed

from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.replay.waiting import who_waits

MODELS = {"a": Model("a", 1000, 4.0, 0.0, 1.0), "b": Model("b", 1000, 4.0, 0.0, 1.0)}


def test_by_hand():
    """A loads until 4 s; its two are done at 5 and 6 s; b loads until 10 s and is done at 11 s."""
    rows = [(0.0, "a", "u", 0.0), (0.0, "a", "v", 0.0), (1.0, "b", "v", 0.0)]
    tally, _ = replayed(rows, MODELS, Box((1000,)))
    who = who_waits(tally, MODELS)
    # Slow-downs: u 5/5, v (6 + 10)/10.
    assert who.jain == pytest.approx(2.6**2 / (2 * (1 + 1.6**2)))
    assert (who.users, who.longest_user) == (2, None)
    assert who.longest_model == ("b", 1, 9.0, 5.0, pytest.approx(9 / 4.5))
    assert who.long.tolist() == [0, 0, 0]
    assert who.starving_models == ()


def agents(count):
    """Somebody asks for a whenever its last is done; one for b comes at 6 s."""
    return sorted([*((float(i), "a", "u", 0.0) for i in range(count)), (6.0, "b", "v", 0.0)])


def test_affinity_starves_and_dwell_does_not():
    found = {}
    for name in ("affinity+lru", "dwell+lru"):
        tally, _ = replayed(agents(400), MODELS, Box((1000,)), name)
        found[name] = who_waits(tally, MODELS)
    (starving,) = found["affinity+lru"].starving_models
    # All 400 of a first, from the end of its load on, and then its own load.
    assert (starving.name, starving.requests, starving.wait_s) == ("b", 1, 4 + 400 - 6 + 4)
    assert found["affinity+lru"].long.sum() == 1
    assert found["dwell+lru"].starving_models == ()
    # The rule's own bound: 16 loads' time of generating, what then generates, and its own load.
    assert 16 * 4 <= found["dwell+lru"].longest_model.wait_s <= 16 * 4 + 1 + 4


def test_a_user_starves_who_alone_asks_for_what_is_never_loaded():
    rows = sorted([*agents(2000), *((float(t), "b", "w", 0.0) for t in range(10, 20))])
    tally, _ = replayed(rows, MODELS, Box((1000,)), "affinity+lru")
    who = who_waits(tally, MODELS)
    assert [each.name for each in who.starving_users] == ["w"]
    assert who.longest_user == who.starving_users[0]
    assert who.jain < 0.7


def test_requests_of_nobody_known():
    tally, _ = replayed([(0.0, "a", "", 0.0), (0.0, "a", "", 0.0)], MODELS, Box((1000,)))
    who = who_waits(tally, MODELS)
    assert (who.users, who.jain, who.longest_user) == (0, None, None)
