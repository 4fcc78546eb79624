"""What clients want, what they get, and who makes it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.server import Waited

Kind = Literal["bad", "large", "key", "origin", "model", "busy", "loading", "memory", "gone", "failed"]
# Of an answer so much may be ahead of its client; whoever makes it then waits until some of it is taken.
AHEAD_BYTES = 16 << 20


class Picture(NamedTuple):
    """An image to be made.

    Attributes:
        prompt: what it shows; empty where the model takes none.
        negative: what it does not.
        seed: of the first one; further ones count on.
        images: how many.
        size: height and width [px]; None for the model's own.
        guidance: how closely the prompt is followed; None for the model's own.
        image: PNG of what is to be repaired or changed; None to make whole images.
        mask: PNG that is white where it is to be repaired; None with `image` to take its transparency.
        strength: how much of an image is made anew that is nowhere to be repaired, up to 1; None for the usual.
    """

    prompt: str = ""
    negative: str = ""
    seed: int = 0
    images: int = 1
    size: tuple[int, int] | None = None
    guidance: float | None = None
    image: bytes | None = None
    mask: bytes | None = None
    strength: float | None = None


class Passed(NamedTuple):
    """An HTTP request that goes on to a worker as it came.

    Attributes:
        method: such as POST.
        path: with its query.
        headers: those that are the client's.
        body: all of it.
        images: that it asks for at once.
        size: height and width of each [px]; None for the model's own.
        steps: that it asks for; 1 if it does not say.
        steps_in: the field of its body that says so; None if none does.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    images: int = 1
    size: tuple[int, int] | None = None
    steps: float = 1.0
    steps_in: str | None = None

    def told(self, steps: float) -> bytes:
        """Its body as the worker gets it: as it came, unless it asks for more steps than it was allotted.

        Args:
            steps: that it was allotted.
        """
        if self.steps_in is None or steps == self.steps:
            return self.body
        fields = json.loads(self.body)
        fields[self.steps_in] = int(steps) if steps == int(steps) else steps
        return json.dumps(fields).encode()


Job = Picture | Passed


# --- What comes back, bit by bit


class Progress(NamedTuple):
    """So many steps are done.

    Attributes:
        done: of them.
        of: in all.
    """

    done: int
    of: int


class Images(NamedTuple):
    """The result of a `Picture`.

    Attributes:
        pngs: one each.
    """

    pngs: list[bytes]


class Head(NamedTuple):
    """The beginning of the answer to a `Passed`.

    Attributes:
        status: of HTTP.
        headers: that go to the client.
    """

    status: int
    headers: Mapping[str, str]


class Failure(Exception):
    """Why there is no answer.

    Attributes:
        kind: what sort of failure.
        message: for people.
        retry_s: after which it may be tried again; None if that is no use [s].
    """

    def __init__(self, kind: Kind, message: str, retry_s: float | None = None) -> None:
        """A failure.

        Args:
            kind: what sort.
            message: for people.
            retry_s: after which it may be tried again [s].
        """
        super().__init__(message)
        self.kind, self.message, self.retry_s = kind, message, retry_s


class Ended(NamedTuple):
    """Nothing more comes.

    Attributes:
        failure: why not all came; None if it did.
    """

    failure: Failure | None = None


Piece = Progress | Images | Head | bytes | Ended


class Pieces(asyncio.Queue[Piece]):
    """Pieces of an answer that its client has not taken yet."""

    def __init__(self) -> None:
        """None yet."""
        super().__init__()
        self._bytes, self._taken = 0, asyncio.Event()

    def _put(self, item: Piece) -> None:
        self._bytes += len(item) if isinstance(item, bytes) else 0
        super()._put(item)

    def _get(self) -> Piece:
        item = super()._get()
        self._bytes -= len(item) if isinstance(item, bytes) else 0
        self._taken.set()
        return item

    async def room(self) -> None:
        """Returns when there is room for more."""
        while self._bytes > AHEAD_BYTES:
            self._taken.clear()
            await self._taken.wait()

    def drop(self) -> None:
        """Nobody takes any more."""
        while not self.empty():
            self.get_nowait()


