"""How many different decisions, what they come down to, what means hide, and what the radio takes in any case."""

import jax
import numpy as np
import pytest

from genedge import evaluate, policy, score
from genedge.cell.sampling import sample_episodes
from genedge.cell.types import Decision
from genedge.evaluation.results import RADIO, TAILED
from genedge.scenario import load_scenario

SLOTS, USERS, EPISODES = 25, 10, 3


def decide(scenario, kind):
    """A policy that differs from `cloud-only` in one thing, or in none."""

    def decided(params, slots, key):
        decision = jax.tree.map(np.array, policy("cloud-only", scenario)(params, slots, key))
        bandwidth, steps = decision.bandwidth.astype(float), decision.steps
        if kind == "one cache":
            decision.cache[:, 3] = True
        if kind == "other shares":
            bandwidth[:, 0], bandwidth[:, 1] = 0.05, 0.15
        if kind == "a third of a millionth":
            bandwidth[::2, 0] -= 3e-7
        if kind == "two millionths":
            bandwidth[::2, 0] -= 2e-6
        return Decision(decision.cache, bandwidth, steps)

    return decided


KINDS = ("nothing", "one cache", "other shares", "a third of a millionth", "two millionths")


@pytest.fixture(scope="module")
def far():
    """A cell of 3 km, whose fades make the mean."""
    scenario = load_scenario("paper", [f"cell.slots_per_episode={SLOTS}", "cell.area_m=[3000,3000]"])
    policies = {kind: decide(scenario, kind) for kind in KINDS}
    policies |= {name: policy(name, scenario) for name in ("rcars", "cloud-only")}
    return evaluate(scenario, policies, [USERS], EPISODES, 5, lambda text: None)


def test_what_comes_down_to_a_simple_policy_says_so(far):
    rows = {row["policy"]: row for row in far.as_json()["results"]}
    told = {name: (row["caches"], row["decisions"], row["equals"]) for name, row in rows.items()}
    assert told["nothing"] == told["cloud-only"] == (1, 1, ["cloud-only"])
    assert told["one cache"] == told["other shares"] == (1, 1, [])
    assert (told["a third of a millionth"][1], told["two millionths"][1]) == (1, 2)
    assert rows["rcars"]["caches"] > 1
    assert "nothing equals cloud-only: it serves nothing at the edge" in far.remarks
    for name in ("nothing", "one cache", "other shares", "a third of a millionth"):
        assert f"{name} makes one and the same decision in all {SLOTS * EPISODES} slots" in far.remarks
    assert not any(line.startswith("two millionths makes") for line in far.remarks)
    assert not any(line.startswith(("cloud-only", "rcars")) for line in far.remarks)


@pytest.fixture(scope="module")
def beside():
    """`constant`, the same under another name, what is better, what is worse, and what differs in a single slot."""
    scenario = load_scenario("paper", ["cell.slots_per_episode=10"])
    bar = policy("constant", scenario)

    def at_times(params, slots, key):
        decision = jax.tree.map(np.array, bar(params, slots, key))
        decision.cache[0] = policy("knapsack", scenario)(params, slots, key).cache[0]
        # Sometimes that is better, and sometimes not.
        if float(slots.gain[0, 0]) > float(slots.gain[0, 1]):
            decision.cache[0] = False
        return decision

    policies = {name: policy(name, scenario) for name in ("knapsack", "constant", "cloud-only")}
    policies |= {"the same": bar, "at times": at_times}
    return evaluate(scenario, policies, [4, 6], 8, 5, lambda text: None)


def test_who_decides_as_constant_does_is_told(beside):
    rows = {(row["policy"], row["users"]): row["equals"] for row in beside.as_json()["results"]}
    assert {key for key, equals in rows.items() if "constant" in equals} == {
        (name, users) for name in ("constant", "the same") for users in (4, 6)
    }
    assert "the same equals constant: it decides as that policy does, 4 users" in beside.remarks
    assert "the same makes one and the same decision in all 80 slots, 6 users" in beside.remarks


