"""What an evaluation found: of cells slot by slot, and of a box episode by episode."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genedge.cell.types import Decision, Outcome, Slot
from genedge.results import Level, Measured, Metric, Quantity, Results, Sheet, mean_of, plain
from genedge.scenario import Scenario
from genedge.statistics import Interval, excess_of_base, left_of_distance, mean, saved_of_base

# --- Cells --------------------------------------------------------------------------------------------------

METRICS = {
    "utility": Metric("utility", ".1f", "", "lower", "Σ U_n of a slot, Eq. (15), lower is better"),
    "delay_s": Metric("delay", ".2f", "s", "lower", "mean delay of a request [s]"),
    "delay_p95_s": Metric("p95 delay", ".1f", "s", "lower", "95 % quantile of the delays of an episode [s]"),
    "late_ratio": Metric("late", ".3f", "", "lower", "share of the requests that wait longer than the slot lasts"),
    "tv": Metric("TV", ".1f", "", "lower", "mean TV of a request, lower is better"),
    "unimproved_ratio": Metric(
        "unimproved", ".3f", "", "", "share of the hits whose image is returned as it came, at most A1 steps"
    ),
    "hit_ratio": Metric("hit ratio", ".3f", "", "higher", "share of the requests whose model is cached"),
    "used_cache_ratio": Metric(
        "cached and used", ".3f", "", "", "share of the cached models that somebody asked for"
    ),
}
# What follows from the samples of several, or is measured once.
DERIVED = {
    "of_optimum": Metric("gap to optimum", ".2%", "", "lower"),
    "of_distance": Metric("left of RCARS to optimum", ".2%", "", "lower"),
    "decision_ms": Metric("decision", ".3f", "ms", "lower"),
    "first_s": Metric("first batch", ".3f", "s", "lower"),
}
# A policy against another on the same slots: of which metric, and what of both.
AGAINST: Mapping[str, tuple[str, Callable[..., np.ndarray], Metric]] = {
    "utility_difference": (
        "utility",
        lambda ours, base: mean(ours) - mean(base),
        Metric("utility, ours − base", "+.1f"),
    ),
    "utility_better_by_of_base": ("utility", saved_of_base, Metric("better by (base − ours)/base", "+.1%")),
    "utility_better_by_of_ours": ("utility", excess_of_base, Metric("better by base/ours − 1", "+.1%")),
    "hit_ratio_difference": (
        "hit_ratio",
        lambda ours, base: mean(ours) - mean(base),
        Metric("hit ratio, ours − base", "+.3f"),
    ),
    "hit_ratio_better_by_of_base": (
        "hit_ratio",
        lambda ours, base: -saved_of_base(ours, base),
        Metric("hit ratio (ours − base)/base", "+.1%"),
    ),
    "hit_ratio_better_by_of_ours": (
        "hit_ratio",
        lambda ours, base: -excess_of_base(ours, base),
        Metric("hit ratio (ours − base)/ours", "+.1%"),
    ),
}
# Of these, what no policy could exceed is known from the optimum.
BETTER_BY = {"better_by_of_base": saved_of_base, "better_by_of_ours": excess_of_base}

OPTIMUM, MOST = "certified optimum", "most any policy could"
COLUMNS = (
    *("utility", "delay_s", "delay_p95_s", "tv", "hit_ratio", "used_cache_ratio"),
    *("of_optimum", "of_distance", "decision_ms"),
)
AGAINST_COLUMNS = (
    *("utility_difference", "utility_better_by_of_base", "utility_better_by_of_ours"),
    "hit_ratio_better_by_of_base",
)
# Policies that others are compared with in a table of its own.
BASES = ("rcars", "hcras")


def _against(key: str, base: str) -> str:
    """Under what key a comparison with a base stands among a policy's values."""
    return f"{key} against {base}"


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


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation(Results):
    """All results of an evaluation.

    Attributes:
        rows: one for each policy and number of users: a value per episode of each metric, and what follows.
        levels: the certified optimum, and the most that any policy could be better by.
        scenario: what was evaluated on.
        episodes: number of episodes.
        seed: of the slots.
    """

    scenario: Scenario
    episodes: int
    seed: int

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the numbers say, by the keys of the rows' values."""
        against = {_against(key, base): metric for base in self.policies for key, (_, _, metric) in AGAINST.items()}
        return METRICS | DERIVED | against

    def title(self, named: Callable[[str], str]) -> str:
        """What was compared on what, for a figure.

        Args:
            named: how somebody's name for something is shown there.
        """
        of_slots = f"{self.episodes} episodes of {self.scenario.settings.cell.slots_per_episode} slots"
        users = f"{self.users[0]} users, " if len(self.users) == 1 else ""
        recorded = self.scenario.recorded
        if recorded is not None:
            users, of_slots = f"up to {users}", f"{of_slots} of {named(Path(recorded.file).name)}"
        return f"scenario {named(self.scenario.name)}, {users}{of_slots}, 95 % intervals"

    @property
    def sheets(self) -> list[Sheet]:
        """At each number of users the means, and a table for each base that was evaluated."""
        sheets = []
        for users in self.users:
            title = (
                f"{self.scenario.name}, {users} users: mean and 95 % interval over {self.episodes} episodes "
                "(utility, delay and TV: lower is better)"
            )
            sheets.append(Sheet(title, users, COLUMNS))
            for base in BASES:
                if base in self.policies and len(self.policies) > 1:
                    columns = tuple(_against(key, base) for key in AGAINST_COLUMNS)
                    sheets.append(Sheet(f"against {base} on the same slots, {users} users", users, columns))
        return sheets

    @property
    def panels(self) -> tuple[str, ...]:
        """The metrics that a figure shows."""
        return ("utility", "delay_s", "hit_ratio", "tv")

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader should know besides, a line each."""
        recorded = self.scenario.recorded
        return (
            () if recorded is None else (f"The slots are those of {recorded.told}, {recorded.episodes} episodes.",)
        )

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
        ours, _ = self.of(policy, users), self.of(base, users)
        return {key: ours.value(_against(key, base)) for key in AGAINST}

    def optimum(self, users: int) -> Interval:
        """The certified optimum of the utility, mean over episodes.

        Args:
            users: number of users.
        """
        return self.levels_at(users)[OPTIMUM]["utility"]

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
        return {key: self.value(policy, users, key) for key in ("of_optimum", "of_distance")}

    def largest_advantage(self, base: str, users: int) -> dict[str, Interval]:
        """What any policy could be better by than a base, both readings.

        Args:
            base: a policy's name.
            users: number of users.
        """
        self.of(base, users)
        most = self.levels_at(users)[MOST]
        return {key: most[_against(f"utility_{key}", base)] for key in BETTER_BY}

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program to read."""
        recorded = self.scenario.recorded
        document: dict[str, Any] = plain(
            {
                "scenario": self.scenario.name,
                "scenario_id": self.scenario.id,
                "episodes": self.episodes,
                "slots_per_episode": self.scenario.settings.cell.slots_per_episode,
                "seed": self.seed,
                **({} if recorded is None else {"slots": {"file": recorded.file, "sha256": recorded.sha256}}),
                "metrics": {key: metric.words for key, metric in METRICS.items()},
                "results": [
                    {
                        "policy": row.policy,
                        "users": row.users,
                        **{metric: row.value(metric) for metric in METRICS},
                        "gap": {key: row.value(key) for key in ("of_optimum", "of_distance")},
                        **{key: row.value(key).mean for key in ("decision_ms", "first_s")},
                    }
                    for row in self.rows
                ],
                "optimum": [{"users": n, "utility": self.optimum(n)} for n in self.users],
                "largest_advantage": [
                    {"base": base, "users": n, **self.largest_advantage(base, n)}
                    for n in self.users
                    for base in self.policies
                ],
                "comparisons": [
                    {"policy": policy, "base": base, "users": n, **self.compare(policy, base, n)}
                    for n in self.users
                    for policy in self.policies
                    for base in self.policies
                    if policy != base
                ],
            }
        )
        return document


