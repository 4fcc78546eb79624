"""The hit ratio over the number of users, in both meanings."""

from genedge.draw.charts import Picture
from genedge.paper.evidence import (
    over_users,
    over_users_tasks,
)
from genedge.paper.records import Records
from genedge.paper.sections.section import ReportSection
from genedge.paper.study import Study


def hits(study: Study, records: Records) -> list[Picture]:
    """The hit ratio over the number of users, in both meanings."""
    return [
        over_users(study, records, "hit-ratio", "Hit ratio", "hit_ratio", "requests whose model is cached (share)"),
        over_users(
            study,
            records,
            "used-cache-ratio",
            "Hit ratio, read the other way",
            "used_cache_ratio",
            "cached models asked for (share)",
            without=("cloud-only",),
        ),
    ]


HITS = ReportSection("Hit ratio over the number of users", over_users_tasks, hits)
