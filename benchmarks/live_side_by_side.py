"""The same requests served live under several schedulers, and by Ray Serve: python benchmarks/live_side_by_side.py

    python benchmarks/live_side_by_side.py [--seconds 150] [--repeats 2] [--box demo]

A trace such as `genedge trace` makes, the box's models by Zipf's law, is asked of a live box at its times, under
`fifo+lru`, under Ollama's rule and under the default; and of Ray Serve's `@serve.multiplexed`, where ray[serve] is
installed: one replica that holds as many models as fit, which are the box's own worker processes. Each begins with
a request for each model in turn, which is not counted. All serve every trace, each repeat another one, in an order
that is shuffled anew. Printed: mean and 95 % quantile of the delay, from when a request was due to its last byte,
and loads; each over that of `fifo+lru` in the same repeat, mean and range over the repeats.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

import httpx
import numpy as np

from genedge.boxes.load import BoxFile, load_box
from genedge.replay.generate import generate
from genedge.replay.habits import Habits

RAY = "Ray Serve multiplexed"
FIRST = "fifo+lru"
SCHEDULERS = (FIRST, "ollama", "dwell+cost-aware")
RATE_PER_S, SKEW, USERS, STEPS = 0.6, 0.5, 30, 20
ANSWERS_WITHIN_S = 600.0


class Request(NamedTuple):
    """A request of the trace: when it is due [s], for which model, by whom."""

    time: float
    model: str
    user: str


class Result(NamedTuple):
    """What came of a trace: delays [s], loads after the first requests, and answers that were none."""

    delays: np.ndarray
    loads: int
    failed: int


def trace_of(file: BoxFile, seconds: float, seed: int) -> list[Request]:
    """Requests for a box's models."""
    names = list(file.models.named)
    random.Random(seed).shuffle(names)
    rows = generate(
        round(seconds * RATE_PER_S), len(names), USERS, RATE_PER_S, seed, Habits(names=names, skew=SKEW)
    )
    return [Request(row[0], row[1], row[2]) for row in rows]


# --- Who serves


@contextlib.asynccontextmanager
async def live_box(box: str, scheduler: str) -> AsyncIterator[httpx.AsyncClient]:
    """A live box under a scheduler, with nothing beside it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "genedge", "live", box, "--scheduler", scheduler, "--port", "0", "--shadow", "",
        "--quiet", "--hold", "3600", stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        line = (await process.stderr.readline()).decode()
        if not line.startswith("listening on "):
            raise SystemExit(line + (await process.stderr.read()).decode())
        async with httpx.AsyncClient(
            base_url=line.split()[-1], timeout=ANSWERS_WITHIN_S, trust_env=False
        ) as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


async def loads_of_box(client: httpx.AsyncClient) -> int:
    return int((await client.get("/v1/box")).json()["loads"])


@contextlib.asynccontextmanager
async def ray_serve(box: str, scheduler: str) -> AsyncIterator[httpx.AsyncClient]:
    """Ray Serve, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        "--serve",
        box,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        while not (line := (await process.stdout.readline()).decode()).startswith("listening on "):
            if not line:
                raise SystemExit("Ray Serve does not start")
        async with httpx.AsyncClient(
            base_url=line.split()[-1], timeout=ANSWERS_WITHIN_S, trust_env=False
        ) as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


async def loads_of_ray(client: httpx.AsyncClient) -> int:
    return int((await client.get("/loads")).json())


