"""Policies side by side on the very same slots."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter

import jax
import numpy as np

from genedge.cell.feasible import breaches, equal_shares, in_float64
from genedge.cell.sampling import sample_episodes
from genedge.cell.service import requested
from genedge.cell.types import Decision, Outcome, Params, Slot, as_seen, present
from genedge.errors import InputError
from genedge.evaluation.decided import alike, equals, facts
from genedge.evaluation.outages import OUTAGE
from genedge.evaluation.results import BAR, Bounds, Evaluation, assembled, sampled
from genedge.evaluation.scoring import outcome
from genedge.evaluation.together import Entry, together
from genedge.given import check_count, check_decision, check_seed, what
from genedge.limits import MOST_DRAWS
from genedge.optimum.bandwidth import least_radio
from genedge.optimum.certificate import certified, outage_cost
from genedge.optimum.solve import solve_best
from genedge.policies import Policy, built_in, check_scenario
from genedge.precision import in_single
from genedge.results import Measured, single
from genedge.scenario import Scenario, refuse_box
from genedge.xla import at_once


def evaluate(
    scenario: Scenario,
    policies: Mapping[str, Policy],
    users: Sequence[int],
    episodes: int,
    seed: int,
    report: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Evaluates policies over numbers of users, all on the same slots.

    Args:
        scenario: the cell.
        policies: by name.
        users: numbers of users; of slots of a file, the most that a slot has, and nothing else.
        episodes: E, episodes for each number of users; of a file, its first ones.
        seed: of the slots, and of what policies draw; with more users, the first ones' draws stay as they were.
        report: called with a short text before each piece of work: one for the optimum, then E for each policy, at
            every number of users. Nothing else tells of progress.

    Returns:
        The results.

    Raises:
        InputError: an argument has another type or value; or a policy cannot serve so many users, or broke a
            constraint, which is a defect of that policy.
    """
    _check_arguments(scenario, policies, users, episodes, seed, report)
    return compare(scenario, policies, [Entry(name, (name,)) for name in policies], users, episodes, seed, report)


def compare(
    scenario: Scenario,
    policies: Mapping[str, Policy],
    entries: Sequence[Entry],
    users: Sequence[int],
    episodes: int,
    seed: int,
    report: Callable[[str], None],
) -> Evaluation:
    """Evaluates policies of which several may stand in one row, as runs that differ in their seed alone.

    Args:
        scenario: the cell.
        policies: by name.
        entries: the rows, made of all of them.
        users: numbers of users.
        episodes: E, episodes for each number of users.
        seed: of the slots.
        report: called with a short text before each piece of work, see `evaluate`.
    """
    refuse_box(scenario)
    _check_recorded(scenario, users, episodes)
    # Policies are told of the cell, not of what is still to come.
    cell = replace(scenario, recorded=None)
    rows: list[Measured] = []
    bounds: list[Bounds] = []
    for count in users:
        slots, policy_key = met(scenario, count, episodes, seed)
        report(f"the optimum, {count} users")
        if certified(scenario.params) != "none":
            bounds.append(_bound(cell, count, slots, policy_key))
        made: dict[str, tuple[Measured, Decision]] = {}
        for name, policy in policies.items():
            made[name] = _one(cell, name, policy, count, slots, policy_key, report)
        for row, decided in made.values():
            as_bar = BAR in made and alike(slots, decided, made[BAR][1])
            rows.append(replace(row, equals=(*row.equals, BAR)) if as_bar else row)
    return assembled(scenario, episodes, seed, together(rows, entries, tuple(sampled(scenario))), bounds)


def _check_arguments(
    scenario: object, policies: object, users: object, episodes: object, seed: object, report: object
) -> None:
    check_scenario(scenario)
    if not isinstance(policies, Mapping):
        raise InputError(f"policies must be a mapping of names to policies, not {what(policies)}")
    for name, policy in policies.items():
        if not (isinstance(name, str) and callable(policy)):
            raise InputError(
                f"policies[{what(name)}] must be a function such as genedge.policy('rcars', scenario), by a name, "
                f"not {what(policy)}"
            )
    if isinstance(users, np.ndarray) and users.ndim == 1:
        users = users.tolist()
    if isinstance(users, str | bytes) or not isinstance(users, Sequence) or not users:
        raise InputError(f"users must be a list of whole numbers, such as [10, 14], not {what(users)}")
    for i, count in enumerate(users):
        check_count(f"users[{i}]", count)
    check_count("episodes", episodes)
    check_seed("seed", seed)
    if not callable(report):
        raise InputError(f"report must be a function of a text, such as print, not {what(report)}")


def _check_recorded(scenario: Scenario, users: Sequence[int], episodes: int) -> None:
    """Refuses to ask slots of a file for what is not in it."""
    recorded = scenario.recorded
    if recorded is None:
        return
    if list(users) != [recorded.users]:
        raise InputError(
            f"users is {', '.join(map(str, users))}; the slots of {recorded.file} have {recorded.users}, give that"
        )
    if episodes > recorded.episodes:
        raise InputError(f"episodes is {episodes}; {recorded.file} has {recorded.episodes}, give at most those")


@at_once()
def met(scenario: Scenario, users: int, episodes: int, seed: int) -> tuple[Slot, jax.Array]:
    """The episodes that policies meet, in NumPy, and their key: the first ones of a file, or drawn.

    Args:
        scenario: the cell.
        users: number of users.
        episodes: E.
        seed: of the slots.

    Returns:
        The slots, fields of shape (E, T, users); a policy decides episode e with the key folded with e.

    Raises:
        InputError: they are too many.
    """
    if scenario.recorded is None:
        return _draw(scenario, users, episodes, seed)
    met: Slot = jax.tree.map(lambda x: x[:episodes], scenario.recorded.slots)
    return met, jax.random.fold_in(jax.random.key(seed), users)