@dataclass(eq=False)
class Ticket:
    """A request that the box has taken.

    Attributes:
        request: as the box sees it.
        job: what is wanted.
        pieces: of the answer, as they come; the last one is `Ended`.
        steps: that it was allotted; None before it is served.
        waited: for what it waited until it was served here; None before.
        served_by: `edge` or `cloud`; empty before.
        why: it was served there.
        tries: how often it was begun.
        left: whether the client is gone.
        counts_as: what its end counts as, if its client goes before it is served.
        answered: whether anything of the answer has come, so that another would be a second one.
        stays: whether another box has passed it on, so that it is served here or not at all.
        returns: whether it is served here after all, if it cannot be where it is sent first.
        begun: set once it is served or sent to the cloud.
    """

    request: Request
    job: Job
    pieces: Pieces = field(default_factory=Pieces)
    steps: float | None = None
    waited: Waited | None = None
    served_by: str = ""
    why: str = ""
    tries: int = 0
    left: bool = False
    counts_as: str = "left"
    answered: bool = False
    stays: bool = False
    returns: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, piece: Piece) -> None:
        """A piece of the answer is there; of one that nobody waits for it is of no account."""
        if isinstance(piece, Ended):
            self.begun.set()
        elif not isinstance(piece, Progress):
            self.answered = True
        if not self.left:
            self.pieces.put_nowait(piece)

    async def room(self) -> None:
        """Returns when the client has taken enough of the answer for more of it, or is gone."""
        await self.pieces.room()

    def leave(self) -> None:
        """The client is gone."""
        self.left = True
        self.pieces.drop()

    @property
    def told_steps(self) -> float | None:
        """Steps that whoever serves it was told; None if it is not served yet, or was told of none."""
        untold = isinstance(self.job, Passed) and self.job.steps_in is None
        return None if untold else self.steps


class Limits(NamedTuple):
    """What the box takes on.

    Attributes:
        waiting: requests that may wait.
        waiting_of_user: likewise, of one user.
        load_s: a load that takes longer has failed [s].
        load_tries: how often a model is loaded in a row before its requests are given up.
        rest_s: for which it is then not tried again [s].
    """

    waiting: int = 1000
    waiting_of_user: int = 100
    load_s: float = 600.0
    load_tries: int = 2
    rest_s: float = 60.0


class Outcome(NamedTuple):
    """What became of a request, for whoever counts.

    Attributes:
        ticket: it.
        began: when it began to be generated; None if it never was [s].
        now: [s].
        outcome: `edge`, `cloud`, or what there was instead: `left`, or the kind of failure.
    """

    ticket: Ticket
    began: float | None
    now: float
    outcome: str


class Sink(Protocol):
    """Where a worker puts what it makes."""

    def put(self, piece: Piece) -> None:
        """A piece of the answer is there.

        Args:
            piece: it.
        """

    async def room(self) -> None:
        """Returns when there is room for more of a long answer."""


class Worker(Protocol):
    """What holds one model: a process, or what tests take for one."""

    async def start(self) -> None:
        """Loads the model.

        Raises:
            Failure: it could not.
        """

    async def make(self, job: Job, steps: float, sink: Sink) -> None:
        """Makes what is wanted; one at a time.

        Args:
            job: it.
            steps: denoising steps, of all images together.
            sink: for the answer.

        Raises:
            Failure: it could not; of kind `gone`, the worker is no more.
        """

    async def stop(self) -> None:
        """Ends it; returns when its memory is free."""

    def pids(self) -> Sequence[int]:
        """The numbers of its process and all that that has started."""

    def held_mb(self) -> int:
        """What these hold of the host's memory; 0 if that is unknown."""

    async def gone(self) -> str:
        """Returns why, when it has ended without being asked to."""


class Workers(Protocol):
    """Makes workers."""

    def __call__(self, model: str, gpu: int) -> Worker:
        """One that has not started.

        Args:
            model: its name.
            gpu: where.
        """


def as_plain(job: Job) -> dict[str, Any]:
    """What a job says of itself in a journal: no content.

    Args:
        job: any.
    """
    if isinstance(job, Passed):
        return {"path": job.path.partition("?")[0]}
    return {"images": job.images}


def working_mb_of(job: Job, takes: Model) -> int | None:
    """Memory that a job takes besides its model's weights; None for what that takes usually.

    Args:
        job: any.
        takes: what the model takes.
    """
    if not takes.peaks:
        return None
    return takes.working_of_mb(job.images, None if job.size is None else job.size[0] * job.size[1])