def serve_by_ray(box: str) -> None:
    """Serves until it is terminated: one replica, with as many of the box's workers as fit."""
    import ray
    from ray import serve
    from starlette.requests import Request as Asked
    from starlette.responses import JSONResponse, Response

    from genedge.live.jobs import Images, Picture
    from genedge.live.of_pipeline import PipelineWorker

    file = load_box(box)
    takes = [file.models[name].memory_mb + file.models[name].working_mb for name in file.models.named]
    places = file.box.gpus[0] // max(takes)
    sources = {name: file.models.worker(name).pipeline for name in file.models.named}

    class Held(PipelineWorker):
        """A worker that Ray Serve can unload; one image at a time, as on the box."""

        turn: asyncio.Lock

        async def __del__(self) -> None:
            async with self.turn:
                await self.stop()

    class Kept:
        """The answer of a worker."""

        def __init__(self) -> None:
            self.images: list[bytes] = []

        def put(self, piece: Any) -> None:
            if isinstance(piece, Images):
                self.images += piece.pngs

    class Replica:
        """Serves images as the box does."""

        def __init__(self) -> None:
            self.loads = 0
            # One at a time, as a GPU does on the box: two at once would share the core, and neither be sooner.
            self.turn = asyncio.Lock()

        @serve.multiplexed(max_num_models_per_replica=places)
        async def model(self, name: str) -> Held:
            async with self.turn:
                worker = Held(name, sources[name], 0)
                worker.turn = self.turn
                await worker.start()
                self.loads += 1
                return worker

        async def __call__(self, asked: Asked) -> Response:
            if asked.url.path == "/loads":
                return JSONResponse(self.loads)
            fields = await asked.json()
            while True:
                worker = await self.model(serve.get_multiplexed_model_id())
                async with self.turn:
                    # What was unloaded while this request waited for its turn is to be loaded again.
                    if worker.held_mb() == 0:
                        continue
                    kept = Kept()
                    await worker.make(Picture(seed=fields["seed"]), fields["steps"], kept)
                    return JSONResponse({"images": len(kept.images), "bytes": sum(map(len, kept.images))})

    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, configure_logging=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    deployment = serve.deployment(Replica, max_ongoing_requests=1000, num_replicas=1)
    serve.run(deployment.bind())
    # Ctrl-C is not heard where a shell has begun this behind itself.
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    ended.wait()
    serve.shutdown()
    ray.shutdown()


# --- Asking


async def ask(client: httpx.AsyncClient, model: str, user: str, seed: int) -> bool:
    body = {"model": model, "prompt": "", "steps": STEPS, "seed": seed, "user": user}
    answer = await client.post("/v1/images/generations", json=body, headers={"serve_multiplexed_model_id": model})
    return answer.status_code == 200


async def serve_trace(
    client: httpx.AsyncClient, trace: Sequence[Request], loads: Callable[[httpx.AsyncClient], Any]
) -> Result:
    for model in sorted({request.model for request in trace}):
        assert await ask(client, model, "first", 0)
    before, began = await loads(client), time.perf_counter()
    delays, failed = [], []

    async def one(number: int, request: Request) -> None:
        well = await ask(client, request.model, request.user, number)
        delays.append(time.perf_counter() - began - request.time)
        failed.append(not well)

    tasks = []
    for number, request in enumerate(trace):
        await asyncio.sleep(max(began + request.time - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(one(number, request)))
    await asyncio.gather(*tasks)
    return Result(np.array(delays), await loads(client) - before, sum(failed))


async def compare(box: str, seconds: float, repeats: int) -> None:
    file = load_box(box)
    served_by: dict[str, tuple[Any, Any]] = dict.fromkeys(SCHEDULERS, (live_box, loads_of_box))
    with contextlib.suppress(ModuleNotFoundError):
        from ray import serve  # noqa: F401

        served_by[RAY] = ray_serve, loads_of_ray
    found: dict[str, list[Result]] = {name: [] for name in served_by}
    for repeat in range(repeats):
        trace = trace_of(file, seconds, repeat)
        names = list(served_by)
        random.Random(repeat).shuffle(names)
        for name in names:
            serve_with, loads = served_by[name]
            async with serve_with(box, name) as client:
                result = await serve_trace(client, trace, loads)
            found[name].append(result)
            mean, p95 = result.delays.mean(), np.percentile(result.delays, 95)
            print(
                f"repeat {repeat}: {name:24}{len(trace)} requests, mean {mean:7.2f} s, p95 {p95:7.2f} s, "
                f"{result.loads} loads, {result.failed} failed",
                flush=True,
            )
    print(f"\n{'over fifo+lru':26}{'mean delay':>24}{'p95':>24}{'loads':>24}")
    for name, results in found.items():
        cells = []
        for of in (lambda r: r.delays.mean(), lambda r: np.percentile(r.delays, 95), lambda r: max(r.loads, 1)):
            ratios = [of(one) / of(first) for one, first in zip(results, found[FIRST], strict=True)]
            cells.append(f"{np.mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        print(f"{name:26}" + "".join(f"{cell:>24}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150.0, help="of a trace")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--box", default="demo")
    parser.add_argument("--serve", metavar="BOX", help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.update({"OMP_NUM_THREADS": "1"})
    if given.serve is not None:
        serve_by_ray(given.serve)
    else:
        asyncio.run(compare(given.box, given.seconds, given.repeats))


if __name__ == "__main__":
    main()
