"""A scheduler for boxes in which nothing queues: an eviction alone, since there is nothing to order."""

from collections.abc import Sequence

from genedge.edge.request import Request
from genedge.edge.scheduler import Action, Load, View, Wait
from genedge.edge.schedulers.eviction import Eviction, room_for

WAIT = Wait()


class Alone:
    """An eviction that also says what is loaded behind a request that goes to the cloud.

    Attributes:
        name: as in messages.
        eviction: it.
    """

    def __init__(self, eviction: Eviction, name: str) -> None:
        """A scheduler that has seen nothing.

        Args:
            eviction: it.
            name: as in messages.
        """
        self.name = name
        self.eviction = eviction
        self._rests = eviction.rests
        # Each request is told in two ways; most evictions listen to one.
        kind = type(eviction)
        self._asked = None if kind.asked is Eviction.asked else eviction.asked
        self._used = None if kind.used is Eviction.used else eviction.used
        self._begun: set[str] = set()

    def arrived(self, now: float, request: Request) -> None:
        """It is served at once, here or by the cloud."""
        if self._asked is not None:
            self._asked(now, request)
        if self._used is not None:
            self._used(now, 0, request.model)

    def cancelled(self, now: float, request: Request) -> None:
        """Nobody waits, so nobody leaves."""

    def finished(self, now: float, gpu: int, request: Request, took_s: float) -> None:
        """Its model may be given up from now on, unless it generates for others."""
        self._rests(now, gpu, request.model)

    def loaded(self, now: float, gpu: int, model: str, took_s: float, failed: bool) -> None:
        """It may be given up from now on."""
        if model not in self._begun:
            self.eviction.came(now, gpu, model)
            return
        self._begun.remove(model)
        if not failed:
            self._rests(now, gpu, model)

    def next(self, now: float, gpu: int, view: View) -> Action:
        """Loads the model of the request that goes to the cloud, if that is worth it and there can be room.

        Args:
            now: [s].
            gpu: its number.
            view: the box, in which this request alone is seen to wait.
        """
        (model,) = view.waiting
        evict = room_for(self.eviction, now, gpu, model, (), view)
        if evict is None or not self._worth_it(now, model, evict, view):
            return WAIT
        for victim in evict:
            self.eviction.gone(now, gpu, victim)
        self._begun.add(model)
        self.eviction.came(now, gpu, model)
        return Load(model, evict)

    def _worth_it(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        return self.eviction.admits(now, model, victims, view)


class Afterwards(Alone):
    """The same where loads are decided some time after their requests, when others have come too.

    Nothing is then loaded for which its eviction would not rather give up what must go.
    """

    def _worth_it(self, now: float, model: str, victims: Sequence[str], view: View) -> bool:
        admitted = super()._worth_it(now, model, victims, view)
        return admitted and self.eviction.outranks(now, model, victims, view)
