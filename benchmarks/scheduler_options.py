"""What each option of a scheduler is worth, on a real trace and on made-up agents.

    python benchmarks/scheduler_options.py [TRACE.csv]

Two agents on two models, memory for one: each one's next request comes a second after its last result. With
GenTD26's trace (see docs/replay.md), on its second half as in queued_box.py: mean delay, 95 % quantile and the mean
delay of users who ask for no more than the median does, of each option over those without it. P: at random times,
so that generating alone takes that share of the GPU. T: own times, of 30 % of the users; means over three draws.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from queued_box import LOAD_S, S_FIXED, S_PER_STEP, SIZE_MB, Row, at_random, of_some_users

from genedge.boxes.schedulers import eviction_of, order_of, settings_of
from genedge.edge.box import Box, Cloud
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.schedulers.cloud_by_delay import CloudByDelay
from genedge.edge.schedulers.combined import Combined, Option
from genedge.edge.schedulers.options import Anticipation, ChurnGuard, FairShare, FewerSteps
from genedge.edge.server import Server
from genedge.replay.simulate import Arrivals, Closed, Done, Open, simulate
from genedge.replay.trace import rows_in_order

DRAWS, NAME = 3, "dwell+cost-aware"
CLOUD_WAITS_S = (10.0, 60.0)
AGENTS, THINK_S, ASKED = 2, 1.0, 400
OPTIONS: dict[str, Callable[[], tuple[list[Option], float | None]]] = {
    "anticipate_s: 3": lambda: ([Anticipation(3.0)], None),
    "fewer_steps_s: 60": lambda: ([FewerSteps(60.0)], None),
    "fair_share_s: 60": lambda: ([], 60.0),
    "fair_share_s: 600": lambda: ([], 600.0),
    "churn_guard_s: 600": lambda: ([ChurnGuard(600.0)], None),
}


class Ran:
    """What a simulation came to."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.in_cloud = 0
        self.loads = 0
        self.end = 0.0
        self._of_users: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, d: Done) -> None:
        """A result."""
        self.delays.append(d.delay_s)
        self.in_cloud += d.gpu < 0
        self._of_users[d.request.user].append(d.delay_s)

    def lightest_users(self) -> float:
        """Mean delay of the users who ask for no more than the median."""
        few = np.median([len(delays) for delays in self._of_users.values()])
        return float(np.mean(np.concatenate([d for d in self._of_users.values() if len(d) <= few])))


def run(
    rows: Sequence[Row],
    models: dict[str, Model],
    places: int,
    options: Sequence[Option],
    ahead_s: float | None,
    think_s: float | None = None,
    name: str = NAME,
    cloud: Cloud | None = None,
) -> Ran:
    """With memory for so many models."""
    file = settings_of(name)
    assert file is not None
    order = order_of(file.order)
    if ahead_s is not None:
        order = FairShare(order, ahead_s)
    server = Server(
        Box((places * SIZE_MB,), cloud), models, Combined(order, eviction_of(file.eviction, models), "", options)
    )
    requests = (Request(i, *row, models[row[1]].generation_s(row[3])) for i, row in enumerate(rows))
    arrivals: Arrivals = Open(requests) if think_s is None else Closed(requests, think_s)
    ran = Ran()
    ran.end = simulate(server, arrivals, ran.add, lambda request: None)
    ran.loads = server.gpus[0].loads
    return ran


def agents() -> None:
    models = {m: Model(m, SIZE_MB, LOAD_S, S_PER_STEP, S_FIXED) for m in "ab"}
    rows: list[Row] = [(0.0, "ab"[i % AGENTS], "uv"[i % AGENTS], 30.0) for i in range(ASKED)]
    print(f"{AGENTS} agents on two models, memory for one; mean delay, loads and time until all is done:")
    for name in ("fifo+lru", "affinity+lru", NAME):
        plain = run(rows, models, 1, [], None, THINK_S, name)
        waits = run(rows, models, 1, [Anticipation(3.0)], None, THINK_S, name)
        print(
            f"{name:18}{np.mean(plain.delays):6.1f} s, {plain.loads}, {plain.end / 3600:.2f} h; "
            f"with anticipate_s: 3 {np.mean(waits.delays):6.1f} s, {waits.loads}, {waits.end / 3600:.2f} h"
        )


def compare(trace: Path) -> None:
    rows: list[Row] = [row[:4] for row in rows_in_order(trace)]
    second = rows[len(rows) // 2 :]
    print(f"{trace.name}, second half; mean, p95 and the mean of the lighter half of users, over {NAME} without it")
    columns = {
        "P 0.3, 1": ([at_random(second, 0.3)], 1),
        "P 0.6, 2": ([at_random(second, 0.6)], 2),
        "P 0.6, 5": ([at_random(second, 0.6)], 5),
        **{f"T, {n}": ([of_some_users(second, seed) for seed in range(DRAWS)], n) for n in (1, 3)},
    }
    # With half of the steps that most ask for.
    names = {row[1] for row in rows}
    least = float(np.median([row[3] for row in rows])) / 2
    models = {m: Model(m, SIZE_MB, LOAD_S, S_PER_STEP, S_FIXED, least_steps=least) for m in names}
    base = {key: [run(one, models, n, [], None) for one in some] for key, (some, n) in columns.items()}
    print(f"{'':20}" + "".join(f"{key:>18}" for key in columns))
    for label, made in OPTIONS.items():
        cells = []
        for key, (some, n) in columns.items():
            ours = [run(one, models, n, *made()) for one in some]
            pairs = list(zip(ours, base[key], strict=True))
            numbers = (
                np.mean([np.mean(o.delays) / np.mean(b.delays) for o, b in pairs]),
                np.mean([np.quantile(o.delays, 0.95) / np.quantile(b.delays, 0.95) for o, b in pairs]),
                np.mean([o.lightest_users() / b.lightest_users() for o, b in pairs]),
            )
            cells.append(" ".join(f"{number:.2f}" for number in numbers))
        print(f"{label:20}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
    print("with a cloud; mean delay [s] and the share of requests that go there, without and with cloud_by_delay")
    for name in ("dwell+lru", NAME):
        for wait_s in CLOUD_WAITS_S:
            cells = []
            for some, n in columns.values():
                for options in (list[Option](), [CloudByDelay()]):
                    ran = run(some[0], models, n, options, None, None, name, Cloud(wait_s, 0.0))
                    cells.append(f"{np.mean(ran.delays):.1f} {ran.in_cloud / len(ran.delays):.0%}")
            print(f"{name + f', {wait_s:g} s':24}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", nargs="?", type=Path)
    given = parser.parse_args().trace
    agents()
    if given is not None:
        compare(given)
