"""Trains what docs/learning.md reports and prints its tables: python docs/make_learning.py PART...

Parts: targets, floor, ablation. Runs live in the folder `runs/learning`; what is finished is not done again,
so the script may be interrupted. One process for each core, one thread each. Catalogues are seeds 1 to 3 of the
preset `paper`; every run is measured on the same 1,000 slots of its catalogue, which no training sees.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

# One thread a process, before JAX is imported, so that runs are alike whatever runs beside them.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import numpy as np

from genedge.cell.feasible import in_float64
from genedge.cell.sampling import sample_episodes
from genedge.cell.types import Decision, Slot
from genedge.evaluation.scoring import score
from genedge.files import whole_file
from genedge.learn.runs import create_run, open_run
from genedge.learn.training import train_run
from genedge.optimum import solve_optimal
from genedge.policies import policy
from genedge.scenario import Scenario, load_scenario
from genedge.statistics import over_groups
from genedge.xla import set_up_jax

RUNS = Path("runs/learning")
TEST_SEED, TEST_EPISODES = 1000, 20
CATALOGUES = (1, 2, 3)


class Job(NamedTuple):
    """One run.

    Attributes:
        row: what it is called in the table.
        agent: the algorithm.
        users: number of users.
        changes: settings changed, `key=value` each.
        catalogue: the scenario's seed.
        seed: of training.
        episodes: how many; None for the agent's own number.
    """

    row: str
    agent: str
    users: int
    changes: tuple[str, ...]
    catalogue: int
    seed: int
    episodes: int | None

    @property
    def folder(self) -> Path:
        """Where the run lives."""
        words = [self.agent, f"{self.users}-users", *self.changes]
        words += [] if self.episodes is None else [f"{self.episodes}-episodes"]
        name = "_".join(words).translate(str.maketrans({" ": "", "/": "-", ":": "=", "[": "", "]": "", ",": "x"}))
        return RUNS / name / f"catalogue-{self.catalogue}_seed-{self.seed}"

    @property
    def scenario(self) -> Scenario:
        """What it trains on."""
        return load_scenario("paper", [f"seed={self.catalogue}", *self.changes])


class Row(NamedTuple):
    """A line of a table.

    Attributes:
        agent: the algorithm.
        changes: settings changed, `key=value` each.
        seeds: how many training seeds on each catalogue; slow agents get fewer.
    """

    agent: str
    changes: tuple[str, ...] = ()
    seeds: int = 3


def jobs(rows: Mapping[str, Row], users: Iterable[int], episodes: int | None = None) -> list[Job]:
    """The runs of a table: every row on every catalogue with every seed."""
    return [
        Job(name, row.agent, n, row.changes, catalogue, seed, episodes)
        for n in users
        for name, row in rows.items()
        for catalogue in CATALOGUES
        for seed in range(row.seeds)
    ]


def test_slots(scenario: Scenario, users: int) -> Slot:
    """The slots that all are measured on."""
    T = scenario.settings.cell.slots_per_episode
    key = jax.random.key(TEST_SEED)
    slots = sample_episodes(scenario.params, key, users, users, T, TEST_EPISODES)
    return jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), slots)


def cost_of(scenario: Scenario, users: int, decide: Callable[[Slot], Decision]) -> tuple[float, float]:
    """Mean cost of a slot of a policy's decisions, and the certified optimum's."""
    slots = test_slots(scenario, users)
    cost = score(scenario.params, slots, in_float64(decide(slots))).utility.sum(axis=-1).mean()
    return float(cost), float(solve_optimal(scenario.params, slots).lower_bound.mean())


def work(job: Job) -> tuple[Job, float]:
    """Trains a run to its end, unless it has come that far, and measures its gap."""
    set_up_jax()
    done = job.folder / "gap.json"
    if not done.exists():
        scenario = job.scenario
        if (job.folder / "run.json").exists():
            run = open_run(job.folder)
        else:
            run = create_run(job.folder, scenario, job.users, job.agent, job.episodes, job.seed)
        train_run(run, lambda row: None)
        decide = policy(str(job.folder), scenario)
        cost, optimum = cost_of(
            scenario, job.users, lambda slots: decide(scenario.params, slots, jax.random.key(0))
        )
        with whole_file(done) as file:
            file.write(json.dumps({"cost": cost, "optimum": optimum}).encode())
    measured = json.loads(done.read_text())
    return job, measured["cost"] / measured["optimum"] - 1


def do(all_jobs: Sequence[Job]) -> dict[Job, float]:
    """The gap of every job."""
    gaps = {}
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(work, job) for job in all_jobs]
        try:
            for i, future in enumerate(as_completed(futures), 1):
                job, gap = future.result()
                gaps[job] = gap
                print(f"[{i}/{len(all_jobs)}] {job.folder}: gap {gap:.2%}", file=sys.stderr, flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {job: gaps[job] for job in all_jobs}


def by_row(gaps: Mapping[Job, float], row: str, users: int) -> list[np.ndarray]:
    """The gaps of one row at one number of users: of each catalogue those of its training seeds."""
    jobs = [job for job in gaps if (job.row, job.users) == (row, users)]
    catalogues = dict.fromkeys(job.catalogue for job in jobs)
    return [np.array([gaps[job] for job in jobs if job.catalogue == catalogue]) for catalogue in catalogues]


def cell(gaps: Sequence[np.ndarray]) -> str:
    """A mean with its 95 % interval over catalogues, in per cent."""
    if not len(gaps):
        return "–"
    found = over_groups([100 * of_one for of_one in gaps])
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def table(title: str, gaps: Mapping[Job, float], extra: Mapping[str, Mapping[int, list[np.ndarray]]]) -> None:
    """Prints the gaps of all rows, in Markdown."""
    users = sorted({job.users for job in gaps})
    rows = dict.fromkeys(job.row for job in gaps)
    print(f"\n{title}\n\n| learner | " + " | ".join(f"{n} users" for n in users) + " | runs |")
    print("|---" * (len(users) + 2) + "|")
    for row in rows:
        each = [by_row(gaps, row, n) for n in users]
        counts = (str(sum(map(len, gaps_of_one))) for gaps_of_one in each)
        print(f"| {row} | " + " | ".join(map(cell, each)) + f" | {'+'.join(counts)} |")
    for row, values in extra.items():
        print(f"| {row} | " + " | ".join(cell(values[n]) for n in users) + " | |")


def knapsack(users: Iterable[int], changes: Sequence[str]) -> dict[int, list[np.ndarray]]:
    """The gaps of `knapsack` on the same catalogues and slots."""
    found = {}
    for n in users:
        gaps = []
        for catalogue in CATALOGUES:
            scenario = load_scenario("paper", [f"seed={catalogue}", *changes])
            decide, key = policy("knapsack", scenario), jax.random.key(0)
            cost, optimum = cost_of(scenario, n, lambda slots: decide(scenario.params, slots, key))  # noqa: B023
            gaps.append(np.array([cost / optimum - 1]))
        found[n] = gaps
    return found


LEARNERS = {
    "REINFORCE, equivariant": Row("reinforce"),
    "REINFORCE, MLP": Row("reinforce", ("reinforce.network=mlp",)),
    "DDPG, MLP (the paper's)": Row("ddpg"),
    "TD3, equivariant": Row("td3", seeds=1),
    "SAC, equivariant": Row("sac", seeds=1),
}
BEST = "server.quality_floor={largest_tv: best}"


def targets() -> None:
    """Every learner at 10 and 18 users, three catalogues, one to three seeds."""
    users = (10, 18)
    gaps = do(jobs(LEARNERS, users))
    table("Mean gap to the certified optimum [%]", gaps, {"`knapsack`, no learner": knapsack(users, ())})


def floor() -> None:
    """REINFORCE and the paper's agent with the quality floor on."""
    users = (10, 18)
    rows = {
        name: row._replace(changes=(BEST, *row.changes), seeds=3 if name == "REINFORCE, equivariant" else 1)
        for name, row in LEARNERS.items()
        if row.agent in ("ddpg", "reinforce")
    }
    title = "Mean gap to the certified optimum [%], every hit at its model's best quality"
    table(title, do(jobs(rows, users)), {"`knapsack`, no learner": knapsack(users, [BEST])})


