"""The box on the wall clock, to which happens what a simulation never does.

Besides what a simulated one is told of, it is told when a worker is `lost` and what `others_hold` of its memory,
and may be asked to `bring` a model that nobody waits for, to `make_room` when there was less memory than it seemed,
or to let what is kept alive no longer `expire` though nobody asks for anything.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence

from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.scheduler import Load, Scheduler
from genedge.edge.server import Server

# Of what is kept so many are told, those first that have not generated for longest.
KEPT_TOLD = 5


class LiveServer(Server):
    """A box whose models may be lost, whose memory others may take, and which may load while nobody waits.

    Attributes:
        cited: of models that were given up for others, by name, why, with the numbers that decided; taken out by
            whoever reads it.
        kept_mb: of each GPU, by model, what its process keeps besides the weights while it rests; no other model
            has it, but the model itself does when it generates.
        ours_mb: of each GPU, how much of that is missing in the memory for models; less than all of it where the
            device has more memory.
        aside: requests that wait until other programs hold less, and meanwhile hold up nobody.
    """

    def __init__(self, box: Box, models: Mapping[str, Model], scheduler: Scheduler, now: float = 0.0) -> None:
        """A box at rest, as a simulated one."""
        self.cited: dict[str, str] = {}
        self.kept_mb: list[dict[str, int]] = [{} for _ in box.gpus]
        self.ours_mb = [0 for _ in box.gpus]
        self.aside: list[Request] = []
        super().__init__(box, models, scheduler, now)

    def arrive(self, now: float, request: Request) -> bool:
        """A request comes; likewise."""
        taken = super().arrive(now, request)
        if taken and self.shuts_out(request):
            self._set_aside(now, request)
        return taken

    def cancel(self, now: float, request: Request) -> None:
        """A client leaves while its request waits; likewise."""
        if request in self.aside:
            self.aside.remove(request)
        else:
            super().cancel(now, request)

    def _set_aside(self, now: float, request: Request) -> None:
        super().cancel(now, request)
        self.aside.append(request)

    def _sort_out(self, now: float) -> None:
        """Whom others shut out now is set aside, and whom they do no longer waits again, as long as before."""
        for request in [each for queue in self.waiting.values() for each in queue if self.shuts_out(each)]:
            self._set_aside(now, request)
        for request in [each for each in self.aside if not self.shuts_out(each)]:
            self.aside.remove(request)
            request.waiting = True
            queue = (*self.waiting.get(request.model, ()), request)
            self.waiting[request.model] = deque(sorted(queue, key=lambda each: each.time))
            self._scheduler.arrived(now, request)

    def lost(self, now: float, gpu: int, model: str) -> Request | None:
        """A loaded model is no longer in a GPU's memory, since what held it is gone.

        Args:
            now: [s].
            gpu: its number.
            model: its name; a pinned one may come back by a load.

        Returns:
            The request that it was generating for, which no longer waits; None if it was at rest.
        """
        state = self.gpus[gpu]
        request = state.serving
        if request is None or request.model != model:
            request = None
        else:
            state.serving = None
        state.leave(now, model)
        state.release(self.models[model], self.models)
        self._give_back(gpu, model)
        self._scheduler.loaded(now, gpu, model, 0.0, True)
        return request

    def others_hold(
        self, now: float, gpu: int, memory_mb: int, ours_mb: int = 0, kept_mb: Mapping[str, int] | None = None
    ) -> list[str]:
        """Other programs hold so much of the memory that a GPU has for models; it is no longer to be had here.

        Args:
            now: [s].
            gpu: its number.
            memory_mb: from now on; none to have it all again.
            ours_mb: that is missing besides, since the models' own processes keep it.
            kept_mb: what each of these keeps; None if none does.

        Returns:
            Models that had to leave for it, those that have not generated for longest. What is pinned, loads or
            generates stays, and there may be less memory than is held until it is done.
        """
        state = self.gpus[gpu]
        state.free_mb += state.others_mb - memory_mb + self.ours_mb[gpu] - ours_mb
        state.others_mb, self.ours_mb[gpu], self.kept_mb[gpu] = memory_mb, ours_mb, dict(kept_mb or {})
        left = []
        for model in list(state.resting):
            if state.free_mb >= 0:
                break
            if not self.kept(gpu, model):
                self._leave_gpu(now, gpu, model)
                left.append(model)
        self._sort_out(now)
        return left

    def make_room(self, now: float, gpu: int) -> list[str]:
        """A load has failed for want of memory: all that rests leaves, so that it is tried again with none beside.

        Args:
            now: [s].
            gpu: its number.

        Returns:
            Models that left.
        """
        left = [model for model in self.gpus[gpu].resting if not self.kept(gpu, model)]
        for model in left:
            self._leave_gpu(now, gpu, model)
        return left

    def expire(self, now: float, gpu: int) -> list[str]:
        """What has not generated for as long as the box keeps models alive leaves.

        Args:
            now: [s].
            gpu: its number.

        Returns:
            Models that left.
        """
        before = list(self.gpus[gpu].resident)
        if self.box.keep_alive_s is not None:
            self._expire(now, gpu, self.box.keep_alive_s)
        return [model for model in before if model not in self.gpus[gpu].resident]

    def _load(self, now: float, gpu: int, action: Load) -> None:
        # How many there may be in a row is a guard of simulations, in which no time need pass between two.
        self._loads_in_a_row = 0
        super()._load(now, gpu, action)

    def _evict(self, now: float, gpu: int, victims: Sequence[str], model: str) -> None:
        state, most = self.gpus[gpu], self.box.most_models
        needs_mb = self.missing_mb(gpu, model)
        needs = f"needs {needs_mb} MB" if needs_mb else "needs more while it generates"
        had = f"{max(state.free_mb, 0)} of {state.memory_mb - state.others_mb} MB were free"
        limit = "" if most is None else f" (at most {most} in memory)"
        super()._evict(now, gpu, victims, model)
        stay = [name for name in state.resting if name != model and not self.kept(gpu, name)]
        more = f" and {len(stay) - KEPT_TOLD} more" if len(stay) > KEPT_TOLD else ""
        kept = f"; kept: {self._judged(now, stay[:KEPT_TOLD])}{more}" if stay else ""
        why = f"{model} {needs}, {had}{limit}; given up: {self._judged(now, victims)}{kept}"
        self.cited.update(dict.fromkeys(victims, why))

    def _judged(self, now: float, names: Iterable[str]) -> str:
        """Models, each with its memory and what the scheduler says of it, if that is one who does."""
        says = getattr(self._scheduler, "says", None)
        told = []
        for name in names:
            said = "" if says is None else says(now, name, self)
            told.append(f"{name} ({self.models[name].memory_mb} MB{', ' if said else ''}{said})")
        return ", ".join(told)

    def _leave_gpu(self, now: float, gpu: int, model: str, stay: Collection[str] = ()) -> None:
        super()._leave_gpu(now, gpu, model, stay)
        self._give_back(gpu, model)

    def _give_back(self, gpu: int, model: str) -> None:
        """With a model its process ends, and what that kept is free."""
        free_mb = min(self.kept_mb[gpu].pop(model, 0), self.ours_mb[gpu])
        self.ours_mb[gpu] -= free_mb
        self.gpus[gpu].free_mb += free_mb

    def freed_mb(self, gpu: int, model: str, victims: Sequence[str]) -> int:
        """Likewise; with what their processes keep."""
        kept_mb = sum(self.kept_mb[gpu].get(victim, 0) for victim in victims)
        return super().freed_mb(gpu, model, victims) + min(kept_mb, self.ours_mb[gpu])

    def working_of_mb(self, request: Request) -> int:
        """Likewise; what its model's process keeps is there already, wherever the model is."""
        model, there = (
            request.model,
            [gpu for gpu, state in enumerate(self.gpus) if request.model in state.resident],
        )
        kept_mb = min((self.kept_mb[gpu].get(model, 0) for gpu in there), default=0)
        return max(super().working_of_mb(request) - kept_mb, 0)

    def loads_for_s(self, now: float, request: Request) -> float | None:
        """For how long a request has been waiting for a load of its model [s]; None if it does not wait for one.

        Args:
            now: [s].
            request: for a model that is known.
        """
        model = request.model
        begun = [state.resident[model] for state in self.gpus if state.loading == model]
        if not begun or any(state.loaded_at(model) is not None for state in self.gpus if state.loading != model):
            return None
        return now - max(min(begun), request.time)

    def shuts_out(self, request: Request) -> bool:
        """Whether a request can be served nowhere as long as other programs hold what they do.

        Args:
            request: for a model that is known.
        """
        return all(self._short_mb(gpu, request) > 0 for gpu in range(len(self.gpus)))

    def _short_mb(self, gpu: int, request: Request) -> int:
        """What a request lacks on a GPU though all has left that may."""
        state, pinned = self.gpus[gpu], self._pinned[gpu]
        kept_mb = sum(self.kept_mb[gpu].get(name, 0) for name in pinned if name != request.model)
        need_mb = self._weights_mb((*pinned, request.model)) + super().working_of_mb(request)
        return need_mb + min(kept_mb, self.ours_mb[gpu]) - (state.memory_mb - state.others_mb)

    @property
    def defaults(self) -> Collection[str]:
        """Models that come back where nobody waits; if the box keeps models alive for a time, the pinned ones."""
        return self.box.pins if self.box.keep_alive_s is not None else (*self.box.pins, *self.box.warm)

    def bring(self, now: float, gpu: int, model: str) -> list[str] | None:
        """While nobody waits, a load of a model begins that is to be there by default; the box is as if it were.

        Args:
            now: [s].
            gpu: its number.
            model: its name, one of the defaults, which are not given up for it.

        Returns:
            What is given up for it, that which has not generated for longest first; None if nothing is begun, since
            somebody waits, the GPU does something, has it, or cannot have room for it.
        """
        state, takes = self.gpus[gpu], self.models[model]
        if self.waiting or state.loading or state.serving or model in state.resident:
            return None
        rests = [name for name in state.resting if name not in self.defaults and not self.kept(gpu, name)]
        victims: list[str] = []
        most, free_mb = self.box.most_models, state.free_mb
        while free_mb < takes.memory_mb or (most is not None and len(state.resident) - len(victims) >= most):
            if not rests:
                return None
            victims.append(rests.pop(0))
            free_mb = state.free_mb + self.freed_mb(gpu, model, victims)
        self._load(now, gpu, Load(model, victims))
        return victims
