"""What the result of a task may say: the names and the shape that its task asks for, each number in its range."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genedge.evaluation.results import METRICS
from genedge.learn.agents import metrics_of
from genedge.learn.runs import evaluated_after
from genedge.paper.tasks import Measure, Task, Train

# What a value must be like: a mapping or a list of what its entries must be like, or a check.
Like = Mapping[str, "Like"] | Sequence["Like"] | Callable[[Any], bool]


def fits(told: object, task: Task) -> bool:
    """Whether a result can be that of a task.

    Args:
        told: as it was read: `found` and `times`, see `Result`.
        task: the task.
    """
    return _fits(told, _of_measure(task) if isinstance(task, Measure) else _of_training(task))


def _fits(told: object, like: Like) -> bool:
    if isinstance(like, Mapping):
        return (
            isinstance(told, dict)
            and told.keys() == like.keys()
            and all(_fits(told[key], each) for key, each in like.items())
        )
    if isinstance(like, Sequence):
        return isinstance(told, list) and len(told) == len(like) and all(map(_fits, told, like))
    return like(told)


def _of_measure(task: Measure) -> Like:
    users = [str(n) for n in task.users]
    return {
        "found": {
            "optimum": dict.fromkeys(users, [_not_negative] * task.episodes),
            "policies": dict.fromkeys(task.policies, dict.fromkeys(users, _metrics(task.episodes))),
        },
        "times": dict.fromkeys(task.policies, dict.fromkeys(users, _not_negative)),
    }


def _of_training(task: Train) -> Like:
    row = dict.fromkeys(("episode", *metrics_of(task.agent), "evaluated_utility", "best_utility"), _finite)

    def rows(told: object, diverged: bool) -> bool:
        if not isinstance(told, list) or not all(_fits(each, row) for each in told):
            return False
        all_of_them = evaluated_after(task.episodes)
        ended = len(told) < len(all_of_them) if diverged else len(told) == len(all_of_them)
        return ended and [each["episode"] for each in told] == all_of_them[: len(told)]

    time = {str(task.users): _not_negative}
    diverged: Like = {
        "found": {
            "diverged": lambda told: told is True,
            "metrics": dict.fromkeys(METRICS, [lambda told: told is None] * task.test_episodes),
            "rows": lambda told: rows(told, diverged=True),
        },
        "times": {},
    }
    whole: Like = {
        "found": {
            "diverged": lambda told: told is False,
            "metrics": _metrics(task.test_episodes),
            "rows": lambda told: rows(told, diverged=False),
        },
        "times": {"decision": time, "training": time},
    }
    return lambda told: _fits(told, whole) or _fits(told, diverged)


def _metrics(episodes: int) -> Like:
    return {metric: [_share if metric.endswith("_ratio") else _amount] * episodes for metric in METRICS}


def _number(told: Any, least: float, most: float) -> bool:
    # Written so that NaN fails; true and false are no numbers.
    return type(told) in (int, float) and least <= told <= most


def _finite(told: object) -> bool:
    return _number(told, -sys.float_info.max, sys.float_info.max)


def _not_negative(told: object) -> bool:
    return _number(told, 0, sys.float_info.max)


def _amount(told: object) -> bool:
    return told is None or _not_negative(told)


def _share(told: object) -> bool:
    return told is None or _number(told, 0, 1)
