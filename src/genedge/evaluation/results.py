"""What an evaluation of cells found, slot by slot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genedge.errors import InputError
from genedge.evaluation.decided import COUNTS, counts_as_json
from genedge.evaluation.outages import OF_OUTAGE, outage_as_json, told_of_outage
from genedge.evaluation.together import (
    over,
    over_seeds,
    paired,
    seed_columns,
    seed_metrics,
    seeds_as_json,
    stated,
    told_over,
)
from genedge.optimum.certificate import Certified, certified
from genedge.optimum.waiting import few_at_once
from genedge.results import (
    Level,
    Measured,
    Metric,
    Quantity,
    Results,
    Sheet,
    cell,
    equal_remarks,
    mean_of,
    plain,
    single,
    tail_metrics,
    tail_sheets,
    tails_of,
)
from genedge.scenario import Scenario
from genedge.statistics import Interval, excess_of_base, left_of_distance, mean, saved_of_base

METRICS = {
    "utility": Metric("utility", ".1f", "", "lower", "Σ U_n of a slot, Eq. (15), lower is better"),
    "delay_s": Metric("delay", ".2f", "s", "lower", "mean delay of a request [s]"),
    "delay_p95_s": Metric("p95 delay", ".1f", "s", "lower", "95 % quantile of the delays of an episode [s]"),
    "late_ratio": Metric(
        *("late", ".3f", "", "lower"),
        "share of the requests that wait longer than the slot lasts, or than objective.deadline_s if there is one",
    ),
    "tv": Metric("TV", ".3g", "", "lower", "mean TV of a request, lower is better"),
    "unimproved_ratio": Metric(
        "unimproved", ".3f", "", "", "share of the hits whose image is returned as it came, at most A1 steps"
    ),
    "hit_ratio": Metric("hit ratio", ".3f", "", "higher", "share of the requests whose model is cached"),
    "used_cache_ratio": Metric(
        "cached and used", ".3f", "", "", "share of the cached models that somebody asked for"
    ),
}
# Where the base station generates few at once.
OF_WAIT = {"wait_s": Metric("wait", ".2f", "s", "lower", "mean wait of a request for the base station [s]")}
# Of which the means are of requests, and what they say of one.
TAILED = {"delay_s": Metric("delay", ".2f", "s", "lower"), "utility": Metric("U_n", ".2f", "", "lower")}
# What follows from the samples of several, or is measured once.
DERIVED = {
    "of_optimum": Metric("gap to optimum", ".2%", "", "lower"),
    "beyond_radio": Metric("gap beyond the radio", ".2%", "", "lower"),
    "of_distance": Metric("left of RCARS to optimum", ".2%", "", "lower"),
    "caches": Metric("different caches", "g"),
    "decisions": Metric("different decisions", "g"),
    "decision_ms": Metric("decision", ".3f", "ms", "lower"),
    "first_s": Metric("first batch", ".3f", "s", "lower"),
}
# How the gaps are called where a bound is known and no optimum.
AT_MOST = {
    "of_optimum": Metric("gap to bound, at most", ".2%", "", "lower"),
    "beyond_radio": Metric("gap beyond the radio, at most", ".2%", "", "lower"),
    "of_distance": Metric("left of RCARS to bound", ".2%", "", "lower"),
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

OPTIMUM, BOUND, MOST = "certified optimum", "lower bound", "most any policy could"
# What the radio costs with the best shares of the bandwidth.
RADIO = "radio, which every decision pays"
COLUMNS = ("utility", "delay_s", "delay_p95_s", "tv", "hit_ratio", "used_cache_ratio")
GAPS = ("of_optimum", "beyond_radio", "of_distance")
GAP_COLUMNS = (*GAPS, *COUNTS, "decision_ms")
AGAINST_COLUMNS = (
    *("utility_difference", "utility_better_by_of_base", "utility_better_by_of_ours"),
    "hit_ratio_better_by_of_base",
)
# What a reader is told of the optimum.
OF_KNOWN: Mapping[Certified, tuple[str, ...]] = {
    "exact": (),
    "bound": (
        "With a deadline, fairness, waits at the base station, or a curve that falls steeper again, a bound is "
        "known and no optimum: no decision is below it, and gaps are at most as large.",
    ),
    "none": ("The cost is a function of your own, of which no optimum is known: there are no gaps.",),
}
# Policies that others are compared with in a table of its own.
BAR = "constant"
BASES = (BAR, "rcars", "hcras")


def _against(key: str, base: str) -> str:
    """Under what key a comparison with a base stands among a policy's values."""
    return f"{key} against {base}"


