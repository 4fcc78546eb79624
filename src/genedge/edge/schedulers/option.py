"""What is done besides an order and an eviction: what it is told, and what it may change."""

from collections.abc import Sequence

from genedge.edge.request import Request
from genedge.edge.scheduler import Action, View


class Option:
    """Something that is done besides. What it is told of is of no account, unless it says otherwise."""

    def arrived(self, now: float, request: Request) -> None:
        """A request has come.

        Args:
            now: [s].
            request: it waits.
        """

    def left(self, now: float, request: Request) -> None:
        """A request waits no more: it is served, or goes to the cloud, or its client has left.

        Args:
            now: [s].
            request: it.
        """

    def finished(self, now: float, gpu: int, request: Request) -> None:
        """A request has been generated.

        Args:
            now: [s].
            gpu: by which.
            request: it.
        """

    def sends(self, now: float, request: Request, view: View) -> bool:
        """Whether a request that has just come goes to the cloud at once.

        Args:
            now: [s].
            request: it.
            view: the box, in which it does not wait yet.
        """
        return False

    def instead(self, now: float, gpu: int, request: Request, evict: Sequence[str], view: View) -> Action | None:
        """What is done instead of a load; None to load.

        Args:
            now: [s].
            gpu: where.
            request: for which.
            evict: what would be given up.
            view: the box.
        """
        return None

    def steps(self, request: Request, view: View) -> float:
        """With how many steps a request is served.

        Args:
            request: it.
            view: the box.
        """
        return request.steps
