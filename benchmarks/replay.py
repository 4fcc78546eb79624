"""How fast a replay is, that its memory stays flat, and what a real trace shows.

    python benchmarks/replay.py [TRACE.csv [--half 1]]

Without a trace: requests a second and peak memory, on generated ones. With GenTD26's (see docs/replay.md): the
share of the distance from LRU to Belady with bypass, in hits, that each policy closes on the trace's second
half, with memory for 3, 5 and 8 equal models. Everything that is tuned was tuned on the first half, which
`--half 1` shows. Servers run through both halves; the hits of one alone are counted, and its bound chooses
freely what is in memory when it begins.
"""

import argparse
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from genedge.replay.belady import Belady, Requests, Static, most_hits_of_equal
from genedge.replay.catalogue import Models, load_catalogue
from genedge.replay.generate import generate
from genedge.replay.policies import ONLINE
from genedge.replay.replay import replay
from genedge.replay.server import Server
from genedge.replay.trace import Chunk, read_trace, write_trace

PLACES = (3, 5, 8)
CLASSICS = ("lru", "lfu", "gdsf")
LONG = 1_000_000


def whole(trace: Path, catalogue: str) -> tuple[Models, Chunk]:
    models = Models(load_catalogue(catalogue))
    chunks = list(read_trace(trace, models, {}))
    return models, Chunk(*(list(itertools.chain.from_iterable(column)) for column in zip(*chunks, strict=True)))


def closed(trace: Path, catalogue: str, half: int) -> None:
    models, chunk = whole(trace, catalogue)
    n = len(chunk.time)
    part = slice(0, n // 2) if half == 1 else slice(n // 2, n)
    requests = Requests(np.array(chunk.time), np.array(chunk.model), np.array(chunk.saved_s))
    size = models.memory_mb[0]
    hits: dict[str, list[np.ndarray]] = {}
    for places in PLACES:
        memory_mb = places * size
        for name in (*ONLINE, "static", "belady"):
            if name == "static":
                policy = Static(models, requests, memory_mb)
            else:
                policy = Belady(models, requests) if name == "belady" else ONLINE[name](models)
            served = Server(memory_mb, models, policy).serve(chunk)
            hits.setdefault(name, []).append(np.array(served.hit))
        hits.setdefault("load-free bound", []).append(most_hits(requests, places, part))
    print(f"\n{trace.name}, half {half} ({part.stop - part.start} of {n} requests), catalogue {catalogue}")
    print(f"{'policy':16}" + "".join(f"   {places} models: hit ratio  closed" for places in PLACES))
    for name, runs in hits.items():
        cells = []
        for i, run in enumerate(runs):
            ours, lru, most = (x[part].mean() for x in (run, hits["lru"][i], hits["load-free bound"][i]))
            cells.append(f"{ours:22.4f} {(ours - lru) / (most - lru):8.1%}")
        print(f"{name:16}" + "".join(cells))


def most_hits(requests: Requests, places: int, part: slice) -> np.ndarray:
    """Belady with bypass on a part that begins with the best content: every model has just been asked for."""
    known = np.unique(requests.model)
    model = np.concatenate([known, requests.model[part]])
    hit = np.zeros(requests.model.size, bool)
    hit[part] = most_hits_of_equal(requests._replace(model=model), places)[known.size :]
    return hit


def long_trace(folder: Path, requests: int) -> Path:
    path = folder / f"long-{requests}.csv"
    write_trace(path, generate(requests, models=100, users=5000, rate_per_s=0.5, seed=0))
    return path


def speed(folder: Path) -> None:
    models, chunk = whole(long_trace(folder, LONG), "gentd26")
    print(f"\ngenerated trace of {LONG} requests, 100 models, 5000 users, 80 GB; one core")
    for name in ONLINE:
        start = time.perf_counter()
        served = Server(80_000, models, ONLINE[name](models)).serve(chunk)
        seconds = time.perf_counter() - start
        print(f"{name:16}{LONG / seconds:12,.0f} requests/s, hit ratio {np.mean(served.hit):.4f}", flush=True)
    for name in CLASSICS:
        start = time.perf_counter()
        replay(folder / f"long-{LONG}.csv", load_catalogue("gentd26"), 80, [name], False, lambda text, done: None)
        seconds = time.perf_counter() - start
        print(f"{name:16}{LONG / seconds:12,.0f} requests/s with reading the file and adding up", flush=True)


def memory(folder: Path) -> None:
    print("\npeak memory of a replay with all online policies, in a process of its own")
    for requests in (LONG // 4, LONG):
        path = long_trace(folder, requests)
        done = subprocess.run(
            [sys.executable, __file__, "--peak", path], capture_output=True, text=True, check=True
        )
        print(f"{requests:10} requests: {done.stdout.strip()} MB")


def peak(path: Path) -> None:
    replay(path, load_catalogue("gentd26"), 80, list(ONLINE), False, lambda text, done: None)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", nargs="?", type=Path)
    parser.add_argument("--half", type=int, choices=(1, 2), default=2)
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak is not None:
        peak(options.peak)
        return
    if options.trace is not None:
        for catalogue in ("load-free", "gentd26"):
            closed(options.trace, catalogue, options.half)
        return
    with tempfile.TemporaryDirectory() as name:
        speed(Path(name))
        memory(Path(name))


if __name__ == "__main__":
    main()
