"""A scheduler of an order and an eviction, any with any: `fifo+lru`."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from genedge.edge.request import Request
from genedge.edge.scheduler import Action, Load, Serve, View, Wait

WAIT = Wait()


class Need(NamedTuple):
    """How much is to be freed.

    Attributes:
        memory_mb: of memory; may be none or less.
        places: how many models must go, for a limit by count; may be none or less.
    """

    memory_mb: int
    places: int


class Order(Protocol):
    """Says which request is next."""

    @property
    def name(self) -> str:
        """As in help and tables."""

    @property
    def spares(self) -> bool:
        """Whether no model is given up that somebody waits for, if others can go."""

    def arrived(self, now: float, request: Request) -> None:
        """A request has come.

        Args:
            now: [s].
            request: it waits.
        """

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """Which request a GPU goes for; its model is loaded first if need be.

        Args:
            now: [s].
            gpu: idle.
            view: the box, in which somebody waits.

        Returns:
            One that waits, whose model is in this GPU's memory, or could be loaded; None to do nothing.
        """


class Eviction(Protocol):
    """Says what is given up for a model."""

    @property
    def name(self) -> str:
        """As in help and tables."""

    def asked(self, now: float, request: Request) -> None:
        """A request has come.

        Args:
            now: [s].
            request: it.
        """

    def came(self, now: float, gpu: int, model: str) -> None:
        """A model is in memory.

        Args:
            now: [s].
            gpu: where.
            model: its name.
        """

    def used(self, now: float, gpu: int, model: str) -> None:
        """A request is served.

        Args:
            now: [s].
            gpu: where.
            model: by this model.
        """

    def victims(
        self, now: float, gpu: int, model: str, need: Need, keep: Collection[str], view: View
    ) -> list[str] | None:
        """What is given up.

        Args:
            now: [s].
            gpu: where.
            model: for which; not itself.
            need: how much is to be freed.
            keep: models to spare if others can go.
            view: the box.

        Returns:
            Their names; None if there cannot be room.
        """


class Combined:
    """An order and an eviction.

    Attributes:
        name: `ORDER+EVICTION`.
    """

    def __init__(self, order: Order, eviction: Eviction) -> None:
        """A scheduler that has seen nothing.

        Args:
            order: says which request is next.
            eviction: says what is given up.
        """
        self.name = f"{order.name}+{eviction.name}"
        self._order, self._eviction = order, eviction

    def arrived(self, now: float, request: Request) -> None:
        """Both parts learn of it."""
        self._order.arrived(now, request)
        self._eviction.asked(now, request)

    def cancelled(self, now: float, request: Request) -> None:
        """Parts look whether a request still waits."""

    def finished(self, now: float, gpu: int, request: Request, took_s: float) -> None:
        """Nothing is learnt."""

    def loaded(self, now: float, gpu: int, model: str, took_s: float, failed: bool) -> None:
        """What is in memory may be given up from now on."""
        if not failed:
            self._eviction.came(now, gpu, model)

    def next(self, now: float, gpu: int, view: View) -> Action:
        """Serves what the order goes for, or loads its model, or makes room.

        Args:
            now: [s].
            gpu: idle.
            view: the box.
        """
        request = self._order.choose(now, gpu, view)
        if request is None:
            return WAIT
        model = request.model
        state, takes = view.gpus[gpu], view.models[model]
        if model in state.resident:
            evict = self._evict(now, gpu, model, Need(takes.working_mb - state.free_mb, 0), view)
            if evict is None:
                return WAIT
            self._eviction.used(now, gpu, model)
            return Serve(request, request.steps, evict)
        most = view.box.most_models
        places = 0 if most is None else len(state.resident) + 1 - most
        need = Need(takes.memory_mb + takes.working_mb - state.free_mb, places)
        evict = self._evict(now, gpu, model, need, view)
        return WAIT if evict is None else Load(model, evict)

    def _evict(self, now: float, gpu: int, model: str, need: Need, view: View) -> Sequence[str] | None:
        if need.memory_mb <= 0 and need.places <= 0:
            return ()
        keep = view.waiting.keys() if self._order.spares else ()
        return self._eviction.victims(now, gpu, model, need, keep, view)
