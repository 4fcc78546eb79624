"""What rules and learners lose on the box of `edge-box` against its exact optimum, on several catalogues.

Every catalogue is a seed of the scenario. Every learner is trained on each, the pair from several seeds. All
policies meet the same slots, which no training saw. Prints each policy's gap as a share of the optimum, how it
splits, and its loads: means over catalogues (and seeds), with the range over them. Runs are kept in a folder and
used again; only then is the benchmark quick.

    python benchmarks/boxes.py [--catalogues 3] [--seeds 2] [--episodes 200] [--runs runs/boxes] [--rules]

With `--rules` only what needs no training is measured, in minutes.
"""

import argparse
import os
from pathlib import Path

import numpy as np

SCENARIO = "edge-box"
EVALUATION_SEED = 1000
RULES = (
    *("lru", "lfu", "gdsf", "popularity", "cost-aware", "keep-forever", "forecast"),
    *("cloud-only", "constant", "rcars", "greedy", "knapsack"),
)
# On two timescales, and the others of the package that can be trained on a box, with as many episodes.
AGENTS = ("two-timescale", "td3", "ddpg")
EPISODES = 1000


def main() -> None:
    """Trains, evaluates, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalogues", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--runs", type=Path, default=Path("runs/boxes"))
    parser.add_argument("--rules", action="store_true")
    asked = parser.parse_args()
    # One core for each process, so that training and evaluation are the same on any machine.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

    from genedge.evaluation.box_results import LOSSES, lost_by
    from genedge.evaluation.boxes import evaluate_box
    from genedge.learn.runs import Run, create_run, open_run, rows_of
    from genedge.learn.training import train_run
    from genedge.optimum.dynamic import solver
    from genedge.policies.boxes import box_policy
    from genedge.results import Measured
    from genedge.scenario import load_scenario
    from genedge.xla import set_up_jax

    set_up_jax()

    def trained(catalogue: int, agent: str, seed: int) -> Run:
        folder = asked.runs / f"{agent}-{catalogue}-{seed}"
        if (folder / "run.json").exists():
            run = open_run(folder)
        else:
            scenario = load_scenario(SCENARIO, [f"seed={catalogue}"])
            run = create_run(folder, scenario, None, agent, EPISODES, seed)
        if not rows_of(run) or rows_of(run)[-1]["episode"] < run.episodes:
            train_run(run, lambda row: None)
        print(f"{folder}: {rows_of(run)[-1]['seconds']:.0f} s to train", flush=True)
        return run

    found: dict[str, list[Measured]] = {}
    for catalogue in range(1, asked.catalogues + 1):
        scenario = load_scenario(SCENARIO, [f"seed={catalogue}"])
        users = scenario.settings.cell.users
        names = {name: name for name in RULES}
        for agent in () if asked.rules else AGENTS:
            for seed in range(asked.seeds if agent == "two-timescale" else 1):
                names[f"{agent} {seed}"] = str(trained(catalogue, agent, seed).folder)
        solve = solver(scenario.params, users, scenario.settings.cell.slots_per_episode)
        rules = {label: box_policy(name, scenario, solve) for label, name in names.items()}
        evaluation = evaluate_box(scenario, rules, solve, users, asked.episodes, EVALUATION_SEED, lambda text: None)
        print(f"catalogue {catalogue}: optimum {evaluation.optimum:.2f}", flush=True)
        for row in evaluation.rows:
            found.setdefault(row.policy.partition(" ")[0], []).append(row)

    print(
        "| policy | gap to the optimum | "
        + " | ".join(f"lost by {name}" for name in LOSSES)
        + " | loads per hour |"
    )
    print("|---" * (3 + len(LOSSES)) + "|")
    for policy, rows in found.items():
        gaps = np.array([100 * row.value("gap").mean for row in rows])
        lost = [np.mean([row.value(lost_by(part)).mean for row in rows]) for part in LOSSES]
        loads = np.mean([row.value("loads_per_hour").mean for row in rows])
        parts = " | ".join(f"{x:.2f}" for x in lost)
        print(f"| `{policy}` | {gaps.mean():.2f} % [{gaps.min():.2f}, {gaps.max():.2f}] | {parts} | {loads:.1f} |")


if __name__ == "__main__":
    main()
