"""The gap of HCRAS over its decision time, beside the learners'."""

from collections.abc import Iterable

from genedge.draw.charts import OPTIMUM, Chart, Picture, Series
from genedge.paper import sensitivity
from genedge.paper.evidence import (
    LEAST_TOLD,
    Evidence,
    benchmarks,
    caption,
    main_tasks,
    measure,
    of_measures,
    runs,
)
from genedge.paper.records import Records
from genedge.paper.sections.section import ReportSection
from genedge.paper.study import AGENTS, BOUND, DDPG, FEW, PAPER, Study, listed
from genedge.paper.tasks import Measure, Task
from genedge.statistics import over_groups


def least_ms(records: Records, tasks: Iterable[Task], what: str) -> float:
    """The least time that something took at 10 users [ms]; the others were disturbed."""
    return min(records[task]["times"][what][str(FEW)] for task in tasks)


def _budget_measure(study: Study, budget: tuple[int, int], catalogue: int) -> Measure:
    population, generations = budget
    changes = (f"hcras.population={population}", f"hcras.generations={generations}")
    return measure(study, PAPER, (FEW,), ("hcras",), study.plan.test_episodes, catalogue, *changes)


def budget_tasks(study: Study) -> list[Task]:
    """The genetic algorithm at every budget, and what stands beside it."""
    tasks: list[Task] = [
        _budget_measure(study, budget, c) for budget in study.plan.budgets for c in study.plan.catalogues
    ]
    return tasks + main_tasks(study, PAPER, (FEW,))


def budget(study: Study, records: Records) -> list[Picture]:
    """The gap of HCRAS over its decision time, beside the learners'."""
    ladder, times = [], []
    for size in sorted(study.plan.budgets, key=lambda b: b[0] * b[1]):
        measures = [_budget_measure(study, size, c) for c in study.plan.catalogues]
        values = of_measures(measures, records)
        ladder.append(
            over_groups(-sensitivity.saved(values("hcras", "utility", FEW), values(BOUND, "utility", FEW)))
        )
        times.append(least_ms(records, measures, "hcras"))
    evidence = Evidence(study, records, PAPER)
    series = [Series("HCRAS", times, ladder)]
    at = {}
    for label in AGENTS:
        each = [run for row in runs(study, PAPER, label, FEW) for run in row]
        at[label] = least_ms(records, each, "decision")
        series.append(Series(label, [at[label]], [over_groups(evidence.gap(label, FEW))]))
    for label in study.policies:
        if label in ("HCRAS", OPTIMUM):
            continue
        measures = [benchmarks(study, PAPER, FEW, c, label) for c in study.plan.catalogues]
        at[label] = least_ms(records, measures, study.policies[label])
        series.append(Series(label, [at[label]], [over_groups(evidence.gap(label, FEW))]))
    sizes = sorted(p * g for p, g in study.plan.budgets)
    in_time = [size for size, time in zip(sizes, times, strict=True) if time <= at[DDPG]]
    afford = f"{in_time[-1]:,} evaluations" if in_time else f"fewer than {sizes[0]:,} evaluations"
    return [
        Chart(
            "budget",
            "HCRAS over its budget",
            f"{caption(study, PAPER)} {FEW} users. HCRAS with {listed(f'{size:,}' for size in sizes)} evaluations "
            "a slot, from the left; its scenario has 5,000, assumed. In the time of the paper's agent (dotted) it "
            f"affords {afford}. Decision times are those of compiled code on one core, in batches of an episode; "
            f"the least of those measured, for other work ran beside.{LEAST_TOLD}",
            "decision time of a slot [ms]",
            "gap to the certified optimum [%]",
            series,
            {},
            {"decision time of DDPG": at[DDPG]},
            xscale="log",
            yscale="log",
        )
    ]


BUDGET = ReportSection("HCRAS over its budget", budget_tasks, budget)
