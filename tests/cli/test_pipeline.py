"""`slots | decide | score`, checked from the outside: by what the commands print, and the paper's equations."""

import json
import subprocess
import sys

import pytest
import reference
from installed import some_heavy

from genedge.registry import named

# All with ten models, so that code compiled for one serves them all.
SCENARIOS = {
    "paper": ("paper",),
    "attainable, noise over the whole band": ("paper-attainable", "radio.noise_bandwidth=whole"),
    "companion, alpha weighs the TV": ("companion", "objective.alpha=0.2", "objective.alpha_weighs=tv"),
    "another catalogue, least steps": (
        "paper",
        "seed=7",
        "server.storage_gb=31.5",
        "server.quality_floor.least_steps=60",
    ),
    "largest TV": ("paper", "server.quality_floor.largest_tv=70", "backhaul.to_cloud_mbit_per_s=12.5"),
    "outage": ("paper", "radio.outage_gain_db=-97", "radio.outage_delay_s=33"),
    "best TV": ("paper", "server.quality_floor.largest_tv=best", "radio.user_power_dbm=0"),
}
USERS, COUNT = 5, 6
BUDGET = ("--set", "hcras.population=10", "--set", "hcras.generations=4")
NOBODY = 2


def options(case):
    name, *settings = SCENARIOS[case]
    return ("--scenario", name, *(part for setting in settings for part in ("--set", setting)))


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def narrower(slot, places):
    return {key: value[:places] if isinstance(value, list) else value for key, value in slot.items()}


@pytest.fixture(scope="module", params=SCENARIOS)
def case(request, genedge, tmp_path_factory):
    """A scenario as `scenario show --json` gives it, and slots, edited: users gone, in one slot all of them."""
    chosen = options(request.param)
    name, *settings = chosen[1:]
    scenario = json.loads(genedge("scenario", "show", name, "--json", *settings).out)
    drawn = genedge("slots", *chosen, "--users", USERS, "--count", COUNT, "--seed", 3)
    assert drawn.status == 0, drawn.err
    slots = drawn.rows
    slots[1]["active"][2] = False
    for flags in ("active", "outage"):
        if flags in slots[NOBODY]:
            slots[NOBODY][flags] = [False] * USERS
    slots[3] = narrower(slots[3], 3)
    slots[4] = narrower(slots[4], 1)
    path = tmp_path_factory.mktemp("case") / "slots.jsonl"
    path.write_text(lines(slots))
    return chosen, scenario, slots, path


@pytest.mark.parametrize("policy", some_heavy(named("policy"), "hcras", "learned-search"))
def test_an_independent_program_computes_the_same(case, policy, genedge):
    chosen, scenario, slots, path = case
    decided = genedge("decide", *chosen, *BUDGET, "--policy", policy, stdin=path.read_text())
    assert (decided.status, decided.err) == (0, "")
    scored = genedge("score", *chosen, "--slots", path, stdin=decided.out)
    assert (scored.status, scored.err) == (0, "")
    assert len(scored.rows) == len(decided.rows) == len(slots)

    for slot, decision, row in zip(slots, decided.rows, scored.rows, strict=True):
        assert reference.broken_constraints(scenario, slot, decision) == set()
        assert {type(bit) for bit in decision["cache"]} == {int}
        # To the last bit, so that whoever sums them up in another order finds no more than 1 either.
        assert sum(decision["bandwidth"]) <= 1
        assert sum(decision["steps"]) <= 1

        users = reference.user_costs(scenario, slot, decision)
        assert row["utility"] == pytest.approx(sum(user["utility"] for user in users), rel=1e-5)
        for key, part in (
            ("user_utility", "utility"),
            ("user_delay_s", "delay_s"),
            ("user_tv", "tv"),
            ("user_hit", "hit"),
            ("uplink_s", "uplink_s"),
            ("downlink_s", "downlink_s"),
            ("backhaul_s", "backhaul_s"),
            ("generation_s", "generation_s"),
        ):
            assert row[key] == pytest.approx([user[part] for user in users], rel=1e-5), key
        if policy in ("optimal", "priced"):
            certificate = decision["certificate"]
            assert certificate["objective"] == pytest.approx(row["utility"], rel=1e-5)
            assert certificate["lower_bound"] <= row["utility"] * (1 + 1e-6)
            difference = certificate["objective"] - certificate["lower_bound"]
            assert certificate["gap"] * certificate["objective"] == pytest.approx(difference, abs=1e-6)
        active = sum(slot["active"]) + sum(slot.get("outage", []))
        hits = sum(user["hit"] for user in users)
        assert row["hit_ratio"] == (pytest.approx(hits / active) if active else None)
    assert scored.rows[NOBODY]["utility"] == 0


