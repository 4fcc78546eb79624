"""Orders: which request is next. One class each.

In a box of several GPUs a request is for the GPU whose memory has its model; for one in no memory, any GPU on which
it fits may go.
"""

from collections import deque

from genedge.edge.request import Request
from genedge.edge.scheduler import View
from genedge.edge.schedulers.combined import Order


def elsewhere(view: View, gpu: int, model: str) -> bool:
    """Whether a model is in the memory of another GPU.

    Args:
        view: the box.
        gpu: the number of one GPU.
        model: its name.
    """
    return len(view.gpus) > 1 and any(model in state.resident for g, state in enumerate(view.gpus) if g != gpu)


def may_serve(view: View, gpu: int, model: str) -> bool:
    """Whether a GPU may go for a model's requests: it has it, or could load it, and no other GPU has it.

    Args:
        view: the box.
        gpu: its number.
        model: its name.
    """
    if model in view.gpus[gpu].resident:
        return True
    return not elsewhere(view, gpu, model) and (len(view.gpus) == 1 or view.fits(gpu, model))


class Fifo(Order):
    """First come, first served."""

    name = "fifo"
    spares = False

    def __init__(self) -> None:
        self._came: deque[Request] = deque()

    def arrived(self, now: float, request: Request) -> None:
        """Joins the queue."""
        self._came.append(request)

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """The oldest that this GPU may go for."""
        came = self._came
        while not came[0].waiting:
            came.popleft()
        if len(view.gpus) == 1:
            return came[0]
        return next((r for r in came if r.waiting and may_serve(view, gpu, r.model)), None)


class LookAhead(Order):
    """The oldest request for a model in memory among the first so many in the queue, else the oldest."""

    name = "look-ahead"
    spares = False

    def __init__(self, ahead: int) -> None:
        """An order that has seen nothing.

        Args:
            ahead: how many of the queue it looks at.
        """
        self._ahead = ahead
        self._came: deque[Request] = deque()

    def arrived(self, now: float, request: Request) -> None:
        """Joins the queue."""
        self._came.append(request)

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """The oldest among the first of the queue that needs no load, else the oldest."""
        while not self._came[0].waiting:
            self._came.popleft()
        resident, oldest, seen = view.gpus[gpu].resident, None, 0
        for request in self._came:
            if not request.waiting:
                continue
            if request.model in resident:
                return request
            if oldest is None and may_serve(view, gpu, request.model):
                oldest = request
            seen += 1
            if seen == self._ahead and oldest is not None:
                break
        return oldest


class RoundRobin(Order):
    """Users take turns; each user's requests are served in the order in which they came."""

    name = "round-robin"
    spares = False

    def __init__(self) -> None:
        self._queues: dict[str, deque[Request]] = {}
        self._turns: deque[str] = deque()
        self._going: dict[int, Request] = {}

    def arrived(self, now: float, request: Request) -> None:
        """Joins the user's queue; a user who has none waiting comes last."""
        queue = self._queues.setdefault(request.user, deque())
        if not queue:
            self._turns.append(request.user)
        queue.append(request)

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """The next user's oldest; that for which the GPU loads stays the next."""
        going = self._going.get(gpu)
        if going is not None and going.waiting:
            return going
        for _ in range(len(self._turns)):
            user = self._turns.popleft()
            queue = self._queues[user]
            while queue and not queue[0].waiting:
                queue.popleft()
            if not queue:
                continue
            request = next((r for r in queue if r.waiting and may_serve(view, gpu, r.model)), None)
            if request is None:
                self._turns.append(user)
                continue
            queue.remove(request)
            if queue:
                self._turns.append(user)
            self._going[gpu] = request
            return request
        return None


class _OfHeads(Order):
    """Looks at the oldest request of each model that somebody waits for; the box keeps the queue."""

    spares = True


class Affinity(_OfHeads):
    """Models in memory first, the oldest request first; another is loaded when nobody waits for one of these."""

    name = "affinity"

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """The oldest for a model in memory, else the oldest."""
        resident = view.gpus[gpu].resident
        present = absent = None
        for model, queue in view.waiting.items():
            head = queue[0]
            if model in resident:
                if present is None or head.number < present.number:
                    present = head
            elif (absent is None or head.number < absent.number) and may_serve(view, gpu, model):
                absent = head
        return present or absent


class BoundedAffinity(Affinity):
    """The same, but whoever has waited for so long is next."""

    name = "bounded-affinity"

    def __init__(self, bound_s: float) -> None:
        """An order that has seen nothing.

        Args:
            bound_s: for so long [s].
        """
        self._bound_s = bound_s

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """The oldest if it has waited too long, else as without a bound."""
        oldest = None
        for model, queue in view.waiting.items():
            head = queue[0]
            if (oldest is None or head.number < oldest.number) and may_serve(view, gpu, model):
                oldest = head
        if oldest is not None and now - oldest.time > self._bound_s:
            return oldest
        return super().choose(now, gpu, view)


class ResponseRatio(_OfHeads):
    """The highest response ratio next (Brinch Hansen, 1971): wait over what serving it takes, a load included."""

    name = "response-ratio"

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """That which has waited longest for what it takes."""
        resident = view.gpus[gpu].resident
        best, most = None, -1.0
        for model, queue in view.waiting.items():
            head = queue[0]
            takes = head.own_s if model in resident else head.own_s + view.load_s(model, gpu)
            ratio = (now - head.time) / max(takes, 1e-9)
            if (ratio > most or (ratio == most and best is not None and head.number < best.number)) and may_serve(
                view, gpu, model
            ):
                best, most = head, ratio
        return best


class Dwell(_OfHeads):
    """Ours: serves what is in memory, and loads another once the GPU has worked long enough for a load to pay.

    1. Of the models in memory that somebody waits for, that of largest wait over own time is served.
    2. Another, that of largest wait over load and own time, is loaded when nobody waits for one in memory, or
    3. when the GPU has generated κ times that load's time since its last load, and its oldest request is older than
       the one that would be served.

    So loads that nobody's absence forced take at most 1/κ of a busy GPU, and nobody starves.
    """

    name = "dwell"

    def __init__(self, kappa: float) -> None:
        """An order that has seen nothing.

        Args:
            kappa: how many times a load's time a GPU generates before it loads a model though others wait for those
                in memory.
        """
        self._kappa = kappa

    def choose(self, now: float, gpu: int, view: View) -> Request | None:
        """What rules 1 to 3 say."""
        state = view.gpus[gpu]
        resident, worked_s, one = state.resident, state.loaded_since_s, len(view.gpus) == 1
        present = absent = None
        most_present = most_absent = -1.0
        for model, queue in view.waiting.items():
            head = queue[0]
            wait_s = now - head.time
            ratio = wait_s / (head.own_s or 1e-9)
            if model in resident:
                if ratio > most_present:
                    present, most_present = head, ratio
            elif ratio > most_absent and (one or may_serve(view, gpu, model)):
                # A load makes it no larger, so where it is too small without, the load is not looked at.
                ratio = wait_s / (head.own_s + view.load_s(model, gpu) or 1e-9)
                if ratio > most_absent:
                    absent, most_absent = head, ratio
        if present is None or absent is None:
            return present or absent
        pays = worked_s >= self._kappa * view.load_s(absent.model, gpu)
        return absent if pays and absent.number < present.number else present
