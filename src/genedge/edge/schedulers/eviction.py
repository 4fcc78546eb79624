"""What an eviction is told, and what it says: what is given up for a model, and whether the model is worth it."""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, NamedTuple

from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.scheduler import View


class Need(NamedTuple):
    """How much is to be freed.

    Attributes:
        memory_mb: of memory; may be none or less.
        places: how many models must go, for a limit by count; may be none or less.
    """

    memory_mb: int
    places: int


class Eviction:
    """Says what is given up for a model. What it is told of is of no account, unless it says otherwise.

    Attributes:
        name: as in help and tables.
    """

    name: ClassVar[str]

    def __init__(self, models: Mapping[str, Model]) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
        """
        self._models = models

    def asked(self, now: float, request: Request) -> None:
        """A request has come.

        Args:
            now: [s].
            request: it.
        """

    def came(self, now: float, gpu: int, model: str) -> None:
        """A model is in memory; where nothing queues, from the start of its load.

        Args:
            now: [s].
            gpu: where.
            model: its name.
        """

    def used(self, now: float, gpu: int, model: str) -> None:
        """A request is served; where nothing queues, here or by the cloud.

        Args:
            now: [s].
            gpu: where.
            model: by this model.
        """

    def rests(self, now: float, gpu: int, model: str) -> None:
        """A model has generated, or where nothing queues, is loaded.

        Args:
            now: [s].
            gpu: where.
            model: its name.
        """

    def gone(self, now: float, gpu: int, model: str) -> None:
        """A model is given up, as this said.

        Args:
            now: [s].
            gpu: where.
            model: its name.
        """

    def victims(
        self, now: float, gpu: int, model: str, need: Need, spared: Collection[str], view: View
    ) -> Sequence[str] | None:
        """What is given up.

        Args:
            now: [s].
            gpu: where.
            model: for which; not itself.
            need: how much is to be freed.
            spared: models to spare if others can go.
            view: the box.

        Returns:
            Their names; None if there cannot be room.
        """
        raise NotImplementedError

    def admits(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        """Whether a model is worth loading, where the cloud takes whoever asks for it if it is not.

        Args:
            now: [s].
            model: for whose request.
            victims: what would be given up for it.
            view: the box.
        """
        return True

    def says(self, now: float, model: str, view: View) -> str:
        """By what number it judges a model, in words; empty where that is its name or its memory, or none.

        Args:
            now: [s].
            model: one that is in memory, or was until now.
            view: the box.
        """
        return ""

    def outranks(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        """Whether it would be kept rather than others, were it in memory.

        Args:
            now: [s].
            model: one that has been asked for.
            victims: the others, which are in memory.
            view: the box.
        """
        return True


def miss_s(model: str, view: View) -> float:
    """What a miss costs, at the usual sizes: the way to the cloud, or where there is none, the load [s].

    Args:
        model: which is missed.
        view: the box.
    """
    takes, cloud = view.models[model], view.box.cloud
    return takes.load_s if cloud is None else cloud.wait_s + takes.megabytes * cloud.s_per_mb


def room_for(
    eviction: Eviction, now: float, gpu: int, model: str, spared: Collection[str], view: View
) -> Sequence[str] | None:
    """What is given up to load a model, and to generate with it or with what generates now.

    Args:
        eviction: says so.
        now: [s].
        gpu: where.
        model: its name.
        spared: models to spare if others can go.
        view: the box.

    Returns:
        Their names; None if there cannot be room.
    """
    state, takes, most = view.gpus[gpu], view.models[model], view.box.most_models
    places = 0 if most is None else len(state.resident) + 1 - most
    need_mb = view.missing_mb(gpu, model) + max(takes.working_mb, view.working_mb(gpu)) - state.free_mb
    if need_mb <= 0 and places <= 0:
        return ()
    return eviction.victims(now, gpu, model, Need(need_mb, places), spared, view)