def sampled(scenario: Scenario) -> Mapping[str, Metric]:
    """What is measured of each episode of a cell, but for outages.

    Args:
        scenario: the cell.
    """
    return METRICS | OF_WAIT if few_at_once(scenario.params) else METRICS


class Bounds(NamedTuple):
    """What the gaps at one number of users are measured between; one value per episode.

    Attributes:
        users: number of users.
        optimum: certified lower bound of the utility, in the paper's size equal to the optimum to 1e-6.
        rcars: the utility of RCARS.
        radio: what the radio costs with the best shares of the bandwidth, and outages, part of every utility.
        radio_s: the least mean delay of a request by the radio, and outages [s].
    """

    users: int
    optimum: np.ndarray
    rcars: np.ndarray
    radio: np.ndarray
    radio_s: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation(Results):
    """All results of an evaluation.

    Attributes:
        rows: one for each policy and number of users: a value per episode of each metric, and what follows.
        levels: the certified optimum or bound, and the most that any policy could be better by; none with a cost of
            the reader's own.
        scenario: what was evaluated on.
        episodes: number of episodes.
        seed: of the slots.
    """

    scenario: Scenario
    episodes: int
    seed: int

    @property
    def known(self) -> Certified:
        """What is known of the optimum."""
        return certified(self.scenario.params)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the numbers say, by the keys of the rows' values."""
        against = {_against(key, base): metric for base in self.policies for key, (_, _, metric) in AGAINST.items()}
        return {**self.measures, **against}

    @property
    def measures(self) -> Mapping[str, Metric]:
        """Those of one row alone, without its comparisons with others."""
        derived = DERIVED | (AT_MOST if self.known == "bound" else {})
        known = sampled(self.scenario)
        return {**known, **OF_OUTAGE, **derived, **tail_metrics(TAILED), **seed_metrics(self.rows, known)}

    def title(self, named: Callable[[str], str]) -> str:
        """What was compared on what, for a figure.

        Args:
            named: how somebody's name for something is shown there.
        """
        of_slots = f"episodes of {self.scenario.settings.cell.slots_per_episode} slots"
        users = f"{self.users[0]} users, " if len(self.users) == 1 else ""
        recorded = self.scenario.recorded
        if recorded is not None:
            users, of_slots = f"up to {users}", f"{of_slots} of {named(Path(recorded.file).name)}"
        return f"scenario {named(self.scenario.name)}, {users}{of_slots}; {stated(self.rows, self.episodes)}"

    @property
    def sheets(self) -> list[Sheet]:
        """At each number of users the means, and a table for each base that was evaluated."""
        sheets = []
        stands = stated(self.rows, self.episodes)
        for users in self.users:
            title = f"{self.scenario.name}, {users} users: {stands} (utility, delay and TV: lower is better)"
            waits = tuple(key for key in OF_WAIT if key in sampled(self.scenario))
            sheets.append(Sheet(title, users, (*COLUMNS, *waits)))
            gaps = "" if self.known == "none" else "gaps, and "
            title = f"{gaps}how many different decisions in {self.slots} slots, {users} users: {stands}"
            sheets.append(Sheet(title, users, tuple(key for key in GAP_COLUMNS if gaps or key not in GAPS)))
            sheets += tail_sheets(self.rows, users, tuple(TAILED))
            if columns := seed_columns(self.rows):
                title = f"over training seeds, and how probably a run has a lower utility, {users} users"
                sheets.append(Sheet(title, users, columns))
            for base in BASES:
                if base in self.policies and len(self.policies) > 1:
                    columns = tuple(_against(key, base) for key in AGAINST_COLUMNS)
                    sheets.append(
                        Sheet(f"against {base} on the same slots, {users} users: {stands}", users, columns)
                    )
        return sheets

    @property
    def over(self) -> str:
        """What means and intervals are over."""
        return told_over(self.rows, self.episodes)

    def over_of(self, row: Measured) -> str:
        """What the mean and the interval of one row are over.

        Args:
            row: one of these.
        """
        return over(row, self.episodes)

    @property
    def slots(self) -> int:
        """How many slots each policy decided at a number of users."""
        return self.episodes * self.scenario.settings.cell.slots_per_episode

    @property
    def panels(self) -> tuple[str, ...]:
        """The metrics that a figure shows."""
        return ("utility", "delay_s", "hit_ratio", "tv")

    @property
    def remarks(self) -> list[str]:
        """What a reader should know besides, a line each."""
        recorded = self.scenario.recorded
        of_file = [] if recorded is None else [f"The slots are those of {recorded.told}."]
        told = (*self.scenario.remarks, *told_of_outage(self, self.scenario), *OF_KNOWN[self.known])
        return [*of_file, *equal_remarks(self.rows, self.slots), *beaten(self), *told]

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
        """The certified optimum of the utility, or the bound that is known, mean over episodes.

        Args:
            users: number of users.

        Raises:
            InputError: neither is known.
        """
        self._refuse_unknown()
        return self.levels_at(users)[_least(self.known)]["utility"]

    def _refuse_unknown(self) -> None:
        if self.known == "none":
            raise InputError("objective.function is a cost of your own, of which no optimum and no bound is known")

    def gaps(self, policy: str, users: int) -> dict[str, Interval]:
        """How far a policy is from the optimum.

        A cost that no decision avoids flatters the first figure; the second is free of the radio's part of it, the
        third of all of it.

        Args:
            policy: its name.
            users: number of users.

        Returns:
            `of_optimum`, utility / optimum − 1; `beyond_radio`, (utility − optimum) / (optimum − radio), where the
            radio is what it costs with the best shares of the bandwidth, which every decision pays; and
            `of_distance`, the share of the distance from RCARS to the optimum that is still left. Where a bound is
            known and no optimum, it stands for it, and the first two are at most so large.

        Raises:
            InputError: neither is known.
        """
        self._refuse_unknown()
        return {key: self.value(policy, users, key) for key in GAPS}

    def largest_advantage(self, base: str, users: int) -> dict[str, Interval]:
        """What any policy could be better by than a base, both readings.

        Args:
            base: a policy's name.
            users: number of users.

        Raises:
            InputError: neither an optimum nor a bound is known.
        """
        self._refuse_unknown()
        self.of(base, users)
        most = self.levels_at(users)[MOST]
        return {key: most[_against(f"utility_{key}", base)] for key in BETTER_BY}

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program to read."""
        some = self.known != "none"
        recorded = self.scenario.recorded
        document: dict[str, Any] = plain(
            {
                "scenario": self.scenario.name,
                "scenario_id": self.scenario.id,
                "episodes": self.episodes,
                "slots_per_episode": self.scenario.settings.cell.slots_per_episode,
                "seed": self.seed,
                **({} if recorded is None else {"slots": {"file": recorded.file, "sha256": recorded.sha256}}),
                "metrics": {key: metric.words for key, metric in sampled(self.scenario).items()},
                "certified": self.known,
                "results": [
                    {
                        "policy": row.policy,
                        "users": row.users,
                        **{metric: row.value(metric) for metric in sampled(self.scenario)},
                        "gap": {key: row.value(key) for key in GAPS if some},
                        **counts_as_json(row),
                        "equals": row.equals,
                        "tail": tails_of(row, tuple(TAILED)),
                        "over": self.over_of(row),
                        **dict(seeds_as_json(row)),
                        **{key: row.value(key).mean for key in ("decision_ms", "first_s")},
                    }
                    for row in self.rows
                ],
                "bound" if self.known == "bound" else "optimum": [
                    {"users": n, "utility": self.optimum(n)} for n in self.users if some
                ],
                **outage_as_json(self),
                "radio": [{"users": n, **self.levels_at(n)[RADIO]} for n in self.users if some],
                "largest_advantage": [
                    {"base": base, "users": n, **self.largest_advantage(base, n)}
                    for n in self.users
                    for base in self.policies
                    if some
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


def beaten(results: Evaluation) -> list[str]:
    """Which policies beat `constant`, a line each; what does not has gained nothing by looking at the slot.

    Args:
        results: of all policies; nothing is told where `constant` is not among them.
    """
    found = []
    for row in results.rows:
        if BAR not in results.policies or row.policy == BAR:
            continue
        by, caches = row.value(_against("utility_better_by_of_base", BAR)), row.value("caches").mean
        told = f"better by {cell(by, '+.1%')}; it uses {round(caches, 1):g} cache{'' if caches == 1 else 's'}"
        if len(results.users) > 1:
            told += f", {row.users} users"
        if by.low > 0:
            found.append(f"{row.policy} beats {BAR}: {told}")
        elif by.high <= 0:
            found.append(f"{row.policy} does not beat {BAR}: {told}")
        else:
            found.append(f"whether {row.policy} beats {BAR} is undecided: {told}")
    return found


def _least(known: Certified) -> str:
    return OPTIMUM if known == "exact" else BOUND


def assembled(
    scenario: Scenario, episodes: int, seed: int, rows: Sequence[Measured], bounds: Sequence[Bounds]
) -> Evaluation:
    """Results from what was measured: with the gaps to the bounds, and every policy against every other.

    Args:
        scenario: the cell.
        episodes: E.
        seed: of the slots.
        rows: of each policy and number of users.
        bounds: one for each number of users; none where nothing is known.
    """
    at = {each.users: each for each in bounds}
    whole = []
    for row in rows:
        assert row.users is not None
        beside = {
            _against(key, other.policy): _compared(row, other, metric, statistic)
            for other in rows
            if other.policy != row.policy and other.users == row.users
            for key, (metric, statistic, _) in AGAINST.items()
        }
        gaps = [_gaps(run.samples["utility"], at[row.users]) if at else {} for run in row.members]
        whole.append(replace(row, derived={**row.derived, **_of_members(row, gaps), **beside}))
    least = _least(certified(scenario.params))
    levels = [Level(least, each.users, "utility", mean_of(each.optimum)) for each in bounds]
    for each in bounds:
        for metric, sample in (("utility", each.radio), ("delay_s", each.radio_s)):
            levels.append(Level(RADIO, each.users, metric, mean_of(sample), drawn=False))
    for row in rows if at else ():
        assert row.users is not None
        best = at[row.users].optimum
        most = [
            {key: Quantity(statistic, (best, run.samples["utility"])) for key, statistic in BETTER_BY.items()}
            for run in row.members
        ]
        for key, quantity in _of_members(row, most).items():
            levels.append(Level(MOST, row.users, _against(f"utility_{key}", row.policy), quantity))
    return Evaluation(rows=whole, levels=levels, scenario=scenario, episodes=episodes, seed=seed)


def _of_members(row: Measured, each: Sequence[Mapping[str, Quantity]]) -> Mapping[str, Quantity]:
    """What was found of each of a row's runs, together; of a policy, just that."""
    return over_seeds(each) if row.runs else each[0]


def _gaps(utility: np.ndarray, bounds: Bounds) -> dict[str, Quantity]:
    _, optimum, rcars, radio, _ = bounds
    return {
        "of_optimum": Quantity(lambda ours, best: -saved_of_base(ours, best), (utility, optimum)),
        # As far from the radio as the optimum is, but on the other side.
        "beyond_radio": Quantity(lambda *costs: -left_of_distance(*costs), (utility, optimum, radio)),
        "of_distance": Quantity(left_of_distance, (utility, optimum, rcars)),
    }


def _compared(ours: Measured, base: Measured, metric: str, statistic: Callable[..., np.ndarray]) -> Quantity:
    """A row against another on the same slots."""
    pairs, independent = paired(ours, base)
    each = [Quantity(statistic, (a.samples[metric], b.samples[metric])) for a, b in pairs]
    if not (ours.runs or base.runs):
        return each[0]
    values = np.array([quantity.value for quantity in each])
    return mean_of(values) if independent else single(float(mean(values)))
