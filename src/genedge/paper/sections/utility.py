"""The total utility over the number of users, and the gap to the optimum."""

from genedge.draw.charts import OPTIMUM, Chart, Picture, Series
from genedge.paper.evidence import (
    LEAST_TOLD,
    Evidence,
    caption,
    over_users,
    over_users_tasks,
)
from genedge.paper.records import Records
from genedge.paper.sections.section import ReportSection
from genedge.paper.study import AGENTS, PAPER, Study
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


UTILITY = ReportSection("Total utility over the number of users", over_users_tasks, utility)
