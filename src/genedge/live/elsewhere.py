"""Requests that a live box has served elsewhere, and models that it lets rest since they could not be loaded."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from genedge.live.jobs import Failure, Limits, Ticket
from genedge.live.journal import Journal
from genedge.live.unforeseen import failure_of

Cloud = Callable[[Ticket], Coroutine[Any, Any, None]]
# Told of a ticket, when it was sent, and why it was not served; None if it was.
Back = Callable[[Ticket, float, Failure | None], None]


class Elsewhere:
    """Where requests go that are not served here.

    Attributes:
        there: whether there is anything.
    """

    def __init__(
        self,
        cloud: Cloud | None,
        journal: Journal,
        now: Callable[[], float],
        run: Callable[[Coroutine[Any, Any, None]], None],
        back: Back,
    ) -> None:
        """Nothing sent yet.

        Args:
            cloud: serves a ticket; None if there is none.
            journal: keeps what happens.
            now: the box's clock [s].
            run: begins what takes its time.
            back: told of each that comes back.
        """
        self.there = cloud is not None
        self._cloud, self._journal, self._now, self._run, self._back = cloud, journal, now, run, back

    def send(self, now: float, ticket: Ticket, why: str) -> None:
        """A ticket is served elsewhere.

        Args:
            now: [s].
            ticket: it.
            why: not here.
        """
        ticket.served_by, ticket.why, ticket.steps = "cloud", why, ticket.request.steps
        ticket.begun.set()
        request = ticket.request
        self._journal.write(
            "offloaded", now, number=request.number, model=request.model, user=request.user, steps=request.steps,
            megabytes=request.megabytes, why=why,
        )  # fmt: skip
        self._run(self._served(ticket, now))

    async def _served(self, ticket: Ticket, began: float) -> None:
        assert self._cloud is not None
        failure = await failure_of(self._cloud(ticket), "the cloud's answer")
        now = self._now()
        self._journal.write(
            "cloud finished", now, number=ticket.request.number, took_s=now - began,
            failed=None if failure is None else failure.kind,
        )  # fmt: skip
        self._back(ticket, began, failure)


class Rests:
    """Models that could not be loaded, for a while."""

    def __init__(self, limits: Limits) -> None:
        """None rests.

        Args:
            limits: after how many loads, and for how long.
        """
        self._limits = limits
        self._failed: Counter[str] = Counter()
        self._until: dict[str, float] = {}

    def left_s(self, model: str, now: float) -> float:
        """For how long a model is not to be loaded; 0 if it may be [s].

        Args:
            model: its name.
            now: [s].
        """
        return max(self._until.get(model, 0.0) - now, 0.0)

    def loaded(self, model: str) -> None:
        """It could be loaded.

        Args:
            model: its name.
        """
        self._failed[model] = 0

    def failed(self, model: str, now: float) -> bool:
        """It could not.

        Args:
            model: its name.
            now: [s].

        Returns:
            Whether it rests from now on.
        """
        self._failed[model] += 1
        if self._failed[model] < self._limits.load_tries:
            return False
        self._failed[model] = 0
        self._until[model] = now + self._limits.rest_s
        return True
