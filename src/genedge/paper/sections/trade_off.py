"""Delay and quality over the weight α."""

from collections.abc import Callable

import numpy as np

from genedge.draw.charts import OPTIMUM, Chart, Picture, Series
from genedge.paper.evidence import (
    average,
    measure,
    of_measures,
    trained,
)
from genedge.paper.records import Records
from genedge.paper.sections.section import ReportSection
from genedge.paper.study import AGENTS, BOUND, FEW, PAPER, POLICIES, Study, listed
from genedge.paper.tasks import Measure, Task, Train
from genedge.statistics import over_groups


def _alpha_measure(study: Study, alpha: float, catalogue: int, label: str) -> Measure:
    names = [study.own[label]] if label in study.own else [*POLICIES.values(), "learned"]
    return measure(study, PAPER, (FEW,), names, study.plan.test_episodes, catalogue, f"objective.alpha={alpha}")


def _alpha_runs(study: Study, label: str, alpha: float) -> list[Train]:
    return [
        trained(study, PAPER, label, FEW, c, study.plan.seeds[0], f"objective.alpha={alpha}")
        for c in study.plan.catalogues
    ]


def trade_off_tasks(study: Study) -> list[Task]:
    """Every policy and agent at every weight."""
    tasks: list[Task] = [
        _alpha_measure(study, alpha, c, label)
        for alpha in study.plan.alphas
        for c in study.plan.catalogues
        for label in study.policies
    ]
    return tasks + [
        run for alpha in study.plan.alphas for label in AGENTS for run in _alpha_runs(study, label, alpha)
    ]


def trade_off(study: Study, records: Records) -> list[Picture]:
    """Delay and quality over the weight α.

    Args:
        study: the study.
        records: what its tasks found.
    """
    how = (
        f"Preset {PAPER}, {FEW} users, catalogues {listed(study.plan.catalogues)}, training seed "
        f"{study.plan.seeds[0]}; the agents are trained anew for each weight, `learned` is one network for all. "
        "95 % intervals over catalogues."
    )
    xlabel = "α, the weight of the delay"
    delay, tv = (_series(study, records, metric) for metric in ("delay_s", "tv"))
    gaps = _gaps(study, records)
    return [
        Chart("alpha-delay", "Delay over the weight α", how, xlabel, "mean delay of a request [s]", delay, {}, {}),
        Chart("alpha-tv", "Image quality over the weight α", how, xlabel, "mean TV (lower is better)", tv, {}, {}),
        Chart(
            "alpha-gap",
            "Gap over the weight α",
            how,
            xlabel,
            "gap to the certified optimum [%]",
            gaps,
            {},
            {},
            yscale="log",
        ),
    ]


def _series(study: Study, records: Records, metric: str) -> list[Series]:
    """A line for each policy and agent over the weights."""
    alphas = sorted(study.plan.alphas)
    found = [_at(study, records, alpha, metric) for alpha in alphas]
    return [Series(label, alphas, [over_groups(at[label]) for at in found]) for label in found[0]]


def _gaps(study: Study, records: Records) -> list[Series]:
    """The same of what each costs more than the optimum [%]."""
    alphas = sorted(study.plan.alphas)
    found = [_at(study, records, alpha, "utility") for alpha in alphas]
    optimum = [_measured(study, records, alpha, OPTIMUM)(BOUND, "utility", FEW) for alpha in alphas]
    return [
        Series(
            label,
            alphas,
            [over_groups(100 * (at[label] / best - 1)) for at, best in zip(found, optimum, strict=True)],
        )
        for label in found[0]
        if label != OPTIMUM
    ]


def _at(study: Study, records: Records, alpha: float, metric: str) -> dict[str, np.ndarray]:
    """What was measured at a weight, by label, a value for each catalogue, shape (C, 1)."""
    found = {
        label: _measured(study, records, alpha, label)(name, metric, FEW) for label, name in study.policies.items()
    }
    found["learned"] = _measured(study, records, alpha, "learned")("learned", metric, FEW)
    for label in AGENTS:
        each = _alpha_runs(study, label, alpha)
        found[label] = np.array([[average(records[run]["found"]["metrics"][metric])] for run in each])
    return found


def _measured(study: Study, records: Records, alpha: float, label: str) -> Callable[[str, str, int], np.ndarray]:
    return of_measures([_alpha_measure(study, alpha, c, label) for c in study.plan.catalogues], records)


TRADE_OFF = ReportSection("The trade-off over α", trade_off_tasks, trade_off)
