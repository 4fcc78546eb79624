"""Section V-B: the reward while learning, and at its end over the learning rate."""

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
from genedge.statistics import Interval, over_groups


def _rate_runs(study: Study, rate: float) -> list[Train]:
    changes = (f"ddpg.actor_learning_rate={rate}", f"ddpg.critic_learning_rate={10 * rate:.6g}")
    return [trained(study, PAPER, DDPG, FEW, study.plan.catalogues[0], seed, *changes) for seed in study.plan.seeds]


def _best_runs(study: Study) -> list[Train]:
    return [trained(study, PAPER, BEST, FEW, study.plan.catalogues[0], seed) for seed in study.plan.seeds]


def rate_tasks(study: Study) -> list[Task]:
    """The paper's agent at every learning rate, on the first catalogue.

    Args:
        study: the study.
    """
    return [run for rate in study.plan.learning_rates for run in _rate_runs(study, rate)]


def convergence_tasks(study: Study) -> list[Task]:
    """The same, our best learner, and what each policy has there."""
    levels = [benchmarks(study, PAPER, FEW, study.plan.catalogues[0], label) for label in study.policies]
    return [*rate_tasks(study), *_best_runs(study), *levels]


def final_rewards(study: Study, records: Records) -> list[Interval]:
    """The mean reward over the last fifth of training, for each learning rate; NaN where all runs diverged."""
    found = []
    for rate in sorted(study.plan.learning_rates):
        last = []
        for run in _rate_runs(study, rate):
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
    series = []
    rates = sorted(study.plan.learning_rates)
    labels = [f"DDPG, rate {rate:g}" for rate in rates]
    for label, each in [
        *zip(labels, (_rate_runs(study, r) for r in rates), strict=True),
        (BEST, _best_runs(study)),
    ]:
        logged = [records[run]["found"]["rows"] for run in each]
        longest = max(logged, key=len)  # Those that diverged have fewer.
        rewards = np.full((len(logged), len(longest)), np.nan)
        for i, rows in enumerate(logged):
            rewards[i, : len(rows)] = [row["reward"] for row in rows]
        series.append(Series(label, [row["episode"] for row in longest], [_spread(column) for column in rewards.T]))
    levels = {}
    for label, name in study.policies.items():
        bench = records[benchmarks(study, PAPER, FEW, study.plan.catalogues[0], label)]["found"]
        optimum = label == OPTIMUM
        levels[label] = -average(
            bench["optimum"][str(FEW)] if optimum else bench["policies"][name][str(FEW)]["utility"]
        )
    where = (
        f"Preset {PAPER}, catalogue {study.plan.catalogues[0]}, {FEW} users, training seeds "
        f"{listed(study.plan.seeds)}"
    )
    return [
        Chart(
            "convergence",
            "Reward while learning",
            f"{where}; mean over the slots since the last point, exploration included, shaded from the least seed "
            "to the largest; a run that diverges ends there. The critic's rate is ten times the actor's. "
            "Horizontal lines: the benchmarks, on test slots.",
            "episode",
            "reward of a slot, −Σ Uₙ",
            series,
            levels,
            {},
            bands=True,
        ),
        Chart(
            "learning-rate",
            "Converged reward over the learning rate",
            f"{where}; mean over the last fifth of training, exploration included.",
            "actor's learning rate",
            "reward of a slot, −Σ Uₙ",
            [Series(DDPG, rates, final_rewards(study, records))],
            {OPTIMUM: levels[OPTIMUM], "cloud-only": levels["cloud-only"]},
            {},
            xscale="log",
        ),
    ]


CONVERGENCE = ReportSection("Convergence and the learning rate", convergence_tasks, convergence)
