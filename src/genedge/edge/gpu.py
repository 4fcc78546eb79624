"""One GPU: what is in its memory, and what it does."""

from typing import NamedTuple

from genedge.edge.request import Request


class Stay(NamedTuple):
    """A model in a GPU's memory, from when it came to when it left.

    Attributes:
        model: its name.
        came: when it came, or began to load [s].
        loaded: when it was loaded; when it left, if it never was [s].
        left: when it left [s].
    """

    model: str
    came: float
    loaded: float
    left: float


class GpuState:
    """One GPU.

    Attributes:
        memory_mb: for models.
        free_mb: of it, held by none.
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

    def has(self, now: float, model: str) -> None:
        """A model is there from the start.

        Args:
            now: [s].
            model: its name.
        """
        self.resident[model] = self._loaded_at[model] = now
        self.rest(now, model)

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
        self.stays.append(Stay(model, came, self._loaded_at.pop(model, now), now))

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

    def begin_load(self, now: float, model: str, load_s: float) -> None:
        """A load begins.

        Args:
            now: [s].
            model: its name.
            load_s: how long it takes by the catalogue [s].
        """
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
