"""Episodes to watch: each agent, and the reader's own policies, next to the optimum."""

from functools import cache
from pathlib import Path

from genedge.draw.player import player_html
from genedge.draw.watch import draw_frame
from genedge.evaluation.watched import episode
from genedge.paper.evidence import (
    runs,
)
from genedge.paper.folder import run_folder
from genedge.paper.sections.section import ReportSection
from genedge.paper.study import AGENTS, FEW, PAPER, Study
from genedge.paper.tasks import TEST_SEED, Task, Train
from genedge.policies import policy
from genedge.scenario import load_scenario


def watched(study: Study) -> dict[str, Train | str]:
    """Whom the animations show, by what to call them: each agent's first run, and the reader's own policies."""
    first = {label: runs(study, PAPER, label, FEW)[0][0] for label in AGENTS}
    return first | dict(study.own)


def watch_tasks(study: Study) -> list[Task]:
    """The agents that are watched."""
    return [task for task in watched(study).values() if isinstance(task, Train)]


def players(study: Study, folder: Path) -> list[str]:
    """An animation of each who is watched, next to the optimum, as pieces of the page.

    Args:
        study: the study.
        folder: its folder, where the agents are.
    """
    return [
        _player(
            str(run_folder(folder, who)) if isinstance(who, Train) else who,
            label,
            study.plan.catalogues[0],
            study.plan.watched_slots,
            f"player-{i}",
        )
        for i, (label, who) in enumerate(watched(study).items())
    ]


@cache
def _player(name: str, label: str, catalogue: int, slots: int, key: str) -> str:
    """An animation; drawn once in a session, whose reports all show the same."""
    scenario = load_scenario(PAPER, [f"seed={catalogue}"])
    shown = episode(scenario, label, policy(name, scenario), FEW, TEST_SEED, slots)
    return player_html([draw_frame(shown, k) for k in range(slots)], shown.caption, key)


WATCH = ReportSection("A cell to watch", watch_tasks, lambda study, records: [], players=players)
