"""How fast a replay through a box with a queue is, and what orders and evictions come to on a real trace.

    python benchmarks/queued_box.py [TRACE.csv]

Without a trace: requests a second of one core on generated ones, beside the replay without a queue, and how what a
request takes grows with what is in memory. With GenTD26's (see docs/replay.md), on its second half, whose models
take 22.5 s to load and 18 s and 0.04 s a step to generate: mean delay and 95 % quantile over those of `fifo+lru`.
P: the same requests in the same order, at random times, so that generating alone takes that share of the GPU. T:
their own times, of 30 % of the users; means over five draws, and how far the draws are apart, on both halves. The
weights of `cost-aware` were fitted on the first half, for hits; nothing else is fitted.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genedge.boxes.schedulers import scheduler_of
from genedge.edge.box import Box, Cloud
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.server import Server
from genedge.edge.unqueued import Unqueued
from genedge.replay.side_by_side import SideBySide
from genedge.replay.simulate import Done, Open, simulate
from genedge.replay.trace import rows_in_order

SIZE_MB, LOAD_S, S_PER_STEP, S_FIXED = 4000, 22.5, 0.04, 18.0
SPEED_OF = ("fifo+lru", "affinity+lru", "dwell+lru", "dwell+cost-aware")
COMPARED = (
    "fifo+by-name",
    "fifo+cost-aware",
    "look-ahead+lru",
    "affinity+lru",
    "bounded-affinity+lru",
    "response-ratio+lru",
    "dwell+lru",
    "dwell+cost-aware",
)
LONG, USERS_SHARE, DRAWS = 200_000, 0.3, 5
HELD = (5, 50, 300)
Row = tuple[float, str, str, float]


def run(rows: Sequence[Row], name: str, places: int, overlap: float | None = None) -> np.ndarray:
    """Delays, with memory for so many models."""
    models = {m: Model(m, SIZE_MB, LOAD_S, S_PER_STEP, S_FIXED) for m in {row[1] for row in rows}}
    box = Box((places * SIZE_MB,), overlap=overlap)
    delays: list[float] = []

    def done(d: Done) -> None:
        delays.append(d.ended - d.request.time)

    requests = (Request(i, *row, models[row[1]].generation_s(row[3])) for i, row in enumerate(rows))
    simulate(Server(box, models, scheduler_of(name, box, models)), Open(requests), done, lambda request: None)
    return np.array(delays)


def at_random(rows: Sequence[Row], busy: float) -> list[Row]:
    """The same requests at random times, so that generating takes that share of the GPU."""
    own_s = np.mean([S_FIXED + S_PER_STEP * row[3] for row in rows])
    times = np.cumsum(np.random.default_rng(0).exponential(own_s / busy, len(rows)))
    return [(float(t), *row[1:]) for t, row in zip(times, rows, strict=True)]


def of_some_users(rows: Sequence[Row], seed: int) -> list[Row]:
    """The requests of some of the users, at their own times."""
    users = sorted({row[2] for row in rows})
    kept = set(np.random.default_rng(seed).choice(users, round(USERS_SHARE * len(users)), replace=False))
    return [row for row in rows if row[2] in kept]


def compare(trace: Path) -> None:
    rows = [row[:4] for row in rows_in_order(trace)]
    second = rows[len(rows) // 2 :]
    print(f"{trace.name}, second half: {len(second)} requests; mean and p95 over those of fifo+lru")
    columns: dict[str, tuple[list[list[Row]], int]] = {
        **{f"P {busy}, {places}": ([at_random(second, busy)], places) for busy, places in ((0.3, 1), (0.3, 3))},
        **{f"P {busy}, {places}": ([at_random(second, busy)], places) for busy, places in ((0.6, 2), (0.6, 5))},
        **{f"T, {n}": ([of_some_users(second, seed) for seed in range(DRAWS)], n) for n in (1, 2, 3)},
    }
    base = {key: [run(one, "fifo+lru", places) for one in some] for key, (some, places) in columns.items()}
    print(f"{'models in memory':22}" + "".join(f"{key:>14}" for key in columns))
    print(
        f"{'fifo+lru, mean [s]':22}" + "".join(f"{np.mean([d.mean() for d in base[key]]):12.1f}" for key in columns)
    )
    for name in COMPARED:
        cells = []
        for key, (some, places) in columns.items():
            ours = [run(one, name, places) for one in some]
            mean = np.mean([o.mean() / b.mean() for o, b in zip(ours, base[key], strict=True)])
            tail = np.mean(
                [np.quantile(o, 0.95) / np.quantile(b, 0.95) for o, b in zip(ours, base[key], strict=True)]
            )
            cells.append(f"{mean:.2f} {tail:.2f}")
        print(f"{name:22}" + "".join(f"{cell:>14}" for cell in cells), flush=True)
    for half, part in (("first", rows[: len(rows) // 2]), ("second", second)):
        for n in (1, 2, 3):
            draws = [of_some_users(part, seed) for seed in range(DRAWS)]
            found = sorted(run(one, "dwell+cost-aware", n).mean() / run(one, "fifo+lru", n).mean() for one in draws)
            told = f"{found[0]:.2f} to {found[-1]:.2f}, mean {np.mean(found):.2f}"
            print(f"dwell+cost-aware, T, {n}, {half} half, over the draws: {told}", flush=True)
    one_by_one, beside = (run(columns["P 0.6, 2"][0][0], "dwell+lru", 2, overlap).mean() for overlap in (None, 1.0))
    print(f"dwell+lru, P 0.6, 2 models: {one_by_one:.1f} s, and {beside:.1f} s with loads beside generating")


def made_up(requests: int, models: int) -> list[Row]:
    """Requests of Zipf's popularity at random times, so that generating takes half of the GPU."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, models + 1)
    drawn = rng.choice(models, requests, p=share / share.sum())
    times = np.cumsum(rng.exponential((S_FIXED + S_PER_STEP * 30) / 0.5, requests))
    return [(float(t), f"m{m:03}", f"u{i % 500}", 30.0) for i, (t, m) in enumerate(zip(times, drawn, strict=True))]