def assembled(
    scenario: Scenario, episodes: int, seed: int, rows: Sequence[Measured], bounds: Sequence[Bounds]
) -> Evaluation:
    """Results from what was measured: with the gaps to the bounds, and every policy against every other.

    Args:
        scenario: the cell.
        episodes: E.
        seed: of the slots.
        rows: of each policy and number of users.
        bounds: one for each number of users.
    """
    at = {each.users: each for each in bounds}
    whole = []
    for row in rows:
        assert row.users is not None
        optimum, rcars = at[row.users].optimum, at[row.users].rcars
        utility = row.samples["utility"]
        gaps = {
            "of_optimum": Quantity(lambda ours, best: -saved_of_base(ours, best), (utility, optimum)),
            "of_distance": Quantity(left_of_distance, (utility, optimum, rcars)),
        }
        against = {
            _against(key, other.policy): Quantity(statistic, (row.samples[metric], other.samples[metric]))
            for other in rows
            if (other.users, other.policy) != (row.users, row.policy) and other.users == row.users
            for key, (metric, statistic, _) in AGAINST.items()
        }
        whole.append(replace(row, derived={**row.derived, **gaps, **against}))
    levels = [Level(OPTIMUM, each.users, "utility", mean_of(each.optimum)) for each in bounds]
    levels += [
        Level(
            MOST,
            row.users,
            _against(f"utility_{key}", row.policy),
            Quantity(statistic, (at[row.users].optimum, row.samples["utility"])),
        )
        for row in rows
        if row.users is not None
        for key, statistic in BETTER_BY.items()
    ]
    return Evaluation(rows=whole, levels=levels, scenario=scenario, episodes=episodes, seed=seed)


