"""Policies for boxes: what they hold sets them apart; bandwidth and steps most of them share in the same way."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jaxtyping import Bool

from genedge.cell.feasible import fill_cache
from genedge.cell.types import Decision, Params, Slot
from genedge.env.episodes import EpisodePolicy
from genedge.errors import InputError
from genedge.given import Weights
from genedge.optimum.bandwidth import links, split
from genedge.optimum.dynamic import Solver, best_decision
from genedge.own import in_file
from genedge.policies import Policy, load_policy
from genedge.policies.box_shares import share
from genedge.policies.evicting import evicting
from genedge.policies.greedy import greedy
from genedge.policies.hcras import hcras_of
from genedge.policies.knapsack import knapsack
from genedge.policies.own import episode_policy_of_file
from genedge.policies.rcars import rcars
from genedge.registry import for_boxes, named
from genedge.scenario import Scenario

Ranking = Callable[[Params, Any, Slot], tuple[Any, np.ndarray]]

_fill = jax.jit(fill_cache)


def ranked(first: Callable[[int], Any], rank: Ranking) -> EpisodePolicy:
    """The rule that holds what ranks first.

    Args:
        first: number of episodes -> what is remembered when they begin.
        rank: (params, what is remembered, slots) -> what is remembered then, and a rank for each model, above 0
            where it may be held; higher comes first.
    """

    def decide(params: Params, carry: Any, slot: Slot, key: Array) -> tuple[Any, Decision]:
        carry, priority = rank(params, carry, slot)
        return carry, share(params, slot, np.asarray(_fill(params, slot, priority)))

    return EpisodePolicy(first, decide)


def _held(slot: Slot) -> Bool[np.ndarray, "E M"]:
    assert slot.memory is not None
    return np.asarray(slot.memory.held)


def _cloud_only(params: Params, slot: Slot, key: Array) -> Decision:
    """Holds what is pinned, and sends everybody to the cloud; where that may not be, what is there serves."""
    box = params.box
    assert box is not None
    decision = share(params, slot, np.asarray(_fill(params, slot, np.zeros(_held(slot).shape))))
    return decision._replace(steps=np.where(bool(box.offload), 0.0, decision.steps))


def _cache_of(policy: Policy, params: Params, slot: Slot, key: Array) -> Decision:
    """The cache that a policy for the paper's cell would choose, as if it served at once."""
    cache = policy(params, slot._replace(memory=None), key).cache
    return share(params, slot, np.asarray(cache))


def stateless(policy: Policy) -> EpisodePolicy:
    """A policy that remembers nothing, as a rule.

    Args:
        policy: decides E slots, which come with their memories.
    """
    return EpisodePolicy(lambda episodes: (), lambda params, carry, slot, key: (carry, policy(params, slot, key)))


# --- The rules: (scenario, how to come by its optimum) -> a policy that may remember -----------------------


def cloud_only(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """Holds what is pinned, and sends everybody to the cloud."""
    return stateless(_cloud_only)


def random_caches(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """The caches of the paper's RCARS."""
    return stateless(partial(_cache_of, rcars))


def greedy_caches(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """The caches of greedy."""
    return stateless(partial(_cache_of, greedy))


def knapsack_caches(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """The caches of knapsack."""
    return stateless(partial(_cache_of, knapsack))


def genetic(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """HCRAS, slot by slot."""
    return stateless(hcras_of(scenario))


def optimal(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """The optimum of whole episodes; it is solved when it first decides."""

    def decide(params: Params, t: int, slot: Slot, key: Array) -> tuple[int, Decision]:
        decision = best_decision(params, solve(), t, slot)
        return t + 1, decision._replace(bandwidth=split(links(params, slot), compiled=True))

    return EpisodePolicy(lambda episodes: 0, decide)


def box_policy(name: str, scenario: Scenario, solve: Solver, weights: Weights = "best") -> EpisodePolicy:
    """The policy for a box of that name.

    Args:
        name: of a box rule or an eviction in the registry, the folder of a run trained on this scenario,
            `sb3:FILE`, or `FILE.py:NAME`: a function of params, E slots with their memories, and a random key,
            which returns E decisions; or an `EpisodePolicy`, which may remember.
        scenario: of a box.
        solve: how to come by its optimum, see `solver`; only `optimal` asks, when it first decides.
        weights: which actor of a training run decides, the best or the last.

    Raises:
        InputError: there is no such policy, or it does not fit the scenario.
    """
    own, rules = named("box rule"), for_boxes()
    if name in own:
        policy: EpisodePolicy = own[name].load()(scenario, solve)
        return policy
    if name in rules:
        return evicting(name, scenario)
    if name in named("policy"):
        raise InputError(
            f"policy {name!r} knows nothing of boxes; for scenario {scenario.name}, which is of one, there are "
            f"{', '.join(rules)}, a run's folder, sb3:FILE, and FILE.py:FUNCTION"
        )
    if in_file(name) and (remembering := episode_policy_of_file(name)):
        return remembering
    return stateless(load_policy(name, scenario, rules, weights))
