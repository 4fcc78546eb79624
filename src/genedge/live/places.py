"""The places in a live box's queue: so many in all, and so many of one user."""

from collections import Counter

from genedge.edge.request import Request
from genedge.edge.server import Server
from genedge.live.jobs import Failure, Limits


class Places:
    """Who waits, by user."""

    def __init__(self, limits: Limits, server: Server) -> None:
        """Nobody does.

        Args:
            limits: how many may.
            server: whose queue it is.
        """
        self._limits, self._server = limits, server
        self._of: Counter[str] = Counter()

    def refuse_too_many(self, user: str) -> None:
        """Raises a failure if there is no place.

        Args:
            user: who asks; empty where unknown.

        Raises:
            Failure: all places are taken, or all of this user.
        """
        waiting = self._of.total()
        # Where none may wait, each comes to see whether it is served at once, and else goes at once.
        if waiting >= max(self._limits.waiting, 1):
            raise Failure("busy", f"{waiting} requests wait, which is all that may", self._free_in_s())
        his = self._of[user] if user else 0
        if his >= self._limits.waiting_of_user:
            raise Failure("busy", f"{his} requests of yours wait, which is all that may", self._free_in_s())

    def take(self, user: str) -> None:
        """One more waits.

        Args:
            user: whose.
        """
        self._of[user] += 1

    def leave(self, user: str) -> None:
        """One less does.

        Args:
            user: whose.
        """
        self._of[user] -= 1
        if not self._of[user]:
            del self._of[user]

    def why_not(self, request: Request) -> Failure:
        """Why the box does not take a request on: it goes to the cloud, or its model fits nowhere.

        Args:
            request: it.
        """
        server, model = self._server, request.model
        if any(server.fits(gpu, model, request.working_mb) for gpu in range(len(server.gpus))):
            return Failure("busy", "less delay expected there", 1.0)
        needs, most = server.models[model].memory_mb + server.working_of_mb(request), max(server.box.gpus)
        of_it = "" if request.working_mb is None else f", {request.working_mb} of them for so many and large images"
        return Failure(
            "large",
            f"{model} takes {needs} MB{of_it}, and the largest GPU has {most} MB for models, pinned ones included",
        )

    def _free_in_s(self) -> float:
        """About when a place is free, by the catalogue [s]."""
        heads = [queue[0].own_s for queue in self._server.waiting.values()]
        return min(max(min(heads, default=1.0), 1.0), 120.0)