# --- Boxes --------------------------------------------------------------------------------------------------

EXACT, BOUND = "optimum, exact", "lower bound"
BOX_METRICS = {
    "utility": Metric("utility", ".1f", "", "lower", "Σ U_n of a slot, lower is better"),
    "delay_s": Metric("delay", ".2f", "s", "lower", "mean delay of a request [s]"),
    "delay_p95_s": Metric("p95 delay", ".1f", "s", "lower", "95 % quantile of the delays of an episode [s]"),
    "queue_s": Metric("cloud's queue", ".2f", "s", "lower", "mean wait of a request for the cloud [s]"),
    "tv": Metric("TV", ".1f", "", "lower", "mean TV of a request, lower is better"),
    "hit_ratio": Metric("hit ratio", ".3f", "", "higher", "share of the requests that the box serves"),
    "loads_per_hour": Metric("loads per hour", ".0f", "", "lower", "models that begin to load, in an hour"),
    "loaded_gb_per_hour": Metric("loaded", ".0f", "GB/h", "lower", "weights read to load them [GB]"),
    "loading_s_per_hour": Metric(
        "loading", ".0f", "s/h", "lower", "time that models take to load, in an hour, all of them together [s]"
    ),
}

# How a policy's distance from the optimum splits.
LOSSES = {
    "cache": "lost by what is held, Σ U_n of a slot in expectation",
    "steps": "lost by who is served with how many steps",
    "radio": "lost by the shares of the bandwidth",
}


