"""An outage in lines of slots and in what `evaluate` prints."""

import json

import pytest

OFF = ("--set", "radio.outage_gain_db=-97", "--set", "radio.outage_delay_s=33")
DELAY_S = 33.0
USERS, COUNT = 5, 6


def test_lines_say_it_and_lines_that_do_not_are_told_apart_by_their_gains(genedge):
    lines = genedge("slots", *OFF, "--users", USERS, "--count", COUNT, "--seed", 3).out
    rows = [json.loads(line) for line in lines.splitlines()]
    decided = genedge("decide", *OFF, "--policy", "priced", stdin=lines).out
    for row in rows:
        row["active"] = [here or out for here, out in zip(row["active"], row.pop("outage"), strict=True)]
    untold = "".join(json.dumps(row) + "\n" for row in rows)
    assert genedge("decide", *OFF, "--policy", "priced", stdin=untold).out == decided
    rows[1]["outage"] = [False] * USERS
    wrong = genedge("decide", *OFF, "--policy", "priced", stdin="".join(json.dumps(row) + "\n" for row in rows))
    n = next(n for n, gain in enumerate(rows[1]["channel_gain"]) if gain < 10**-9.7)
    assert (wrong.status, wrong.out) == (2, "")
    assert wrong.err == (
        f"genedge: standard input line 2: user {n} has active True and outage False at a channel gain of "
        f"{rows[1]['channel_gain'][n]:g}; below 1.99526e-10 (radio.outage_gain_db) it is an outage, and from "
        f"there on active\n"
    )


def test_evaluate_tells_the_share(genedge):
    sets = [
        *OFF,
        "--set",
        "cell.slots_per_episode=6",
        "--users",
        USERS,
        "--episodes",
        2,
        "--policies",
        "optimal,cloud-only",
    ]
    found = json.loads(genedge("evaluate", *sets, "--json").out)
    share = found["outage"][0]["share"]["mean"]
    assert 0 < share < 1
    assert found["results"][0]["gap"]["of_optimum"]["mean"] == pytest.approx(0, abs=1e-9)
    assert found["results"][1]["delay_s"]["mean"] > share * DELAY_S
    told = genedge("evaluate", *sets).out
    assert (
        f"{USERS} users: {share:.2%} of the requests are in an outage (gains below -97 dB), and cost 33 s each, "
        f"whoever decides." in told
    )


def test_the_optimum_of_a_box_is_not_known(genedge):
    told = genedge(
        *("evaluate", "--scenario", "edge-box", "--policies", "lru,cost-aware", "--episodes", 1),
        *("--set", "radio.outage_gain_db=-97", "--set", "cell.slots_per_episode=6", "--json"),
    )
    found = json.loads(told.out)
    assert found["no_optimum"] == (
        "the optimum of a box is known where everybody is served; leave radio.outage_gain_db out"
    )
    assert found["outage"][0]["share"]["mean"] > 0
