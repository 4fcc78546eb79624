"""A scheduler of an order and an eviction, any with any: `fifo+lru`."""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from genedge.edge.request import Request
from genedge.edge.scheduler import Action, Load, Offload, Serve, View, Wait
from genedge.edge.schedulers.eviction import Eviction, Need, room_for
from genedge.edge.schedulers.option import Option

WAIT = Wait()


class Order(Protocol):
    """Says which request is next. What it is told of is of no account, unless it says otherwise."""

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
        return  # So it is a method, and no gap to be filled.

    def left(self, now: float, request: Request) -> None:
        """A request waits no more: it is served, or goes to the cloud, or its client has left.

        Args:
            now: [s].
            request: it.
        """
        return

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """Which request a GPU goes for; its model is loaded first if need be.

        Args:
            now: [s].
            gpu: idle.
            view: the box, in which somebody waits.

        Returns:
            One that waits, whose model is in this GPU's memory, or could be loaded; None to do nothing.
        """


def listening(kind: type, method: str, parts: Sequence[object]) -> list[Callable[[float, Request], None]]:
    """How parts are told of something, those for whom it is of account.

    Args:
        kind: what they are; its own method does nothing.
        method: tells them.
        parts: all of them.
    """
    return [getattr(part, method) for part in parts if getattr(type(part), method) is not getattr(kind, method)]


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
        self.idle_mb, self.missing_mb, self.freed_mb = view.idle_mb, view.missing_mb, view.freed_mb
        self.working_of_mb = view.working_of_mb


class Combined:
    """An order and an eviction.

    Attributes:
        name: as in messages.
    """

    def __init__(self, order: Order, eviction: Eviction, name: str = "", options: Sequence[Option] = ()) -> None:
        """A scheduler that has seen nothing.

        Args:
            order: says which request is next.
            eviction: says what is given up.
            name: as in messages; `ORDER+EVICTION` if empty.
            options: what is done besides.
        """
        self.name = name or f"{order.name}+{eviction.name}"
        self._order, self._eviction, self._options = order, eviction, options
        # Most parts listen to little, and everything is told of every request.
        self._on_arrival = [
            *listening(Order, "arrived", (order,)),
            *listening(Eviction, "asked", (eviction,)),
            *listening(Option, "arrived", options),
        ]
        self._on_leaving = [*listening(Order, "left", (order,)), *listening(Option, "left", options)]

    def arrived(self, now: float, request: Request) -> None:
        """All parts learn of it."""
        for tell in self._on_arrival:
            tell(now, request)

    def sends(self, now: float, request: Request, view: View) -> bool:
        """Whether a request that has just come goes to the cloud at once.

        Args:
            now: [s].
            request: it.
            view: the box.
        """
        if not any(option.sends(now, request, view) for option in self._options):
            return False
        self._eviction.asked(now, request)
        return True

    def cancelled(self, now: float, request: Request) -> None:
        """It waits no more."""
        self._left(now, request)

    def finished(self, now: float, gpu: int, request: Request, took_s: float) -> None:
        """Its model may be given up from now on."""
        self._eviction.rests(now, gpu, request.model)
        for option in self._options:
            option.finished(now, gpu, request)

    def loaded(self, now: float, gpu: int, model: str, took_s: float, failed: bool) -> None:
        """What is in memory may be given up from now on."""
        if not failed:
            self._eviction.came(now, gpu, model)

    def next(self, now: float, gpu: int, view: View) -> Action:
        """Serves what the order goes for, or loads its model, or makes room, or sends it to the cloud.

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
        model = request.model
        if model in state.resident:
            return WAIT if state.loading == model else self._serve(now, gpu, request, view)
        return WAIT if state.loading is not None else self._load(now, gpu, request, view)

    def _ahead(self, now: float, gpu: int, view: View) -> Action:
        """While it generates: the model of the request that would be next of those whose models are absent.

        Nothing is given up for it that somebody waits for: that would be loaded again.
        """
        resident = view.gpus[gpu].resident
        absent = {model: queue for model, queue in view.waiting.items() if model not in resident}
        request = self._order.choose(now, gpu, Only(view, absent)) if absent else None
        if request is None or request.model in resident:
            return WAIT
        return self._load(now, gpu, request, view, view.waiting)

    def _serve(self, now: float, gpu: int, request: Request, view: View) -> Action:
        model = request.model
        need_mb = view.working_of_mb(request) - view.gpus[gpu].free_mb
        evict: Sequence[str] | None = ()
        if need_mb > 0:
            evict = self._eviction.victims(now, gpu, model, Need(need_mb, 0), self._spared(view), view)
        if evict is None:
            return WAIT
        self._eviction.used(now, gpu, model)
        if evict:
            self._give_up(now, gpu, evict)
        steps = request.steps
        if self._options:
            steps = min(option.steps(request, view) for option in self._options)
        self._left(now, request)
        return Serve(request, steps, evict)

    def _load(self, now: float, gpu: int, request: Request, view: View, never: Collection[str] = ()) -> Action:
        """Loads a request's model, unless an option has it otherwise; what is not worth a load goes to a cloud."""
        model = request.model
        evict = room_for(self._eviction, now, gpu, model, self._spared(view), view)
        if evict is None or (never and any(victim in never for victim in evict)):
            return WAIT
        action: Action | None = None
        if view.box.cloud is not None and not self._eviction.admits(now, model, evict, view):
            action = Offload(request)
        for option in self._options:
            action = action or option.instead(now, gpu, request, evict, view)
        if action is None:
            self._give_up(now, gpu, evict)
            return Load(model, evict)
        if isinstance(action, Offload):
            self._left(now, action.request)
        return action

    def says(self, now: float, model: str, view: View) -> str:
        """By what number its eviction judges a model, in words; empty if by none.

        Args:
            now: [s].
            model: one that is in memory, or was until now.
            view: the box.
        """
        return self._eviction.says(now, model, view)

    def _left(self, now: float, request: Request) -> None:
        for tell in self._on_leaving:
            tell(now, request)

    def _spared(self, view: View) -> Collection[str]:
        return view.waiting.keys() if self._order.spares else ()

    def _give_up(self, now: float, gpu: int, victims: Sequence[str]) -> None:
        for victim in victims:
            self._eviction.gone(now, gpu, victim)
