"""Other boxes, and whatever speaks OpenAI's interface, as the cloud of a box."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from genedge.live.cloud import HttpCloud
from genedge.live.jobs import Failure, Ticket
from genedge.live.others import EVERY_S, Other, Others
from genedge.live.routing import Seen, costs


class Peers:
    """Those that may serve what a box does not, or would serve it sooner."""

    def __init__(self, urls: Sequence[str], key: str | None, timeout_s: float) -> None:
        """Nothing asked yet.

        Args:
            urls: where they are, up to and without `/v1`.
            key: that they ask for; None if none.
            timeout_s: after which one has not answered [s].
        """
        self._others = Others(urls, {"Authorization": f"Bearer {key}"} if key else {})
        self._clouds = {url: HttpCloud(url, key, timeout_s) for url in urls}

    def plain(self) -> list[dict[str, Any]]:
        """All of them, for whoever looks."""
        return self._others.plain()

    async def watch(self) -> None:
        """Asks boxes among them how they are, until it is cancelled."""
        await self._others.watch()

    def sooner(self, model: str, here: Callable[[], Seen]) -> str | None:
        """Why a request is first sent to another box; None if it is not.

        Args:
            model: the request's.
            here: this box as it is.
        """
        best = next(iter(self._others.best_first(model)), None)
        if best is None or best.seen is None:
            return None
        there, own = costs(best.seen, best.sent, model), costs(here(), (), model)
        # What the other has said may be as old as the time between two looks.
        if there is None or (own is not None and sum(there) + EVERY_S >= sum(own)):
            return None
        told = "this box does not serve it" if own is None else f"{sum(own):.1f} s here"
        return f"{sum(there):.1f} s expected there, {told}"

    async def __call__(self, ticket: Ticket) -> None:
        """Serves a ticket: by boxes that answer, the best first, then by those that are no boxes.

        Args:
            ticket: of a request that this box does not serve, or not at once; then only the best is asked.

        Raises:
            Failure: nobody serves it; the last one's reason.
        """
        failure = Failure("failed", "no other box answers", 30.0)
        for other in self._order(ticket):
            try:
                await self._ask(other, ticket)
                return
            except Failure as e:
                failure = e
            if failure.kind == "bad" or ticket.answered:
                break
        raise failure

    async def close(self) -> None:
        """No more is asked of them."""
        for cloud in self._clouds.values():
            await cloud.close()

    def _order(self, ticket: Ticket) -> list[Other]:
        boxes = self._others.best_first(ticket.request.model)
        if ticket.returns:
            return boxes[:1]
        # A box that has not said yet what it is, or does not say, may still serve.
        return boxes + [other for other in self._others.boxes if other.seen is None]

    async def _ask(self, other: Other, ticket: Ticket) -> None:
        """Until it has served, or no longer answers when it is asked how it is."""
        with other.sending(ticket.request.model):
            asks = asyncio.ensure_future(self._clouds[other.url](ticket))
            if other.seen is None:
                await asks
                return
            gone = asyncio.ensure_future(other.gone.wait())
            try:
                await asyncio.wait([asks, gone], return_when=asyncio.FIRST_COMPLETED)
                if not asks.done():
                    raise Failure("failed", "the other box does not answer any more", 30.0)
                await asks
            finally:
                asks.cancel()
                gone.cancel()