def test_who_beats_constant_is_told_with_its_interval_and_its_caches(beside):
    verdicts = {}
    for name in beside.policies:
        for users in (4, 6):
            told = [line for line in beside.remarks if f"{name} beat" in line or f"{name} does not beat" in line]
            told = [line for line in told if line.endswith(f", {users} users")]
            if name == "constant":
                assert told == []
                continue
            (line,) = told
            by = beside.compare(name, "constant", users)["utility_better_by_of_base"]
            uses = int(beside.value(name, users, "caches").mean)
            said = f"better by {by.mean:+.1%} [{by.low:+.1%}, {by.high:+.1%}]; it uses {uses} cache"
            said += f"{'' if uses == 1 else 's'}, {users} users"
            head = line.removesuffix(f": {said}")
            verdicts[name, users] = head
            if by.low > 0:
                assert head == f"{name} beats constant"
            elif by.high <= 0:
                assert head == f"{name} does not beat constant"
            else:
                assert head == f"whether {name} beats constant is undecided"
    assert verdicts["knapsack", 6] == "knapsack beats constant"
    assert verdicts["cloud-only", 6] == "cloud-only does not beat constant"
    assert verdicts["the same", 4] == "the same does not beat constant"
    assert "whether at times beats constant is undecided" in verdicts.values()


def test_where_constant_is_not_beside_them_nothing_is_told_of_it(far):
    assert not any("constant" in line for line in far.remarks)


def test_a_few_requests_of_a_large_cell_make_its_mean(far):
    scenario = far.scenario
    slots = sample_episodes(scenario.params, jax.random.key(5), USERS, USERS, SLOTS, EPISODES)
    nothing = Decision(
        np.zeros((EPISODES, SLOTS, len(scenario.models)), bool),
        np.full((EPISODES, SLOTS, USERS), 1 / USERS),
        np.zeros((EPISODES, SLOTS, USERS)),
    )
    delays = np.sort(np.asarray(score(scenario.params, slots, nothing).delay_s).ravel())
    row = next(row for row in far.as_json()["results"] if row["policy"] == "nothing")
    told = row["tail"]["delay_s"]
    # The largest of 750.
    assert told["largest_share"] == pytest.approx(delays[-1] / delays.sum(), rel=1e-5)
    assert told["largest_share"] > 0.1
    assert told["median"] == pytest.approx(np.median(delays), rel=1e-5)
    assert told["mean"] == pytest.approx(row["delay_s"]["mean"])
    (sheet,) = (sheet for sheet in far.sheets if sheet.title.startswith("heavy tails"))
    (line,) = (line for line in far.texts(sheet) if line[0] == "nothing")
    assert line[1:5] == [
        format(delays.mean(), ".2f"),
        format(delays[-1] / delays.sum(), ".1%"),
        format(told["median"], ".2f"),
        format(told["interquartile_mean"], ".2f"),
    ]
    assert set(row["tail"]) == set(TAILED)


def test_the_radio_is_part_of_every_cost_and_the_gap_beyond_it_is_of_the_rest(far):
    radio, optimum = far.levels_at(USERS)[RADIO], far.optimum(USERS).mean
    assert 0 < radio["utility"].mean < optimum
    for name in far.policies:
        cost = far.value(name, USERS, "utility").mean
        beyond = far.gaps(name, USERS)["beyond_radio"].mean
        assert beyond == pytest.approx((cost - optimum) / (optimum - radio["utility"].mean))
        assert radio["delay_s"].mean == pytest.approx(
            radio["utility"].mean / far.scenario.settings.objective.alpha / USERS
        )
        assert radio["delay_s"].mean < far.value(name, USERS, "delay_s").mean
    told = far.as_json()["radio"]
    assert told == [{"users": USERS, **{metric: value.as_json() for metric, value in radio.items()}}]
