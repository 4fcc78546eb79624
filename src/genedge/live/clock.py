"""The time of a live box."""

import asyncio
import time
from collections.abc import Callable

FOREVER = float("inf")


class Clock:
    """Counts from 0, and never backwards; with one alarm."""

    def __init__(self, rings: Callable[[float], None]) -> None:
        """At 0.

        Args:
            rings: told of the alarm, with its time [s].
        """
        self._zero, self._last = time.monotonic(), 0.0
        self._rings = rings
        self._timer: asyncio.TimerHandle | None = None
        self._at = FOREVER

    def now(self) -> float:
        """Since it began [s]; never earlier than a time that it has told."""
        self._last = max(self._last, time.monotonic() - self._zero)
        return self._last

    def ring(self, at: float) -> None:
        """Rings at that very time, whenever the timer goes off; earlier if that was asked for.

        Args:
            at: when [s].
        """
        if at >= self._at:
            return
        self.close()
        self._at = at

        def rings() -> None:
            self.close()
            self._last = max(self._last, at)
            self._rings(self._last)

        left_s = max(at - (time.monotonic() - self._zero), 0.0)
        self._timer = asyncio.get_running_loop().call_later(left_s, rings)

    def close(self) -> None:
        """Rings no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._at, self._timer = FOREVER, None
