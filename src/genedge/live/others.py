"""Other boxes as they say they are, asked again and again: no request waits for one that does not answer."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from genedge.live.routing import Seen, route, seen_of

EVERY_S, ANSWERS_WITHIN_S = 0.5, 5.0
# It is gone that has not answered so often in a row; then, and where no box is, it is asked again after that long.
MISSES, REST_S = 2, 10.0
MOST_BYTES = 4 << 20


class Other:
    """Another box.

    Attributes:
        url: where it is, up to and without `/v1`.
        seen: as it said it was; None if it does not answer, or is no box.
        gone: set when it no longer answers; whoever waits for it then need not.
        again: set when it is to be asked at once.
    """

    def __init__(self, url: str) -> None:
        """One that has said nothing yet.

        Args:
            url: where it is.
        """
        self.url = url
        self.seen: Seen | None = None
        self.gone, self.again = asyncio.Event(), asyncio.Event()
        self._sent: dict[int, tuple[float, str]] = {}
        self._numbers = itertools.count()
        self._misses = 0

    def move(self, url: str) -> None:
        """It is another one from now on, at another place.

        Args:
            url: where.
        """
        self.url, self.seen, self._sent = url, None, {}
        self.gone.set()
        self.again.set()

    @property
    def sent(self) -> list[str]:
        """Models of the requests that were sent to it since it said how it was."""
        return [model for _, model in self._sent.values()]

    @contextlib.contextmanager
    def sending(self, model: str) -> Iterator[None]:
        """Within it, a request is on its way to the box.

        Args:
            model: the request's.
        """
        number = next(self._numbers)
        self._sent[number] = (time.monotonic(), model)
        try:
            yield
        finally:
            self._sent.pop(number, None)

    async def look(self, client: httpx.AsyncClient, headers: dict[str, str]) -> float:
        """Asks it how it is.

        Args:
            client: to ask with.
            headers: to send along.

        Returns:
            When it is to be asked again [s].
        """
        asked_at, url = time.monotonic(), self.url
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                said = await _state(client, url, headers)
            seen = None if said is None else seen_of(said)
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError):
            self._misses += 1
            if self._misses < MISSES and self.seen is not None:
                return EVERY_S
            seen = None
        if url != self.url:
            return 0.0
        if seen is None:
            self.seen = None
            self.gone.set()
            return REST_S
        self._misses = 0
        self.gone.clear()
        # What was sent before is in what it said.
        self._sent = {key: (at, model) for key, (at, model) in self._sent.items() if at > asked_at}
        self.seen = seen
        return EVERY_S


async def _state(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> object:
    """What it says of itself; None if it is no box. No more of it is read than a box would say."""
    async with client.stream("GET", f"{url}/v1/box", headers=headers) as answer:
        if answer.status_code != 200:
            return None
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > MOST_BYTES:
                return None
    said = json.loads(body)
    return said.get("soon") if isinstance(said, dict) else None


class Others:
    """Several of them.

    Attributes:
        boxes: all, whether or not they answer.
    """

    def __init__(self, urls: Sequence[str], headers: dict[str, str]) -> None:
        """Nobody asked yet.

        Args:
            urls: where they are.
            headers: to send to all, such as a key.
        """
        self.boxes = [Other(url) for url in urls]
        self._headers = headers

    async def watch(self) -> None:
        """Asks them until it is cancelled."""
        async with httpx.AsyncClient(trust_env=False, timeout=ANSWERS_WITHIN_S) as client:
            await asyncio.gather(*(self._watch(client, box) for box in self.boxes))

    async def _watch(self, client: httpx.AsyncClient, box: Other) -> None:
        while True:
            wait_s = await box.look(client, self._headers)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(box.again.wait(), wait_s)
            box.again.clear()

    def plain(self) -> list[dict[str, Any]]:
        """All of them, for whoever looks: where each is, what it has, how busy it is; None if it is silent."""
        told: list[dict[str, Any]] = []
        for box in self.boxes:
            seen = box.seen
            has = None if seen is None else [name for name, takes in seen.models.items() if not takes.load_s]
            told.append({"url": box.url, "has": has, "busy_s": None if seen is None else seen.busy_s})
        return told

    def best_first(self, model: str) -> list[Other]:
        """Boxes that answer and serve a model, the one where a request for it costs least first.

        Args:
            model: its name.
        """
        answering = [box for box in self.boxes if box.seen is not None]
        states = [(box.seen, box.sent) for box in answering if box.seen is not None]
        return [answering[number] for number in route(states, model)]
