"""The total utility over the number of users, and the gap to the optimum."""

from genedge.draw.charts import OPTIMUM, Chart, Picture, Series
from genedge.paper.evidence import (
    LEAST_TOLD,
    Evidence,
    caption,
    main_tasks,
    over_users,
)
from genedge.paper.records import Records
from genedge.paper.sections.section import ReportSection
from genedge.paper.study import AGENTS, PAPER, Study
from genedge.paper.tasks import Task
from genedge.statistics import over_groups


def utility(study: Study, records: Records) -> list[Picture]:
    """The total utility over the number of users, and the gap to the optimum."""
    evidence = Evidence(study, records, PAPER)
    gaps = [
        Series(label, study.plan.users, [over_groups(evidence.gap(label, n)) for n in study.plan.users])
        for label in (*AGENTS, *study.policies)
        if label != OPTIMUM
    ]
    return [
        over_users(
            study, records, "utility", "Total utility (lower is better)", "utility", "Σ Uₙ of a slot, Eq. (15)"
        ),
        Chart(
            "gap",
            "Gap to the certified optimum",
            caption(study, PAPER)
            + " The gap is a policy's total utility over the optimum's, less one."
            + LEAST_TOLD,
            "number of users",
            "gap [%]",
            gaps,
            {},
            {},
            yscale="log",
            ticks=True,
        ),
    ]


def tasks(study: Study) -> list[Task]:
    """The paper's policies and agents at every number of users.

    Args:
        study: the study.
    """
    return main_tasks(study, (PAPER,))


UTILITY = ReportSection("Total utility over the number of users", tasks, utility)