class FirstEpisode(NamedTuple):
    """What a policy did in the first episode.

    Attributes:
        slots: with its memories.
        decision: what was decided.
        outcome: what came of it.
    """

    slots: Slot
    decision: Decision
    outcome: Outcome


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxEvaluation(Results):
    """All results of an evaluation.

    Attributes:
        rows: one for each policy: a value per episode of each metric, and what follows.
        levels: the optimum, where it is known.
        scenario: what was evaluated on.
        episodes: number of episodes.
        seed: of the slots.
        optimum: least cost of a slot, expected over all requests that may come; the radio's part, which no cache
            changes, on the channels and sizes met. None where it is not known.
        exact: whether a policy attains it; else nothing is below it.
        why_not: why it is not known; empty where it is.
        first: by policy, its first episode.
    """

    scenario: Scenario
    episodes: int
    seed: int
    optimum: float | None
    exact: bool
    why_not: str
    first: Mapping[str, FirstEpisode]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the numbers say, by the keys of the rows' values."""
        gap = "gap to optimum" if self.exact else "gap to bound, at most"
        return BOX_METRICS | {
            "expected_utility": Metric("expected utility", ".1f", "", "lower"),
            "gap": Metric(gap, ".2%", "", "lower"),
            **{lost_by(part): Metric(f"lost by {part}", ".2f", "", "lower") for part in LOSSES},
            "decision_ms": Metric("decision", ".3f", "ms", "lower"),
        }

    def title(self, named: Callable[[str], str]) -> str:
        """What was compared on what, for a figure.

        Args:
            named: how somebody's name for something is shown there.
        """
        return (
            f"scenario {named(self.scenario.name)}, {self.users[0]} users, {self.episodes} episodes of "
            f"{self.scenario.settings.cell.slots_per_episode} slots, 95 % intervals"
        )

    @property
    def sheets(self) -> list[Sheet]:
        """The means; and where the optimum is known, what each policy's decisions lost against it."""
        title = (
            f"{self.scenario.name}, {self.users[0]} users: mean and 95 % interval over {self.episodes} episodes "
            "(utility, delay, TV and loads: lower is better)"
        )
        sheets = [Sheet(title, self.users[0], (*BOX_METRICS, "decision_ms"))]
        if self.optimum is not None:
            title = (
                "in expectation over all requests that may come, on the channels met: from what each decision lost"
            )
            columns = ("expected_utility", "gap", *map(lost_by, LOSSES))
            sheets.append(Sheet(title, self.users[0], columns))
        return sheets

    @property
    def panels(self) -> tuple[str, ...]:
        """The metrics that a figure shows; the optimum is one in expectation, and so is what stands beside it."""
        utility = "utility" if self.optimum is None else "expected_utility"
        return (utility, "delay_s", "hit_ratio", "loads_per_hour")

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader should know besides, a line each."""
        if self.optimum is None:
            return (f"The optimum is not known: {self.why_not}.",)
        if not self.exact:
            return (
                "The sizes of requests vary: nothing is below the bound, which counts each as the least; `optimal` "
                "too.",
            )
        return ()

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program to read."""
        known = self.optimum is not None
        document: dict[str, Any] = plain(
            {
                "scenario": self.scenario.name,
                "scenario_id": self.scenario.id,
                "users": self.users[0],
                "episodes": self.episodes,
                "slots_per_episode": self.scenario.settings.cell.slots_per_episode,
                "seed": self.seed,
                "metrics": {key: metric.words for key, metric in BOX_METRICS.items()},
                "losses": LOSSES,
                "optimum": {"utility": self.optimum, "attained": self.exact} if known else None,
                "no_optimum": self.why_not or None,
                "results": [
                    {
                        "policy": row.policy,
                        **{metric: row.value(metric) for metric in BOX_METRICS},
                        "lost": {part: row.value(lost_by(part)) for part in LOSSES} if known else {},
                        "expected_utility": row.value("expected_utility") if known else None,
                        "gap": row.value("gap") if known else None,
                        "decision_ms": row.value("decision_ms").mean,
                    }
                    for row in self.rows
                ],
            }
        )
        return document


def lost_by(part: str) -> str:
    """Under what key a part of what was lost stands among a policy's values.

    Args:
        part: a key of LOSSES.
    """
    return f"lost by {part}"
