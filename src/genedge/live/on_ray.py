"""Several boxes on a Ray cluster behind one door: Ray says where each is, and starts it elsewhere if that is lost.

Of Ray only actors are used. An actor holds a box, which is `genedge live` in a process of its own on the actor's
node, and says where it listens; all else goes over HTTP, as between boxes that are peers.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from genedge.clusters import connected
from genedge.errors import InputError
from genedge.live.front import Front
from genedge.live.others import Others
from genedge.live.processes import ends_with_parent
from genedge.live.service import Ends, Wanted, check, listen, listener

KEY, CLOUD_KEY = "GENEDGE_KEY", "GENEDGE_CLOUD_KEY"
LOOK_EVERY_S, ENDS_WITHIN_S, SAYS_EVERY_S = 1.0, 15.0, 30.0
LISTENING = "listening on "


class Cluster(NamedTuple):
    """Which cluster, and what runs on it.

    Attributes:
        address: of its head, `HOST:PORT`; None for the one that Ray finds, or a new one on this machine.
        boxes: how many; None for one a node.
        box: name or file of a box, which lies at the same path on each node.
        settings: of the box, that are otherwise.
    """

    address: str | None
    boxes: int | None
    box: str
    settings: Sequence[str]


class Holder:
    """An actor: a box in a process of its own, on whatever node this is."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """A box that has not started.

        Args:
            command: what `genedge live` is given.
            environment: variables besides the node's own.
        """
        self._command, self._environment = command, environment
        self._process: subprocess.Popen[str] | None = None
        self._url = ""

    def url(self) -> str:
        """Where the box listens; it is started if it has not been, or has ended.

        Raises:
            RuntimeError: it cannot be; the message says why.
        """
        if self._process is None or self._process.poll() is not None:
            self._start()
        return self._url

    def stop(self) -> None:
        """Ends the box."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDS_WITHIN_S)
            self._process.kill()

    def _start(self) -> None:
        import ray

        host = ray.util.get_node_ip_address()
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "genedge", "live", *self._command, "--host", host, "--port", "0", "--quiet"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self._environment},
            preexec_fn=ends_with_parent if sys.platform == "linux" else None,
        )
        assert process.stderr is not None
        said = ""
        while not (line := process.stderr.readline()).startswith(LISTENING):
            said += line
            if not line:
                raise RuntimeError(said)
        threading.Thread(target=shutil.copyfileobj, args=(process.stderr, sys.stderr), daemon=True).start()
        self._url = line.removeprefix(LISTENING).strip()


def command_of(wanted: Wanted, cluster: Cluster, number: int) -> list[str]:
    """What `genedge live` is given for a box.

    Args:
        wanted: how each is to be served.
        cluster: where.
        number: of the box.
    """
    box, scheduler = (
        str(Path(name).resolve()) if Path(name).is_file() else name for name in (cluster.box, wanted.scheduler)
    )
    options: dict[str, object] = {
        "scheduler": scheduler,
        "shadow": ",".join(wanted.shadows),
        "waiting": wanted.limits.waiting,
        "waiting-of-user": wanted.limits.waiting_of_user,
        "hold": wanted.door.hold_s,
        "drain": wanted.drain_s,
        "journal": None if wanted.journal is None else wanted.journal.resolve() / f"box{number}",
        "cloud": wanted.cloud,
    }
    given = [word for key, value in options.items() if value is not None for word in (f"--{key}", str(value))]
    return [box, *given, *(word for setting in cluster.settings for word in ("--set", setting))]


async def serve_on_ray(wanted: Wanted, cluster: Cluster) -> None:
    """Serves until a signal asks it to end.

    Args:
        wanted: how each box is to be served, and the door before them.
        cluster: where.

    Raises:
        InputError: Ray is not installed, no cluster answers, or no box can be started.
    """
    check(wanted)
    with listener(wanted.host, wanted.port) as listens, connected(cluster.address, {}) as ray:
        environment = {
            KEY: secrets.token_urlsafe(),
            **({} if wanted.cloud_key is None else {CLOUD_KEY: wanted.cloud_key}),
        }
        count = cluster.boxes or sum(node["Alive"] for node in ray.nodes())
        gpus = len(wanted.file.box.gpus) if ray.cluster_resources().get("GPU") else 0
        remote = ray.remote(Holder).options(
            num_cpus=1, num_gpus=gpus, max_restarts=-1, scheduling_strategy="SPREAD"
        )
        holders = [remote.remote(command_of(wanted, cluster, number), environment) for number in range(count)]
        others = Others([""] * count, {"Authorization": f"Bearer {environment[KEY]}"})
        front = Front(others, wanted.door, environment[KEY], None if wanted.quiet else sys.stdout)
        await _first(ray, holders, others)
        beside = [asyncio.create_task(others.watch())]
        beside += [asyncio.create_task(_keep(ray, holders[i], others, i)) for i in range(count)]

        async def drain() -> None:
            front.closed = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wanted.drain_s):
                    while front.underway:
                        await asyncio.sleep(0.05)

        async def close() -> None:
            front.close()

        try:
            await listen(wanted, listens, front.application(), Ends(drain, close))
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            with contextlib.suppress(ray.exceptions.RayError, TimeoutError):
                await asyncio.wait_for(asyncio.gather(*(h.stop.remote() for h in holders)), 2 * ENDS_WITHIN_S)


async def _first(ray: Any, holders: Sequence[Any], others: Others) -> None:
    """Waits until a box listens."""
    asked = {asyncio.ensure_future(_url(holder)): number for number, holder in enumerate(holders)}
    try:
        while asked:
            done, _ = await asyncio.wait(asked, timeout=SAYS_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                print("waiting for Ray to find a free core for a box", file=sys.stderr, flush=True)
            for task in done:
                number = asked.pop(task)
                try:
                    others.boxes[number].move(task.result())
                    return
                except ray.exceptions.RayTaskError as e:
                    failure = InputError(str(e.cause).strip() or "a box has ended before it listened")
                except ray.exceptions.RayError as e:
                    failure = InputError(f"Ray cannot start a box: {str(e).splitlines()[0]}")
        raise failure
    finally:
        for task in asked:
            task.cancel()


async def _keep(ray: Any, holder: Any, others: Others, number: int) -> None:
    """Follows a box to wherever Ray has started it anew."""
    box = others.boxes[number]
    while True:
        # Ray starts it elsewhere, if there is room; until then the others serve.
        with contextlib.suppress(ray.exceptions.RayError):
            url = await _url(holder)
            if url != box.url:
                box.move(url)
        await asyncio.sleep(LOOK_EVERY_S)


async def _url(holder: Any) -> str:
    found: str = await holder.url.remote()
    return found
