"""What scheduler and HTTP of a live box add to a request: python benchmarks/live_overhead.py [--seconds 60]

A box whose model is a server that answers at once is asked 50 times a second, at random (Poisson) times, whether or
not earlier answers have come; box and server share one core, the client has another if there is one. Each request
is timed from when it was due to be sent to its last byte, so that one that waits for another counts its wait. The
same requests go to the server itself, by turns of some seconds, in the same run. Printed: the 50th and 99th
percentile [ms] of a request by way of the box, and of one to the server itself, each less the time that the server
says it spent on it; and the box's processor time a request, which is what else runs on the machine changes least.
`alone` asks for the next only when the last has been answered.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

RATE, TURN_S = 50.0, 5.0
TARGET_MS = 5.0
BODY = b'{"model": "at-once", "prompt": "a lighthouse at night, in the rain", "steps": 20}'

SERVER = """
import asyncio, sys, time

class AtOnce(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.heard = transport, b""

    def data_received(self, data):
        began = time.perf_counter()
        self.heard += data
        head, end, body = self.heard.partition(b"\\r\\n\\r\\n")
        if not end:
            return
        for line in head.lower().split(b"\\r\\n"):
            name, _, value = line.partition(b":")
            if name == b"content-length" and len(body) < int(value):
                return
        self.heard = b""
        answer = b'{"done": true}'
        spent = b"%.9f" % (time.perf_counter() - began)
        self.transport.write(
            b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nX-Spent: " + spent
            + b"\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer) + answer
        )

async def main():
    server = await asyncio.get_running_loop().create_server(AtOnce, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
"""

BOX = """
name: overhead
gpus: [{{memory_gb: 2}}]
models:
  at-once: {{memory_gb: 1, load_s: 1, B1_s_per_step: 0, B2_s: 0.001,
    worker: {{command: "{python} {server} {{port}}", health: /}}}}
"""


class Asked(NamedTuple):
    """How long requests took [s], and how long the server says it spent on each."""

    took: list[float]
    spent: list[float]


class Client:
    """Connections that are kept; the barest that speaks HTTP."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self) -> float:
        """Asks once; the time that the server spent."""
        reader, writer = await self._connection()
        head = f"POST /v1/anything HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
        writer.write(head.encode() + BODY)
        told = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        assert told[0].split()[1] == "200", told
        fields = dict(line.split(": ", 1) for line in told[1:] if line)
        if "content-length" in fields:
            await reader.readexactly(int(fields["content-length"]))
        else:
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()
        self._idle.append((reader, writer))
        return float(fields["x-spent"])

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)


async def by_the_clock(ask: Callable[[], Awaitable[float]], rng: np.random.Generator, seconds: float) -> Asked:
    """Requests at random times, each from when it was due."""
    asked = Asked([], [])

    async def one(due: float) -> None:
        spent = await ask()
        asked.took.append(time.perf_counter() - due)
        asked.spent.append(spent)

    due, until, tasks = time.perf_counter(), time.perf_counter() + seconds, []
    while (due := due + rng.exponential(1 / RATE)) < until:
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    return asked


async def alone(ask: Callable[[], Awaitable[float]], requests: int) -> Asked:
    asked = Asked([], [])
    for _ in range(requests):
        began = time.perf_counter()
        spent = await ask()
        asked.took.append(time.perf_counter() - began)
        asked.spent.append(spent)
    return asked


async def measure(box: "Box", server: tuple[str, int], seconds: float) -> None:
    rng = np.random.default_rng(0)
    by_box, direct = Client(*box.address).ask, Client(*server).ask
    await alone(by_box, 300)
    await alone(direct, 300)
    rows: dict[str, list[Asked]] = {"by way of the box": [], "the server itself": []}
    busy_s = 0.0
    for _ in range(max(round(seconds / TURN_S), 1)):
        before = box.busy_s()
        rows["by way of the box"].append(await by_the_clock(by_box, rng, TURN_S))
        busy_s += box.busy_s() - before
        rows["the server itself"].append(await by_the_clock(direct, rng, TURN_S))
    rows["by way of the box, alone"] = [await alone(by_box, 2000)]
    rows["the server itself, alone"] = [await alone(direct, 2000)]
    print(f"{'':28}{'requests':>9}{'p50 ms':>9}{'p99 ms':>9}{'worst':>8}")
    p99 = {}
    for name, turns in rows.items():
        added = 1e3 * np.concatenate([np.subtract(turn.took, turn.spent) for turn in turns])
        p50, p99[name] = np.percentile(added, [50, 99])
        print(f"{name:28}{added.size:9}{p50:9.2f}{p99[name]:9.2f}{added.max():8.1f}")
    requests = sum(len(turn.took) for turn in rows["by way of the box"])
    print(f"the box's processor time: {1e3 * busy_s / requests:.2f} ms a request")
    added, rest = p99["by way of the box"], p99["the server itself"]
    told = "below" if added < TARGET_MS else "NOT below"
    print(f"p99 with the box: {added:.2f} ms, {told} {TARGET_MS:g} ms; {added - rest:.2f} ms over the server's own")


class Box(NamedTuple):
    """A box that serves.

    Attributes:
        address: host and port.
        pid: of its process.
    """

    address: tuple[str, int]
    pid: int

    def busy_s(self) -> float:
        """Processor time that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def box_of(folder: Path, options: list[str]) -> Iterator[Box]:
    """A box that serves on the first core; the client keeps to the others."""
    (folder / "server.py").write_text(SERVER)
    (folder / "box.yaml").write_text(BOX.format(python=sys.executable, server=folder / "server.py"))
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if cores:
        os.sched_setaffinity(0, cores[:1])
    with (folder / "access.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "genedge", "live", folder / "box.yaml", "--port", "0", "--journal",
             folder / "journal", *options],
            stdout=log, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    if cores:
        os.sched_setaffinity(0, cores[1:] or cores)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        if not line.startswith("listening on "):
            raise SystemExit(line + process.stderr.read())
        yield Box(("127.0.0.1", int(line.rsplit(":", 1)[1])), process.pid)
    finally:
        process.terminate()
        process.wait()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of requests to each")
    parser.add_argument("options", nargs="*", help="of genedge live, after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, box_of(Path(name), given.options) as box:
        server = await listens(Path(name), box.address)
        await measure(box, server, given.seconds)


async def listens(folder: Path, box: tuple[str, int]) -> tuple[str, int]:
    """The server that the box has started, once it has answered; its port stands in its command."""
    await Client(*box).ask()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if str(folder / "server.py").encode() in words:
                return "127.0.0.1", int(words[words.index(str(folder / "server.py").encode()) + 1])
    raise SystemExit("the server of the box is not found: this program needs /proc")


if __name__ == "__main__":
    asyncio.run(main())
