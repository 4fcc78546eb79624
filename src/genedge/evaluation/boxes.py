"""Policies for a box side by side: whole episodes, on the very same slots, and what each decision lost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from genedge.cell.feasible import breaches
from genedge.cell.memory import loads
from genedge.cell.sampling import sample_episodes
from genedge.cell.types import AnyArray, Decision, Outcome, Slot
from genedge.env.episodes import EpisodePolicy, follow
from genedge.errors import InputError
from genedge.evaluation.scoring import outcome as outcome_of
from genedge.evaluation.statistics import Interval, interval, mean
from genedge.optimum.bandwidth import delay, links, lower_bound, split
from genedge.optimum.dynamic import Dynamic, Solver, regret
from genedge.scenario import Scenario
from genedge.xla import at_once

METRICS = {
    "utility": "Σ U_n of a slot, lower is better",
    "delay_s": "mean delay of a request [s]",
    "delay_p95_s": "95 % quantile of the delays of an episode [s]",
    "queue_s": "mean wait of a request for the cloud [s]",
    "tv": "mean TV of a request, lower is better",
    "hit_ratio": "share of the requests that the box serves",
    "loads_per_hour": "models that begin to load, in an hour",
    "loaded_gb_per_hour": "weights read to load them [GB]",
    "loading_s_per_hour": "time that models take to load, in an hour, all of them together [s]",
}

# How a policy's distance from the optimum splits.
LOSSES = {
    "cache": "lost by what is held, Σ U_n of a slot in expectation",
    "steps": "lost by who is served with how many steps",
    "radio": "lost by the shares of the bandwidth",
}


class Result(NamedTuple):
    """One policy.

    Attributes:
        policy: its name.
        metrics: by name (see METRICS), one value per episode.
        losses: by name (see LOSSES), one value per episode; empty where the optimum is not known.
        decision_ms: time to decide a slot, in batches of all episodes, after the first [ms].
        slots: the first episode, with its memories.
        decision: what was decided in it.
        outcome: what came of it.
    """

    policy: str
    metrics: Mapping[str, np.ndarray]
    losses: Mapping[str, np.ndarray]
    decision_ms: float
    slots: Slot
    decision: Decision
    outcome: Outcome


@dataclass(frozen=True)
class BoxEvaluation:
    """All results of an evaluation.

    Attributes:
        scenario: what was evaluated on.
        users: in every slot.
        episodes: number of episodes.
        seed: of the slots.
        results: one per policy.
        optimum: least cost of a slot, expected over all requests that may come; the radio's part, which no cache
            changes, on the channels and sizes met. None where it is not known.
        exact: whether a policy attains it; else nothing is below it.
        why_not: why it is not known; empty where it is.
    """

    scenario: Scenario
    users: int
    episodes: int
    seed: int
    results: tuple[Result, ...]
    optimum: float | None
    exact: bool
    why_not: str

    def value(self, result: Result, metric: str) -> Interval:
        """A metric's mean over episodes with its interval.

        Args:
            result: of one policy.
            metric: a key of METRICS.
        """
        return interval(mean, result.metrics[metric])

    def expected(self, result: Result) -> Interval:
        """A policy's cost of a slot in expectation: the optimum and what it lost, rid of the luck of the slots met.

        Args:
            result: of one policy.
        """
        assert self.optimum is not None
        optimum = self.optimum
        return interval(lambda lost: optimum + mean(lost), sum(result.losses.values(), np.zeros(self.episodes)))

    def gap(self, result: Result) -> Interval:
        """How much more a policy costs than the optimum, in expectation: its losses over the optimum.

        Args:
            result: of one policy.
        """
        assert self.optimum is not None
        optimum = self.optimum
        return interval(lambda lost: mean(lost) / optimum, sum(result.losses.values(), np.zeros(self.episodes)))

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program to read."""
        known = self.optimum is not None
        return {
            "scenario": self.scenario.name,
            "scenario_id": self.scenario.id,
            "users": self.users,
            "episodes": self.episodes,
            "slots_per_episode": self.scenario.settings.cell.slots_per_episode,
            "seed": self.seed,
            "metrics": METRICS,
            "losses": LOSSES,
            "optimum": {"utility": self.optimum, "attained": self.exact} if known else None,
            "no_optimum": self.why_not or None,
            "results": [
                {
                    "policy": r.policy,
                    **{metric: self.value(r, metric).as_json() for metric in METRICS},
                    "lost": {key: interval(mean, lost).as_json() for key, lost in r.losses.items()},
                    "expected_utility": self.expected(r).as_json() if known else None,
                    "gap": self.gap(r).as_json() if known else None,
                    "decision_ms": r.decision_ms,
                }
                for r in self.results
            ],
        }