EPISODES = 150
CHANGES = {
    "the paper's agent": (),
    "without reward centring": ("ddpg.centring_rate=0",),
    "with layer norm": ("ddpg.layer_norm=true",),
    "with twin critics": ("ddpg.critics=2",),
    "with falling learning rates": ("ddpg.learning_rate_last=0.05",),
    "with discount 0": ("ddpg.discount=0",),
    "equivariant": ("ddpg.network=equivariant",),
    "equivariant, discount 0": ("ddpg.network=equivariant", "ddpg.discount=0"),
    "equivariant, discount 0, credit per user": (
        "ddpg.network=equivariant",
        "ddpg.discount=0",
        "ddpg.credit=per_user",
    ),
    "the same, layer norm": (
        "ddpg.network=equivariant",
        "ddpg.discount=0",
        "ddpg.credit=per_user",
        "ddpg.layer_norm=true",
    ),
    "the same, twin critics": (
        "ddpg.network=equivariant",
        "ddpg.discount=0",
        "ddpg.credit=per_user",
        "ddpg.critics=2",
    ),
    "the same, falling learning rates": (
        "ddpg.network=equivariant",
        "ddpg.discount=0",
        "ddpg.credit=per_user",
        "ddpg.learning_rate_last=0.05",
    ),
}


def ablation() -> None:
    """Which fixes matter to DDPG: one change at a time, and what they do together."""
    rows = {name: Row("ddpg", changes, seeds=1) for name, changes in CHANGES.items()}
    gaps = do(jobs(rows, [10], episodes=EPISODES))
    table(f"DDPG after {EPISODES} episodes: mean gap [%]", gaps, {})


PARTS: Mapping[str, Callable[[], None]] = {"targets": targets, "floor": floor, "ablation": ablation}

if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown or len(sys.argv) < 2:
        sys.exit(f"usage: python docs/make_learning.py PART..., of {', '.join(PARTS)}")
    for part in sys.argv[1:]:
        PARTS[part]()