def test_slots(genedge):
    scenario = json.loads(genedge("scenario", "show", "paper", "--json").out)
    slots = genedge("slots", "--users", 10, "--count", 200, "--seed", 1).rows
    assert len(slots) == 200
    faded = []
    for slot in slots:
        assert slot["scenario_id"] == scenario["scenario_id"]
        assert slot["skew"] in scenario["skew_states"]
        per_user = ("requests", "input_bits", "output_bits", "channel_gain", "position_m", "active")
        assert set(slot) == {"scenario_id", "skew", *per_user}
        assert {len(slot[key]) for key in per_user} == {10}
        assert slot["active"] == [True] * 10
        assert slot["output_bits"] == [scenario["models"][m]["output_bits"] for m in slot["requests"]]
        assert all(5 * 8e6 <= bits <= 10 * 8e6 for bits in slot["input_bits"])
        for (x, y), gain in zip(slot["position_m"], slot["channel_gain"], strict=True):
            assert abs(x) <= scenario["area_m"][0] / 2
            assert abs(y) <= scenario["area_m"][1] / 2
            faded.append(gain * 10 ** (reference.path_loss_db(scenario, (x * x + y * y) ** 0.5) / 10))
    assert {slot["skew"] for slot in slots} == set(scenario["skew_states"])
    assert {type(m) for slot in slots for m in slot["requests"]} == {int}
    # Exponential with mean 1: the mean of 2,000 draws is off by 0.1 once in a hundred thousand times.
    assert sum(faded) / len(faded) == pytest.approx(1, abs=0.1)


def test_slots_are_determined_by_their_seed(genedge):
    few, again, other = (
        genedge("slots", "--users", USERS, "--count", COUNT, "--seed", seed).out for seed in (3, 3, 4)
    )
    assert few == again
    assert few != other


def test_more_users_and_slots_leave_the_first_as_they_were(genedge):
    few = genedge("slots", "--users", USERS, "--count", COUNT, "--seed", 3).rows
    more_users = genedge("slots", "--users", 9, "--count", COUNT, "--seed", 3).rows
    assert [narrower(slot, USERS) for slot in more_users] == few
    more_slots = genedge("slots", "--users", USERS, "--count", 11, "--seed", 3).rows
    assert more_slots[:COUNT] == few


def test_the_chain_starts_and_moves_as_told(genedge):
    chain = ("--set", "requests.first_skew=2", "--set", "requests.transition=[[0, 1, 0], [0, 0, 1], [1, 0, 0]]")
    slots = genedge("slots", "--users", USERS, "--count", COUNT, *chain).rows
    assert [slot["skew"] for slot in slots] == [1.2, 0.4, 0.8] * 2


def test_a_seed_decides_what_a_policy_draws(genedge):
    slots = genedge("slots", "--users", USERS, "--count", COUNT).out
    few, again, other = (
        genedge("decide", "--policy", "hcras", *BUDGET, "--seed", seed, stdin=slots).out for seed in (0, 0, 1)
    )
    assert few == again
    assert few != other


def test_what_is_left_open_does_not_matter(genedge, tmp_path):
    """Line ends, a byte order mark, blank lines at the end, 1 for true, further fields, no positions."""
    plain = genedge("slots", "--users", USERS, "--count", COUNT)
    decided = genedge("decide", "--policy", "greedy", stdin=plain.out)
    path = tmp_path / "slots.jsonl"
    path.write_text(plain.out)
    scored = genedge("score", "--slots", path, stdin=decided.out)

    loose = [{**slot, "active": [1] * USERS, "note": "one\u2028two\u0085"} for slot in plain.rows]
    for slot in loose:
        del slot["position_m"]
    text = "\ufeff" + "".join(json.dumps(slot, ensure_ascii=False) + "\r\n" for slot in loose) + "\r\n\n"
    assert genedge("decide", "--policy", "greedy", stdin=text).out == decided.out
    path.write_text(text)
    flags = [{**row, "cache": [bool(bit) for bit in row["cache"]]} for row in decided.rows]
    assert genedge("score", "--slots", path, stdin="\ufeff" + lines(flags) + "\n").out == scored.out


@pytest.mark.parametrize("nothing", ["", "\n\n"])
def test_no_slots_no_lines(nothing, genedge, tmp_path):
    path = tmp_path / "slots.jsonl"
    path.write_text(nothing)
    assert genedge("decide", "--policy", "knapsack", stdin=nothing) == (0, "", "")
    assert genedge("score", "--slots", path, stdin=nothing) == (0, "", "")


def test_in_real_pipes(genedge, tmp_path):
    """The same commands as processes of their own print the very same."""
    me = f"{sys.executable} -m genedge"
    drawn = ("--users", str(USERS), "--count", str(COUNT), "--seed", "5")
    script = f"""
        set -euo pipefail
        {me} slots {" ".join(drawn)} > slots.jsonl
        {me} decide --policy greedy < slots.jsonl | {me} score --slots slots.jsonl
    """
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    slots = genedge("slots", *drawn).out
    assert (tmp_path / "slots.jsonl").read_text() == slots
    decided = genedge("decide", "--policy", "greedy", stdin=slots).out
    assert done.stdout == genedge("score", "--slots", tmp_path / "slots.jsonl", stdin=decided).out


def test_a_scenario_shows_its_cell_and_all_of_it_the_hyperparameters(genedge):
    cell, all_ = genedge("scenario", "show", "paper").out, genedge("scenario", "show", "paper", "--all").out
    assert "radio.noise_dbm_per_hz" in cell
    assert "ddpg.batch" not in cell
    assert "radio.noise_dbm_per_hz" in all_
    assert all(f"{section}." in all_ for section in ("ddpg", "two_timescale", "any_cell", "hcras"))
    assert "ddpg.batch" in json.loads(genedge("scenario", "show", "paper", "--json").out)["settings"]
