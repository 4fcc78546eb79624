"""What each model of a box takes, out of a catalogue."""

import math

from genedge.catalogue.load import Catalogue
from genedge.catalogue.sections import PeakSection, WorkerSection
from genedge.edge.models import Model
from genedge.edge.peaks import Peak
from genedge.errors import InputError
from genedge.settings.words import did_you_mean
from genedge.text import in_brief

MB_PER_GB = 1000
# What a model takes if neither it nor the defaults say so; what stands nowhere must be said.
UNSAID = {"working_gb": 0.0, "B2_s": 0.0, "request_mb": 0.0, "result_mb": 0.0}


def _peak(said: PeakSection) -> Peak:
    return Peak(said.images, said.pixels, math.ceil(said.gb * MB_PER_GB))


class Models(dict[str, Model]):
    """Models by name; one that the catalogue does not name is as its defaults say.

    Attributes:
        named: those that it names.
    """

    def __init__(self, catalogue: Catalogue, loads: float = 1.0) -> None:
        """Of a catalogue.

        Args:
            catalogue: it.
            loads: so many times as long as it says does each take to load.

        Raises:
            InputError: the defaults, and a model itself, do not say what it takes, or it needs what there is not.
        """
        self._catalogue, self._loads = catalogue, loads
        self._sizes: dict[str, tuple[float, float]] = {}
        self.named = catalogue.named
        super().__init__({name: self._model(name) for name in self.named})

    def __missing__(self, name: str) -> Model:
        model = self[name] = self._model(name)
        return model

    def with_loads(self, times: float) -> "Models":
        """The same, whose loads take so many times as long as the catalogue says.

        Args:
            times: what is not the catalogue's.
        """
        return Models(self._catalogue, times)

    def sizes(self, name: str) -> tuple[float, float]:
        """Of a request for a model, and of its result [MB].

        Args:
            name: of the model.
        """
        return self._sizes[self[name].name]

    def tv(self, name: str) -> float:
        """How good the images of a model are, with steps enough.

        Args:
            name: of the model.

        Raises:
            InputError: neither its entry nor the defaults say so.
        """
        try:
            return self._catalogue.value(name, "A4_tv")
        except InputError as e:
            raise InputError(f"{e}; with alpha: null, quality is of no account") from None

    def usual_steps(self, name: str) -> int | None:
        """Of an image for which nobody says how many: those beyond which it gets no better; None if unknown.

        Args:
            name: of the model.
        """
        said = self._catalogue.setting(name, "A3_steps")
        return None if said is None else round(said.value)

    def worker(self, name: str) -> WorkerSection | None:
        """What serves a model in a live box; None if nothing is said.

        Args:
            name: of the model.
        """
        said = self._catalogue.setting(name, "worker")
        return None if said is None else WorkerSection(**said.value)

    def _model(self, name: str) -> Model:
        def of(key: str) -> float:
            return self._catalogue.value(name, key, UNSAID.get(key))

        least_steps = self._catalogue.setting(name, "least_steps")
        said = self._catalogue.setting(name, "peaks")
        peaks = () if said is None else tuple(_peak(PeakSection(**each)) for each in said.value)
        sent, returned = self._sizes[name] = of("request_mb"), of("result_mb")
        return Model(
            name,
            # What takes something takes no less than a megabyte.
            max(round(of("memory_gb") * MB_PER_GB), 1),
            self._loads * of("load_s"),
            of("B1_s_per_step"),
            of("B2_s"),
            round(of("working_gb") * MB_PER_GB),
            sent + returned,
            None if least_steps is None else float(least_steps.value),
            self._needs(name),
            peaks,
        )

    def _needs(self, name: str) -> tuple[str, ...]:
        """Models whose weights one needs besides its own; of the defaults' each other one needs them, not they."""

        def said(model: str) -> list[str]:
            setting = self._catalogue.setting(model, "needs")
            return [] if setting is None else [each for each in setting.value if each != model]

        needs = tuple(dict.fromkeys(said(name)))
        place = f"{self._catalogue.source}: models.{in_brief(name)}.needs"
        for each in needs:
            if each not in self.named:
                hint = did_you_mean(each, self.named)
                raise InputError(f"{place}: {in_brief(each)} is no model of this catalogue{hint}")
            if said(each):
                raise InputError(
                    f"{place}: {in_brief(each)} needs others itself; name them here, and say {in_brief(each)}: "
                    "{needs: []}"
                )
        return needs
