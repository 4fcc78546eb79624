"""What nobody foresaw goes wrong all the same: it is told, and the service goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from genedge.live.jobs import Failure
from genedge.text import in_brief

# After which what goes on beside the service begins anew [s].
AGAIN_S = 10.0


class Tasks:
    """What goes on at the same time."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Begins something; that it fails is told.

        Args:
            work: it.
        """
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def close(self) -> None:
        """Ends all of it."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler({"message": "a box's task", "exception": error})


async def failure_of(work: Awaitable[None], what: str) -> Failure | None:
    """Why something has not come to its end, whatever the reason; None if it has.

    Args:
        work: it.
        what: it is, such as `loading sdxl`.
    """
    try:
        await work
    except Failure as failure:
        return failure
    except Exception as error:
        _tell(f"{what} has failed", error)
        return Failure("failed", f"{what} has failed: {in_words(error)}")
    return None


async def goes_on(what: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Does what never ends by itself; where it fails, that is told, and it begins anew after a while.

    Args:
        what: it is, such as `the shadow`.
        work: begins it.
    """
    while True:
        try:
            await work()
        except Exception as error:
            _tell(f"{what} has failed, and begins anew in {AGAIN_S:g} s", error)
        await asyncio.sleep(AGAIN_S)


def in_words(error: Exception) -> str:
    """An error that nobody foresaw, in a line.

    Args:
        error: any.
    """
    return f"{type(error).__name__}: {in_brief(str(error).strip())}"


def _tell(what: str, error: Exception) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": what, "exception": error})
