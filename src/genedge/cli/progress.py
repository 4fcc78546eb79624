"""Progress on standard error: a bar with a time estimate on a terminal, plain lines in pipes and notebooks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from math import inf
from time import monotonic
from typing import Protocol

from genedge.cli.streams import on_terminal
from genedge.text import shown

# Without a terminal, a line at most this often, and the last one; none of work that is done in this time [s].
LINE_EVERY_S, LEAST_S = 5.0, 1.0


class Tick(Protocol):
    """Tells of progress: a text, and how much is done by now."""

    def __call__(self, text: str, done: int) -> None:
        """Shows it."""
        ...


@contextmanager
def progress(total: int) -> Iterator[Tick]:
    """Shows progress towards a total.

    Args:
        total: how much there is to do.
    """
    if on_terminal(sys.stderr):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            Remaining(),
            TextColumn("{task.description}", markup=False),
        )
        # The time left is judged by the whole session, as below: pieces of work may take minutes each.
        with Progress(*columns, console=Console(stderr=True), speed_estimate_period=inf) as bar:
            task = bar.add_task("", total=total)
            yield lambda text, done: bar.update(task, completed=done, description=shown(text))
        return

    start = last = monotonic()
    before: int | None = None

    def line(text: str, done: int) -> None:
        nonlocal last, before
        now = monotonic()
        if before is None:
            before = done  # By an earlier session, in no time of this one.
        if now - start < LEAST_S or (now - last < LINE_EVERY_S and done < total):
            return
        last = now
        left = (now - start) / (done - before) * (total - done) if done > before else None
        estimate = f", about {left:.0f} s left" if left is not None else ""
        # In one piece: what an interruption says begins a line of its own.
        told = f"[{done}/{total}] {shown(text)} ({now - start:.0f} s{estimate})\n"
        print(told, end="", file=sys.stderr, flush=True)

    yield line


@contextmanager
def counter(total: int, at_end: str) -> Iterator[Callable[[str], None]]:
    """Shows progress through pieces of work, of which each is announced by a text before it begins.

    Args:
        total: how many pieces there are.
        at_end: what to say when all are done.
    """
    with progress(total) as tick:
        done = count()
        yield lambda text: tick(text, next(done))
        tick(at_end, total)


@contextmanager
def stages(total: int, at_end: str) -> Iterator[Callable[[str, int, str], None]]:
    """Shows progress through stages, of which each tells how far it is itself.

    Args:
        total: how much there is to do in all of them.
        at_end: what to say when all are done.
    """
    with progress(total) as tick:
        done: dict[str, int] = {}

        def report(stage: str, of_it: int, detail: str) -> None:
            done[stage] = of_it
            tick(f"{stage}, {detail}" if detail else stage, min(sum(done.values()), total))

        yield report
        tick(at_end, total)
