"""The work that several figures need, and how to look up what it found."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache

import numpy as np

from genedge.draw.charts import LEAST_DRAWN, OPTIMUM, Chart, Series
from genedge.paper import claims
from genedge.paper.records import Records
from genedge.paper.study import AGENTS, BOUND, DDPG, FEW, MOST, PAPER, POLICIES, Study, listed
from genedge.paper.tasks import Measure, MeasureBox, Task, Train, fingerprint
from genedge.scenario import load_scenario
from genedge.statistics import mean, over_groups

LEAST_TOLD = f" Gaps below {LEAST_DRAWN:g} % are drawn there."


def measure(
    study: Study,
    preset: str,
    users: Iterable[int],
    names: Iterable[str],
    episodes: int,
    catalogue: int,
    *changes: str,
) -> Measure:
    """Policies measured side by side on one catalogue.

    Args:
        study: the study.
        preset: the scenario's name.
        users: numbers of users.
        names: policies.
        episodes: test episodes.
        catalogue: the scenario's seed.
        changes: settings changed.
    """
    names = tuple(names)
    settings = _differing(preset, changes)
    return Measure(preset, settings, catalogue, tuple(users), names, episodes, fingerprint(names))


def measure_box(preset: str, names: Iterable[str], episodes: int, catalogue: int, *changes: str) -> MeasureBox:
    """Rules for a box measured side by side on one catalogue, with as few users as the claims speak of.

    Args:
        preset: the scenario's name.
        names: rules for boxes.
        episodes: test episodes.
        catalogue: the scenario's seed.
        changes: settings changed, which make it a box.
    """
    return MeasureBox(preset, _differing(preset, changes), catalogue, FEW, tuple(names), episodes)


def benchmarks(study: Study, preset: str, users: int, catalogue: int, label: str = "RCARS") -> Measure:
    """What a label's numbers come from: the paper's policies side by side, each of the reader's own alone.

    So one more of these, or a changed one, leaves all other results as they are; and each number of users is
    measured for those alone who show it.
    """
    names = [study.own[label]] if label in study.own else POLICIES.values()
    return measure(study, preset, (users,), names, study.plan.test_episodes, catalogue)


def fastest(study: Study, preset: str, catalogue: int) -> Measure:
    """The optimum of the delay alone: less delay than its bound nobody can have."""
    return measure(
        study, preset, claims.USERS, ("optimal",), study.plan.test_episodes, catalogue, "objective.alpha=1"
    )


def trained(study: Study, preset: str, label: str, users: int, catalogue: int, seed: int, *changes: str) -> Train:
    """One of the agents, trained and measured with so many users."""
    episodes = study.plan.episodes if label == DDPG else study.plan.learner_episodes
    settings = _differing(preset, changes)
    return Train(preset, settings, catalogue, users, AGENTS[label], episodes, seed, study.plan.test_episodes)


def _differing(preset: str, changes: Iterable[str]) -> tuple[str, ...]:
    """Changes that change something: the same cell is never measured twice under two names."""
    return tuple(change for change in changes if _differs(preset, change))


@cache
def _differs(preset: str, change: str) -> bool:
    key, _, _ = change.partition("=")
    return load_scenario(preset, [change]).table[key].value != load_scenario(preset).table[key].value


def runs(study: Study, preset: str, label: str, users: int, *changes: str) -> list[list[Train]]:
    """An agent's runs, by catalogue and training seed."""
    return [
        [trained(study, preset, label, users, catalogue, seed, *changes) for seed in study.plan.seeds]
        for catalogue in study.plan.catalogues
    ]


def main_tasks(study: Study, preset: str, users: Iterable[int]) -> list[Task]:
    """All policies and agents on a preset, each agent trained with the number of users that it is tested with.

    Args:
        study: the study.
        preset: the scenario's name.
        users: the numbers of users that are shown.
    """
    tasks: list[Task] = []
    for n in users:
        tasks += [benchmarks(study, preset, n, c, label) for c in study.plan.catalogues for label in study.policies]
        tasks += [run for label in AGENTS for row in runs(study, preset, label, n) for run in row]
    return tasks


