"""The total utility over the number of users, and the gap to the optimum."""

import numpy as np

from genedge.draw.charts import OPTIMUM, Chart, Picture, Series
from genedge.paper.claims import READINGS, compared, percentage
from genedge.paper.evidence import (
    LEAST_TOLD,
    Evidence,
    caption,
    over_users,
    over_users_tasks,
)
from genedge.paper.records import Records
from genedge.paper.sections.section import ReportSection, Table
from genedge.paper.study import AGENTS, PAPER, Study
from genedge.scenario import load_scenario
from genedge.statistics import mean, over_groups


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


def beside_constant(study: Study, records: Records) -> list[Table]:
    """What looking at the slot is worth: everybody beside the best decision that does not.

    Args:
        study: the study.
        records: what its tasks found.
    """
    evidence = Evidence(study, records, PAPER)
    slots = study.plan.test_episodes * load_scenario(PAPER).settings.cell.slots_per_episode
    fewest, most = min(study.plan.users), max(study.plan.users)
    ends = dict.fromkeys((fewest, most))  # One, if there is but one.

    def better(label: str, users: int) -> str:
        ours, base = (evidence.values(who, "utility", users) for who in (label, "constant"))
        return percentage(compared(next(iter(READINGS["utility"].values())), ours, base))

    def caches(label: str, users: int) -> str:
        count = mean(evidence.caches(label, users).ravel())
        return f"{count:,.0f}" if np.isfinite(count) else "undefined"

    headings = [
        "policy",
        *(f"gap, {n} users" for n in study.plan.users),
        *(f"better than constant by, {n} users" for n in ends),
        *(f"different caches in {slots:,} slots, {n} users" for n in ends),
    ]
    rows = [
        (
            label,
            *(f"{over_groups(evidence.gap(label, n)).mean:.2f} %" for n in study.plan.users),
            *(better(label, n) for n in ends),
            *(caches(label, n) for n in ends),
        )
        for label in (*AGENTS, *study.policies)
    ]
    return [Table("Beside the best decision that does not look at the slot", headings, rows)]


UTILITY = ReportSection("Total utility over the number of users", over_users_tasks, utility, tables=beside_constant)
