"""What a section of the report is: the work it needs, and what is made from what that found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from genedge.draw.charts import Picture
from genedge.paper.records import Records
from genedge.paper.study import Study
from genedge.paper.tasks import Task


class Table(NamedTuple):
    """A table of the report.

    Attributes:
        title: its heading.
        headings: of its columns.
        rows: its cells.
        folded: how many of the last columns the page has folded under a row's first cell; the file has all.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: int = 0


class ReportSection(NamedTuple):
    """A part of the report.

    Attributes:
        title: its heading.
        tasks: the work it needs.
        pictures: its figures, made from what the work found.
        tables: its tables, likewise.
        summary: what it comes to, a line each.
        players: its animations, as pieces of the page, from the agents in the folder of the study.
    """

    title: str
    tasks: Callable[[Study], list[Task]]
    pictures: Callable[[Study, Records], list[Picture]]
    tables: Callable[[Study, Records], list[Table]] = lambda study, records: []
    summary: Callable[[Study, Records], list[str]] = lambda study, records: []
    players: Callable[[Study, Path], list[str]] = lambda study, folder: []

    @property
    def work(self) -> int:
        """A rough size of what drawing it takes, in episodes of the paper's training."""
        return 30
