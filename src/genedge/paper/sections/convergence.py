"""Section V-B: the reward while learning, and at its end over the actor's and the critic's learning rate."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from genedge.draw.charts import OPTIMUM, Chart, Picture, Series
from genedge.paper.evidence import (
    average,
    benchmarks,
    trained,
)
from genedge.paper.records import Records
from genedge.paper.sections.section import ReportSection
from genedge.paper.study import BEST, DDPG, FEW, PAPER, Study, listed
from genedge.paper.tasks import Task, Train
from genedge.scenario import load_scenario
from genedge.statistics import Interval, over_groups

# Whose learning rate is varied, and who keeps the scenario's own meanwhile.
Part = Literal["actor", "critic"]
OTHER: Mapping[Part, Part] = {"actor": "critic", "critic": "actor"}


def _setting(part: Part) -> str:
    return f"ddpg.{part}_learning_rate"


def _rate_runs(study: Study, part: Part, rate: float) -> list[Train]:
    change = f"{_setting(part)}={rate}"
    return [trained(study, PAPER, DDPG, FEW, study.plan.catalogues[0], seed, change) for seed in study.plan.seeds]


def _best_runs(study: Study) -> list[Train]:
    return [trained(study, PAPER, BEST, FEW, study.plan.catalogues[0], seed) for seed in study.plan.seeds]


def rate_tasks(study: Study) -> list[Task]:
    """The paper's agent at every learning rate of its actor and of its critic, on the first catalogue.

    Args:
        study: the study.
    """
    return [run for part in OTHER for rate in study.plan.learning_rates for run in _rate_runs(study, part, rate)]


def convergence_tasks(study: Study) -> list[Task]:
    """The same, our best learner, and what each policy has there."""
    levels = [benchmarks(study, PAPER, FEW, study.plan.catalogues[0], label) for label in study.policies]
    return [*rate_tasks(study), *_best_runs(study), *levels]


def final_rewards(study: Study, records: Records, part: Part) -> list[Interval]:
    """The mean reward over the last fifth of training, for each learning rate; NaN where all runs diverged.

    Args:
        study: the study.
        records: what its tasks found.
        part: whose learning rate is varied.
    """
    found = []
    for rate in sorted(study.plan.learning_rates):
        last = []
        for run in _rate_runs(study, part, rate):
            rewards = [row["reward"] for row in records[run]["found"]["rows"]]
            diverged = records[run]["found"]["diverged"]
            last.append(np.nan if diverged else np.mean(rewards[-max(1, len(rewards) // 5) :]))
        found.append(over_groups(np.array([last])))
    return found


def _spread(rewards: np.ndarray) -> Interval:
    """The mean over training seeds, between the least and the largest; NaN where all runs diverged."""
    defined = rewards[np.isfinite(rewards)]
    if not len(defined):
        return Interval(np.nan, np.nan, np.nan)
    return Interval(float(defined.mean()), float(defined.min()), float(defined.max()))


def convergence(study: Study, records: Records) -> list[Picture]:
    """The reward over episodes for several learning rates, and at the end over the learning rate."""
    levels = _levels(study, records)
    return [
        _while_learning(study, records, "actor", "convergence", levels),
        _while_learning(study, records, "critic", "convergence-critic", levels),
        _at_the_end(study, records, levels),
    ]


def _while_learning(study: Study, records: Records, part: Part, name: str, levels: Mapping[str, float]) -> Chart:
    """The reward over episodes, for each learning rate of the actor or of the critic."""
    other = OTHER[part]
    series = [
        _learning(f"DDPG, {part} {rate:g}", _rate_runs(study, part, rate), records)
        for rate in sorted(study.plan.learning_rates)
    ]
    return Chart(
        name,
        f"Reward while learning, over the {part}'s rate",
        f"{_where(study)}; mean over the slots since the last point, exploration included, shaded from the least "
        f"seed to the largest; a run that diverges ends there. The {other}'s rate is {_own_rate(other)}. "
        "Horizontal lines: the benchmarks, on test slots.",
        "episode",
        "reward of a slot, −Σ Uₙ",
        [*series, _learning(BEST, _best_runs(study), records)],
        levels,
        {},
        bands=True,
    )


def _at_the_end(study: Study, records: Records, levels: Mapping[str, float]) -> Chart:
    """The converged reward over the learning rate of the actor, and over the critic's."""
    rates = sorted(study.plan.learning_rates)
    return Chart(
        "learning-rate",
        "Converged reward over the learning rate",
        f"{_where(study)}; mean over the last fifth of training, exploration included. Each line varies one rate; "
        "the other is the scenario's.",
        "learning rate",
        "reward of a slot, −Σ Uₙ",
        [
            Series(f"{part}'s, {other} {_own_rate(other)}", rates, final_rewards(study, records, part))
            for part, other in OTHER.items()
        ],
        {label: levels[label] for label in (OPTIMUM, "constant", "cloud-only")},
        {},
        xscale="log",
    )


def _learning(label: str, each: Sequence[Train], records: Records) -> Series:
    """The reward of runs that differ in their seed, over episodes."""
    logged = [records[run]["found"]["rows"] for run in each]
    longest = max(logged, key=len)  # Those that diverged have fewer.
    rewards = np.full((len(logged), len(longest)), np.nan)
    for i, rows in enumerate(logged):
        rewards[i, : len(rows)] = [row["reward"] for row in rows]
    return Series(label, [row["episode"] for row in longest], [_spread(column) for column in rewards.T])


def _levels(study: Study, records: Records) -> dict[str, float]:
    """What each policy has there on the test slots."""
    levels = {}
    for label, name in study.policies.items():
        bench = records[benchmarks(study, PAPER, FEW, study.plan.catalogues[0], label)]["found"]
        optimum = label == OPTIMUM
        levels[label] = -average(
            bench["optimum"][str(FEW)] if optimum else bench["policies"][name][str(FEW)]["utility"]
        )
    return levels


def _where(study: Study) -> str:
    return (
        f"Preset {PAPER}, catalogue {study.plan.catalogues[0]}, {FEW} users, training seeds "
        f"{listed(study.plan.seeds)}"
    )


def _own_rate(part: Part) -> str:
    """The scenario's own learning rate of the actor or the critic."""
    return f"{load_scenario(PAPER).table[_setting(part)].value:g}"


CONVERGENCE = ReportSection("Convergence and the learning rate", convergence_tasks, convergence)
