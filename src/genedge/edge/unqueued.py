"""A box in which nothing queues: its GPU generates and loads as much at once as it is asked.

It is the same ledger of memory, with the same rules but for these, numbered again in the code:

1. a request whose model is loaded is served at once, beside whatever else the GPU does;
2. any other goes to the cloud at once; the scheduler is then asked whether its model is loaded behind it, and it
   alone may be; from the start of its load it takes memory, once it is loaded it serves;
3. a model that loads or generates, for one request or for many, is not given up until it is done.
"""

from collections import deque
from collections.abc import Collection, Mapping

from genedge.edge.box import Box
from genedge.edge.gpu import SideBySide
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.scheduler import Load, Scheduler, Serve
from genedge.edge.server import Server


class Unqueued(Server):
    """A box without a queue, with a scheduler. It has one GPU, and a cloud."""

    state_of = SideBySide
    gpus: list[SideBySide]  # type: ignore[assignment]  # What `state_of` makes.

    def __init__(self, box: Box, models: Mapping[str, Model], scheduler: Scheduler, now: float = 0.0) -> None:
        """A box at rest.

        Args:
            box: what it has.
            models: what each model takes; others are never asked for. May grow.
            scheduler: decides.
            now: when it starts [s].

        Raises:
            InputError: what is to be in memory from the start does not fit, or a model needs the weights of others.
        """
        assert not box.queue
        assert box.cloud is not None
        assert len(box.gpus) == 1
        super().__init__(box, models, scheduler, now)
        self._state, self._keep_alive_s = self.gpus[0], box.keep_alive_s
        self._arrived, self._finished = scheduler.arrived, scheduler.finished
        self._does, self._pins = self._state.does, frozenset(self._pinned[0])
        self._loaded = set(self._state.resident)
        self._state.idle_mb = sum(models[name].memory_mb for name in self._loaded if name not in self._pinned[0])

    # --- What happens

    def arrive(self, now: float, request: Request) -> bool:
        """A request comes.

        Args:
            now: [s].
            request: for a model that is known.

        Returns:
            Whether the GPU generates for it from now on (1); if not, it goes to the cloud at once (2).
        """
        if self._keep_alive_s is not None:
            self._expire(now, 0, self._keep_alive_s)
        self._arrived(now, request)
        model = request.model
        if model not in self._loaded:
            return False
        already = self._does.get(model, 0)
        self._does[model] = already + 1
        if not already and model not in self._pins:
            self._state.idle_mb -= self.models[model].memory_mb
        return True

    def generated(self, now: float, request: Request, took_s: float) -> None:
        """The GPU has generated for one of its requests, as `finished` says where there is but one.

        Args:
            now: [s].
            request: for this one.
            took_s: how long that took [s].
        """
        model = request.model
        self._state.generating_s += took_s
        left = self._does[model] - 1
        if left:
            self._does[model] = left
        else:
            del self._does[model]
            if model not in self._pins:
                self._state.idle_mb += self.models[model].memory_mb
            if self._keep_alive_s is not None:
                self._state.rest(now, model)
        self._finished(now, 0, request, took_s)

    def has_loaded(self, now: float, model: str, took_s: float, failed: bool = False) -> None:
        """One of the loads has ended, as `loaded` says where there is but one.

        Args:
            now: [s].
            model: its.
            took_s: how long it took [s].
            failed: whether the model is not in memory for all that.
        """
        self._state.end_one(now, model)
        if failed:
            self._state.leave(now, model)
            self._state.release(self.models[model], self.models)
        else:
            self._loaded.add(model)
            self._rests(model, 1)
            self._state.rest(now, model)
        self._scheduler.loaded(now, 0, model, took_s, failed)

    # --- What is done

    def behind(self, now: float, request: Request) -> Load | None:
        """What is loaded behind a request that has just gone to the cloud; the load is then as if begun (2).

        Args:
            now: [s].
            request: it.

        Raises:
            BrokenRuleError: the scheduler wants what cannot be done.
        """
        model = request.model
        if model in self._state.resident:
            return None
        fits = self._somewhere.get(model)
        if fits is None:
            fits = self._somewhere[model] = self.fits(0, model)
        if not fits:
            return None
        request.waiting = True
        self.waiting[model] = deque((request,))
        action = self._scheduler.next(now, 0, self)
        request.waiting = False
        del self.waiting[model]
        if isinstance(action, Serve):
            raise self.broken(now, f"serves {action.request}, whose model is not loaded")
        if not isinstance(action, Load):
            return None
        if action.model != model:
            raise self.broken(now, f"loads {action.model} behind {request}")
        self._loads_in_a_row = 0
        self._load(now, 0, action)
        return action

    # --- What schedulers see besides

    def kept(self, gpu: int, model: str) -> bool:
        """Whether the GPU must keep a model (3), or it is pinned.

        Args:
            gpu: its number.
            model: one in its memory.
        """
        return model in self._does or model in self._pins

    def idle_mb(self, gpu: int) -> int:
        """Memory of the models that need not be kept.

        Args:
            gpu: its number.
        """
        return self._state.idle_mb

    def _leave_gpu(self, now: float, gpu: int, model: str, stay: Collection[str] = ()) -> None:
        super()._leave_gpu(now, gpu, model, stay)
        self._loaded.remove(model)
        self._rests(model, -1)

    def _rests(self, model: str, sign: int) -> None:
        """A model does nothing from now on, or no longer."""
        if model not in self._pins:
            self._state.idle_mb += sign * self.models[model].memory_mb
