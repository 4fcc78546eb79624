"""A study grows: smaller studies on the way to it, each part of the next; so a part of the time shows something."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from genedge.paper.plan import Plan
from genedge.paper.records import Records
from genedge.paper.sections import SECTIONS
from genedge.paper.study import PAPER, Study
from genedge.paper.tasks import Task
from genedge.scenario import load_scenario

# A weight alone makes no line, and a single catalogue does not tell whether a conclusion holds.
NOT_FIRST = ("trade-off", "sensitivity")
# Fewer catalogues have no interval; and as many bounds take minutes.
SOME, SOME_BOUNDS = 3, 20

Number = TypeVar("Number", int, float)


class Stage(NamedTuple):
    """A part of a study.

    Attributes:
        study: the smaller study.
        names: the sections that it has.
    """

    study: Study
    names: tuple[str, ...]

    @property
    def tasks(self) -> list[Task]:
        """The work that it needs, each piece once."""
        return tasks_of(self.study, self.names)


def tasks_of(study: Study, names: Sequence[str]) -> list[Task]:
    """The work that sections need, each piece once.

    Args:
        study: the study.
        names: of the sections.
    """
    return list(dict.fromkeys(task for name in names for task in SECTIONS[name].tasks(study)))


def stages(study: Study, names: Sequence[str]) -> list[Stage]:
    """The stages of a study, the smallest first, the whole one last.

    Each piece of work of a stage is one of the next stage's too: how long agents train and what they are tested on
    is the same in all of them.

    Args:
        study: the whole.
        names: the sections that are asked for.
    """
    first = [name for name in names if name not in NOT_FIRST]
    each = [(plan, names) for plan in _plans(study.plan)]
    found = [Stage(study._replace(plan=plan), tuple(some)) for plan, some in ((each[0][0], first), *each[1:])]
    grows = [stage != larger for stage, larger in pairwise(found)]
    return [stage for stage, more in zip(found, (*grows, True), strict=True) if more and stage.names]


def _plans(plan: Plan) -> list[Plan]:
    """Ever larger plans, the whole one last."""
    ends = tuple(dict.fromkeys((plan.users[0], plan.users[-1])))
    own_rate = load_scenario(PAPER).table["ddpg.actor_learning_rate"].value
    one_seed: dict[str, Any] = {"seeds": plan.seeds[:1]}
    bounds = {"bound_catalogues": min(SOME_BOUNDS, plan.bound_catalogues)}
    some = one_seed | bounds | {"sensitivity_catalogues": min(SOME, plan.sensitivity_catalogues)}
    one = some | {"catalogues": plan.catalogues[:1]}
    least = one | {
        "users": ends,
        "learning_rates": (_nearest(own_rate, plan.learning_rates),),
        "budgets": plan.budgets[: (len(plan.budgets) + 1) // 2],
    }
    changes: tuple[dict[str, Any], ...] = (least, one, some | {"catalogues": plan.catalogues[:SOME]}, one_seed, {})
    return [plan.model_copy(update=change) for change in changes]


def _nearest(own: Number, values: Sequence[Number]) -> Number:
    return min(values, key=lambda value: abs(value - own))


def in_order(ladder: Sequence[Stage]) -> list[Task]:
    """The work of all stages, stage by stage; the longest first, so that at its end no core waits for long.

    Args:
        ladder: the stages.
    """
    return list(
        dict.fromkeys(task for stage in ladder for task in sorted(stage.tasks, key=lambda task: -task.work))
    )


def complete(work: Iterable[Sequence[Task]], records: Records) -> int:
    """How many stages are done.

    Args:
        work: of each stage.
        records: what tasks found, perhaps not all of them.
    """
    return sum(_done(tasks, records) for tasks in work)


def _done(tasks: Iterable[Task], records: Records) -> bool:
    return all(task in records for task in tasks)


def drawn_from(study: Study, names: Sequence[str], records: Records) -> dict[str, Study]:
    """From what each section is drawn that can be: the largest stage of which all its work is done.

    Args:
        study: the whole.
        names: the sections that are asked for.
        records: what tasks found, perhaps not all of them.
    """
    ladder = stages(study, names)[::-1]
    found = {
        name: next(
            (
                stage.study
                for stage in ladder
                if name in stage.names and _done(tasks_of(stage.study, [name]), records)
            ),
            None,
        )
        for name in names
    }
    return {name: part for name, part in found.items() if part is not None}


def unfinished(study: Study, name: str, part: Study, records: Records) -> str:
    """What to say of a section that is drawn from a part of the study; nothing if that is all of it.

    Args:
        study: the whole.
        name: of the section.
        part: from what it is drawn.
        records: what tasks found.
    """
    tasks = tasks_of(study, [name])
    done = sum(task in records for task in tasks)
    if done == len(tasks):
        return ""
    smaller = [
        f"{key.replace('_', ' ')} {_told(getattr(part.plan, key))}"
        for key, whole in study.plan
        if _matters(part, name, key, whole)
    ]
    return f"Unfinished: {done:,} of {len(tasks):,} pieces of work done; drawn from {', '.join(smaller)}."


def _matters(part: Study, name: str, key: str, whole: object) -> bool:
    """Whether a section would have more with one size as in the whole study."""
    larger = part._replace(plan=part.plan.model_copy(update={key: whole}))
    return set(tasks_of(larger, [name])) != set(tasks_of(part, [name]))


def _told(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return ", ".join("×".join(map(str, each)) if isinstance(each, tuple) else f"{each:g}" for each in value)


def unfinished_whole(study: Study, drawn: Mapping[str, Study], names: Sequence[str], records: Records) -> str:
    """What to say of a report whose study is not done yet; nothing if it is.

    Args:
        study: the whole.
        drawn: from what each section is drawn that can be.
        names: the sections that are asked for.
        records: what tasks found.
    """
    tasks = tasks_of(study, names)
    done = sum(task in records for task in tasks)
    if done == len(tasks):
        return ""
    later = [SECTIONS[name].title for name in names if name not in drawn]
    return (
        f"Unfinished: {done:,} of {len(tasks):,} pieces of work done. Each section says what it is drawn from"
        + (f"; not yet done: {'; '.join(later)}" if later else "")
        + ". The same command goes on from here."
    )
