"""What a trace and its catalogue do not know of each other: a name spelt in two ways changes results in silence."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from genedge.replay.catalogue import TraceModels
from genedge.text import nearest

# So many names are given; the rest is counted.
FIRST = 5
# Among so many names, the most asked for, a nearest spelling is sought, and in so many of their characters.
SEARCHED, COMPARED = 1000, 100


class Group(NamedTuple):
    """Models of the trace of which something is said.

    Attributes:
        models: how many.
        requests: how many requests for them.
        first: names of the most asked for.
    """

    models: int
    requests: int
    first: tuple[str, ...]


class Names(NamedTuple):
    """What is worth knowing of names before believing a replay.

    Attributes:
        by_default: the models that the catalogue does not name; its defaults hold for them.
        never_fit: the models that are larger than the memory, so that every request for them misses.
        not_asked_for: how many of the catalogue's entries no request is for.
        nearest: of the first of these, the nearest spelling among the models of `by_default`; None if none is near.
    """

    by_default: Group
    never_fit: Group
    not_asked_for: int
    nearest: dict[str, str | None]

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {
            "by_default": self.by_default._asdict(),
            "never_fit": self.never_fit._asdict(),
            "not_asked_for": {
                "entries": self.not_asked_for,
                "first": [{"name": name, "nearest": near} for name, near in self.nearest.items()],
            },
        }


def compare_names(models: TraceModels, asked: Int[np.ndarray, "M"], memory_mb: int) -> Names:
    """Compares the names of a trace with those of its catalogue.

    Args:
        models: those of the trace.
        asked: how many requests there are for each.
        memory_mb: for models.
    """
    entries = models.catalogue.models
    named = np.array([name in entries for name in models.names])
    unused = [name for name in entries if name not in models.ids]
    by_asked = np.argsort(-asked, kind="stable")
    unnamed = [models.names[m] for m in by_asked[~named[by_asked]][:SEARCHED]]
    compared = [name for name in unnamed if len(name) <= COMPARED]

    def group(which: np.ndarray) -> Group:
        first = by_asked[which[by_asked]][:FIRST]
        return Group(int(which.sum()), int(asked[which].sum()), tuple(models.names[m] for m in first))

    return Names(
        group(~named),
        group(np.array(models.memory_mb) > memory_mb),
        len(unused),
        {entry: nearest(entry[:COMPARED], compared) for entry in unused[:FIRST]},
    )
