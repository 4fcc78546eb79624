"""What a study keeps of a task: the names and the shape that the task asks for, each number in its range."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from genedge.evaluation.box_results import BOX_METRICS
from genedge.evaluation.results import METRICS
from genedge.learn.agents import agent_class
from genedge.learn.runs import evaluated_after
from genedge.paper.tasks import EXPECTED, Measure, MeasureBox, Task, Train
from genedge.scenario import load_scenario

# What a task found, as its file has it: `found` and `times`, see `genedge.paper.tasks.Found`.
Record = dict[str, Any]
Records = Mapping[Task, Record]

# What a value must be like: a mapping or a list of what its entries must be like, or a check.
Like = Mapping[str, "Like"] | Sequence["Like"] | Callable[[Any], bool]


def fits(value: object, task: Task) -> bool:
    """Whether a result can be that of a task.

    Args:
        value: as it was read, see `Record`.
        task: the task.
    """
    if isinstance(task, Measure):
        return _fits(value, _of_measure(task))
    return _fits(value, _of_box(task) if isinstance(task, MeasureBox) else _of_training(task))


def _fits(value: object, like: Like) -> bool:
    if isinstance(like, Mapping):
        return (
            isinstance(value, dict)
            and value.keys() == like.keys()
            and all(_fits(value[key], each) for key, each in like.items())
        )
    if isinstance(like, Sequence):
        return isinstance(value, list) and len(value) == len(like) and all(map(_fits, value, like))
    return like(value)


def _of_measure(task: Measure) -> Like:
    users = [str(n) for n in task.users]
    return {
        "found": {
            "optimum": dict.fromkeys(users, [_not_negative] * task.episodes),
            "policies": dict.fromkeys(task.policies, dict.fromkeys(users, _metrics(METRICS, task.episodes))),
            "caches": dict.fromkeys(task.policies, dict.fromkeys(users, _count(task, task.episodes))),
        },
        "times": dict.fromkeys(task.policies, dict.fromkeys(users, _not_negative)),
    }


def _of_box(task: MeasureBox) -> Like:
    users = str(task.users)
    metrics = (*BOX_METRICS, EXPECTED) if task.known else BOX_METRICS
    return {
        "found": {
            "optimum": {users: [_not_negative if task.known else _nothing] * task.episodes},
            "policies": {name: {users: _metrics(metrics, task.episodes)} for name in task.policies},
            "caches": {name: {users: _count(task, task.episodes)} for name in task.policies},
        },
        "times": {name: {users: _not_negative} for name in task.policies},
    }


def _of_training(task: Train) -> Like:
    row = dict.fromkeys(("episode", *agent_class(task.agent).metrics, "evaluated_utility", "best_utility"), _finite)

    def rows(value: object, diverged: bool) -> bool:
        if not isinstance(value, list) or not all(_fits(each, row) for each in value):
            return False
        all_of_them = evaluated_after(task.episodes)
        ended = len(value) < len(all_of_them) if diverged else len(value) == len(all_of_them)
        return ended and [each["episode"] for each in value] == all_of_them[: len(value)]

    time = {str(task.users): _not_negative}
    diverged: Like = {
        "found": {
            "diverged": lambda value: value is True,
            "metrics": dict.fromkeys(METRICS, [_nothing] * task.test_episodes),
            "caches": _nothing,
            "rows": lambda value: rows(value, diverged=True),
        },
        "times": {},
    }
    whole: Like = {
        "found": {
            "diverged": lambda value: value is False,
            "metrics": _metrics(METRICS, task.test_episodes),
            "caches": _count(task, task.test_episodes),
            "rows": lambda value: rows(value, diverged=False),
        },
        "times": {"decision": time, "training": time},
    }
    return lambda value: _fits(value, whole) or _fits(value, diverged)


def _metrics(metrics: Iterable[str], episodes: int) -> Like:
    return {metric: [_share if metric.endswith("_ratio") else _amount] * episodes for metric in metrics}


def _number(value: Any, least: float, most: float) -> bool:
    # Written so that NaN fails; true and false are no numbers.
    return type(value) in (int, float) and least <= value <= most


def _nothing(value: object) -> bool:
    return value is None


def _count(task: Task, episodes: int) -> Like:
    """Of caches: there is one at least, and no more than there are slots."""
    most = episodes * _slots(task.preset, task.changes)
    return lambda value: type(value) is int and 1 <= value <= most


@cache
def _slots(preset: str, changes: tuple[str, ...]) -> int:
    return load_scenario(preset, changes).settings.cell.slots_per_episode


def _finite(value: object) -> bool:
    return _number(value, -sys.float_info.max, sys.float_info.max)


def _not_negative(value: object) -> bool:
    return _number(value, 0, sys.float_info.max)


def _amount(value: object) -> bool:
    return value is None or _not_negative(value)


def _share(value: object) -> bool:
    return value is None or _number(value, 0, 1)
