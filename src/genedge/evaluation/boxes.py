"""Policies for a box side by side: whole episodes, on the very same slots, and what each decision lost."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from genedge.cell.feasible import breaches
from genedge.cell.memory import loads
from genedge.cell.sampling import sample_episodes
from genedge.cell.types import AnyArray, Decision, Outcome, Slot, present
from genedge.env.episodes import EpisodePolicy, follow
from genedge.errors import InputError
from genedge.evaluation.box_results import BOUND, EXACT, BoxEvaluation, FirstEpisode, lost_by
from genedge.evaluation.decided import equals, facts
from genedge.evaluation.outages import OUTAGE
from genedge.evaluation.results import RADIO
from genedge.evaluation.scoring import outcome as outcome_of
from genedge.optimum.bandwidth import Radio, least_radio
from genedge.optimum.certificate import certified, outage_cost
from genedge.optimum.dynamic import Dynamic, Solver, regret
from genedge.results import Level, Measured, Quantity, mean_of, single
from genedge.scenario import Scenario
from genedge.statistics import mean
from genedge.xla import at_once


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
        rules: policies by name, see `genedge.policies.boxes.box_policy`.
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
    radio = least_radio(params, slots)
    optimum = None if solution is None else solution.value / T + float(radio.cost.mean())
    exact = solution is not None and solution.exact
    rows, first = [], {}
    for name, rule in rules.items():
        report(f"{name}, {users} users")
        met = _met(scenario, name, rule, slots, solution, radio, jax.random.fold_in(key, users))
        times = {"decision_ms": single(met.decision_ms)}
        follows = times | met.facts | _from_losses(optimum, float(radio.cost.mean()), met.losses)
        rows.append(Measured(name, users, met.metrics, follows, met.equals))
        first[name] = met.first
    best = EXACT if exact else BOUND
    levels = []
    if certified(params) != "none":
        always = (radio.cost + outage_cost(params, slots)).mean(axis=1)
        levels.append(Level(RADIO, users, "utility", mean_of(always), drawn=False))
    if optimum is not None:
        levels.append(Level(best, users, "expected_utility", single(optimum)))
        levels.append(Level(RADIO, users, "expected_utility", single(float(radio.cost.mean())), drawn=False))
    return BoxEvaluation(
        rows=rows,
        levels=levels,
        scenario=scenario,
        episodes=episodes,
        seed=seed,
        optimum=optimum,
        exact=exact,
        why_not=why_not,
        first=first,
    )


def _from_losses(optimum: float | None, radio: float, losses: Mapping[str, np.ndarray]) -> dict[str, Quantity]:
    """What follows from what a policy lost: its cost in expectation, rid of the slots' luck, and its gaps."""
    if optimum is None:
        return {}
    lost = np.sum(list(losses.values()), axis=0)
    return {
        "expected_utility": Quantity(lambda lost: optimum + mean(lost), (lost,)),
        "gap": Quantity(lambda lost: mean(lost) / optimum, (lost,)),
        "beyond_radio": Quantity(lambda lost: mean(lost) / (optimum - radio), (lost,)),
        **{lost_by(part): mean_of(values) for part, values in losses.items()},
    }


class _Met(NamedTuple):
    """What a policy met and did.

    Attributes:
        metrics: by name (see BOX_METRICS), one value per episode.
        losses: by name (see LOSSES), one value per episode; empty where the optimum is not known.
        decision_ms: time to decide a slot, in batches of all episodes, after the first [ms].
        first: the first episode.
        facts: what it decided and what means hide.
        equals: simple policies that its decisions come down to.
    """

    metrics: Mapping[str, np.ndarray]
    losses: Mapping[str, np.ndarray]
    decision_ms: float
    first: FirstEpisode
    facts: dict[str, Quantity]
    equals: tuple[str, ...]


def _met(
    scenario: Scenario,
    name: str,
    rule: EpisodePolicy,
    slots: Slot,
    solution: Dynamic | None,
    least: Radio,
    key: Array,
) -> _Met:
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
        wasted = radio - least.bound
        losses = {
            "cache": held.mean(axis=1),
            "steps": shared.mean(axis=1),
            # A bound and a sum may differ by their rounding.
            "radio": np.where(wasted > 1e-9 * radio, wasted, 0.0).mean(axis=1),
        }
    slots_0, decision_0, outcome_0 = jax.tree.map(lambda x: x[0], (met, decision, outcome))
    return _Met(
        metrics=_metrics(scenario, met, decision, outcome),
        losses=losses,
        decision_ms=float(np.mean(seconds[1:] or seconds)) / slots.skew.shape[0] * 1e3,
        first=FirstEpisode(slots_0, decision_0, outcome_0),
        facts=facts(met, decision, outcome),
        equals=equals(params, met, decision, outcome, cloud_shares=least.share),
    )


def _metrics(scenario: Scenario, slots: Slot, decision: Decision, outcome: Outcome) -> dict[str, np.ndarray]:
    box, memory = scenario.params.box, slots.memory
    assert box is not None
    assert memory is not None
    assert outcome.queue_s is not None
    there = np.asarray(present(slots))
    requests, served = there.sum(axis=(1, 2)), slots.active.sum(axis=(1, 2))
    seconds = slots.skew.shape[1] * scenario.settings.cell.slot_duration_s
    begun = np.asarray(loads(scenario.params, memory, decision.cache))

    def of_requests(values: AnyArray) -> np.ndarray:
        return np.asarray(values.sum(axis=(1, 2)) / requests)

    late = [np.quantile(delays[here], 0.95) for delays, here in zip(outcome.delay_s, there, strict=True)]
    return {
        "utility": outcome.utility.sum(axis=-1).mean(axis=1),
        "delay_s": of_requests(outcome.delay_s),
        "delay_p95_s": np.array(late),
        "queue_s": of_requests(outcome.queue_s),
        # Who is in an outage has no image.
        "tv": outcome.tv.sum(axis=(1, 2)) / np.where(served > 0, served, np.nan),
        "hit_ratio": of_requests(outcome.hit),
        "loads_per_hour": begun.sum(axis=(1, 2)) * 3600 / seconds,
        "loaded_gb_per_hour": (begun * box.weights_gb).sum(axis=(1, 2)) * 3600 / seconds,
        "loading_s_per_hour": (begun * box.load_s).sum(axis=(1, 2)) * 3600 / seconds,
        **({} if slots.outage is None else {OUTAGE: of_requests(slots.outage)}),
    }
