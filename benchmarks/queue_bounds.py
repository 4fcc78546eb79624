"""How far apart a bound, the best schedule found and a rule are in a box with a queue, and how long that takes.

    python benchmarks/queue_bounds.py TRACE.csv

With GenTD26's trace (see docs/replay.md), on its second half as in queued_box.py: mean delays of `dwell+cost-aware`
and of the best schedule found by looking ahead, over what nobody goes below who loads on demand. P: at random
times, so that generating alone takes that share of the GPU. T: own times, of 30 % of the users, one draw.
"""

import argparse
import time
from pathlib import Path

from queued_box import LOAD_S, S_FIXED, S_PER_STEP, SIZE_MB, at_random, of_some_users, run

from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.replay.least import Asked, bounds_of
from genedge.replay.trace import rows_in_order

RULE = "dwell+cost-aware"


def main(trace: Path) -> None:
    rows = [row[:4] for row in rows_in_order(trace)]
    second = rows[len(rows) // 2 :]
    cases = {"P 0.3": at_random(second, 0.3), "P 0.6": at_random(second, 0.6), "T": of_some_users(second, 0)}
    print(f"{trace.name}, second half: means in seconds, and over the bound for loads on demand")
    print(f"{'':10}{'anybody':>10}{'on demand':>11}{'found':>16}{RULE:>22}{'processor':>12}")
    for name, asked in cases.items():
        models = {m: Model(m, SIZE_MB, LOAD_S, S_PER_STEP, S_FIXED) for m in {row[1] for row in asked}}
        takes = [models[row[1]] for row in asked]
        own_s = [model.generation_s(row[3]) for model, row in zip(takes, asked, strict=True)]
        for places in (1, 2, 3):
            start = time.process_time()
            what = Asked([row[0] for row in asked], takes, own_s)
            found = bounds_of(what, Box((places * SIZE_MB,)), models, None, lambda *told: None)
            took_s = time.process_time() - start
            rule_s = run(asked, RULE, places).mean()
            assert found.on_demand_s is not None
            assert found.found_s is not None
            both = [f"{s:.1f} {s / found.on_demand_s:.2f}" for s in (found.found_s, rule_s)]
            told = f"{found.anybody_s:10.1f}{found.on_demand_s:11.1f}{both[0]:>16}{both[1]:>22}{took_s:10.0f} s"
            print(f"{name + ', ' + str(places):10}{told}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    main(parser.parse_args().trace)
