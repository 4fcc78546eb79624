"""The hit ratio over the number of users, in both meanings."""

from genedge.draw.charts import Picture
from genedge.paper.evidence import (
    main_tasks,
    over_users,
)
from genedge.paper.records import Records
from genedge.paper.sections.section import ReportSection
from genedge.paper.study import PAPER, Study
from genedge.paper.tasks import Task


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


def tasks(study: Study) -> list[Task]:
    """The paper's policies and agents at every number of users.

    Args:
        study: the study.
    """
    return main_tasks(study, (PAPER,))


HITS = ReportSection("Hit ratio over the number of users", tasks, hits)
