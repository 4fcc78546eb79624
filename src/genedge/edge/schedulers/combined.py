"""A scheduler of an order and an eviction, any with any: `fifo+lru`."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
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


class Only:
    """A box of whose queue only a part is seen."""

    def __init__(self, view: View, waiting: Mapping[str, deque[Request]]) -> None:
        """A part of it.

        Args:
            view: the box.
            waiting: what is seen of those that wait.
        """
        self.box, self.models, self.gpus, self.waiting = view.box, view.models, view.gpus, waiting
        self.fits, self.load_s, self.working_mb, self.kept = view.fits, view.load_s, view.working_mb, view.kept


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
        state = view.gpus[gpu]
        if state.serving is not None:
            return self._ahead(now, gpu, view)
        if state.loading is not None:
            # Beside a load, for whoever needs no other.
            others = {model: queue for model, queue in view.waiting.items() if model != state.loading}
            request = self._order.choose(now, gpu, Only(view, others)) if others else None
        else:
            request = self._order.choose(now, gpu, view)
        if request is None:
            return WAIT
        model, takes = request.model, view.models[request.model]
        if model in state.resident:
            if state.loading == model:
                return WAIT
            evict = self._evict(now, gpu, model, Need(takes.working_mb - state.free_mb, 0), view)
            if evict is None:
                return WAIT
            self._eviction.used(now, gpu, model)
            return Serve(request, request.steps, evict)
        if state.loading is not None:
            return WAIT
        evict = self._evict(now, gpu, model, self._need(gpu, model, view), view)
        return WAIT if evict is None else Load(model, evict)

    def _ahead(self, now: float, gpu: int, view: View) -> Action:
        """While it generates: the model of the request that would be next of those whose models are absent.

        Nothing is given up for it that somebody waits for: that would be loaded again.
        """
        resident = view.gpus[gpu].resident
        absent = {model: queue for model, queue in view.waiting.items() if model not in resident}
        request = self._order.choose(now, gpu, Only(view, absent)) if absent else None
        if request is None or request.model in resident:
            return WAIT
        need = self._need(gpu, request.model, view)
        evict = self._evict(now, gpu, request.model, need, view)
        if evict is None or any(model in view.waiting for model in evict):
            return WAIT
        return Load(request.model, evict)

    def _need(self, gpu: int, model: str, view: View) -> Need:
        """What is to be freed to load a model, and to generate with it or with what generates now."""
        state, takes, most = view.gpus[gpu], view.models[model], view.box.most_models
        places = 0 if most is None else len(state.resident) + 1 - most
        working_mb = max(takes.working_mb, view.working_mb(gpu))
        return Need(takes.memory_mb + working_mb - state.free_mb, places)

    def _evict(self, now: float, gpu: int, model: str, need: Need, view: View) -> Sequence[str] | None:
        if need.memory_mb <= 0 and need.places <= 0:
            return ()
        keep = view.waiting.keys() if self._order.spares else ()
        return self._eviction.victims(now, gpu, model, need, keep, view)
