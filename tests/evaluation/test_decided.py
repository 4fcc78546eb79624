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
    assert told["nothing"] == told["cloud-only"] == (1, 1, ["cloud-only", "constant"])
    assert told["one cache"] == told["other shares"] == (1, 1, ["constant"])
    assert (told["a third of a millionth"][1], told["two millionths"][1]) == (1, 2)
    assert rows["rcars"]["caches"] > 1
    assert "nothing equals cloud-only: it serves nothing at the edge" in far.remarks
    assert "one cache equals constant: one decision for all slots" in far.remarks
    assert not any(line.startswith(("cloud-only", "rcars")) for line in far.remarks)


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