def _draw(scenario: Scenario, users: int, episodes: int, seed: int) -> tuple[Slot, jax.Array]:
    """The episodes at a number of users, in NumPy, and the policies' key."""
    T, key = scenario.settings.cell.slots_per_episode, jax.random.key(seed)
    if users * T * episodes > MOST_DRAWS:
        raise InputError(
            f"users and episodes: {episodes} episodes of {T} slots of {users} users are too many at once; their "
            f"product may be {MOST_DRAWS}"
        )
    drawn = sample_episodes(in_single(scenario.params), key, users, users, T, episodes)
    return jax.tree.map(np.asarray, drawn), jax.random.fold_in(key, users)


@at_once()
def _bound(scenario: Scenario, users: int, slots: Slot, key: jax.Array) -> Bounds:
    params, episodes = scenario.params, slots.skew.shape[0]
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), slots)
    optimum = solve_best(params, flat).lower_bound.reshape(episodes, -1).mean(axis=1)
    rcars = built_in("rcars", scenario)
    costs = []
    for e in range(episodes):
        batch = jax.tree.map(lambda x, e=e: x[e], slots)
        decision = in_float64(rcars(in_single(params), batch, jax.random.fold_in(key, e)))
        costs.append(outcome(params, batch, decision).utility.sum(axis=-1).mean())
    radio, out = least_radio(params, slots), slots.outage
    cost = radio.cost + outage_cost(params, slots)
    delay_s = radio.delay_s.sum(axis=1)
    if params.outage is not None and out is not None:
        delay_s = delay_s + float(params.outage.delay_s) * np.asarray(out).sum(axis=(1, 2))
    requests = np.asarray(present(slots)).sum(axis=(1, 2))
    return Bounds(users, optimum, np.array(costs), cost.mean(axis=1), delay_s / requests)


def _one(
    scenario: Scenario,
    name: str,
    policy: Policy,
    users: int,
    slots: Slot,
    key: jax.Array,
    report: Callable[[str], None],
) -> tuple[Measured, Decision]:
    params, (episodes, T) = scenario.params, slots.skew.shape
    metrics: list[dict[str, float]] = []
    seconds, made = [], []
    for e in range(episodes):
        report(f"{name}, {users} users")
        batch = jax.tree.map(lambda x, e=e: x[e], slots)
        decision, took = _timed(policy, name, params, batch, key, e)
        seconds.append(took)
        with at_once():
            broken = breaches(params, batch, decision)
        if broken:
            raise InputError(f"policy {name} broke a constraint: {broken[0]}")
        made.append((decision, outcome(params, batch, decision)))
        metrics.append(_metrics(scenario, batch, *made[-1]))
    decisions, outcomes = jax.tree.map(lambda *each: np.stack(each), *made)
    with at_once():
        shares = np.asarray(equal_shares(slots))
    if episodes == 1:
        seconds.append(_timed(policy, name, params, batch, key, 0)[1])
    # The first batch compiles; the decision time is that of the others.
    times = {"decision_ms": float(np.mean(seconds[1:])) / T * 1e3, "first_s": seconds[0]}
    row = Measured(
        policy=name,
        users=users,
        samples={metric: np.array([row[metric] for row in metrics]) for metric in metrics[0]},
        derived={key: single(time) for key, time in times.items()} | facts(slots, decisions, outcomes),
        equals=equals(params, slots, decisions, outcomes, cloud_shares=shares),
    )
    return row, decisions


def _timed(
    policy: Policy, name: str, params: Params, slots: Slot, key: jax.Array, episode: int
) -> tuple[Decision, float]:
    with at_once():
        key = jax.random.fold_in(key, episode)
    start = perf_counter()
    with jax.core.eval_context():  # The policy itself meets JAX as it is set.
        decision = jax.block_until_ready(policy(params, as_seen(slots), key))
    took = perf_counter() - start
    try:
        check_decision(params, slots, decision, "slots")
    except InputError as e:
        raise InputError(f"policy {name}: what it returns: {e}") from None
    return in_float64(decision), took


@at_once()
def _metrics(scenario: Scenario, slots: Slot, decision: Decision, outcome: Outcome) -> dict[str, float]:
    # Who is in an outage has a delay and no image.
    there, active, params = np.asarray(present(slots)), slots.active, scenario.params
    deadline_s = scenario.settings.objective.deadline_s
    in_time_s = scenario.settings.cell.slot_duration_s if deadline_s is None else deadline_s
    cached, hits = int(decision.cache.sum()), int(outcome.hit[active].sum())
    unimproved = outcome.hit & active & (decision.steps * params.S <= params.models.A1[slots.requests])
    used = int((decision.cache & np.asarray(requested(slots, decision.cache.shape[-1]))).sum())
    return {
        "utility": float(outcome.utility.sum(axis=-1).mean()),
        "delay_s": float(outcome.delay_s[there].mean()),
        "delay_p95_s": float(np.quantile(outcome.delay_s[there], 0.95)),
        "late_ratio": float((outcome.delay_s[there] > in_time_s).mean()),
        "tv": float(outcome.tv[active].mean()) if active.any() else float("nan"),
        "unimproved_ratio": int(unimproved.sum()) / hits if hits else float("nan"),
        "hit_ratio": float(outcome.hit[there].mean()),
        "used_cache_ratio": used / cached if cached else float("nan"),
        **({} if outcome.wait_s is None else {"wait_s": float(outcome.wait_s[there].mean())}),
        **({} if slots.outage is None else {OUTAGE: float(slots.outage[there].mean())}),
    }
