"""How fast a replay is, that its memory stays flat, and what a real trace shows.

    python benchmarks/replay.py [TRACE.csv [--half 1 | --fit]]

Without a trace: requests a second and peak memory, on generated ones, what a miss costs in the number of models in
memory, and what the bounds cost where loads outlast many requests. With GenTD26's (see docs/replay.md): the
share of the distance from LRU to Belady with bypass, in hits, that each policy closes on the trace's second
half, with memory for 3, 5 and 8 equal models. Everything that is tuned was tuned on the first half, which
`--half 1` shows. Servers run through both halves; the hits of one alone are counted, and its bound chooses
freely what is in memory when it begins. `--fit` searches the weights of `cost-aware` on the first half again,
in some minutes.
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

from genedge.registry import named
from genedge.replay.bound import most_saved
from genedge.replay.catalogue import TraceModels, load_catalogue
from genedge.replay.generate import generate
from genedge.replay.hindsight import Belady, Static, WholeTrace, most_hits_of_equal
from genedge.replay.policies import CostAware
from genedge.replay.run import replay
from genedge.replay.server import Server
from genedge.replay.trace import Chunk, read_trace, write_trace

TRACE_POLICIES = named("trace policy")
ONLINE = [name for name, entry in TRACE_POLICIES.items() if "foresees" not in entry.traits]

PLACES = (3, 5, 8)
CLASSICS = ("lru", "lfu", "gdsf")
LONG = 1_000_000
MISSES = 20_000
RESIDENT = (100, 1000, 4000)
SLOW = ("popularity", "cost-aware")  # They look at every model in memory; 4,000 take minutes.
# Models, requests, load time and the gap between two requests [s].
CASES = {
    "20,000 requests for one model, 100 a second": (1, 20_000, 22.5, 0.01),
    "20,000 requests at one time": (3, 20_000, 22.5, 0.0),
    "6,000 requests, loads of a million seconds": (20, 6000, 1e6, 2.0),
}


def whole(trace: Path, catalogue: str) -> tuple[TraceModels, Chunk]:
    models = TraceModels(load_catalogue(catalogue))
    chunks = list(read_trace(trace, models, {}))
    return models, Chunk(*(list(itertools.chain.from_iterable(column)) for column in zip(*chunks, strict=True)))


def closed(trace: Path, catalogue: str, half: int) -> None:
    models, chunk = whole(trace, catalogue)
    n = len(chunk.time)
    part = slice(0, n // 2) if half == 1 else slice(n // 2, n)
    requests = WholeTrace(np.array(chunk.time), np.array(chunk.model), np.array(chunk.saved_s))
    size = models.memory_mb[0]
    hits: dict[str, list[np.ndarray]] = {}
    for places in PLACES:
        memory_mb = places * size
        for name in (*ONLINE, "static", "belady"):
            if name == "static":
                policy = Static(models, requests, memory_mb)
            else:
                policy = Belady(models, requests) if name == "belady" else TRACE_POLICIES[name].load()(models)
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


def most_hits(requests: WholeTrace, places: int, part: slice) -> np.ndarray:
    """Belady with bypass on a part that begins with the best content: every model has just been asked for."""
    known = np.unique(requests.model)
    model = np.concatenate([known, requests.model[part]])
    hit = np.zeros(requests.model.size, bool)
    hit[part] = most_hits_of_equal(requests._replace(model=model), places)[known.size :]
    return hit


def fit(trace: Path) -> None:
    """Random search for the weights of the most hits on the first half, loads free, four times; then their mean."""
    models, chunk = whole(trace, "load-free")
    half = len(chunk.time) // 2
    chunk = Chunk(*(column[:half] for column in chunk))
    policy = CostAware(models)
    decay = np.log(2) / np.array([kernel.half_life_s for kernel in policy.KERNELS])
    known: set[int] = set()
    counts = np.zeros((half, len(models.names), decay.size))
    for i, (time_s, model, user) in enumerate(zip(chunk.time, chunk.model, chunk.user, strict=True)):
        policy.seen(time_s, model, user)
        known.add(model)
        for m in known:
            counts[i, m] = policy.counts(m, time_s)
    rates = (counts * decay).astype(np.float32)
    requests = WholeTrace(np.array(chunk.time), np.array(chunk.model), np.array(chunk.saved_s))
    ends = []
    for places in PLACES:
        lru = Server(places * models.memory_mb[0], models, TRACE_POLICIES["lru"].load()(models)).serve(chunk).hit
        ends.append((np.sum(lru), most_hits_of_equal(requests, places).sum()))

    def share(weights: np.ndarray) -> np.ndarray:
        scores = (rates @ weights.astype(np.float32)).tolist()
        return np.array(
            [
                (hits_by_score(chunk.model, scores, places) - lru) / (most - lru)
                for places, (lru, most) in zip(PLACES, ends, strict=True)
            ]
        )

    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        weights = np.ones(decay.size)
        best = share(weights).mean()
        for _ in range(400):
            tried = weights.copy()
            some = rng.choice(decay.size, size=rng.integers(1, 4), replace=False)
            tried[some] = np.maximum(weights[some], 1e-3) * np.exp(rng.normal(0, 1.2, some.size))
            if rng.random() < 0.3:
                tried[rng.integers(decay.size)] = 0
            closes = share(tried).mean()
            if closes >= best:
                best, weights = closes, tried
        found.append(weights / weights.sum())
        print(f"search {seed}: closes {share(weights)}", flush=True)
    mean = np.mean(found, axis=0)
    print(f"mean of the searches: closes {share(mean)}, weights {[float(f'{w:.2g}') for w in mean]}")


def hits_by_score(model: list[int], scores: list[list[float]], places: int) -> int:
    held: set[int] = set()
    hits = 0
    for m, score in zip(model, scores, strict=True):
        if m in held:
            hits += 1
        elif len(held) < places:
            held.add(m)
        else:
            least = min(held, key=score.__getitem__)
            if score[m] > score[least]:
                held.remove(least)
                held.add(m)
    return hits


def long_trace(folder: Path, requests: int) -> Path:
    path = folder / f"long-{requests}.csv"
    write_trace(path, generate(requests, models=100, users=5000, rate_per_s=0.5, seed=0))
    return path


def speed(folder: Path) -> None:
    models, chunk = whole(long_trace(folder, LONG), "gentd26")
    print(f"\ngenerated trace of {LONG} requests, 100 models, 5000 users, 80 GB; of one core's time")
    for name in ONLINE:
        start = time.process_time()
        served = Server(80_000, models, TRACE_POLICIES[name].load()(models)).serve(chunk)
        seconds = time.process_time() - start
        print(f"{name:16}{LONG / seconds:12,.0f} requests/s, hit ratio {np.mean(served.hit):.4f}", flush=True)
    for name in CLASSICS:
        start = time.process_time()
        replay(folder / f"long-{LONG}.csv", load_catalogue("gentd26"), 80, [name], False, lambda *told: None)
        seconds = time.process_time() - start
        print(f"{name:16}{LONG / seconds:12,.0f} requests/s with reading the file and adding up", flush=True)


def misses() -> None:
    print(f"\nmicroseconds of one core for a request, {MISSES} of them, three of four for a model not in memory")
    print(f"{'models in memory':16}" + "".join(f"{places:>10,}" for places in RESIDENT))
    for name in ("lru", "lfu", "gdsf", "keep-forever", "static", "belady", "popularity", "cost-aware"):
        cells = []
        for places in RESIDENT if name not in SLOW else RESIDENT[:2]:
            models = TraceModels(load_catalogue("gentd26"))
            for m in range(4 * places):
                models.number(str(m))
            rng = np.random.default_rng(0)
            columns = (
                np.arange(MISSES, dtype=float),
                rng.integers(0, 4 * places, MISSES),
                rng.integers(0, 500, MISSES),
                np.full(MISSES, 20.0),
                np.full(MISSES, 1.2),
            )
            requests, memory_mb = WholeTrace(columns[0], columns[1], columns[4]), places * models.memory_mb[0]
            if name == "static":
                policy = Static(models, requests, memory_mb)
            else:
                policy = Belady(models, requests) if name == "belady" else TRACE_POLICIES[name].load()(models)
            chunk, server = Chunk(*(column.tolist() for column in columns)), Server(memory_mb, models, policy)
            start = time.process_time()
            server.serve(chunk)
            cells.append(f"{(time.process_time() - start) / MISSES * 1e6:10.1f}")
        print(f"{name:16}" + "".join(cells), flush=True)


def bounds() -> None:
    print("\nbounds on the delay, 12 GB, in a process of its own")
    for case in CASES:
        done = subprocess.run(
            [sys.executable, __file__, "--bound", case], capture_output=True, text=True, check=True
        )
        print(f"{case}: {done.stdout.strip()}", flush=True)


def bound(case: str) -> None:
    count, n, load_s, gap_s = CASES[case]
    models = TraceModels(load_catalogue("gentd26"))
    for m in range(count):
        models.number(str(m))
    models.load_s = [load_s] * count
    rng = np.random.default_rng(0)
    requests = WholeTrace(np.arange(n) * gap_s, rng.integers(0, count, n), np.full(n, 1.2))
    start = time.process_time()
    most_saved(requests, requests.saved_s, 12_000, models, False, lambda *told: None)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.process_time() - start:.1f} s, {peak_mb:.0f} MB")


def memory(folder: Path) -> None:
    print("\npeak memory of a replay with all online policies, in a process of its own")
    for requests in (LONG // 4, LONG):
        path = long_trace(folder, requests)
        done = subprocess.run(
            [sys.executable, __file__, "--peak", path], capture_output=True, text=True, check=True
        )
        print(f"{requests:10} requests: {done.stdout.strip()} MB")


def peak(path: Path) -> None:
    replay(path, load_catalogue("gentd26"), 80, list(ONLINE), False, lambda *told: None)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", nargs="?", type=Path)
    parser.add_argument("--half", type=int, choices=(1, 2), default=2)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bound", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak is not None:
        peak(options.peak)
        return
    if options.bound is not None:
        bound(options.bound)
        return
    if options.fit:
        fit(options.trace)
        return
    if options.trace is not None:
        for catalogue in ("load-free", "gentd26"):
            closed(options.trace, catalogue, options.half)
        return
    with tempfile.TemporaryDirectory() as name:
        # First: a process begins with the peak of the one that started it.
        memory(Path(name))
        bounds()
        speed(Path(name))
        misses()


if __name__ == "__main__":
    main()