class Evidence:
    """The measurements of a preset over catalogues and training seeds, by policy, metric and number of users."""

    def __init__(self, study: Study, records: Records, preset: str) -> None:
        """Args: the study, what its tasks found, and the scenario's name."""
        self.study, self.records, self.preset = study, records, preset

    def values(self, label: str, metric: str, users: int) -> np.ndarray:
        """Values of a metric, one for each catalogue and training seed, shape (C, R); R is 1 without training.

        Args:
            label: what the policy is called; MOST for the best that anyone could reach.
            metric: of `evaluate`.
            users: number of users.
        """
        if label in AGENTS:
            return np.array(
                [
                    [average(self.records[run]["found"]["metrics"][metric]) for run in row]
                    for row in runs(self.study, self.preset, label, users)
                ]
            )
        if (label, metric) == (MOST, "used_cache_ratio"):
            return np.ones((len(self.study.plan.catalogues), 1))
        if (label, metric) == (MOST, "delay_s"):
            each = [self.records[fastest(self.study, self.preset, c)]["found"] for c in self.study.plan.catalogues]
            return np.array([[average(found["optimum"][str(users)]) / users] for found in each])
        each = [
            self.records[benchmarks(self.study, self.preset, users, c, label)]["found"]
            for c in self.study.plan.catalogues
        ]
        if (label, metric) in ((MOST, "utility"), (OPTIMUM, "utility")):
            return np.array([[average(found["optimum"][str(users)])] for found in each])
        # Nobody has more hits than the policy that asks for nothing else, or better images than the cloud's.
        best = {"hit_ratio": "greedy", "tv": "cloud-only"}
        name = self.study.policies[best[metric] if label == MOST else label]
        return np.array([[average(found["policies"][name][str(users)][metric])] for found in each])

    def caches(self, label: str, users: int) -> np.ndarray:
        """How many different caches a policy chose in the test slots, shape (C, R); NaN of what diverged.

        Args:
            label: what the policy is called.
            users: number of users.
        """
        if label in AGENTS:
            each = [
                [self.records[run]["found"]["caches"] for run in row]
                for row in runs(self.study, self.preset, label, users)
            ]
            return np.array(each, float)  # Of None it makes NaN.
        name = self.study.policies[label]
        found = [
            self.records[benchmarks(self.study, self.preset, users, c, label)]["found"]
            for c in self.study.plan.catalogues
        ]
        return np.array([[each["caches"][name][str(users)]] for each in found], float)

    def gap(self, label: str, users: int) -> np.ndarray:
        """Gaps to the certified optimum [%], shape (C, R)."""
        utility, optimum = np.broadcast_arrays(
            self.values(label, "utility", users), self.values(OPTIMUM, "utility", users)
        )
        return 100 * (utility / optimum - 1)


def average(episodes: Sequence[float | None]) -> float:
    """Mean over episodes of what is defined.

    Args:
        episodes: a value for each; None where undefined.
    """
    return float(mean(np.array([np.nan if x is None else x for x in episodes])))


def of_measures(tasks: Iterable[Measure | MeasureBox], records: Records) -> Callable[[str, str, int], np.ndarray]:
    """How to look up values, shape (C, 1), of tasks that differ in their catalogue."""
    each = [records[task]["found"] for task in tasks]

    def values(name: str, metric: str, users: int) -> np.ndarray:
        if name == BOUND:
            return np.array([[average(found["optimum"][str(users)])] for found in each])
        return np.array([[average(found["policies"][name][str(users)][metric])] for found in each])

    return values


def over_users_tasks(study: Study) -> list[Task]:
    """What the charts over the number of users are made from.

    Args:
        study: the study.
    """
    return main_tasks(study, PAPER, study.plan.users)


def over_users(
    study: Study,
    records: Records,
    name: str,
    title: str,
    metric: str,
    ylabel: str,
    without: Sequence[str] = (),
) -> Chart:
    """A chart of a metric over the number of users, of all policies.

    Args:
        study: the study.
        records: what its tasks found.
        name: of its files.
        title: what it shows.
        metric: of `evaluate`.
        ylabel: what is on the axis, with its unit.
        without: labels of policies that are left out.
    """
    evidence = Evidence(study, records, PAPER)
    series = [
        Series(
            label,
            study.plan.users,
            [over_groups(evidence.values(label, metric, n)) for n in study.plan.users],
        )
        for label in (*AGENTS, *study.policies)
        if label not in without
    ]
    return Chart(name, title, caption(study, PAPER), "number of users", ylabel, series, {}, {}, ticks=True)


def caption(study: Study, preset: str) -> str:
    """How everything on a preset was measured, in words.

    Args:
        study: the study.
        preset: the scenario's name.
    """
    return (
        f"Preset {preset}, catalogues {listed(study.plan.catalogues)}, training seeds {listed(study.plan.seeds)}, "
        f"{study.plan.test_episodes} test episodes, the same for all; agents are trained with the number of users "
        "that they are tested with. 95 % intervals over catalogues and training seeds."
    )