def speed() -> None:
    rows = made_up(LONG, 60)
    names = sorted({row[1] for row in rows})
    models = {name: Model(name, SIZE_MB, LOAD_S, S_PER_STEP, S_FIXED, 0, 15.0) for name in names}
    box = Box((3 * SIZE_MB,), Cloud(0.0, 0.08), queue=False)
    start = time.process_time()
    requests = [Request(i, *row, models[row[1]].generation_s(row[3])) for i, row in enumerate(rows)]
    SideBySide(Unqueued(box, models, scheduler_of("lru", box, models))).serve(requests)
    without = LONG / (time.process_time() - start)
    print(f"{LONG} requests for 60 models, memory for 3, the GPU half busy with generating; of one core's time")
    print(f"{'without a queue, lru':22}{without:10,.0f} requests/s")
    for name in SPEED_OF:
        start = time.process_time()
        run(rows, name, 3)
        found = LONG / (time.process_time() - start)
        print(f"{name:22}{found:10,.0f} requests/s, {found / without:.2f} of that", flush=True)
    print(f"{'microseconds a request':22}" + "".join(f"{f'{held} models in memory':>24}" for held in HELD))
    for name in ("dwell+lru", "dwell+cost-aware"):
        cells = []
        for held in HELD:
            rows = made_up(LONG // 10, 3 * held)
            start = time.process_time()
            run(rows, name, held)
            cells.append(f"{(time.process_time() - start) / len(rows) * 1e6:.0f}")
        print(f"{name:22}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", nargs="?", type=Path)
    options = parser.parse_args()
    if options.trace is None:
        speed()
    else:
        compare(options.trace)
