"""Schedulers by name: `ORDER+EVICTION`, or `FILE.py:CLASS` for one's own."""

from collections.abc import Mapping

from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.edge.scheduler import Scheduler
from genedge.edge.schedulers.combined import Combined
from genedge.errors import InputError
from genedge.registry import failure, from_file, in_file, named, unknown

METHODS = ("arrived", "cancelled", "finished", "loaded", "next")


def scheduler_of(name: str, box: Box, models: Mapping[str, Model]) -> Scheduler:
    """A scheduler that has seen nothing.

    Args:
        name: `ORDER+EVICTION`, or `FILE.py:CLASS`, whose class is called with the box and its models.
        box: what it decides for.
        models: what each takes.

    Raises:
        InputError: there is no such order or eviction, or what the file has is no scheduler.
    """
    if in_file(name):
        return _own(name, box, models)
    order, plus, eviction = name.partition("+")
    if not plus:
        raise InputError(f"scheduler {name!r}: write ORDER+EVICTION, such as dwell+cost-aware, or FILE.py:CLASS")
    orders, evictions = named("order"), named("eviction")
    if order not in orders:
        raise unknown("order", order, orders)
    if eviction not in evictions:
        raise unknown("eviction", eviction, evictions)
    return Combined(orders[order].load()(), evictions[eviction].load()(models))


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
