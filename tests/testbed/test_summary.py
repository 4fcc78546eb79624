"""Means, ratios and rankings, worked out by hand."""

import pytest

from genedge.statistics import interval
from genedge.testbed.rows import MEASURED, Row
from genedge.testbed.summary import summary


def row(slot, policy, user, predicted, measured, hits=(True, True), repeated=0):
    sides = [dict.fromkeys(MEASURED, 0.0) | side for side in (predicted, measured)]
    return Row(slot, policy, user, "faces", 0, 10, repeated, *hits, *sides)


def made_up():
    rows = []
    for slot, (good, bad) in enumerate(
        [((1.0, 5.0), (2.0, 3.0)), ((2.0, 4.0), (3.0, 1.0)), ((3.0, 6.0), (4.0, 2.0))]
    ):
        for policy, (predicted, measured) in (("good", good), ("bad", bad)):
            for user in (0, 1):
                cost = {"utility": predicted, "delay_s": predicted * (1 + user)}
                took = {"utility": measured, "delay_s": measured * (1 + user)}
                hits = (policy == "good", policy == "good" and user == 0)
                rows.append(row(slot, policy, user, cost, took, hits, repeated=2 * (slot == 1)))
    return rows


def test_a_slot_is_a_sample():
    found = summary(made_up())
    assert (found.slots, found.requests, found.repeated) == (3, 6, 2)
    delay = found.of("good", "delay_s")
    assert delay.predicted == interval([1.5, 3.0, 4.5])
    assert delay.measured.mean == pytest.approx(7.5)
    assert delay.ratio.mean == pytest.approx(7.5 / 3)
    # The utility is that of the slot, the sum over its users.
    assert found.of("bad", "utility").predicted.mean == pytest.approx(6.0)


def test_a_ranking_that_turns_around_is_told():
    found = summary(made_up())
    assert found.predicted_ranking == ["good", "bad"]
    assert found.measured_ranking == ["bad", "good"]
    assert not found.holds
    (pair,) = found.pairs
    assert (pair.better, pair.worse) == ("good", "bad")
    assert pair.predicted.mean == pytest.approx(2.0)
    assert pair.measured.mean == pytest.approx(-6.0)
    assert (pair.predicted_better, pair.measured_better) == (1.0, 0.0)


def test_hits_are_counted_as_they_came():
    hits = summary(made_up()).of("good", "hit_ratio")
    assert (hits.predicted.mean, hits.measured.mean) == (1.0, 0.5)


def test_what_is_predicted_to_be_nothing_has_no_ratio():
    found = summary(made_up())
    assert found.as_json()["policies"]["bad"]["wait_s"]["ratio"] == {"mean": None, "low": None, "high": None}
