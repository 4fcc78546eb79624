"""What the same requests would have cost under other schedulers, and what nobody could go below, as the box runs.

The last requests that were served are replayed through the box as its file has it, in a process of its own: with
the generation times that were measured, and the loads of the catalogue. A shadow sees no more than the box did.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from genedge.boxes.load import BoxFile
from genedge.boxes.schedulers import limited, scheduler_of
from genedge.edge.request import Request
from genedge.edge.server import Server
from genedge.interruption import no_ctrl_c_for_children, serve_behind
from genedge.live.account import Served
from genedge.live.unforeseen import in_words
from genedge.replay.least import shortest_remaining_first
from genedge.replay.simulate import Done, Open, simulate

# Of the time, what the shadows may take; and between two looks at least [s].
SHARE, EVERY_S = 0.05, 5.0


def shadowed(served: Sequence[Served], file: BoxFile, scheduler: str) -> float:
    """The mean delay of requests under a scheduler [s].

    Args:
        served: requests, in any order.
        file: the box.
        scheduler: its name.
    """
    box = limited(scheduler, file.box)
    server = Server(box, file.models, scheduler_of(scheduler, box, file.models))
    rows = sorted(served)
    total = 0.0

    def done(d: Done) -> None:
        nonlocal total
        total += d.delay_s

    requests = (
        Request(i, row.time, row.model, row.user, row.steps, row.generation_s) for i, row in enumerate(rows)
    )
    simulate(server, Open(requests), done, lambda request: None)
    return total / len(rows)


def _all(served: Sequence[Served], file: BoxFile, schedulers: Sequence[str]) -> list[dict[str, Any]]:
    """Each scheduler's, and the bound, beside what was."""
    n = len(served)
    found = [{"scheduler": name, "mean_s": shadowed(served, file, name), "requests": n} for name in schedulers]
    rows = sorted(served)
    gpus = len(file.box.gpus)
    least = shortest_remaining_first([row.time for row in rows], [row.generation_s / gpus for row in rows])
    alone = sum(row.generation_s for row in rows)
    found.append({"scheduler": "", "mean_s": max(least, alone) / n, "requests": n})
    return found


class Shadows:
    """Looks again and again.

    Attributes:
        found: by scheduler, mean delay and requests; without a name what nobody could go below; and `lived`, the
            mean delay of the same requests as they were served.
        ended: why nothing was found any more; empty if it was.
    """

    def __init__(
        self, file: BoxFile, schedulers: Sequence[str], told: Callable[[list[dict[str, Any]]], None]
    ) -> None:
        """Nothing looked at yet.

        Args:
            file: the box.
            schedulers: their names; checked here.
            told: of what was found, each time.

        Raises:
            InputError: there is no such scheduler.
        """
        for name in schedulers:
            scheduler_of(name, file.box, file.models)
        self.found: list[dict[str, Any]] = []
        self.ended = ""
        self._file, self._schedulers, self._told = file, schedulers, told

    async def look(self, served: Sequence[Served], pool: ProcessPoolExecutor) -> float:
        """Looks once.

        Args:
            served: the last requests.
            pool: where to.

        Returns:
            How long it took [s].
        """
        began = time.monotonic()
        rows = list(served)
        if rows:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(pool, _all, rows, self._file, self._schedulers)
            lived = sum(row.delay_s for row in rows) / len(rows)
            self.found, self.ended = [{**each, "lived_s": lived} for each in found], ""
            self._told(self.found)
        return time.monotonic() - began

    async def run(self, served: Sequence[Served]) -> None:
        """Looks until it is cancelled, and takes no more than its share of the time.

        Args:
            served: the last requests, as they become.
        """
        pool = ProcessPoolExecutor(1, get_context("spawn"), serve_behind, (os.getpid(),))
        try:
            # At once: later, when requests come, they would wait for it to start.
            with no_ctrl_c_for_children():
                await asyncio.get_running_loop().run_in_executor(pool, os.getpid)
            while True:
                took_s = await self.look(served, pool)
                await asyncio.sleep(max(took_s / SHARE, EVERY_S))
        except Exception as e:
            # What was found is no longer so.
            self.found, self.ended = [], f"The shadow has failed, and begins anew: {in_words(e)}"
            self._told([])
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
