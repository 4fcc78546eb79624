"""Policies for boxes: rules for what to hold, all with the same way to share bandwidth and steps.

A rule ranks the models; those that come first are held, as many as fit. What sets rules apart is what they rank by.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from genedge.cell.feasible import fill_cache
from genedge.cell.generation import generation_delay, image_cost, weighed
from genedge.cell.memory import serving
from genedge.cell.popularity import popularity
from genedge.cell.radio import backhaul_delay
from genedge.cell.service import rounds_waited
from genedge.cell.types import Decision, Models, Params, Slot, models_in_float64
from genedge.env.episodes import EpisodePolicy
from genedge.errors import InputError
from genedge.given import Weights
from genedge.optimum.bandwidth import links, split
from genedge.optimum.dynamic import Solver, best_decision
from genedge.policies import Policy, load_policy
from genedge.policies.greedy import greedy
from genedge.policies.hcras import hcras_of
from genedge.policies.knapsack import knapsack
from genedge.policies.own import episode_policy_of_file
from genedge.policies.rcars import rcars
from genedge.registry import in_file, named
from genedge.scenario import Scenario

# Tuned on catalogues 4 to 6 of `edge-box`. A model that is held ranks higher by this factor, so that near ties
# cause no loads; after so many slots half of a request is forgotten; and for so many the cost-aware rule expects
# what it loads to be of use.
HYSTERESIS = 1.2
HALF_LIFE_SLOTS = 6.0
HORIZON_SLOTS = 12.0

Ranking = Callable[[Params, Any, Slot], tuple[Any, np.ndarray]]

_fill = jax.jit(fill_cache)
_serving = jax.jit(serving)
_popularity = jax.jit(popularity)


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


def share(params: Params, slot: Slot, cache: Bool[np.ndarray, "E M"]) -> Decision:
    """The decision that holds a cache: the best bandwidth, and steps by what they save.

    Args:
        params: the scenario, of a box.
        slot: slots with their memories, leading axis E.
        cache: what to hold.
    """
    steps = share_steps(params, slot, np.asarray(_serving(params, slot, cache)))
    return Decision(cache, split(links(params, slot), compiled=True), steps)


def share_steps(params: Params, slot: Slot, served: Bool[np.ndarray, "E M"]) -> Float[np.ndarray, "E N"]:
    """Shares of the steps, one user after the other: who saves most by a step comes first.

    What a user saves counts what the others gain, who no longer share the backhaul or the cloud with it.

    Args:
        params: the scenario, of a box.
        slot: slots, leading axis E.
        served: models that serve.
    """
    assert params.box is not None
    requests, active = np.asarray(slot.requests), np.asarray(slot.active)
    asked = Models(*(column[requests] for column in models_in_float64(params.models)))
    here = np.take_along_axis(served, requests, axis=1) & active & np.isfinite(asked.floor_steps)
    floor = np.where(here, asked.floor_steps, 0.0)
    most = np.where(here, np.maximum(asked.A3, floor), 0.0)
    cloud = _Cloud.of(params, slot, asked)

    # Those who cannot be sent to the cloud are served from the start, with as few steps as may be; and so are, with
    # hardly any, those whom without a floor even an unimproved image costs less than a cloud of their own.
    offload = bool(params.box.offload)
    hair = 1e-6 * float(params.S) / requests.shape[1] if offload else 0.0
    unimproved = here & (floor == 0) & (image_cost(params, asked, np.full(floor.shape, hair)) < cloud.alone())
    at_edge = unimproved if offload else here | unimproved
    steps = np.where(at_edge, np.where(floor == 0, hair, floor), 0.0)
    for _ in range(requests.shape[1]):
        now = np.where(at_edge, image_cost(params, asked, steps), 0.0)
        saved = now + cloud.gained_without_each(active & ~at_edge) - image_cost(params, asked, most)
        extra = most - steps
        fits = extra <= (params.S - steps.sum(axis=1, keepdims=True)) + 1e-9
        possible = here & (extra > 0) & fits & (saved > 0)
        best = np.where(possible, saved / np.maximum(extra, 1e-9), -np.inf).argmax(axis=1)[:, None]
        chosen = np.zeros(possible.shape, bool)
        np.put_along_axis(chosen, best, np.take_along_axis(possible, best, axis=1), axis=1)
        steps, at_edge = np.where(chosen, most, steps), at_edge | chosen
    return np.asarray(steps / params.S)


class _Cloud(NamedTuple):
    """What the requests of a slot cost in the cloud, whoever of them goes there."""

    params: Params
    backhaul_s: Float[np.ndarray, "E N"]
    generation_s: Float[np.ndarray, "E N"]
    tv: Float[np.ndarray, "E N"]
    waited: Float[np.ndarray, "N+1"]

    @classmethod
    def of(cls, params: Params, slot: Slot, asked: Models) -> "_Cloud":
        assert params.box is not None
        places = asked.A1.shape[1]
        return cls(
            params,
            np.asarray(backhaul_delay(params, slot.input_bits, asked.output_bits)),
            np.asarray(generation_delay(asked, asked.A3)),
            np.asarray(asked.A4),
            np.asarray(rounds_waited(np.arange(places + 1), params.box.generators, places)),
        )

    def alone(self) -> np.ndarray:
        """Of each, were it the only one."""
        return self._cost(np.ones(self.tv.shape, int), self.backhaul_s, self.generation_s, self.tv)

    def gained_without_each(self, away: Bool[np.ndarray, "E N"]) -> np.ndarray:
        """What all together save if one of those who are away is not; 0 for others."""
        misses = away.sum(axis=1, keepdims=True)
        parts = (self.backhaul_s, self.generation_s, self.tv)
        together = [np.where(away, part, 0.0).sum(axis=1, keepdims=True) for part in parts]
        without = [whole - np.where(away, part, 0.0) for whole, part in zip(together, parts, strict=True)]
        fewer = self._cost(np.maximum(misses - away, 0), *without)
        return np.where(away, self._cost(misses, *together) - fewer, 0.0)

    def _cost(
        self, misses: np.ndarray, backhaul_s: np.ndarray, generation_s: np.ndarray, tv: np.ndarray
    ) -> np.ndarray:
        assert self.params.box is not None
        slower = misses if bool(self.params.box.shared) else 1
        delay_s = slower * backhaul_s + (1 + self.waited[misses]) * generation_s
        return np.asarray(weighed(self.params, delay_s, tv))


def _requested(params: Params, slot: Slot) -> Float[np.ndarray, "E M"]:
    """How many users ask for each model."""
    asked = np.asarray(slot.requests)[..., None] == np.arange(len(params.models.A1))
    return np.asarray((asked & np.asarray(slot.active)[..., None]).sum(axis=1), np.float64)


def _held(slot: Slot) -> Bool[np.ndarray, "E M"]:
    assert slot.memory is not None
    return np.asarray(slot.memory.held)


# --- What to rank by --------------------------------------------------------------------------------------


def _recency(params: Params, carry: Any, slot: Slot) -> tuple[Any, np.ndarray]:
    """Least recently asked for goes first; of models asked for in the same slot, the one with fewer requests."""
    now, last = carry
    requests = _requested(params, slot)
    last = np.where(requests > 0, now + requests / (1 + requests.sum(axis=1, keepdims=True)), last)
    return (now + 1, last), np.asarray(last + 1e-3 * (1 + _held(slot)))


def _frequency(params: Params, carry: Any, slot: Slot) -> tuple[Any, np.ndarray]:
    """Least often asked for since the episode began goes first."""
    counts = carry + _requested(params, slot)
    return counts, np.asarray(counts + 1e-3 * (1 + _held(slot)))


def _weighted_popularity(params: Params, carry: Any, slot: Slot) -> tuple[Any, np.ndarray]:
    """Requests, of which half are forgotten after some slots, for each gigabyte, with hysteresis."""
    rate = carry * 0.5 ** (1 / HALF_LIFE_SLOTS) + _requested(params, slot)
    worth = (rate + 1e-6) / params.models.storage_gb
    return rate, np.asarray(worth * np.where(_held(slot), HYSTERESIS, 1.0))


def _expected_saving(params: Params, carry: Any, slot: Slot) -> tuple[Any, np.ndarray]:
    """Ours: what a model is expected to save, less what comes while it loads, for each gigabyte, with hysteresis.

    The box knows the popularity. A request saves what it would cost among the misses of half the users.
    """
    box, m = params.box, params.models
    assert box is not None
    users = np.asarray(slot.active).sum(axis=1, keepdims=True)
    half = np.maximum(users // 2, 1)
    waited = np.asarray(rounds_waited(half, box.generators, int(half.max())))
    backhaul_s = backhaul_delay(params, np.mean(params.input_bits, keepdims=True), m.output_bits)
    # Each of k misses slows the k − 1 others by as much as they slow it.
    saved_s = np.where(bool(box.shared), 2 * half - 1, 1) * backhaul_s + 2 * waited * generation_delay(m, m.A3)
    held = _held(slot)
    assert slot.memory is not None
    loading = np.where(held, slot.memory.wait, box.load_slots)
    of_use = np.maximum(HORIZON_SLOTS - loading, 0.0) / HORIZON_SLOTS
    requests = users * np.asarray(_popularity(params, slot))
    worth = requests * (saved_s + 1e-6) * of_use / m.storage_gb
    return carry, np.asarray(worth * np.where(held, HYSTERESIS, 1.0))


def _as_it_is(params: Params, carry: Any, slot: Slot) -> tuple[Any, np.ndarray]:
    """What the episode began with."""
    return carry, np.where(_held(slot), 1.0, 0.0)


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


def _zeros(scenario: Scenario) -> Callable[[int], np.ndarray]:
    return lambda episodes: np.zeros((episodes, len(scenario.models)))


# --- The rules: (scenario, how to come by its optimum) -> a policy that may remember -----------------------


def cloud_only(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """Holds what is pinned, and sends everybody to the cloud."""
    return stateless(_cloud_only)


def keep_forever(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """Holds what the episode began with."""
    return ranked(lambda episodes: (), _as_it_is)


def lru(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """Gives up what was asked for least recently."""
    return ranked(lambda episodes: (1, _zeros(scenario)(episodes)), _recency)


def lfu(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """Gives up what was asked for least often."""
    return ranked(_zeros(scenario), _frequency)


def popular(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """Holds what is popular of late, per gigabyte."""
    return ranked(_zeros(scenario), _weighted_popularity)


def cost_aware(scenario: Scenario, solve: Solver) -> EpisodePolicy:
    """Holds what is expected to save most."""
    return ranked(lambda episodes: (), _expected_saving)


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
        name: of a box rule in the registry, the folder of a run trained on this scenario, `sb3:FILE`, or
            `FILE.py:NAME`: a function of params, E slots with their memories, and a random key, which returns E
            decisions; or an `EpisodePolicy`, which may remember.
        scenario: of a box.
        solve: how to come by its optimum, see `solver`; only `optimal` asks, when it first decides.
        weights: which actor of a training run decides, the best or the last.

    Raises:
        InputError: there is no such policy, or it does not fit the scenario.
    """
    rules = named("box rule")
    if name in rules:
        policy: EpisodePolicy = rules[name].load()(scenario, solve)
        return policy
    if name in named("policy"):
        raise InputError(
            f"policy {name!r} knows nothing of boxes; for scenario {scenario.name}, which is of one, there are "
            f"{', '.join(rules)}, a run's folder, sb3:FILE, and FILE.py:FUNCTION"
        )
    if in_file(name) and (remembering := episode_policy_of_file(name)):
        return remembering
    return stateless(load_policy(name, scenario, rules, weights))
