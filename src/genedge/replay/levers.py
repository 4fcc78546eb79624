"""What is worth most to a box: each lever pulled alone, and replayed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from genedge.boxes.load import BoxFile
from genedge.edge.box import Ram
from genedge.results import cell
from genedge.statistics import Interval

# How far each lever is pulled, where it is a matter of degree.
MORE_MEMORY, LOAD_SHARE, STEPS_LEFT = 2, 0.25, 0.75
# What saves less is told to be worth nothing.
LEAST_SHARE = 0.02
BEST_ORDER, BEST_EVICTION = "dwell", "cost-aware"


class Lever(NamedTuple):
    """One thing to change.

    Attributes:
        name: in a word or two.
        what: is changed.
        scheduler: that decides then.
        file: the box then.
        steps: share of the steps that is left.
    """

    name: str
    what: str
    scheduler: str
    file: BoxFile
    steps: float = 1.0


class Pulled(NamedTuple):
    """A lever, and what it is worth.

    Attributes:
        lever: it.
        mean_s: mean delay then [s].
        saved: against what is run today [s].
        more: requests that are served besides, since their models then fit.
    """

    lever: Lever
    mean_s: float
    saved: Interval
    more: int = 0

    @property
    def saved_s(self) -> float:
        """Against what is run today [s]."""
        return self.saved.mean

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {
            "what": self.lever.what,
            "mean_s": self.mean_s,
            "saved_s": self.saved_s,
            "more_served": self.more,
            "intervals": {"saved_s": {"low": self.saved.low, "high": self.saved.high}},
        }


def levers_of(file: BoxFile, today: str, asked: Sequence[str]) -> list[Lever]:
    """Which levers there are.

    Args:
        file: the box.
        today: the scheduler that is run today.
        asked: names of the models that are asked for.
    """
    box = file.box
    order, plus, eviction = today.partition("+")
    levers = []
    if plus and order != BEST_ORDER:
        levers.append(Lever("order", f"{BEST_ORDER}+{eviction}", f"{BEST_ORDER}+{eviction}", file))
    if plus and eviction != BEST_EVICTION:
        levers.append(Lever("eviction", f"{order}+{BEST_EVICTION}", f"{order}+{BEST_EVICTION}", file))
    if not plus or (order != BEST_ORDER and eviction != BEST_EVICTION):
        both = f"{BEST_ORDER}+{BEST_EVICTION}"
        levers.append(Lever("scheduler", both, both, file))
    more = replace(file, box=box._replace(gpus=tuple(MORE_MEMORY * mb for mb in box.gpus)))
    levers.append(Lever("memory", "twice the memory of each GPU", today, more))
    if box.ram is None:
        all_mb = sum(file.models[name].memory_mb for name in asked)
        ram = replace(file, box=box._replace(ram=Ram(all_mb, LOAD_SHARE)))
        levers.append(Lever("RAM", f"host memory for all models, loads from there at {LOAD_SHARE:.0%}", today, ram))
    second = replace(file, box=box._replace(gpus=(*box.gpus, box.gpus[0])))
    levers.append(Lever("GPU", "one more GPU like the first", today, second))
    levers.append(Lever("steps", f"{STEPS_LEFT:.0%} of the steps", today, file, STEPS_LEFT))
    return levers


def in_a_sentence(pulled: Sequence[Pulled], today: str, mean_s: float) -> str:
    """Which lever is worth most, and what the others are.

    Args:
        pulled: all of them.
        today: the scheduler that is run today.
        mean_s: its mean delay [s].
    """
    first, *others = sorted(pulled, key=lambda each: -each.saved_s)
    lever = first.lever
    rest = ", ".join(f"{each.lever.name} {each.saved_s:z.1f}{_served_too(each)}" for each in others)
    if first.saved_s < LEAST_SHARE * mean_s:
        least = f"{LEAST_SHARE:.0%} of the {mean_s:.1f} s of {today}"
        return f"Nothing saves {least}: {lever.name} {first.saved_s:z.1f} s{_served_too(first)}, {rest}."
    saves = f"saves {cell(first.saved, '.1f')} s of the {mean_s:.1f} s of {today}{_served_too(first)}"
    return f"Worth most here: {lever.name} ({lever.what}) {saves}; then {rest}."


def _served_too(each: Pulled) -> str:
    return f" (and serves {each.more} requests that are refused today)" if each.more > 0 else ""
