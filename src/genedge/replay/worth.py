"""What caching is worth over memory and what a miss costs: loads shorter and longer, each replayed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from genedge.boxes.load import BoxFile
from genedge.replay.blocks import saved
from genedge.replay.levers import BEST_EVICTION, BEST_ORDER
from genedge.replay.queueing import Report, replayed, rows_of
from genedge.results import Quantity

# So many times as long as the box says do loads take.
LOADS = (0.25, 0.5, 1.0, 2.0, 4.0)
# Replays of each field of the map: what is run today, ours, and ours with memory for one model.
REPLAYS = 3


class Field(NamedTuple):
    """One field of the map.

    Attributes:
        loads: so many times as long as the box says do loads take.
        memory_gb: of each GPU.
        mean_s: mean delay of what is run today [s]; undefined if nobody is served.
        of_deciding: how much less it is by our scheduler [s].
        of_caching: how much less our scheduler's is with this memory than with one model at a time in each GPU [s].
    """

    loads: float
    memory_gb: float
    mean_s: float | None
    of_deciding: Quantity
    of_caching: Quantity


class Worth(NamedTuple):
    """What caching is worth.

    Attributes:
        against: the scheduler that is run today.
        ours: the one that is compared with it.
        fields: of the map, by memory and then by loads, the least first.
    """

    against: str
    ours: str
    fields: Sequence[Field]

    @property
    def memory_gb(self) -> list[float]:
        """The amounts of memory."""
        return list(dict.fromkeys(field.memory_gb for field in self.fields))

    def at(self, loads: float) -> list[Field]:
        """A row of the map.

        Args:
            loads: so many times as long as the box says.
        """
        return [field for field in self.fields if field.loads == loads]

    @property
    def told(self) -> list[str]:
        """The least and the most that it is worth, a line; none if nobody is served."""
        served = [field for field in self.fields if field.mean_s is not None]
        if not served:
            return []
        caching = _from_to(served, lambda field: field.of_caching.value)
        deciding = _from_to(served, lambda field: field.of_deciding.value)
        return [
            f"What caching is worth: memory for more than one model at a time saves {caching}, under {self.ours}; "
            f"{self.ours} instead of {self.against} saves {deciding}."
        ]

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {
            "against": self.against,
            "ours": self.ours,
            "fields": [
                {
                    "loads": field.loads,
                    "memory_gb": field.memory_gb,
                    "mean_s": field.mean_s,
                    "of_deciding_s": field.of_deciding.value,
                    "of_caching_s": field.of_caching.value,
                    "intervals": {
                        "of_deciding_s": field.of_deciding.interval._asdict(),
                        "of_caching_s": field.of_caching.interval._asdict(),
                    },
                }
                for field in self.fields
            ],
        }


def worth(trace: Path, files: Mapping[float, BoxFile], against: str, report: Report) -> Worth:
    """What caching is worth over the time that loads take, and memory.

    Args:
        trace: the file.
        files: the box, by memory of each GPU [GB].
        against: the scheduler that is run today.
        report: told what is done, and how many requests are.

    Raises:
        InputError: there is no such scheduler, it breaks a rule or fails, or the trace cannot be read.
    """
    rows, ours, fields = rows_of(trace, report), f"{BEST_ORDER}+{BEST_EVICTION}", []
    for gb, file in sorted(files.items()):
        for loads in LOADS:
            here = replace(file, models=file.models.with_loads(loads))
            # What must always be there leaves no room for one at a time.
            alone = replace(here, box=here.box._replace(most_models=1, pins=(), warm=()))
            stage = f"{gb:g} GB, loads ×{loads:g}"
            today, best = (replayed(name, rows, here, stage, report) for name in (against, ours))
            one = replayed(ours, rows, alone, stage, report)
            less = [saved(best, base, ("mean_s",))["mean_s"] for base in (today, one)]
            fields.append(Field(loads, gb, today.mean_s, *less))
    return Worth(against, ours, fields)


def _from_to(fields: Sequence[Field], saved_s: Callable[[Field], float]) -> str:
    """The least and the most of it, and where."""
    least, most = min(fields, key=saved_s), max(fields, key=saved_s)
    told = [f"{saved_s(field):z.1f} s ({field.memory_gb:g} GB, loads ×{field.loads:g})" for field in (least, most)]
    return " to ".join(told)
