"""Which requests go to a cloud when they come: those that are expected to be done there sooner."""

from collections.abc import Sequence
from heapq import heappop, heappush

from genedge.edge.box import Cloud
from genedge.edge.request import Request
from genedge.edge.scheduler import Action, View
from genedge.edge.schedulers.option import Option


class CloudByDelay(Option):
    """Sends a request to the cloud if it is expected to be done there sooner than here.

    1. Here it waits for what is left of what the GPU does, for the others that wait, for the loads of their models
       and its own where they are absent, and generates; work is shared by all GPUs.
    2. There it takes the way, the wait, and its generation once a generator is free.
    3. No single request repays a load. What those for an absent model lose in the cloud, against one that had it in
       memory, is added up; the one with which that reaches the load's time stays, and has it loaded.
    """

    def __init__(self) -> None:
        """One that has seen nothing."""
        self._waits_s = 0.0
        self._began: dict[int, float] = {}
        self._load_began: dict[int, float] = {}
        self._lost_s: dict[str, float] = {}
        self._free_at: list[float] | None = None

    def arrived(self, now: float, request: Request) -> None:
        """Adds its work."""
        self._waits_s += request.own_s

    def left(self, now: float, request: Request) -> None:
        """Takes its work off; it may be generated from now on."""
        self._waits_s -= request.own_s
        self._began[request.number] = now

    def finished(self, now: float, gpu: int, request: Request) -> None:
        """It is done."""
        self._began.pop(request.number, None)

    def instead(self, now: float, gpu: int, request: Request, evict: Sequence[str], view: View) -> Action | None:
        """Notes when the load begins."""
        self._load_began[gpu] = now
        return None

    def sends(self, now: float, request: Request, view: View) -> bool:
        """What rules 1 to 3 say."""
        cloud = view.box.cloud
        if cloud is None:
            return False
        model, gpus = request.model, range(len(view.gpus))
        present = any(model in gpu.resident for gpu in view.gpus)
        load_s = 0.0 if present else min(view.load_s(model, gpu) for gpu in gpus if view.fits(gpu, model))
        here_s = self._here_s(now, request, view) + load_s
        there_s = self._there_s(now, request, cloud)
        if there_s >= here_s:
            return False
        if not present:
            lost_s = self._lost_s.get(model, 0.0) + max(there_s - (here_s - load_s), 0.0)
            self._lost_s[model] = 0.0 if lost_s >= load_s else lost_s
            if lost_s >= load_s:
                return False
        if self._free_at is not None:
            began = max(now + cloud.wait_s, heappop(self._free_at))
            heappush(self._free_at, began + request.own_s)
        return True

    def _here_s(self, now: float, request: Request, view: View) -> float:
        """Until it is done here, if its model is loaded [s]."""
        absent = [
            name
            for name in view.waiting
            if name != request.model and not any(name in gpu.resident for gpu in view.gpus)
        ]
        work_s = self._waits_s + sum(view.load_s(name) for name in absent)
        left_s = min(self._left_s(now, gpu, view) for gpu in range(len(view.gpus)))
        return left_s + work_s / len(view.gpus) + request.own_s

    def _left_s(self, now: float, gpu: int, view: View) -> float:
        """What is left of what a GPU does, as far as the catalogue tells [s]."""
        state, until = view.gpus[gpu], now
        if state.serving is not None:
            until = self._began.get(state.serving.number, now) + state.serving.own_s
        elif state.loading is not None:
            until = self._load_began.get(gpu, now) + view.models[state.loading].load_s
        return max(until - now, 0.0)

    def _there_s(self, now: float, request: Request, cloud: Cloud) -> float:
        """Until its result comes from the cloud [s]."""
        if self._free_at is None and cloud.generators is not None:
            self._free_at = [0.0] * cloud.generators
        began = now + cloud.wait_s
        if self._free_at is not None:
            began = max(began, self._free_at[0])
        return began - now + request.own_s + request.megabytes * cloud.s_per_mb
