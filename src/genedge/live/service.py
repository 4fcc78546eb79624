"""A live box, put together and run until it is told to end."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import uvicorn
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from genedge.boxes.load import BoxFile
from genedge.catalogue.sections import WorkerSection
from genedge.errors import InputError
from genedge.folders import one_writer
from genedge.live.account import Account, state_of
from genedge.live.app import Box, Door, application
from genedge.live.driver import Driver
from genedge.live.jobs import Failure, Limits, Outcome, Worker
from genedge.live.journal import FileJournal, Journal, NoJournal
from genedge.live.metrics import Metrics
from genedge.live.of_command import CommandWorker, why_no_command
from genedge.live.of_pipeline import PipelineWorker
from genedge.live.peers import Peers
from genedge.live.shadow import Shadows
from genedge.live.soon import Soon
from genedge.live.unforeseen import goes_on
from genedge.live.watching import device, watch
from genedge.replay.journal import Asked, last_asked
from genedge.replay.remembered import REMEMBERED

JOURNAL_BYTES, JOURNAL_FILES = 64 << 20, 8
CLOUD_TIMEOUT_S = 600.0

Beside = Callable[[str], Coroutine[Any, Any, None]]


class Wanted(NamedTuple):
    """How a box is to be served.

    Attributes:
        file: the box.
        scheduler: its name.
        host: address to listen on.
        port: to listen on; 0 for any.
        door: how it is open to clients.
        limits: what it takes on.
        journal: folder; None to keep none.
        shadows: schedulers beside which it runs.
        cloud: where requests go that it does not serve, or that would be served sooner there, with commas between
            several; None if nowhere.
        cloud_key: that the cloud asks for; None if none.
        drain_s: how long what runs and waits may take to end [s].
        quiet: whether no line is written for each access.
    """

    file: BoxFile
    scheduler: str
    host: str
    port: int
    door: Door
    limits: Limits
    journal: Path | None
    shadows: tuple[str, ...]
    cloud: str | None
    cloud_key: str | None
    drain_s: float
    quiet: bool


def check(wanted: Wanted) -> None:
    """Refuses what could not be served.

    Args:
        wanted: how it is to be.

    Raises:
        InputError: a model has no worker, or one that could not be started, or the box is open to others without a
            key.
    """
    if wanted.host not in ("127.0.0.1", "localhost", "::1") and wanted.door.key is None:
        raise InputError(
            f"--host {wanted.host}: others can reach it; set GENEDGE_KEY to a key, which all must then show"
        )
    if not wanted.file.box.queue:
        raise InputError(f"{wanted.file.name}: queue: false is for replays; a live box queues, so leave it out")
    if wanted.file.box.ram is not None:
        raise InputError(
            f"{wanted.file.name}: ram is for replays; a live box ends the process of what leaves, so leave it out, "
            "or --set ram=null"
        )
    if wanted.file.box.cloud is not None and wanted.cloud is None:
        raise InputError(f"{wanted.file.name}: it has a cloud; say where with --cloud URL, or --set cloud=null")
    if not wanted.file.models.named:
        raise InputError(f"{wanted.file.name}: no model is named; a live box serves those that are")
    for model in wanted.file.models.named:
        worker = wanted.file.models.worker(model)
        if worker is None:
            raise InputError(
                f"{wanted.file.name}: models.{model}.worker is missing; give {{pipeline: FOLDER}} or {{command: "
                "'server --port {port}', health: /healthz}"
            )
        if wanted.file.models[model].needs:
            raise InputError(
                f"{wanted.file.name}: models.{model}.needs is for replays; each live worker is a process with all "
                "weights of its own, so leave it out, and give memory_gb of all of them"
            )
        if worker.command is not None and (why := why_no_command(worker.command)) is not None:
            raise InputError(f"{wanted.file.name}: models.{model}.worker.command: {why}")


async def serve(wanted: Wanted, beside: Beside | None = None) -> None:
    """Serves until a signal asks it to end; then it takes nothing on, and lets what it has come to its end.

    Args:
        wanted: how.
        beside: what is done meanwhile, told its address; if it fails, the box ends. None for nothing.

    Raises:
        InputError: it cannot be begun.
    """
    check(wanted)
    # What two boxes write to one journal is of neither.
    alone = contextlib.nullcontext() if wanted.journal is None else one_writer(wanted.journal, "--journal")
    with alone, listener(wanted.host, wanted.port) as listens:
        await _serve(wanted, listens, beside)


async def _serve(wanted: Wanted, listens: socket.socket, beside: Beside | None) -> None:
    metrics, account = Metrics(None if wanted.quiet else sys.stdout), Account(REMEMBERED)
    shadows = Shadows(wanted.file, wanted.shadows, metrics.shadowed)
    journal: Journal = NoJournal()
    past: list[Asked] = []
    if wanted.journal is not None:
        past = last_asked(wanted.journal, REMEMBERED)
        journal = FileJournal(wanted.journal, JOURNAL_BYTES, JOURNAL_FILES)
    peers = None if wanted.cloud is None else Peers(urls_of(wanted.cloud), wanted.cloud_key, CLOUD_TIMEOUT_S)

    def worker(model: str, gpu: int) -> Worker:
        return worker_of(model, wanted.file.models.worker(model), gpu)

    def ended(outcome: Outcome) -> None:
        metrics.ended(outcome)
        account.ended(outcome)
        soon.ended(outcome)

    driver = Driver(wanted.file, wanted.scheduler, worker, journal, wanted.limits, peers, ended, past)
    soon = Soon(driver)

    async def page(request: Request) -> Response:
        return HTMLResponse((files("genedge.live") / "page.html").read_text(encoding="utf-8"))

    async def state(request: Request) -> Response:
        others = [] if peers is None else peers.plain()
        told = state_of(driver, account, shadows.found)
        return JSONResponse({**told, "shadow_ended": shadows.ended, "soon": soon.plain(), "others": others})

    box = Box(driver, wanted.door, metrics, soon, peers)
    app = application(box, [Route("/", box.open(page)), Route("/v1/box", box.open(state))])
    tasks: list[asyncio.Task[None]] = []
    try:
        await _begin(driver)
        besides = {"the watch": lambda: watch(driver, device), "the shadow": lambda: shadows.run(account.served)}
        if peers is not None:
            besides["the watch over other boxes"] = peers.watch
        tasks += [asyncio.create_task(goes_on(what, work)) for what, work in besides.items()]
        await listen(wanted, listens, app, Ends(lambda: driver.drain(wanted.drain_s), driver.close), beside)
    finally:
        for task in tasks:
            task.cancel()
        await driver.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        if peers is not None:
            await peers.close()


async def _begin(driver: Driver) -> None:
    """Loads what is to be in memory from the start, and says so: that may take long."""
    for model in [model for gpu in driver.server.gpus for model in gpu.resident]:
        worker = driver.file.models.worker(model)
        assert worker is not None
        until = "" if worker.command is None else f", until its server answers {worker.health} with 200"
        print(f"waiting for {model} to load{until}", file=sys.stderr, flush=True)
    try:
        await driver.start()
    except Failure as e:
        raise InputError(f"{driver.file.name}: {e.message}") from None


def urls_of(said: str) -> list[str]:
    """Where other boxes and clouds are.

    Args:
        said: their addresses, with commas between.

    Raises:
        InputError: one is none.
    """
    urls = [url.strip().rstrip("/").removesuffix("/v1") for url in said.split(",")]
    for url in urls:
        if not _is_address(url):
            raise InputError(
                f"--cloud {said}: {url!r} is no address; give http://HOST:PORT, with commas between several"
            )
    return urls


def _is_address(url: str) -> bool:
    """Whether others can be asked there: `port` is looked at, since only then what is none is found out."""
    try:
        at = urlsplit(url)
        found = at.scheme in ("http", "https") and bool(at.hostname) and at.port != 0
    except ValueError:
        return False
    return found and " " not in url and url.isprintable()


def worker_of(model: str, said: WorkerSection | None, gpu: int) -> Worker:
    """The worker of a model.

    Args:
        model: its name.
        said: what the box says of it.
        gpu: where.
    """
    assert said is not None
    if said.command is not None:
        return CommandWorker(model, said.command, said.health, gpu)
    assert said.pipeline is not None
    return PipelineWorker(model, said.pipeline, gpu)


def listener(host: str, port: int) -> socket.socket:
    """Where clients connect to; taken before anything is loaded.

    Args:
        host: address.
        port: 0 for any.

    Raises:
        InputError: it is taken, or there is no such address.
    """
    # Said to be TCP: else asyncio lets the body of each answer wait until its head is confirmed, after 40 ms.
    listens = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )
    try:
        listens.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listens.bind((host, port))
        listens.listen()
        return listens
    except (OSError, UnicodeError) as e:
        listens.close()
        why = getattr(e, "strerror", None) or e
        raise InputError(f"--host {host} --port {port}: cannot be listened on: {why}; choose others") from None


class Ends(NamedTuple):
    """How what answers comes to its end.

    Attributes:
        drain: takes nothing on any more, and returns when nothing is left.
        close: gives up what is left.
    """

    drain: Callable[[], Coroutine[Any, Any, None]]
    close: Callable[[], Coroutine[Any, Any, None]]


async def listen(
    wanted: Wanted, listens: socket.socket, app: ASGIApp, ends: Ends, beside: Beside | None = None
) -> None:
    """Listens until a signal asks it to end, and what is there has come to its end; a second one does not wait.

    Args:
        wanted: where, and how.
        listens: there.
        app: what answers.
        ends: how it ends.
        beside: what is done meanwhile, told its address; None for nothing.
    """
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
    server = _Server(config)
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []
    hurried = asyncio.Event()

    async def stop() -> None:
        ways = [loop.create_task(ends.drain()), loop.create_task(hurried.wait())]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        # Whoever still waits hears so before the doors are closed.
        await ends.close()
        server.should_exit = True

    def asked() -> None:
        if stopping:
            hurried.set()
        else:
            stopping.append(loop.create_task(stop()))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    # What is there by now stays: it is not looked at again and again for garbage, during which nobody is served.
    gc.collect()
    gc.freeze()
    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    url = f"http://{host}:{listens.getsockname()[1]}"
    print(f"listening on {url}", file=sys.stderr, flush=True)
    doing = None if beside is None else loop.create_task(_ending(server, beside(url)))
    try:
        await server.serve([listens])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if doing is not None:
            doing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await doing


async def _ending(server: uvicorn.Server, beside: Coroutine[Any, Any, None]) -> None:
    """Does something beside a server, which ends if that fails."""
    try:
        await beside
    except BaseException:
        server.should_exit = True
        raise


class _Server(uvicorn.Server):
    """Signals are ours: what waits and runs comes to its end first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
