"""`genedge live --demo`: a live box, its cloud and a client, on this machine; and in a table what came of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from genedge.boxes.load import BoxFile
from genedge.cli.console import console, say
from genedge.cli.progress import progress
from genedge.cli.table import print_table
from genedge.live.demo import TIMEOUT_S, Answered, Play, outcomes, play, second_box
from genedge.live.processes import free_port
from genedge.live.service import Wanted, serve
from genedge.replay.journal import lived, lives_in
from genedge.replay.queueing import replayed
from genedge.replay.trace import rows_lived

# The cloud has room for all models, and all of them are there.
SECOND = ("demo", "--set", "gpus=[{memory_gb: 4}]", "--set", "warm=[faces, textures, shapes]", "--shadow", "")
TODAY = "fifo+lru"


async def live_demo(wanted: Wanted) -> None:
    """Serves until Ctrl-C; meanwhile a client plays for a minute, and what came of that is told.

    Args:
        wanted: how.

    Raises:
        InputError: a box cannot be begun.
    """
    asked, port = Play(), free_port()
    rows = asked.rows(wanted.file.models.named)

    async def beside(url: str) -> None:
        say(f"{url} shows the box; Ctrl-C ends it and all that it has started.")
        say("Starting a second box, which is its cloud ...")
        async with second_box(port, SECOND):
            say(f"{len(rows)} requests by {asked.users} users, in {asked.seconds:g} s ...")
            with progress(len(rows)) as tick:
                answered = await play(url, rows, tick, wanted.door.key)
            assert here.journal is not None
            await asyncio.to_thread(_tell, asked, answered, here.journal, wanted.file)
            say(f"It goes on to serve: {url}")
            await asyncio.Event().wait()

    with TemporaryDirectory() as folder:
        here = wanted._replace(
            cloud=f"http://127.0.0.1:{port}",
            journal=wanted.journal or Path(folder),
            door=wanted.door._replace(hold_s=TIMEOUT_S),
            drain_s=0.0,
            quiet=True,
        )
        await serve(here, beside)


def _tell(asked: Play, answered: Sequence[Answered], journal: Path, file: BoxFile) -> None:
    """What happened, beside what the same requests would have cost today."""
    (life,) = lives_in(journal)[-1:]
    here = lived([life])
    # With the times that were measured, as this machine is another than that of the box's file.
    took = (each.took_s for each in life.asked())
    rows_here = [(*row[:6], took_s, None) for row, took_s in zip(rows_lived([life]), took, strict=True)]
    today = replayed(TODAY, rows_here, file, TODAY, lambda *told: None)
    rows = [
        [f"live, {life.head['scheduler']}", _s(here.mean_s), _s(here.p95_s), outcomes(answered), str(here.loads)],
        [
            f"replayed, {TODAY} without a cloud",
            _s(today.mean_s),
            _s(today.sketch.quantile(0.95)),
            f"{today.served} here",
            str(today.loads),
        ],
    ]
    title = f"{len(answered)} requests in {asked.seconds:g} s"
    print_table(console(), title, ["", "mean delay", "p95", "served", "loads"], rows)


def _s(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
