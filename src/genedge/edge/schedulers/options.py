"""What a scheduler of an order and an eviction may do besides, any with any. One class each."""

from collections import deque
from collections.abc import Sequence

from genedge.edge.request import Request
from genedge.edge.scheduler import Action, Offload, View, Wait
from genedge.edge.schedulers.combined import Only, Order
from genedge.edge.schedulers.option import Option


class ChurnGuard(Option):
    """Gives nothing up as long as what was asked for least recently, of what is in memory, was asked for of late.

    Whoever would need a load waits until then, or goes to the cloud, if there is one.
    """

    def __init__(self, guard_s: float) -> None:
        """One that has seen nothing.

        Args:
            guard_s: how long ago that must have been [s].
        """
        self._guard_s = guard_s
        self._asked: dict[str, float] = {}

    def arrived(self, now: float, request: Request) -> None:
        """Notes when."""
        self._asked[request.model] = now

    def instead(self, now: float, gpu: int, request: Request, evict: Sequence[str], view: View) -> Action | None:
        """Waits, or sends the request to the cloud, if the load would come too early."""
        if not evict:
            return None
        asked = [self._asked[name] for name in view.gpus[gpu].resident if name in self._asked]
        until = min(asked, default=-self._guard_s) + self._guard_s
        if until <= now:
            return None
        return Wait(until) if view.box.cloud is None else Offload(request)


class Anticipation(Option):
    """Before a model that has just generated is given up: waits a moment for its next request.

    That only where the model's own record says that more than half of its requests are followed so soon by another.
    """

    def __init__(self, wait_s: float) -> None:
        """One that has seen nothing.

        Args:
            wait_s: for so long, from when it has generated [s].
        """
        self._wait_s = wait_s
        # When each model last generated, until the next request for it has come or has not come in time.
        self._open: dict[str, float] = {}
        self._followed: dict[str, int] = {}
        self._counted: dict[str, int] = {}
        self._last: dict[int, tuple[str, float]] = {}

    def arrived(self, now: float, request: Request) -> None:
        """Is one that follows."""
        self._count(now, request.model)

    def finished(self, now: float, gpu: int, request: Request) -> None:
        """The next request is waited for from now on."""
        self._count(now, request.model)
        self._open[request.model] = now
        self._last[gpu] = request.model, now

    def instead(self, now: float, gpu: int, request: Request, evict: Sequence[str], view: View) -> Action | None:
        """Waits, if what has just generated would go, and nobody waits for it."""
        model, when = self._last.get(gpu, ("", 0.0))
        until = when + self._wait_s
        if model not in evict or model in view.waiting or until <= now:
            return None
        soon = 2 * self._followed.get(model, 0) > self._counted.get(model, 0)
        return Wait(until) if soon else None

    def _count(self, now: float, model: str) -> None:
        since = self._open.pop(model, None)
        if since is not None:
            self._counted[model] = self._counted.get(model, 0) + 1
            self._followed[model] = self._followed.get(model, 0) + (now - since <= self._wait_s)


class FewerSteps(Option):
    """Generates with the least steps that a model's owner allows, while much work waits."""

    def __init__(self, work_s: float) -> None:
        """One that has seen nothing.

        Args:
            work_s: while the others that wait would generate for longer than that [s].
        """
        self._work_s = work_s
        self._waits_s = 0.0

    def arrived(self, now: float, request: Request) -> None:
        """Adds its work."""
        self._waits_s += request.own_s

    def left(self, now: float, request: Request) -> None:
        """Takes its work off."""
        self._waits_s -= request.own_s

    def steps(self, request: Request, view: View) -> float:
        """As many as asked, or the model's least."""
        least = view.models[request.model].least_steps
        if least is None or self._waits_s - request.own_s <= self._work_s:
            return request.steps
        return min(request.steps, least)


class FairShare:
    """Around an order, which sees of each user only so much: nobody is let far ahead of another who waits.

    A user's account is the generation time of what has been served. The order is shown a user's next request as
    long as the account and what it has been shown already is at most so many seconds above the least account of the
    users who wait. So of two users who wait, none is ahead by more than that and a request. Who comes back begins
    no lower than the least account of who waits, or the highest, if nobody does: time of rest is not saved up.

    Attributes:
        name: of the order.
        spares: likewise.
    """

    def __init__(self, order: Order, ahead_s: float) -> None:
        """One that has seen nothing.

        Args:
            order: chooses among what it is shown.
            ahead_s: how far a user may be ahead [s].
        """
        self.name, self.spares = order.name, order.spares
        self._order, self._ahead_s = order, ahead_s
        self._account: dict[str, float] = {}
        self._highest = 0.0
        # Of those who wait: how many requests, and what is shown of them [s].
        self._waits: dict[str, int] = {}
        self._shown_s: dict[str, float] = {}
        self._held_back: dict[str, deque[Request]] = {}
        self._shown: dict[str, deque[Request]] = {}

    def arrived(self, now: float, request: Request) -> None:
        """It is held back, and shown if it is its user's turn."""
        user = request.user
        if user not in self._waits:
            begin = min((self._account[each] for each in self._waits), default=self._highest)
            self._account[user] = max(self._account.get(user, 0.0), begin)
            self._waits[user], self._shown_s[user] = 0, 0.0
        self._waits[user] += 1
        self._held_back.setdefault(user, deque()).append(request)
        self._show(now)

    def left(self, now: float, request: Request) -> None:
        """Another's turn may have come."""
        user, shown = request.user, self._shown.get(request.model)
        if shown is not None and request in shown:
            shown.remove(request)
            if not shown:
                del self._shown[request.model]
            self._shown_s[user] -= request.own_s
            self._account[user] += request.own_s
            self._highest = max(self._highest, self._account[user])
            self._order.left(now, request)
        else:
            self._held_back[user].remove(request)
            self._forget_empty(user)
        self._waits[user] -= 1
        if not self._waits[user]:
            del self._waits[user], self._shown_s[user]
        self._show(now)

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """What the order chooses of what it is shown."""
        shown = {model: queue for model, queue in self._shown.items() if model in view.waiting}
        return self._order.choose(now, gpu, Only(view, shown)) if shown else None

    def _show(self, now: float) -> None:
        if not self._held_back:
            return
        most = min(self._account[user] for user in self._waits) + self._ahead_s
        for user, held_back in list(self._held_back.items()):
            while held_back and self._account[user] + self._shown_s[user] <= most:
                request = held_back.popleft()
                self._shown_s[user] += request.own_s
                self._shown.setdefault(request.model, deque()).append(request)
                self._order.arrived(now, request)
            self._forget_empty(user)

    def _forget_empty(self, user: str) -> None:
        if not self._held_back[user]:
            del self._held_back[user]
