"""Delay and quality apart, and late requests, over the number of users."""

from genedge.draw.charts import Picture
from genedge.paper.evidence import (
    over_users,
    over_users_tasks,
)
from genedge.paper.records import Records
from genedge.paper.sections.section import ReportSection
from genedge.paper.study import PAPER, Study
from genedge.scenario import load_scenario


def quality(study: Study, records: Records) -> list[Picture]:
    """Delay and quality apart, late requests."""
    slot_s = load_scenario(PAPER).settings.cell.slot_duration_s
    return [
        over_users(study, records, "delay", "Delay (lower is better)", "delay_s", "mean delay of a request [s]"),
        over_users(study, records, "tv", "Image quality (lower is better)", "tv", "mean TV of an image"),
        over_users(
            study, records, "p95-delay", "Delay of the slowest", "delay_p95_s", "95 % quantile of the delay [s]"
        ),
        over_users(
            study,
            records,
            "late",
            f"Requests beyond the slot's {slot_s:g} s",
            "late_ratio",
            f"share of requests later than {slot_s:g} s",
        ),
    ]


QUALITY = ReportSection("Delay and quality apart", over_users_tasks, quality)
