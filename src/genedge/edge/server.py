"""The box itself: owns queue and memory, asks the scheduler, checks what it wants, and says what is to be done.

It is told of what happens, in the order of time: `arrive`, `cancel`, `finished`, `loaded`. After each it is asked,
for every GPU that could do something, what is `next`. The rules are numbered again in the code:

1. a request whose model fits on no GPU is refused, unless there is a cloud, which then serves it, as it does those
   that the scheduler sends there when they come;
2. a GPU does one thing at a time, and nothing while none waits; if loads overlap, it may load and generate at the
   same time;
3. only what waits is served, only by a model in memory, with no more steps than asked;
4. what loads is not in this GPU's memory, and there is room for it once the named models are given up;
5. nothing is given up that is pinned, loads, generates or is not there;
6. what leaves a GPU stays in the second tier, if there is one, where the least recently left is dropped; it leaves
   before the load begins, so that for a moment both are there;
7. what has not generated for as long as the box keeps models alive has left by then;
8. weights that several models need are there once, as long as one of them is, and only what is missing is loaded;
   what the new model shares with one that goes for it stays;
9. who waits says until a later time, and nobody loads a thousand times in a row and serves no one.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from genedge.edge.box import Box
from genedge.edge.gpu import GpuState
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.scheduler import Action, Load, Offload, Scheduler, Serve, Wait
from genedge.errors import InputError
from genedge.text import shortened

MOST_IN_A_ROW = 1000


class BrokenRuleError(InputError):
    """A scheduler wants what cannot be done."""


class Waited(NamedTuple):
    """What a request waited for, from its arrival until it began to be generated [s].

    Attributes:
        queue_s: for others to be generated.
        own_load_s: for its model to load.
        others_loads_s: for other models to load.
    """

    queue_s: float
    own_load_s: float
    others_loads_s: float


class Server:
    """A box with a scheduler.

    Attributes:
        state_of: what keeps the state of a GPU of so much memory.
        box: what it has.
        models: what each model takes.
        gpus: as they are now.
        waiting: those that wait, by model, the oldest first; of models that none waits for there is no entry.
        in_ram: weights in the second tier, by the name of their model, that which left a GPU least recently at the
            front.
    """

    state_of: ClassVar[type[GpuState]] = GpuState

    def __init__(self, box: Box, models: Mapping[str, Model], scheduler: Scheduler, now: float = 0.0) -> None:
        """A box at rest.

        Args:
            box: what it has.
            models: what each model takes; others are never asked for. May grow.
            scheduler: decides.
            now: when it starts [s].

        Raises:
            InputError: what is to be in memory from the start does not fit.
        """
        self.box, self.models = box, models
        self._ram, self._beside = box.ram, box.overlap is not None
        self.gpus = [self.state_of(memory_mb) for memory_mb in box.gpus]
        self.waiting: dict[str, deque[Request]] = {}
        self.in_ram: dict[str, None] = {}
        self._ram_mb = 0
        self._somewhere: dict[str, bool] = {}
        self._loads_in_a_row = 0
        self._scheduler = scheduler
        # A scheduler may also send requests to a cloud when they come.
        self._sends = None if box.cloud is None else getattr(scheduler, "sends", None)
        self._pinned: list[set[str]] = [set() for _ in box.gpus]
        self._begin(now)

    # --- What happens

    def arrive(self, now: float, request: Request) -> bool:
        """A request comes.

        Args:
            now: [s].
            request: for a model that is known.

        Returns:
            Whether it waits; if not, it goes to the cloud at once, or is refused (1).
        """
        model = request.model
        somewhere = self._somewhere.get(model)
        if somewhere is None:
            somewhere = self._somewhere[model] = any(self.fits(g, model) for g in range(len(self.gpus)))
        if somewhere and request.working_mb is not None:
            somewhere = any(self.fits(g, model, request.working_mb) for g in range(len(self.gpus)))
        if not somewhere or (self._sends is not None and self._sends(now, request, self)):
            return False
        request.waiting = True
        request.loading_then = [gpu.loading_s(now, model) for gpu in self.gpus]
        queue = self.waiting.get(model)
        if queue is None:
            self.waiting[model] = deque((request,))
        else:
            queue.append(request)
        self._scheduler.arrived(now, request)
        return True

    def cancel(self, now: float, request: Request) -> None:
        """A client leaves while its request waits.

        Args:
            now: [s].
            request: its.
        """
        self._leave(request)
        self._scheduler.cancelled(now, request)

    def finished(self, now: float, gpu: int, took_s: float) -> Request:
        """A GPU has generated.

        Args:
            now: [s].
            gpu: its number.
            took_s: how long that took [s].

        Returns:
            The request.
        """
        state = self.gpus[gpu]
        request = state.serving
        assert request is not None
        state.serving = None
        state.rest(now, request.model)
        state.generating_s += took_s
        state.loaded_since_s += took_s
        self._scheduler.finished(now, gpu, request, took_s)
        return request

    def loaded(self, now: float, gpu: int, took_s: float, failed: bool = False) -> str:
        """A load has ended.

        Args:
            now: [s].
            gpu: its number.
            took_s: how long it took [s].
            failed: whether the model is not in memory for all that.

        Returns:
            The model.
        """
        state = self.gpus[gpu]
        model = state.end_load(now)
        if failed:
            state.leave(now, model)
            state.release(self.models[model], self.models)
        self._scheduler.loaded(now, gpu, model, took_s, failed)
        return model

    # --- What is done

    def next(self, now: float, gpu: int) -> Action | None:
        """What a GPU does next; the box is then as if it were begun.

        Args:
            now: [s].
            gpu: its number.

        Returns:
            What to do; None if it can do nothing (2).

        Raises:
            BrokenRuleError: the scheduler wants what cannot be done.
        """
        state = self.gpus[gpu]
        loads, serves = state.loading is not None, state.serving is not None
        if not self.waiting or ((loads and serves) if self._beside else (loads or serves)):
            return None
        if self.box.keep_alive_s is not None:
            self._expire(now, gpu, self.box.keep_alive_s)
        action = self._scheduler.next(now, gpu, self)
        if isinstance(action, Serve):
            self._serve(now, gpu, action)
        elif isinstance(action, Load):
            self._load(now, gpu, action)
        elif isinstance(action, Offload):
            self._offload(now, action)
        elif not isinstance(action, Wait):
            raise self.broken(now, f"returns {shortened(action)}, which is no Serve, Load, Offload or Wait")
        elif action.until <= now:
            raise self.broken(now, f"waits until {action.until:g} s, which is no later")
        return action

    def waited(self, now: float, gpu: int, request: Request) -> Waited:
        """What a request waited for that now begins to be generated.

        Args:
            now: [s].
            gpu: by which.
            request: it.
        """
        of_all_then, of_own_then = request.loading_then[gpu]
        of_all, of_own = self.gpus[gpu].loading_s(now, request.model)
        own_load_s = of_own - of_own_then
        others_loads_s = of_all - of_all_then - own_load_s
        return Waited(now - request.time - own_load_s - others_loads_s, own_load_s, others_loads_s)

    # --- What schedulers see besides

    def fits(self, gpu: int, model: str, working_mb: int | None = None) -> bool:
        """Whether a GPU could ever hold a model, with its working memory and the pinned ones.

        Args:
            gpu: its number.
            model: its name.
            working_mb: what it takes besides for a request; None for what it takes usually.
        """
        pinned = self._pinned[gpu]
        if model in pinned and working_mb is None:
            return True
        most = self.box.most_models
        room = most is None or len(pinned) < most or model in pinned
        working_mb = self.models[model].working_mb if working_mb is None else working_mb
        return room and self._weights_mb((*pinned, model)) + working_mb <= self.gpus[gpu].memory_mb

    def load_s(self, model: str, gpu: int = 0) -> float:
        """How long a load of it takes, of what is missing, from where that is now [s].

        Args:
            model: its name.
            gpu: the number of the GPU; of no account unless it shares weights with others.
        """
        takes, ram = self.models[model], self._ram
        if ram is None and not takes.needs and not self.gpus[gpu].sharing:
            return takes.load_s
        return sum(
            self.models[name].load_s * (ram.load_share if ram is not None and name in self.in_ram else 1.0)
            for name in self.gpus[gpu].missing(takes)
        )

    def missing_mb(self, gpu: int, model: str) -> int:
        """Memory that a GPU needs for a model besides what is there.

        Args:
            gpu: its number.
            model: its name.
        """
        takes, state = self.models[model], self.gpus[gpu]
        if not takes.needs:
            return 0 if model in state.uses else takes.memory_mb
        return sum(self.models[name].memory_mb for name in state.missing(takes))

    def freed_mb(self, gpu: int, model: str, victims: Sequence[str]) -> int:
        """Memory that is freed if models are given up for another; what that shares with them stays.

        Args:
            gpu: where.
            model: for which.
            victims: are given up together.
        """
        return self.gpus[gpu].freed_mb(self.models[model], victims, self.models)

    def working_of_mb(self, request: Request) -> int:
        """Memory that a request takes besides its model's weights, while it is generated.

        Args:
            request: it.
        """
        own_mb = request.working_mb
        return self.models[request.model].working_mb if own_mb is None else own_mb

    def working_mb(self, gpu: int) -> int:
        """Memory that a GPU's generating takes now, besides the models.

        Args:
            gpu: its number.
        """
        serving = self.gpus[gpu].serving
        return 0 if serving is None else self.working_of_mb(serving)

    def kept(self, gpu: int, model: str) -> bool:
        """Whether a GPU must keep a model: it is pinned, or loads, or generates.

        Args:
            gpu: its number.
            model: one in its memory.
        """
        state = self.gpus[gpu]
        if state.serving is not None and state.serving.model == model:
            return True
        return state.loading == model or model in self._pinned[gpu]

    def idle_mb(self, gpu: int) -> int:
        """Memory of a GPU's models that need not be kept.

        Args:
            gpu: its number.
        """
        state = self.gpus[gpu]
        held_mb = state.memory_mb - state.others_mb - state.free_mb
        if state.loading is None and state.serving is None and not self._pinned[gpu]:
            return held_mb
        kept = set(self._pinned[gpu])
        if state.loading is not None:
            kept.add(state.loading)
        if state.serving is not None:
            kept.add(state.serving.model)
        return held_mb - self._weights_mb([name for name in kept if name in state.resident])

    def _weights_mb(self, names: Iterable[str]) -> int:
        """Memory of all weights that some models need."""
        return sum(self.models[each].memory_mb for each in {w for name in names for w in self.models[name].weights})

    # --- The rules

    def _serve(self, now: float, gpu: int, action: Serve) -> None:
        state, request = self.gpus[gpu], action.request
        model = request.model
        if not request.waiting:
            raise self.broken(now, f"serves {request}, which does not wait")
        if state.serving is not None:
            raise self.broken(now, f"serves {request} on GPU {gpu}, which generates")
        if model not in state.resident or state.loading == model:
            raise self.broken(now, f"serves {request} on GPU {gpu}, which has not loaded it")
        if not 0 <= action.steps <= request.steps:
            raise self.broken(now, f"serves {request} with {action.steps:g} of {request.steps:g} steps")
        if action.evict:
            self._evict(now, gpu, action.evict, model)
        if self.working_of_mb(request) > state.free_mb:
            raise self.broken(now, f"serves {request} on GPU {gpu}, without room for its working memory")
        self._leave(request)
        self._loads_in_a_row = 0
        state.serving = request

    def _load(self, now: float, gpu: int, action: Load) -> None:
        state, model = self.gpus[gpu], action.model
        takes = self.models.get(model)
        if takes is None:
            raise self.broken(now, f"loads {model}, which there is not")
        if state.loading is not None:
            raise self.broken(now, f"loads {model} on GPU {gpu}, which loads")
        if model in state.resident:
            raise self.broken(now, f"loads {model} on GPU {gpu}, which has it")
        self._loads_in_a_row += 1
        if self._loads_in_a_row > MOST_IN_A_ROW:
            raise self.broken(now, f"has loaded {MOST_IN_A_ROW} times in a row and served nobody")
        if action.evict:
            self._evict(now, gpu, action.evict, model)
        most = self.box.most_models
        if most is not None and len(state.resident) >= most:
            raise self.broken(now, f"loads {model} on GPU {gpu}, which may hold {most} models and does")
        lacks = self.missing_mb(gpu, model) + self.working_mb(gpu) - state.free_mb
        if lacks > 0:
            raise self.broken(now, f"loads {model} on GPU {gpu}, where {lacks} MB are missing for it")
        load_s = self.load_s(model, gpu)
        if self._ram is not None:
            for name in state.missing(takes):
                if name in self.in_ram:
                    self._drop(name)
        state.resident[model] = now
        state.begin_load(now, model, load_s, state.hold(takes, self.models))

    def _offload(self, now: float, action: Offload) -> None:
        if self.box.cloud is None:
            raise self.broken(now, f"sends {action.request} to a cloud, and there is none")
        if not action.request.waiting:
            raise self.broken(now, f"sends {action.request} to the cloud, which does not wait")
        self._leave(action.request)

    def _evict(self, now: float, gpu: int, victims: Sequence[str], model: str) -> None:
        state, takes = self.gpus[gpu], self.models[model]
        stay = takes.weights if takes.needs else (model,)
        for victim in victims:
            if victim not in state.resident or victim == model or self.kept(gpu, victim):
                raise self.broken(now, f"gives up {victim} on GPU {gpu}, which does not hold it or must keep it")
            self._leave_gpu(now, gpu, victim, stay)

    def _expire(self, now: float, gpu: int, keep_alive_s: float) -> None:
        """What has not generated for too long has left meanwhile (7)."""
        state = self.gpus[gpu]
        for model, since in list(state.resting.items()):
            # What is loaded this very moment stays for whoever waits for it.
            if since + keep_alive_s >= now:
                return
            if not self.kept(gpu, model):
                self._leave_gpu(since + keep_alive_s, gpu, model)

    def _leave_gpu(self, now: float, gpu: int, model: str, stay: Collection[str] = ()) -> None:
        """A model is given up, for one some of whose weights it may have."""
        state = self.gpus[gpu]
        state.leave(now, model)
        left = state.release(self.models[model], self.models, stay)
        if self._ram is not None:
            for name in left:
                self._keep(name, self._ram.memory_mb)

    def _keep(self, model: str, memory_mb: int) -> None:
        """In the second tier (6), where weights of the same name may be from another GPU."""
        if model in self.in_ram:
            self._drop(model)
        self.in_ram[model] = None
        self._ram_mb += self.models[model].memory_mb
        while self._ram_mb > memory_mb:
            self._drop(next(iter(self.in_ram)))

    def _drop(self, model: str) -> None:
        del self.in_ram[model]
        self._ram_mb -= self.models[model].memory_mb

    def _leave(self, request: Request) -> None:
        request.waiting = False
        queue = self.waiting[request.model]
        if queue[0] is request:
            queue.popleft()
        else:
            queue.remove(request)
        if not queue:
            del self.waiting[request.model]

    def broken(self, now: float, what: str) -> BrokenRuleError:
        """The error that names the scheduler.

        Args:
            now: [s].
            what: it does.
        """
        return BrokenRuleError(f"scheduler {self._scheduler.name}, at {now:g} s: it {what}")

    def _begin(self, now: float) -> None:
        """Pins and warm models, each on the GPU with most room."""
        for pinned, names in ((True, self.box.pins), (False, self.box.warm)):
            for name in names:
                takes = self.models.get(name)
                if takes is None:
                    raise InputError(f"{name}: to be in memory from the start, and there is no such model")
                if any(name in gpu.resident for gpu in self.gpus):
                    continue
                g = max(range(len(self.gpus)), key=lambda g: self.gpus[g].free_mb)
                state, most = self.gpus[g], self.box.most_models
                if self.missing_mb(g, name) > state.free_mb or (most is not None and len(state.resident) >= most):
                    raise InputError(f"{name}: to be in memory from the start, and there is no room for it")
                state.hold(takes, self.models)
                state.has(now, name)
                if pinned:
                    self._pinned[g].add(name)
                self._scheduler.loaded(now, g, name, 0.0, False)
