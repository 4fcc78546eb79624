"""Policies side by side on the very same slots."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import jax
import numpy as np

from genedge.cell.feasible import breaches, in_float64
from genedge.cell.sampling import sample_episodes
from genedge.cell.service import requested
from genedge.cell.types import Decision, Outcome, Params, Slot
from genedge.errors import InputError
from genedge.evaluation.scoring import outcome
from genedge.evaluation.statistics import Interval, excess_of_base, interval, left_of_distance, mean, saved_of_base
from genedge.limits import MOST_DRAWS
from genedge.optimum import Solved, solve_optimal, solve_priced
from genedge.policies import Policy, built_in, check_scenario
from genedge.public import check_count, check_decision, check_seed, in_single, what
from genedge.scenario import Scenario, refuse_box
from genedge.xla import at_once

# With more models than this, the bound of `priced` serves as the optimum: a little below it, so gaps look larger.
MOST_MODELS_SOLVED = 16

METRICS = {
    "utility": "Σ U_n of a slot, Eq. (15), lower is better",
    "delay_s": "mean delay of a request [s]",
    "delay_p95_s": "95 % quantile of the delays of an episode [s]",
    "late_ratio": "share of the requests that wait longer than the slot lasts",
    "tv": "mean TV of a request, lower is better",
    "unimproved_ratio": "share of the hits whose image is returned as it came, at most A1 steps",
    "hit_ratio": "share of the requests whose model is cached",
    "used_cache_ratio": "share of the cached models that somebody asked for",
}


class Result(NamedTuple):
    """One policy at one number of users.

    Attributes:
        policy: its name.
        users: number of users.
        metrics: by name (see METRICS), one value per episode; NaN where undefined.
        decision_ms: time to decide a slot, compiled, in batches of an episode [ms].
        first_s: the first batch, compilation included [s].
    """

    policy: str
    users: int
    metrics: Mapping[str, np.ndarray]
    decision_ms: float
    first_s: float


class Bounds(NamedTuple):
    """What the gaps at one number of users are measured between; one value per episode.

    Attributes:
        users: number of users.
        optimum: certified lower bound of the utility, in the paper's size equal to the optimum to 1e-6.
        rcars: the utility of RCARS.
    """

    users: int
    optimum: np.ndarray
    rcars: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """All results of an evaluation.

    Attributes:
        scenario: what was evaluated on.
        episodes: number of episodes.
        seed: of the slots.
        results: one per policy and number of users.
        bounds: one per number of users.
    """

    scenario: Scenario
    episodes: int
    seed: int
    results: Sequence[Result]
    bounds: Sequence[Bounds]

    def of(self, policy: str, users: int) -> Result:
        """The result of one policy at one number of users.

        Args:
            policy: its name.
            users: number of users.
        """
        found = next((r for r in self.results if (r.policy, r.users) == (policy, users)), None)
        if found is None:
            raise InputError(
                f"policy {policy!r} at users {users!r} was not evaluated; there are {', '.join(self.policies)} at "
                f"{', '.join(map(str, self.users))} users"
            )
        return found

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies' names, in the order given."""
        return tuple(dict.fromkeys(r.policy for r in self.results))

    @property
    def users(self) -> tuple[int, ...]:
        """The numbers of users, in the order given."""
        return tuple(dict.fromkeys(r.users for r in self.results))

    def value(self, policy: str, users: int, metric: str) -> Interval:
        """A metric's mean over episodes with its interval.

        Args:
            policy: its name.
            users: number of users.
            metric: a key of METRICS.
        """
        return interval(mean, self.of(policy, users).metrics[metric])

    def compare(self, policy: str, base: str, users: int) -> dict[str, Interval]:
        """A policy against another on the same slots.

        Args:
            policy: ours.
            base: the other.
            users: number of users.

        Returns:
            The paired difference of the utility (ours − base), both readings of "better by" for the utility, and
            of the hit ratio the difference and (ours − base) / base.
        """
        ours, others = self.of(policy, users).metrics, self.of(base, users).metrics
        utility, hits = (ours["utility"], others["utility"]), (ours["hit_ratio"], others["hit_ratio"])
        return {
            "utility_difference": interval(lambda a, b: mean(a) - mean(b), *utility),
            "utility_better_by_of_base": interval(saved_of_base, *utility),
            "utility_better_by_of_ours": interval(excess_of_base, *utility),
            "hit_ratio_difference": interval(lambda a, b: mean(a) - mean(b), *hits),
            "hit_ratio_better_by_of_base": interval(lambda a, b: -saved_of_base(a, b), *hits),
            "hit_ratio_better_by_of_ours": interval(lambda a, b: -excess_of_base(a, b), *hits),
        }

    def optimum(self, users: int) -> Interval:
        """The certified optimum of the utility, mean over episodes.

        Args:
            users: number of users.
        """
        return interval(mean, self._bounds(users).optimum)

    def gaps(self, policy: str, users: int) -> dict[str, Interval]:
        """How far a policy is from the optimum.

        A cost that no decision avoids flatters the first figure; the second is free of it.

        Args:
            policy: its name.
            users: number of users.

        Returns:
            `of_optimum`, utility / optimum − 1, and `of_distance`, the share of the distance from RCARS to the
            optimum that is still left.
        """
        ours, bounds = self.of(policy, users).metrics["utility"], self._bounds(users)
        return {
            "of_optimum": interval(lambda a, b: -saved_of_base(a, b), ours, bounds.optimum),
            "of_distance": interval(left_of_distance, ours, bounds.optimum, bounds.rcars),
        }

    def largest_advantage(self, base: str, users: int) -> dict[str, Interval]:
        """What any policy could be better by than a base, both readings.

        Args:
            base: a policy's name.
            users: number of users.
        """
        costs = self._bounds(users).optimum, self.of(base, users).metrics["utility"]
        return {
            "better_by_of_base": interval(saved_of_base, *costs),
            "better_by_of_ours": interval(excess_of_base, *costs),
        }

    def _bounds(self, users: int) -> Bounds:
        return next(b for b in self.bounds if b.users == users)

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program to read."""
        return {
            "scenario": self.scenario.name,
            "scenario_id": self.scenario.id,
            "episodes": self.episodes,
            "slots_per_episode": self.scenario.settings.cell.slots_per_episode,
            "seed": self.seed,
            "metrics": METRICS,
            "results": [
                {
                    "policy": r.policy,
                    "users": r.users,
                    **{metric: self.value(r.policy, r.users, metric).as_json() for metric in METRICS},
                    "gap": {key: gap.as_json() for key, gap in self.gaps(r.policy, r.users).items()},
                    "decision_ms": r.decision_ms,
                    "first_s": r.first_s,
                }
                for r in self.results
            ],
            "optimum": [{"users": n, "utility": self.optimum(n).as_json()} for n in self.users],
            "largest_advantage": [
                {
                    "base": base,
                    "users": n,
                    **{key: value.as_json() for key, value in self.largest_advantage(base, n).items()},
                }
                for n in self.users
                for base in self.policies
            ],
            "comparisons": [
                {
                    "policy": policy,
                    "base": base,
                    "users": users,
                    **{key: value.as_json() for key, value in self.compare(policy, base, users).items()},
                }
                for users in self.users
                for policy in self.policies
                for base in self.policies
                if policy != base
            ],
        }


def evaluate(
    scenario: Scenario,
    policies: Mapping[str, Policy],
    users: Sequence[int],
    episodes: int,
    seed: int,
    report: Callable[[str], None],
) -> Evaluation:
    """Evaluates policies over numbers of users, all on the same slots.

    Args:
        scenario: the cell.
        policies: by name.
        users: numbers of users.
        episodes: E, episodes for each number of users.
        seed: of the slots; with more users, the first ones' draws stay as they were.
        report: called with a short text before each piece of work: one for the optimum, then E for each policy,
            at every number of users.

    Returns:
        The results.

    Raises:
        InputError: an argument has another type or value; or a policy cannot serve so many users, or broke a
            constraint, which is a defect of that policy.
    """
    _check_arguments(scenario, policies, users, episodes, seed, report)
    refuse_box(scenario)
    results, bounds = [], []
    for count in users:
        slots, policy_key = _draw(scenario, count, episodes, seed)
        report(f"the optimum, {count} users")
        bounds.append(_bound(scenario, count, slots, policy_key))
        for name, policy in policies.items():
            results.append(_one(scenario, name, policy, count, slots, policy_key, report))
    return Evaluation(scenario, episodes, seed, results, bounds)


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


@at_once()
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


def solve(params: Params, slots: Slot) -> Solved:
    """The optimum that others are compared with: `solve_optimal`, or `solve_priced` where there are many models.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
    """
    few = params.models.A1.shape[0] <= MOST_MODELS_SOLVED
    return (solve_optimal if few else solve_priced)(params, slots)


@at_once()
def _bound(scenario: Scenario, users: int, slots: Slot, key: jax.Array) -> Bounds:
    params, episodes = scenario.params, slots.skew.shape[0]
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), slots)
    optimum = solve(params, flat).lower_bound.reshape(episodes, -1).mean(axis=1)
    rcars = built_in("rcars", scenario)
    costs = []
    for e in range(episodes):
        batch = jax.tree.map(lambda x, e=e: x[e], slots)
        decision = in_float64(rcars(in_single(params), batch, jax.random.fold_in(key, e)))
        costs.append(outcome(params, batch, decision).utility.sum(axis=-1).mean())
    return Bounds(users, optimum, np.array(costs))


def _one(
    scenario: Scenario,
    name: str,
    policy: Policy,
    users: int,
    slots: Slot,
    key: jax.Array,
    report: Callable[[str], None],
) -> Result:
    params, (episodes, T) = scenario.params, slots.skew.shape
    metrics: list[dict[str, float]] = []
    seconds = []
    for e in range(episodes):
        report(f"{name}, {users} users")
        batch = jax.tree.map(lambda x, e=e: x[e], slots)
        decision, took = _timed(policy, name, params, batch, key, e)
        seconds.append(took)
        with at_once():
            broken = breaches(params, batch, decision)
        if broken:
            raise InputError(f"policy {name} broke a constraint: {broken[0]}")
        metrics.append(_metrics(scenario, batch, decision, outcome(params, batch, decision)))
    if episodes == 1:
        seconds.append(_timed(policy, name, params, batch, key, 0)[1])
    return Result(
        policy=name,
        users=users,
        metrics={metric: np.array([row[metric] for row in metrics]) for metric in METRICS},
        decision_ms=float(np.mean(seconds[1:])) / T * 1e3,
        first_s=seconds[0],
    )


def _timed(
    policy: Policy, name: str, params: Params, slots: Slot, key: jax.Array, episode: int
) -> tuple[Decision, float]:
    with at_once():
        key = jax.random.fold_in(key, episode)
    start = perf_counter()
    with jax.core.eval_context():  # The policy itself meets JAX as it is set.
        decision = jax.block_until_ready(policy(params, slots, key))
    took = perf_counter() - start
    try:
        check_decision(params, slots, decision, "slots")
    except InputError as e:
        raise InputError(f"policy {name}: what it returns: {e}") from None
    return in_float64(decision), took


@at_once()
def _metrics(scenario: Scenario, slots: Slot, decision: Decision, outcome: Outcome) -> dict[str, float]:
    active, params = slots.active, scenario.params
    cached, hits = int(decision.cache.sum()), int(outcome.hit[active].sum())
    unimproved = outcome.hit & active & (decision.steps * params.S <= params.models.A1[slots.requests])
    used = int((decision.cache & np.asarray(requested(slots, decision.cache.shape[-1]))).sum())
    return {
        "utility": float(outcome.utility.sum(axis=-1).mean()),
        "delay_s": float(outcome.delay_s[active].mean()),
        "delay_p95_s": float(np.quantile(outcome.delay_s[active], 0.95)),
        "late_ratio": float((outcome.delay_s[active] > scenario.settings.cell.slot_duration_s).mean()),
        "tv": float(outcome.tv[active].mean()),
        "unimproved_ratio": int(unimproved.sum()) / hits if hits else float("nan"),
        "hit_ratio": float(outcome.hit[active].mean()),
        "used_cache_ratio": used / cached if cached else float("nan"),
    }
