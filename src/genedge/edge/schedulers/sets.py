"""Sets of models that may be in memory together, written by hand, each model with what giving it up costs."""

from collections.abc import Collection, Mapping, Sequence

from genedge.edge.models import Model
from genedge.edge.scheduler import View
from genedge.edge.schedulers.eviction import Eviction, Need


class Sets(Eviction):
    """Keeps the set with the new model of which least that is in memory is no member; what is no member goes.

    1. Of the sets that have the model, that is kept for which giving up the others costs least; first of equals.
    2. If no set has it, all others go.
    3. If that is no room yet, members go too, those of least cost first.
    """

    name = "sets"

    def __init__(
        self, models: Mapping[str, Model], sets: Sequence[Sequence[str]], costs: Mapping[str, float]
    ) -> None:
        """An eviction that has seen nothing.

        Args:
            models: what each takes.
            sets: names of models that may be in memory together.
            costs: of giving up a model, by name; 1 of those that are not there.
        """
        super().__init__(models)
        self._sets = [frozenset(each) for each in sets]
        self._costs = costs

    def victims(
        self, now: float, gpu: int, model: str, need: Need, spared: Collection[str], view: View
    ) -> list[str] | None:
        """What rules 1 to 3 say; who waits is of no account."""
        present = [name for name in view.gpus[gpu].resident if name != model and not view.kept(gpu, name)]
        sets = [each for each in self._sets if model in each]
        best = min(sets, key=lambda each: sum(map(self._cost, set(present) - each)), default=frozenset[str]())
        found = [name for name in present if name not in best]
        members = sorted((name for name in present if name in best), key=self._cost)
        for name in members:
            if len(found) >= need.places and view.freed_mb(gpu, model, found) >= need.memory_mb:
                break
            found.append(name)
        enough = len(found) >= need.places and view.freed_mb(gpu, model, found) >= need.memory_mb
        return found if enough else None

    def says(self, now: float, model: str, view: View) -> str:
        """What giving it up costs."""
        return f"cost {self._cost(model):g}"

    def _cost(self, model: str) -> float:
        return self._costs.get(model, 1.0)
