"""Who decides: what a scheduler is told, what it may see, and what it may do.

The same object decides in replay and live. It is told of everything in the order of time, and it is asked whenever
a GPU could do something; it owns neither time nor memory nor the queue. Whatever it wants is checked by the box,
which names the scheduler that broke a rule.

Actions are no named tuples, since these take twice as long to make.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.edge.request import Request


@dataclass(slots=True)
class Serve:
    """Generate now.

    Attributes:
        request: one that waits, for a model that is in this GPU's memory.
        steps: as asked, or fewer.
        evict: models to give up first, for the working memory.
    """

    request: Request
    steps: float
    evict: Sequence[str] = ()


@dataclass(slots=True)
class Load:
    """Load a model.

    Attributes:
        model: its name.
        evict: models to give up for it.
    """

    model: str
    evict: Sequence[str] = ()


@dataclass(slots=True)
class Offload:
    """Send a request to the cloud.

    Attributes:
        request: one that waits.
    """

    request: Request


@dataclass(slots=True)
class Wait:
    """Do nothing until something happens.

    Attributes:
        until: or until then, when it is asked again [s].
    """

    until: float = float("inf")


Action = Serve | Load | Offload | Wait


class Gpu(Protocol):
    """What a scheduler sees of a GPU."""

    @property
    def memory_mb(self) -> int:
        """For models."""

    @property
    def free_mb(self) -> int:
        """Of it, held by none."""

    @property
    def resident(self) -> Mapping[str, float]:
        """Models in its memory and since when [s], first that which came first; one that loads is among them."""

    @property
    def loading(self) -> str | None:
        """The model that loads now."""

    @property
    def serving(self) -> Request | None:
        """The request that it generates for now."""

    @property
    def loaded_since_s(self) -> float:
        """How long it has been generating since its last load [s]."""


class View(Protocol):
    """What a scheduler sees of the box."""

    @property
    def box(self) -> Box:
        """What it has."""

    @property
    def models(self) -> Mapping[str, Model]:
        """What each model takes."""

    @property
    def gpus(self) -> Sequence[Gpu]:
        """As they are now."""

    @property
    def waiting(self) -> Mapping[str, deque[Request]]:
        """Those that wait, by model, the oldest first; of models that none waits for there is no entry."""

    def fits(self, gpu: int, model: str) -> bool:
        """Whether a GPU could ever hold a model, with its working memory and the pinned ones.

        Args:
            gpu: its number.
            model: its name.
        """

    def load_s(self, model: str, gpu: int = 0) -> float:
        """How long a load of it takes, of what is missing, from where that is now [s].

        Args:
            model: its name.
            gpu: the number of the GPU; of no account unless it shares weights with others.
        """

    def missing_mb(self, gpu: int, model: str) -> int:
        """Memory that a GPU needs for a model besides what is there.

        Args:
            gpu: its number.
            model: its name.
        """

    def freed_mb(self, gpu: int, model: str, victims: Sequence[str]) -> int:
        """Memory that is freed if models are given up for another; what that shares with them stays.

        Args:
            gpu: where.
            model: for which.
            victims: are given up together.
        """

    def working_of_mb(self, request: Request) -> int:
        """Memory that a request takes besides its model's weights, while it is generated.

        Args:
            request: it.
        """

    def working_mb(self, gpu: int) -> int:
        """Memory that a GPU's generating takes now, besides the models.

        Args:
            gpu: its number.
        """

    def kept(self, gpu: int, model: str) -> bool:
        """Whether a GPU must keep a model: it is pinned, or loads, or generates.

        Args:
            gpu: its number.
            model: one in its memory.
        """

    def idle_mb(self, gpu: int) -> int:
        """Memory of a GPU's models that need not be kept.

        Args:
            gpu: its number.
        """


class Scheduler(Protocol):
    """Decides what a box does next."""

    @property
    def name(self) -> str:
        """As in help and tables."""

    def arrived(self, now: float, request: Request) -> None:
        """A request has come.

        Args:
            now: [s].
            request: it waits.
        """

    def cancelled(self, now: float, request: Request) -> None:
        """A client has left; its request waits no more.

        Args:
            now: [s].
            request: its.
        """

    def finished(self, now: float, gpu: int, request: Request, took_s: float) -> None:
        """A request has been generated.

        Args:
            now: [s].
            gpu: by which.
            request: it.
            took_s: how long that took [s].
        """

    def loaded(self, now: float, gpu: int, model: str, took_s: float, failed: bool) -> None:
        """A load has ended. What is in memory from the start is told of as if it had loaded in no time.

        Args:
            now: [s].
            gpu: where.
            model: its name.
            took_s: how long that took [s].
            failed: whether it is not in memory for all that.
        """

    def next(self, now: float, gpu: int, view: View) -> Action:
        """What a GPU that could do something does; one that generates may load beside it, if loads overlap.

        Args:
            now: [s].
            gpu: its number.
            view: the box.
        """
