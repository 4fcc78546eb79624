"""The testbed itself: a base station, a cloud and users, ready for slots."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from time import monotonic

from genedge.testbed import cloud, station, user
from genedge.testbed.generators import Size
from genedge.testbed.links import Links
from genedge.testbed.pictures import Damaged
from genedge.testbed.processes import Broken, Process, heard, running
from genedge.testbed.station import Slot
from genedge.testbed.tasks import Generated, Job, Request, Served

# Loading torch takes seconds, on a machine that does other things minutes. A picture takes less.
STARTS_WITHIN_S, MAKES_WITHIN_S = 300.0, 300.0
# Until every user knows what to do in a slot; and what a slot may take beyond what its links take [s].
KNOWN_WITHIN_S, SLOT_WITHIN_S = 0.2, 120.0


class Bed:
    """A testbed that runs."""

    def __init__(self, links: Links, station: Process, cloud: Process, users: Sequence[Process]) -> None:
        self._links, self._station, self._cloud, self._users = links, station, cloud, list(users)
        self._cloud_port = cloud.hear(STARTS_WITHIN_S)
        for each in users:
            each.hear(STARTS_WITHIN_S)
        self._port = station.hear(STARTS_WITHIN_S)
        links.connect(station.pid, cloud.pid, [each.pid for each in users])

    @property
    def pids(self) -> list[int]:
        """Numbers of its processes: the base station's, the cloud's, the users'."""
        return [process.pid for process in (self._station, self._cloud, *self._users)]

    def make(self, job: Job) -> Generated:
        """Repairs a picture while nothing else is done.

        Args:
            job: what is wanted.

        Raises:
            Broken: a process is gone.
        """
        self._station.tell(job)
        made: Generated = self._station.hear(MAKES_WITHIN_S)
        return made

    def serve(
        self, requests: Sequence[Request], pictures: Sequence[Damaged], in_cloud: Mapping[int, Generated]
    ) -> list[Served]:
        """Lets users send their requests, all at once, and waits until each has its result.

        Args:
            requests: of a slot, one a user at most.
            pictures: what each sends.
            in_cloud: by user, what the cloud has for those that it serves.

        Raises:
            Broken: a process is gone; nothing is known of this slot.
            InputError: the links cannot be had.
        """
        paced = self._links.how == "paced"
        self._links.shape(requests)
        clouds = {request.user: (self._links.cloud(request.user), self._cloud_port) for request in requests}
        slot = Slot({request.user: request for request in requests}, clouds, paced)
        answers = {
            request.user: _ready(request, in_cloud[request.user], paced) for request in requests if not request.hit
        }
        for process, told in ((self._station, slot), (self._cloud, answers)):
            process.tell(told)
            process.hear(STARTS_WITHIN_S)
        begins = monotonic() + KNOWN_WITHIN_S
        for request, picture in zip(requests, pictures, strict=True):
            at = (self._links.station(request.user), self._port)
            self._users[request.user].tell(user.Errand(request, picture, at, begins, paced))
        return self._served(requests)

    def _served(self, requests: Sequence[Request]) -> list[Served]:
        """Waits for what users say; anything that another process says is no good."""
        until = monotonic() + SLOT_WITHIN_S + 3 * max(map(_on_links_s, requests), default=0.0)
        found: dict[int, Served] = {}
        while len(found) < len(requests):
            everybody = [self._station, self._cloud, *self._users]
            for process, said in heard(everybody, max(until - monotonic(), 0.0)):
                if not isinstance(said, Served):
                    raise Broken(f"{process.what} says {said!r:.80} in the midst of a slot")
                found[said.request.user] = said
        return [found[request.user] for request in requests]


@contextmanager
def started(users: int, size: Size, links: Links) -> Iterator[Bed]:
    """Starts a testbed, which is gone with the block.

    Args:
        users: how many.
        size: what the base station has.
        links: between its processes.

    Raises:
        Broken: a process does not start.
        InputError: there is no such model, or the links cannot be had.
    """
    apart = links.how == "namespaces"
    with ExitStack() as stack:
        the_station = stack.enter_context(running("the base station", station.main, (size, links.host), apart))
        the_cloud = stack.enter_context(running("the cloud", cloud.main, (links.host,), apart))
        some = [stack.enter_context(running(f"user {n}", user.main, (), apart)) for n in range(users)]
        everybody = [the_station, the_cloud, *some]
        try:
            yield Bed(links, the_station, the_cloud, some)
        finally:
            for process in everybody:
                process.end()


def _ready(request: Request, made: Generated, paced: bool) -> cloud.Ready:
    return cloud.Ready(made.png, made.seconds, request.output_bytes, request.from_cloud_bps if paced else None)


def _on_links_s(request: Request) -> float:
    bits_in, bits_out = 8 * request.input_bytes, 8 * request.output_bytes
    radio = bits_in / request.up_bps + bits_out / request.down_bps
    return radio + bits_in / request.to_cloud_bps + bits_out / request.from_cloud_bps
