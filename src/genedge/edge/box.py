"""What a box has, and what it asks of whoever decides."""

from typing import NamedTuple


class Ram(NamedTuple):
    """A second tier: what leaves a GPU stays in the host's memory, and comes back sooner.

    Attributes:
        memory_mb: for models.
        load_share: of the load time, what a load from there takes.
    """

    memory_mb: int
    load_share: float


class Cloud(NamedTuple):
    """Where requests may go instead.

    Attributes:
        wait_s: before it generates [s].
        s_per_mb: what a megabyte takes on the way [s].
        generators: how many requests it generates at once; None for any number.
    """

    wait_s: float
    s_per_mb: float
    generators: int | None = None


class Box(NamedTuple):
    """One box.

    Attributes:
        gpus: memory of each for models, whole megabytes; each does one thing at a time.
        cloud: None if there is none.
        ram: None if there is none, or what leaves a GPU is dropped.
        pins: names of models that are in memory from the start, and are never given up.
        warm: names of models that are in memory at the start.
        most_models: at most so many in the memory of a GPU; None for any number.
        keep_alive_s: a model that has not generated for so long leaves the memory; None if it stays [s].
        overlap: by how much generating slows down while the GPU loads beside it, 1 if not at all; None if it cannot
            do both.
        queue: whether requests wait for a GPU that does one thing at a time. If not, the GPU generates and loads as
            much at once as it is asked, and there is a cloud, to which whoever misses goes at once.
    """

    gpus: tuple[int, ...]
    cloud: Cloud | None = None
    ram: Ram | None = None
    pins: tuple[str, ...] = ()
    warm: tuple[str, ...] = ()
    most_models: int | None = None
    keep_alive_s: float | None = None
    overlap: float | None = None
    queue: bool = True
