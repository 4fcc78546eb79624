"""How fast a replay is where nothing queues, that its memory stays flat, and what a real trace shows.

    python benchmarks/replay.py [TRACE.csv [--half 1 | --fit]]

Without a trace: requests a second and peak memory, on generated ones, beside the barest LRU, a loop over a
dictionary; what a miss costs in the number of models in memory, and what the bounds cost where loads outlast
many requests. With GenTD26's (see docs/replay.md): the share of the distance from LRU to Belady with bypass, in
hits, that each policy closes on the trace's second half, with memory for 3, 5 and 8 equal models. Everything
that is tuned was tuned on the first half, which `--half 1` shows. Servers run through both halves; the hits of
one alone are counted, and its bound chooses freely what is in memory when it begins. `--fit` searches the
weights of `cost-aware` on the first half again, in some minutes.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genedge.boxes.load import BoxFile, load_box
from genedge.boxes.schedulers import foresees, scheduler_of
from genedge.edge.request import Request
from genedge.edge.schedulers.foreseeing import WholeTrace
from genedge.edge.unqueued import Unqueued
from genedge.replay.bound import most_saved
from genedge.replay.generate import generate
from genedge.replay.hindsight import most_hits_of_equal
from genedge.replay.requests import request_of, whole_of
from genedge.replay.side_by_side import SideBySide
from genedge.replay.trace import Row, rows_in_order, write_trace
from genedge.replay.unqueued import replay_unqueued

BOX = "cloud-no-queue"
CLASSICS = ("lru", "lfu", "gdsf")
ONLINE = (*CLASSICS, "popularity", "cost-aware", "keep-forever", "cloud-only")
PLACES = (3, 5, 8)
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


class Whole(NamedTuple):
    """A trace as a box meets it."""

    file: BoxFile
    requests: list[Request]
    trace: WholeTrace


def whole(trace: Path, box: str) -> Whole:
    file, rows = load_box(box), list(rows_in_order(trace))
    return Whole(file, [request_of(i, row, file) for i, row in enumerate(rows)], whole_of(rows, file))


def drive_of(name: str, file: BoxFile, trace: WholeTrace, memory_mb: int) -> SideBySide:
    box = file.box._replace(gpus=(memory_mb,))
    scheduler = scheduler_of(name, box, file.models, trace if foresees(name, box) else None)
    return SideBySide(Unqueued(box, file.models, scheduler, trace.time[0]))


def closed(path: Path, box: str, half: int) -> None:
    file, requests, trace = whole(path, box)
    n, size = len(requests), file.models[trace.names[0]].memory_mb
    part = slice(0, n // 2) if half == 1 else slice(n // 2, n)
    hits: dict[str, list[np.ndarray]] = {}
    for places in PLACES:
        for name in (*ONLINE, "static", "forecast", "belady"):
            found = drive_of(name, file, trace, places * size).serve(requests)
            hits.setdefault(name, []).append(np.array(found.hit))
        hits.setdefault("load-free bound", []).append(most_hits(trace, places, part))
    print(f"\n{path.name}, half {half} ({part.stop - part.start} of {n} requests), box {box}")
    print(f"{'eviction':16}" + "".join(f"   {places} models: hit ratio  closed" for places in PLACES))
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


def fit(path: Path) -> None:
    """Random search for the weights of the most hits on the first half, loads free, four times; then their mean."""
    file, requests, trace = whole(path, "load-free")
    half = len(requests) // 2
    trace = trace._replace(time=trace.time[:half], model=trace.model[:half], saved_s=trace.saved_s[:half])
    scheduler = scheduler_of("cost-aware", file.box, file.models)
    eviction, decay = scheduler.eviction, np.array(scheduler.eviction.decay)
    known: set[int] = set()
    counts = np.zeros((half, len(trace.names), decay.size))
    for i, request in enumerate(requests[:half]):
        eviction.asked(request.time, request)
        known.add(int(trace.model[i]))
        for m in known:
            counts[i, m] = eviction.counts(trace.names[m], request.time)
    rates = (counts * decay).astype(np.float32)
    model, size = trace.model.tolist(), file.models[trace.names[0]].memory_mb
    ends = []
    for places in PLACES:
        lru = drive_of("lru", file, trace, places * size).serve(requests[:half]).hit
        ends.append((np.sum(lru), most_hits_of_equal(trace, places).sum()))

    def share(weights: np.ndarray) -> np.ndarray:
        scores = (rates @ weights.astype(np.float32)).tolist()
        return np.array(
            [
                (hits_by_score(model, scores, places) - lru) / (most - lru)
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


def bare(rows: Sequence[Row], places: int) -> int:
    """The hits of LRU, were everything free: what is least that can be done for a request."""
    held: OrderedDict[str, None] = OrderedDict()
    hits = 0
    for row in rows:
        if row[1] in held:
            hits += 1
            held.move_to_end(row[1])
            continue
        if len(held) == places:
            held.popitem(last=False)
        held[row[1]] = None
    return hits


def speed(folder: Path) -> None:
    path = long_trace(folder, LONG)
    start = time.process_time()
    rows = list(rows_in_order(path))
    reading = time.process_time() - start
    start = time.process_time()
    bare(rows, 20)
    least = reading + time.process_time() - start
    del rows
    print(
        f"\ngenerated trace of {LONG} requests, 100 models, 5000 users, 80 GB; of one core's time, with reading the"
    )
    print(f"file and adding up; reading it for the barest LRU: {LONG / least:,.0f} requests/s")
    file = load_box(BOX, [], 80)
    for name in ONLINE:
        start = time.process_time()
        results = replay_unqueued(path, file, [name], name, False, lambda *told: None)
        seconds = time.process_time() - start
        ratio = results.tallies[name].hits / LONG
        print(
            f"{name:16}{LONG / seconds:12,.0f} requests/s, {least / seconds:.2f} of that, hit ratio {ratio:.4f}",
            flush=True,
        )


def misses() -> None:
    print(f"\nmicroseconds of one core for a request, {MISSES} of them, three of four for a model not in memory")
    print(f"{'models in memory':16}" + "".join(f"{places:>10,}" for places in RESIDENT))
    for name in ("lru", "lfu", "gdsf", "keep-forever", "static", "belady", "popularity", "cost-aware"):
        cells = []
        for places in RESIDENT if name not in SLOW else RESIDENT[:2]:
            file, rng = load_box(BOX), np.random.default_rng(0)
            model, user = rng.integers(0, 4 * places, MISSES), rng.integers(0, 500, MISSES)
            rows = [(float(i), f"M{model[i]}", f"G{user[i]}", 50.0, *[None] * 4) for i in range(MISSES)]
            requests, trace = [request_of(i, row, file) for i, row in enumerate(rows)], whole_of(rows, file)
            drive = drive_of(name, file, trace, 4000 * places)
            start = time.process_time()
            drive.serve(requests)
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
    rng = np.random.default_rng(0)
    requests = WholeTrace(np.arange(n) * gap_s, rng.integers(0, count, n), np.full(n, 1.2), ())
    start = time.process_time()
    most_saved(requests, requests.saved_s, 12_000, [4000] * count, [load_s] * count, lambda *told: None)
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
    replay_unqueued(path, load_box(BOX, [], 80), ONLINE, "lru", False, lambda *told: None)
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
        for box in ("load-free", BOX):
            closed(options.trace, box, options.half)
        return
    with tempfile.TemporaryDirectory() as name:
        # First: a process begins with the peak of the one that started it.
        memory(Path(name))
        bounds()
        speed(Path(name))
        misses()


if __name__ == "__main__":
    main()
