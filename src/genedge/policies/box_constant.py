"""The rule for boxes that never looks: one set of models, held for good."""

from functools import cache
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float

from genedge.cell.feasible import TOLERANCE, fitting_caches
from genedge.cell.sampling import sample_episodes
from genedge.cell.service import total_utility
from genedge.cell.types import Params, Slot
from genedge.env.episodes import EpisodePolicy, follow
from genedge.optimum.dynamic import Solver
from genedge.policies.boxes import ranked
from genedge.precision import in_single
from genedge.scenario import Scenario

# What it is chosen on: as many episodes of this seed; and of how many sets all are tried.
SEED, EPISODES, MOST_SETS = 0, 20, 64

_total_utility = jax.jit(total_utility)


def constant(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """Holds the set that costs least over episodes of its own, chosen when it first decides.

    Args:
        scenario: of a box.
        solve: unused; all rules are made alike.
    """
    params, T = scenario.params, scenario.settings.cell.slots_per_episode

    @cache
    def best(users: int) -> Bool[np.ndarray, "M"]:
        slots = sample_episodes(in_single(params), jax.random.key(SEED), users, users, T, EPISODES)
        return best_set(params, jax.tree.map(np.asarray, slots))

    def rank(params: Params, carry: Any, slot: Slot) -> tuple[Any, np.ndarray]:
        held = best(slot.requests.shape[-1])
        return carry, np.broadcast_to(held.astype(float), (len(slot.requests), len(held)))

    return ranked(lambda episodes: (), rank)


def best_set(params: Params, slots: Slot) -> Bool[np.ndarray, "M"]:
    """The models that cost least over given episodes, held from the first slot on, loads included.

    The best of all sets that fit, where they are few. Else it is grown from what is pinned, by the model that
    lowers the cost most, as long as one does.

    Args:
        params: the scenario, of a box.
        slots: E episodes of T slots, leading axes (E, T), without memories.
    """
    sets = fitting_caches(params)
    if sets is not None and len(sets) <= MOST_SETS:
        return np.asarray(sets[costs_of_sets(params, slots, sets).argmin()])
    assert params.box is not None
    storage = np.asarray(params.models.storage_gb)
    held = np.array(params.box.pinned, bool)
    while True:
        # What is held already stands among them as itself.
        larger = np.append(held[None], held | np.eye(len(held), dtype=bool), axis=0)
        larger = larger[larger @ storage <= params.C * (1 + TOLERANCE / 2)]
        best = larger[costs_of_sets(params, slots, larger).argmin()]
        if np.array_equal(best, held):
            return held
        held = best


def costs_of_sets(params: Params, slots: Slot, sets: Bool[np.ndarray, "K M"]) -> Float[np.ndarray, "K"]:
    """Mean cost of a slot for each set, if it is held for good.

    Args:
        params: the scenario, of a box.
        slots: E episodes of T slots, leading axes (E, T), without memories.
        sets: what to hold.
    """
    episodes = len(slots.skew)
    # All sets at once, each in the same episodes.
    priority = np.repeat(sets, episodes, axis=0).astype(float)
    each: Slot = jax.tree.map(lambda x: np.concatenate([x] * len(sets)), slots)
    rule = ranked(lambda episodes: (), lambda params, carry, slot: (carry, priority))
    met, decision = follow(params, rule, each, jax.random.key(SEED))
    utility = np.asarray(_total_utility(*in_single((params, met, decision))), np.float64)
    return np.asarray(utility.reshape(len(sets), -1).mean(axis=1))
