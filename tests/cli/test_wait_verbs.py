"""A base station that generates few at once, on the command line: the wait as a part, a bound that is called so."""

import json

import pytest

ONE = ("--set", "server.generates_at_once=1")
MORE = (*ONE, "--set", "radio.transfer_overhead_s=0.5", "--set", "backhaul.transfer_overhead_s=0.25")
PARTS = ("uplink_s", "downlink_s", "backhaul_s", "generation_s", "wait_s")


def test_score_tells_the_wait_as_a_part_of_the_delay(genedge, tmp_path):
    slots = genedge("slots", "--users", 5, "--count", 4).out
    decided = genedge("decide", "--policy", "greedy", stdin=slots).out
    scored = []
    for i, sets in enumerate(((), MORE)):
        path = tmp_path / f"slots{i}.jsonl"
        path.write_text(genedge("slots", *sets, "--users", 5, "--count", 4).out)
        told = genedge("score", *sets, "--slots", path, stdin=decided)
        scored.append([json.loads(line) for line in told.out.splitlines()])
    plain, busy = scored
    waited = 0
    for before, row in zip(plain, busy, strict=True):
        assert "wait_s" not in before
        for n, delay_s in enumerate(row["user_delay_s"]):
            assert delay_s == pytest.approx(sum(row[part][n] for part in PARTS), rel=1e-9)
            more_s = 1 + 0.5 * (not row["user_hit"][n]) + row["wait_s"][n]
            assert delay_s == pytest.approx(before["user_delay_s"][n] + more_s, rel=1e-9)
            waited += row["wait_s"][n] > 0
    assert waited > 3


def test_evaluate_shows_the_wait_beside_a_bound(genedge):
    few = ("--set", "cell.slots_per_episode=6", "--users", 5, "--episodes", 2)
    asked = ("evaluate", *few, *ONE, "--policies", "rcars,priced")
    told = genedge(*asked).out
    for word in ("wait", "gap to bound, at most", "lower bound", "waits at the base station"):
        assert word in told, word
    assert "optimum ┃" not in told
    found = json.loads(genedge(*asked, "--json").out)
    assert found["certified"] == "bound"
    assert found["metrics"]["wait_s"] == "mean wait of a request for the base station [s]"
    rcars, priced = found["results"]
    assert rcars["wait_s"]["mean"] > 0
    assert 0 < found["bound"][0]["utility"]["mean"] <= priced["utility"]["mean"]
    plain = json.loads(genedge("evaluate", *few, "--policies", "rcars", "--json").out)
    assert "wait_s" not in plain["results"][0]
