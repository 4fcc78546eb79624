"""Golden counts: what each rule for boxes hits and loads over the same episodes, to the request.

A tuned number cannot change without a word: hysteresis, half-life and horizon changed by a twentieth fail here.
Where the change is meant, the counts are renewed with it. Loads are long and popularity drifts, so that all of them
matter.
"""

import jax
import numpy as np
import pytest

from genedge.cell.memory import loads
from genedge.cell.sampling import sample_episodes
from genedge.env.episodes import follow
from genedge.evaluation.scoring import outcome
from genedge.policies.boxes import box_policy
from genedge.registry import for_boxes
from genedge.scenario import load_scenario

# Hits and loads.
COUNTS = {
    "lru": (3297, 271),
    "lfu": (4881, 73),
    "gdsf": (4899, 73),
    "by-name": (4035, 86),
    "smallest": (5136, 0),
    "sets": (1270, 400),
    "popularity": (4849, 108),
    "cost-aware": (5074, 61),
    "keep-forever": (5136, 0),
    "cloud-only": (0, 0),
    "forecast": (5013, 126),
    "constant": (5136, 0),
    "rcars": (1403, 557),
    "greedy": (2912, 430),
    "knapsack": (3030, 424),
}
# Their numbers are the scenario's, and the optimum has tests of its own.
UNTUNED = {"hcras", "optimal"}
USERS, EPISODES = 8, 30


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("edge-box", ["requests.rank_drift=1.0", "models.load_s=[40,200]"])


@pytest.fixture(scope="module")
def slots(scenario):
    T = scenario.settings.cell.slots_per_episode
    drawn = sample_episodes(scenario.params, jax.random.key(3), USERS, USERS, T, EPISODES)
    return jax.tree.map(np.asarray, drawn)


def solve():
    raise AssertionError("no rule but the optimum asks for it")


def test_every_rule_has_its_counts():
    assert COUNTS.keys() | UNTUNED == for_boxes().keys()


@pytest.mark.parametrize("name", COUNTS)
def test_hits_and_loads_are_what_they_were(name, scenario, slots):
    met, decision = follow(scenario.params, box_policy(name, scenario, solve), slots, jax.random.key(1))
    hits = outcome(scenario.params, met, decision).hit.sum()
    begun = np.asarray(loads(scenario.params, met.memory, decision.cache)).sum()
    assert (hits, begun) == COUNTS[name]
