"""A live box to look at: small models here, a second box as its cloud, and a client who asks for images."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx

from genedge.errors import InputError
from genedge.live import processes
from genedge.live.jobs import Failure
from genedge.replay.generate import generate
from genedge.replay.habits import Habits
from genedge.replay.trace import Row

Told = Callable[[str, int], None]

LOOK_EVERY_S = 0.2
# A client hears nothing for longer where a box is slow, and then gives up [s].
TIMEOUT_S = 600.0


class Play(NamedTuple):
    """What a client asks for.

    Attributes:
        seconds: for how long.
        rate: mean number of requests a second.
        users: how many there are.
        seed: of everything random.
    """

    seconds: float = 60.0
    rate: float = 0.9
    users: int = 5
    seed: int = 0

    def rows(self, models: Sequence[str]) -> list[Row]:
        """Requests of users who mostly come back for their last model, by Zipf's law; times from 0.

        Args:
            models: that are asked for.
        """
        enough = int(2 * self.seconds * self.rate) + 100
        drawn = generate(enough, len(models), self.users, self.rate, self.seed, Habits(names=models, skew=1.0))
        return [row for row in drawn if row.time < self.seconds]


class Answered(NamedTuple):
    """What became of a request, as its client sees it.

    Attributes:
        row: it.
        delay_s: from when it was sent to the last byte of the answer [s].
        status: of the answer; 0 if there was none.
        served_by: `edge` or `cloud`; empty if nobody did.
    """

    row: Row
    delay_s: float
    status: int
    served_by: str


async def play(url: str, rows: Sequence[Row], told: Told, key: str | None = None) -> list[Answered]:
    """Asks for images, each at its time, whatever became of those before.

    Args:
        url: of the box.
        rows: what is asked for; images as large as their models make.
        told: how many have their answers.
        key: that the box asks for; None if none.

    Returns:
        What became of each, in the order of the answers.
    """
    answered: list[Answered] = []
    shown = {"Authorization": f"Bearer {key}"} if key else {}
    client = httpx.AsyncClient(
        base_url=url, headers=shown, timeout=TIMEOUT_S, trust_env=False, limits=httpx.Limits(max_connections=None)
    )
    async with client:
        began = time.monotonic()

        async def ask(row: Row) -> None:
            await asyncio.sleep(began + row.time - time.monotonic())
            sent = time.monotonic()
            body = {"model": row.model, "prompt": "", "steps": int(row.steps), "user": row.user, "seed": 1}
            try:
                answer = await client.post("/v1/images/generations", json=body)
                status, by = answer.status_code, answer.headers.get("x-genedge-served-by", "")
            except httpx.HTTPError:
                status, by = 0, ""
            answered.append(Answered(row, time.monotonic() - sent, status, by if status == 200 else ""))
            told("answered", len(answered))

        async with asyncio.TaskGroup() as tasks:
            for row in rows:
                tasks.create_task(ask(row))
    return answered


def outcomes(answered: Sequence[Answered]) -> str:
    """Who served, in words.

    Args:
        answered: what became of all.
    """
    served = Counter(each.served_by for each in answered)
    words = {"edge": "here", "cloud": "by the cloud", "": "not"}
    return ", ".join(f"{served[by]} {word}" for by, word in words.items() if served[by])


@asynccontextmanager
async def second_box(port: int, options: Sequence[str]) -> AsyncIterator[str]:
    """Another live box in a process of its own, which ends with the block, or with this process.

    Args:
        port: on which it listens.
        options: of `genedge live`, the box's name first.

    Yields:
        Its address, once it answers.

    Raises:
        InputError: it does not come up.
    """
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "genedge", "live", *options, "--port", str(port), "--quiet", "--drain", "0"]
    try:
        process = await processes.start(command, "the second box", {"GENEDGE_KEY": ""})
    except Failure as e:
        raise InputError(e.message) from None
    gone = asyncio.ensure_future(process.gone())
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            while not await _answers(client):
                await asyncio.wait([gone], timeout=LOOK_EVERY_S)
                if gone.done():
                    raise InputError(gone.result())
        yield url
    finally:
        gone.cancel()
        await process.stop()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        answer = await client.get("/healthz")
    except httpx.HTTPError:
        return False
    return answer.status_code == 200
