"""Schedulers by name: `ORDER+EVICTION`, a preset or a YAML file, or `FILE.py:CLASS` for one's own.

Where nothing queues there is nothing to order, and `EVICTION` alone will do.
"""

from collections.abc import Mapping
from typing import TypeVar

from genedge.boxes.parts import Besides
from genedge.boxes.scheduler_file import Part, SchedulerFile, load_scheduler
from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.edge.scheduler import Scheduler
from genedge.edge.schedulers.alone import Alone
from genedge.edge.schedulers.cloud_by_delay import CloudByDelay
from genedge.edge.schedulers.combined import Combined, Order
from genedge.edge.schedulers.eviction import Eviction
from genedge.edge.schedulers.foreseeing import WholeTrace
from genedge.edge.schedulers.option import Option
from genedge.edge.schedulers.options import Anticipation, ChurnGuard, FairShare, FewerSteps
from genedge.errors import InputError
from genedge.own import failure, from_file, in_file
from genedge.registry import named

_N = TypeVar("_N", int, float)
METHODS = ("arrived", "cancelled", "finished", "loaded", "next")


def scheduler_of(name: str, box: Box, models: Mapping[str, Model], whole: WholeTrace | None = None) -> Scheduler:
    """A scheduler that has seen nothing.

    Args:
        name: `ORDER+EVICTION`, a preset's, the path of a YAML file, or `FILE.py:CLASS`, whose class is called with
            the box and its models.
        box: what it decides for.
        models: what each takes.
        whole: the trace that will come, for whoever foresees; None if nobody knows it.

    Raises:
        InputError: there is no such scheduler, order or eviction, a file is broken, what it has is no scheduler, or
            it foresees, and nobody knows what will come.
    """
    if in_file(name):
        return _own(name, box, models)
    file = _read(name, box)
    if not foresees(name, box):
        eviction = eviction_of(file.eviction, models)
    elif whole is None:
        raise InputError(f"scheduler {name!r}: it knows the whole trace before it comes, as only a replay can")
    else:
        eviction = file.eviction.entry.load()(models, box, whole, **file.eviction.numbers)
    if not box.queue:  # Then there is nothing to order, and nothing that an option could change.
        return Alone(eviction, name)
    order = order_of(file.order)
    if file.besides.fair_share_s is not None:
        order = FairShare(order, file.besides.fair_share_s)
    return Combined(order, eviction, file.name, options_of(file.besides))


def foresees(name: str, box: Box) -> bool:
    """Whether a scheduler is handed the whole trace.

    Args:
        name: its own.
        box: what it decides for.

    Raises:
        InputError: there is no such scheduler, order or eviction, or a file is broken.
    """
    return not in_file(name) and "foresees" in _read(name, box).eviction.entry.traits


def limited(name: str, box: Box) -> Box:
    """A box with the limits that a scheduler's file sets besides its own: the tighter one counts.

    Args:
        name: of the scheduler.
        box: what it decides for.

    Raises:
        InputError: there is no such scheduler, or its file is broken.
    """
    if in_file(name):
        return box
    besides = _read(name, box).besides
    return box._replace(
        keep_alive_s=_tighter(box.keep_alive_s, besides.keep_alive_s),
        most_models=_tighter(box.most_models, besides.most_models),
    )


def settings_of(name: str) -> SchedulerFile | None:
    """What a scheduler is set to; None of one's own class.

    Args:
        name: of the scheduler.

    Raises:
        InputError: there is no such scheduler, or its file is broken.
    """
    return None if in_file(name) else load_scheduler(name)


def options_of(besides: Besides) -> list[Option]:
    """What is done besides.

    Args:
        besides: of a scheduler's file.
    """
    made: list[Option] = []
    if besides.churn_guard_s is not None:
        made.append(ChurnGuard(besides.churn_guard_s))
    if besides.anticipate_s is not None:
        made.append(Anticipation(besides.anticipate_s))
    if besides.fewer_steps_s is not None:
        made.append(FewerSteps(besides.fewer_steps_s))
    if besides.cloud_by_delay:
        made.append(CloudByDelay())
    return made


def order_of(part: Part) -> Order:
    """An order that has seen nothing.

    Args:
        part: which, with its numbers.
    """
    order: Order = part.entry.load()(**part.numbers)
    return order


def eviction_of(part: Part, models: Mapping[str, Model]) -> Eviction:
    """An eviction that has seen nothing.

    Args:
        part: which, with its numbers.
        models: what each takes.
    """
    eviction: Eviction = part.entry.load()(models, **part.numbers)
    return eviction


def _read(name: str, box: Box) -> SchedulerFile:
    return load_scheduler(f"fifo+{name}" if not box.queue and name in named("eviction") else name)


def _tighter(ours: _N | None, theirs: _N | None) -> _N | None:
    return min((limit for limit in (ours, theirs) if limit is not None), default=None)


def _own(name: str, box: Box, models: Mapping[str, Model]) -> Scheduler:
    kind = from_file(name)
    missing = [method for method in METHODS if not callable(getattr(kind, method, None))]
    if not isinstance(kind, type) or missing:
        raise InputError(f"{name}: not a scheduler; it must be a class with the methods {', '.join(METHODS)}")
    try:
        made = kind(box, models)
    except (Exception, SystemExit) as e:
        raise failure(name, e) from e
    made.name = name
    scheduler: Scheduler = made
    return scheduler
