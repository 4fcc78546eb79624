"""Results of tasks that nobody has done: random numbers of the right shape, the same for the same task."""

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from genedge.draw.fit import AS_USUAL
from genedge.engines import perform
from genedge.evaluation.box_results import BOX_METRICS
from genedge.evaluation.results import METRICS
from genedge.learn.agents import agent_class
from genedge.learn.runs import evaluated_after
from genedge.paper.folder import keep, load
from genedge.paper.plan import QUICK, changed
from genedge.paper.records import Record
from genedge.paper.report import shown_with, tasks_of, write_report
from genedge.paper.sections.watch import watched
from genedge.paper.study import study_of
from genedge.paper.tasks import EXPECTED, Found, Measure, MeasureBox, Task, Train


def made_up(task: Task) -> Record:
    """What a task might have found."""
    rng = np.random.default_rng(zlib.crc32(task.key.encode()))

    def metrics(episodes: int, names: Iterable[str] = METRICS) -> dict[str, list[float]]:
        costs = {"utility", EXPECTED}
        return {
            metric: rng.uniform(*((400, 600) if metric in costs else (0.1, 0.9)), episodes).tolist()
            for metric in names
        }

    def caches() -> int:
        return int(rng.integers(1, 40))

    if isinstance(task, MeasureBox):
        users = str(task.users)
        metrics_of_box = (*BOX_METRICS, EXPECTED) if task.known else BOX_METRICS
        optimum = float(rng.uniform(300, 350)) if task.known else None
        found = {
            "optimum": {users: [optimum] * task.episodes},
            "policies": {name: {users: metrics(task.episodes, metrics_of_box)} for name in task.policies},
            "caches": {name: {users: caches()} for name in task.policies},
        }
        return {"found": found, "times": {name: {users: float(rng.uniform(0.01, 1))} for name in task.policies}}
    if isinstance(task, Measure):
        found = {
            "optimum": {str(n): rng.uniform(300, 350, task.episodes).tolist() for n in task.users},
            "policies": {name: {str(n): metrics(task.episodes) for n in task.users} for name in task.policies},
            "caches": {name: {str(n): caches() for n in task.users} for name in task.policies},
        }
        times = {name: {str(n): float(rng.uniform(0.01, 1)) for n in task.users} for name in task.policies}
        return {"found": found, "times": times}
    keys = (*agent_class(task.agent).metrics, "evaluated_utility", "best_utility")
    rows = [
        {"episode": episode} | {key: float(rng.uniform(-600, -400)) for key in keys}
        for episode in evaluated_after(task.episodes)
    ]
    found = {"diverged": False, "metrics": metrics(task.test_episodes), "caches": caches(), "rows": rows}
    times = {name: {str(task.users): float(rng.uniform(0.01, 1))} for name in ("decision", "training")}
    return {"found": found, "times": times}


def write_made_up_report(folder: Path, names: Iterable[str], own: Mapping[str, str] = MappingProxyType({})) -> Path:
    """A report of made-up results; only the agents that are watched are trained, for ten episodes.

    One's own policies come by what to call them.
    """
    sizes = ["catalogues=[1, 2]", "users=[10, 18]", "bound_catalogues=2", "sensitivity_catalogues=1"]
    sizes += ["episodes=10", "learner_episodes=10", "watched_slots=2"]
    study = study_of(changed(QUICK, sizes), {})._replace(own=own)
    names = shown_with(study, folder, list(names))
    for task in tasks_of(study, names):
        record, files = made_up(task), {}
        if isinstance(task, Train) and task in watched(study).values():
            files = perform(task, folder / "unfinished").files
        keep(folder, task, Found(record["found"], record["times"], files))
    records = {task: load(folder, task) for task in tasks_of(study, names)}
    command = ["genedge", "paper", "--out", str(folder)]
    write_report(study, folder, command, names, records, AS_USUAL, lambda text, work: None)
    return folder / "report.html"
