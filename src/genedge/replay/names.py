"""What a trace and its catalogue do not know of each other: a name spelt in two ways changes results in silence."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

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


def names_of(asked: Mapping[str, int], entries: Collection[str], never_fit: Collection[str]) -> Names:
    """Compares the names of a trace with those that are told what they take.

    Args:
        asked: how many requests there are for each of the trace, the most asked for first.
        entries: the names that are told what they take.
        never_fit: those of the trace that are larger than the memory.
    """
    unused = [name for name in entries if name not in asked]
    unnamed = [name for name in asked if name not in entries]
    compared = [name for name in unnamed[:SEARCHED] if len(name) <= COMPARED]

    def group(of: Sequence[str]) -> Group:
        return Group(len(of), sum(asked[name] for name in of), tuple(of[:FIRST]))

    return Names(
        group(unnamed),
        group([name for name in asked if name in never_fit]),
        len(unused),
        {entry: nearest(entry[:COMPARED], compared) for entry in unused[:FIRST]},
    )