@at_once()
def evaluate_box(
    scenario: Scenario,
    rules: Mapping[str, EpisodePolicy],
    solve: Solver,
    users: int,
    episodes: int,
    seed: int,
    report: Callable[[str], None],
) -> BoxEvaluation:
    """Evaluates policies for a box, all on the same slots.

    Args:
        scenario: of a box.
        rules: policies by name, see `genedge.policies.boxes.rule`.
        solve: how to come by the optimum, see `genedge.optimum.dynamic.solver`.
        users: in every slot.
        episodes: E.
        seed: of the slots.
        report: called with a short text before each piece of work: one for the optimum, one for each policy.

    Raises:
        InputError: `optimal` is among them and the optimum is not known, or a policy broke a constraint, which is a
            defect of that policy.
    """
    params, T = scenario.params, scenario.settings.cell.slots_per_episode
    if params.box is None:
        raise InputError(f"scenario {scenario.name} is of no box; evaluate its slots one by one")
    key = jax.random.key(seed)
    slots = jax.tree.map(np.asarray, sample_episodes(params, key, users, users, T, episodes))
    report(f"the optimum, {users} users")
    solution, why_not = None, ""
    try:
        solution = solve()
    except InputError as e:
        if "optimal" in rules:  # Told before any policy works.
            raise InputError(f"policy 'optimal': {e}; leave it out") from None
        why_not = str(e)
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), slots)
    link = links(params, flat)
    share = split(link, compiled=True)
    weight = float(params.delay_weight)
    radio = weight * delay(link, share)[0].sum(axis=-1).reshape(episodes, T)
    least_radio = np.minimum(radio, weight * lower_bound(link, share).reshape(episodes, T))
    results = []
    for name, rule in rules.items():
        report(f"{name}, {users} users")
        results.append(_one(scenario, name, rule, slots, solution, least_radio, jax.random.fold_in(key, users)))
    optimum = None if solution is None else solution.value / T + float(radio.mean())
    exact = solution is not None and solution.exact
    return BoxEvaluation(scenario, users, episodes, seed, tuple(results), optimum, exact, why_not)


def _one(
    scenario: Scenario,
    name: str,
    rule: EpisodePolicy,
    slots: Slot,
    solution: Dynamic | None,
    least_radio: np.ndarray,
    key: Array,
) -> Result:
    params = scenario.params
    seconds: list[float] = []

    def timed(*args: Any) -> tuple[Any, Decision]:
        start = perf_counter()
        decided: tuple[Any, Decision] = jax.block_until_ready(rule.decide(*args))
        seconds.append(perf_counter() - start)
        return decided

    met, decision = follow(params, rule._replace(decide=timed), slots, key)
    if broken := breaches(params, met, decision):
        raise InputError(f"policy {name} broke a constraint: {broken[0]}")
    outcome = outcome_of(params, met, decision)
    radio = float(params.delay_weight) * (outcome.uplink_s + outcome.downlink_s).sum(axis=-1)
    losses = {}
    if solution is not None:
        beyond = outcome.utility.sum(axis=-1) - radio
        held, shared = regret(params, solution, met, decision, np.asarray(beyond))
        wasted = radio - least_radio
        losses = {
            "cache": held.mean(axis=1),
            "steps": shared.mean(axis=1),
            # A bound and a sum may differ by their rounding.
            "radio": np.where(wasted > 1e-9 * radio, wasted, 0.0).mean(axis=1),
        }
    return Result(
        policy=name,
        metrics=_metrics(scenario, met, decision, outcome),
        losses=losses,
        decision_ms=float(np.mean(seconds[1:] or seconds)) / slots.skew.shape[0] * 1e3,
        slots=jax.tree.map(lambda x: x[0], met),
        decision=jax.tree.map(lambda x: x[0], decision),
        outcome=jax.tree.map(lambda x: x[0], outcome),
    )


def _metrics(scenario: Scenario, slots: Slot, decision: Decision, outcome: Outcome) -> dict[str, np.ndarray]:
    box, memory = scenario.params.box, slots.memory
    assert box is not None
    assert memory is not None
    assert outcome.queue_s is not None
    requests = slots.active.sum(axis=(1, 2))
    seconds = slots.skew.shape[1] * scenario.settings.cell.slot_duration_s
    begun = np.asarray(loads(scenario.params, memory, decision.cache))

    def of_requests(values: AnyArray) -> np.ndarray:
        return np.asarray(values.sum(axis=(1, 2)) / requests)

    late = [np.quantile(delays[here], 0.95) for delays, here in zip(outcome.delay_s, slots.active, strict=True)]
    return {
        "utility": outcome.utility.sum(axis=-1).mean(axis=1),
        "delay_s": of_requests(outcome.delay_s),
        "delay_p95_s": np.array(late),
        "queue_s": of_requests(outcome.queue_s),
        "tv": of_requests(outcome.tv),
        "hit_ratio": of_requests(outcome.hit),
        "loads_per_hour": begun.sum(axis=(1, 2)) * 3600 / seconds,
        "loaded_gb_per_hour": (begun * box.weights_gb).sum(axis=(1, 2)) * 3600 / seconds,
        "loading_s_per_hour": (begun * box.load_s).sum(axis=(1, 2)) * 3600 / seconds,
    }
