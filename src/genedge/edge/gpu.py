"""One GPU: what is in its memory, and what it does."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from genedge.edge.models import Model
from genedge.edge.request import Request


class Stay(NamedTuple):
    """A model in a GPU's memory, from when it came to when it left.

    Attributes:
        model: its name.
        brought_mb: what was loaded for it; none if it was there from the start.
        came: when it came, or began to load [s].
        loaded: when it was loaded; when it left, if it never was [s].
        left: when it left [s].
    """

    model: str
    brought_mb: int
    came: float
    loaded: float
    left: float


class GpuState:
    """One GPU.

    Attributes:
        memory_mb: for models.
        free_mb: of it, held by none; below 0 if others took what models hold.
        others_mb: of it, held by other programs.
        uses: of weights in its memory, by the name of their model, how many models in its memory need them.
        sharing: how many of these need weights besides their own.
        resident: models in its memory and since when [s], the one that came first at the front; one that loads is
            among them.
        resting: loaded models that do not generate, and since when [s], the longest first.
        stays: of the models that left, in that order.
        loads_of: how many loads of each model it has begun.
        loading: the model that loads now.
        serving: the request that it generates for now.
        loaded_since_s: how long it has been generating since its last load [s].
        generating_s: how long it has been generating in all [s].
        load_s: how long the last one takes by the catalogue [s].
    """

    def __init__(self, memory_mb: int) -> None:
        """An idle one with nothing in memory.

        Args:
            memory_mb: for models.
        """
        self.memory_mb = self.free_mb = memory_mb
        self.others_mb = 0
        self.uses: dict[str, int] = {}
        self.sharing = 0
        self._brought: dict[str, int] = {}
        self.resident: dict[str, float] = {}
        self.resting: dict[str, float] = {}
        self.stays: list[Stay] = []
        self._loaded_at: dict[str, float] = {}
        self.loads_of: dict[str, int] = {}
        self.loading: str | None = None
        self.serving: Request | None = None
        self.loaded_since_s = self.generating_s = 0.0
        self.load_s = 0.0
        self._began = 0.0
        self._loading_s = 0.0
        self._loading_of: dict[str, float] = {}

    @property
    def loads(self) -> int:
        """How many it has begun."""
        return sum(self.loads_of.values())

    def missing(self, takes: Model) -> list[str]:
        """Weights that a model needs and that are not in this memory.

        Args:
            takes: what it takes.
        """
        uses = self.uses
        if not takes.needs:
            return [] if takes.name in uses else [takes.name]
        return [name for name in takes.weights if name not in uses]

    def hold(self, takes: Model, models: Mapping[str, Model]) -> int:
        """A model's weights are in memory from now on.

        Args:
            takes: what it takes.
            models: what each takes.

        Returns:
            Memory of those that were not [MB].
        """
        if not takes.needs and takes.name not in self.uses:
            self.uses[takes.name] = 1
            self.free_mb -= takes.memory_mb
            return takes.memory_mb
        before_mb = self.free_mb
        for name in takes.weights:
            if name not in self.uses:
                self.uses[name] = 0
                self.free_mb -= models[name].memory_mb
            self.uses[name] += 1
        self.sharing += bool(takes.needs)
        return before_mb - self.free_mb

    def release(self, takes: Model, models: Mapping[str, Model], keep: Collection[str] = ()) -> list[str]:
        """A model needs its weights no longer.

        Args:
            takes: what it takes.
            models: what each takes.
            keep: names of weights that stay, for a model that comes.

        Returns:
            Those that have left, since nobody else needs them.
        """
        if not takes.needs and self.uses[takes.name] == 1 and takes.name not in keep:
            del self.uses[takes.name]
            self.free_mb += takes.memory_mb
            return [takes.name]
        left = []
        for name in takes.weights:
            self.uses[name] -= 1
            if not self.uses[name] and name not in keep:
                del self.uses[name]
                self.free_mb += models[name].memory_mb
                left.append(name)
        self.sharing -= bool(takes.needs)
        return left

    def freed_mb(self, takes: Model, victims: Sequence[str], models: Mapping[str, Model]) -> int:
        """Memory that is freed if models are given up for another; what that shares with them stays.

        Args:
            takes: what the other takes.
            victims: are given up together.
            models: what each takes.
        """
        if not self.sharing and not takes.needs:
            freed_mb = 0
            for victim in victims:
                freed_mb += models[victim].memory_mb
            return freed_mb
        uses: dict[str, int] = {}
        for victim in victims:
            for name in models[victim].weights:
                uses[name] = uses.get(name, 0) + 1
        return sum(
            models[name].memory_mb
            for name, count in uses.items()
            if count == self.uses[name] and name not in takes.weights
        )

    def has(self, now: float, model: str) -> None:
        """A model is there from the start.

        Args:
            now: [s].
            model: its name.
        """
        self.resident[model] = self._loaded_at[model] = now
        self.rest(now, model)

    def loaded_at(self, model: str) -> float | None:
        """When a model in its memory was loaded; None if it still loads [s].

        Args:
            model: its name.
        """
        return self._loaded_at.get(model)

    def rest(self, now: float, model: str) -> None:
        """A model is loaded, or has generated.

        Args:
            now: [s].
            model: its name.
        """
        self.resting.pop(model, None)
        self.resting[model] = now

    def leave(self, now: float, model: str) -> None:
        """A model leaves its memory.

        Args:
            now: [s].
            model: its name.
        """
        came = self.resident.pop(model)
        self.resting.pop(model, None)
        self.stays.append(Stay(model, self._brought.pop(model, 0), came, self._loaded_at.pop(model, now), now))

    def loading_s(self, now: float, model: str) -> tuple[float, float]:
        """How long it has been loading, all models and one [s].

        Args:
            now: [s].
            model: the one.
        """
        of_one = self._loading_of.get(model, 0.0)
        if self.loading is None:
            return self._loading_s, of_one
        under_way = now - self._began
        return self._loading_s + under_way, of_one + under_way if self.loading == model else of_one

    def begin_load(self, now: float, model: str, load_s: float, brought_mb: int) -> None:
        """A load begins.

        Args:
            now: [s].
            model: its name.
            load_s: how long it takes by the catalogue [s].
            brought_mb: what is loaded for it.
        """
        self._brought[model] = brought_mb
        self.loading, self.load_s, self._began, self.loaded_since_s = model, load_s, now, 0.0
        self.loads_of[model] = self.loads_of.get(model, 0) + 1

    def end_load(self, now: float) -> str:
        """The load has ended.

        Args:
            now: [s].

        Returns:
            The model.
        """
        model = self.loading
        assert model is not None
        took = now - self._began
        self._loading_s += took
        self._loading_of[model] = self._loading_of.get(model, 0.0) + took
        self.loading = None
        self._loaded_at[model] = now
        self.rest(now, model)
        return model


class SideBySide(GpuState):
    """One GPU that generates and loads as much at once as it is asked.

    Attributes:
        does: of each model that it generates with or loads, how many things it does with it.
        idle_mb: memory of the models that do nothing.
    """

    def __init__(self, memory_mb: int) -> None:
        """An idle one with nothing in memory.

        Args:
            memory_mb: for models.
        """
        super().__init__(memory_mb)
        self.does: dict[str, int] = {}
        self.idle_mb = 0
        self._begun: dict[str, float] = {}

    def begin_load(self, now: float, model: str, load_s: float, brought_mb: int) -> None:
        """A load begins, beside whatever else it does."""
        self._brought[model] = brought_mb
        self.load_s, self._begun[model], self.does[model] = load_s, now, 1
        self.loads_of[model] = self.loads_of.get(model, 0) + 1

    def end_one(self, now: float, model: str) -> None:
        """One of the loads has ended.

        Args:
            now: [s].
            model: that loads.
        """
        took_s = now - self._begun.pop(model)
        self._loading_s += took_s
        self._loading_of[model] = self._loading_of.get(model, 0.0) + took_s
        del self.does[model]
        self._loaded_at[model] = now
