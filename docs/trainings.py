"""Runs trained on several catalogues and seeds, and measured: what the programs beside this one report.

What is finished is not done again, so they may be interrupted. One process for each core, one thread each; every
run is measured on the same 1,000 slots of its catalogue, which no training sees.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from genedge.cell.feasible import in_float64
from genedge.cell.sampling import sample_episodes
from genedge.cell.types import Decision, Slot
from genedge.engines import on_cores
from genedge.evaluation.scoring import score
from genedge.files import whole_file
from genedge.given import Weights
from genedge.learn.runs import create_run, open_run
from genedge.learn.training import train_run
from genedge.optimum import solve_optimal
from genedge.policies import policy
from genedge.scenario import Scenario, load_scenario
from genedge.statistics import over_groups

TEST_SEED, TEST_EPISODES = 1000, 20
MEASURED = "measured.json"
CONSTANT = "`constant`, no learner"


class Measured(NamedTuple):
    """What a run came to, costs over the certified optimum's, less 1.

    Attributes:
        gap: of the actor that it serves, the one with the best evaluation.
        last: of the actor at the end.
        dip: the largest fall of its evaluations from the best one before.
        caches: how many different caches it uses in the test slots.
    """

    gap: float
    last: float
    dip: float
    caches: int


class Job(NamedTuple):
    """One run.

    Attributes:
        home: the folder of all runs of a kind.
        row: what it is called in the table.
        agent: the algorithm.
        users: number of users.
        changes: settings changed, `key=value` each.
        catalogue: the scenario's seed.
        seed: of training.
        episodes: how many; None for the agent's own number.
    """

    home: Path
    row: str
    agent: str
    users: int
    changes: tuple[str, ...]
    catalogue: int
    seed: int
    episodes: int | None

    @property
    def key(self) -> str:
        """A name for it."""
        return str(self.folder)

    @property
    def folder(self) -> Path:
        """Where the run lives: elsewhere when a default changes."""
        words = [self.agent, f"{self.users}-users", *self.changes]
        words += [] if self.episodes is None else [f"{self.episodes}-episodes"]
        name = "_".join(words).translate(str.maketrans({" ": "", "/": "-", ":": "=", "[": "", "]": "", ",": "x"}))
        settings = hashlib.sha256(self.scenario.as_yaml().encode()).hexdigest()[:6]
        return self.home / name / f"catalogue-{self.catalogue}_seed-{self.seed}_{settings}"

    @property
    def of_cell(self) -> tuple[str, ...]:
        """The changes that are none of the agent's."""
        return tuple(change for change in self.changes if not change.startswith(f"{self.agent}."))

    @property
    def scenario(self) -> Scenario:
        """What it trains on."""
        return load_scenario("paper", [f"seed={self.catalogue}", *self.changes])

    def measured(self) -> Measured:
        """What it came to, if that is known."""
        return Measured(**json.loads((self.folder / MEASURED).read_text()))

    def run(self, folder: Path) -> Measured:
        """Trains to the end, from where it stands, and measures what came of it."""
        scenario = self.scenario
        if (folder / "run.json").exists():
            run = open_run(folder)
        else:
            run = create_run(folder, scenario, self.users, self.agent, self.episodes, self.seed)
        rows: list[dict[str, Any]] = []
        train_run(run, rows.append)
        best = optimum(self.catalogue, self.users, self.of_cell)
        served, last = (decided_by(str(folder), scenario, self.users, weights) for weights in ("best", "last"))
        evaluated = np.array([row["evaluated_utility"] for row in rows])
        measured = Measured(
            mean_cost(scenario, self.users, served) / best - 1,
            mean_cost(scenario, self.users, last) / best - 1,
            float((evaluated - np.minimum.accumulate(evaluated)).max()) / best,
            unlike(served),
        )
        with whole_file(folder / MEASURED) as file:
            file.write(json.dumps(measured._asdict()).encode())
        return measured


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


def jobs(
    home: Path,
    rows: Mapping[str, Row],
    users: Iterable[int],
    catalogues: Sequence[int],
    episodes: int | None = None,
) -> list[Job]:
    """The runs of a table: every row on every catalogue with every seed."""
    return [
        Job(home, name, row.agent, n, row.changes, catalogue, seed, episodes)
        for name, row in rows.items()
        for n in users
        for catalogue in catalogues
        for seed in range(row.seeds)
    ]


def test_slots(scenario: Scenario, users: int) -> Slot:
    """The slots that all are measured on."""
    T = scenario.settings.cell.slots_per_episode
    key = jax.random.key(TEST_SEED)
    slots = sample_episodes(scenario.params, key, users, users, T, TEST_EPISODES)
    return jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), slots)


def decided_by(name: str, scenario: Scenario, users: int, weights: Weights = "best") -> Decision:
    """What a policy decides in the test slots."""
    decide = policy(name, scenario, weights)
    return in_float64(decide(scenario.params, test_slots(scenario, users), jax.random.key(0)))


def mean_cost(scenario: Scenario, users: int, decision: Decision) -> float:
    """Mean cost of a slot of the test slots."""
    return float(score(scenario.params, test_slots(scenario, users), decision).utility.sum(axis=-1).mean())


@cache
def optimum(catalogue: int, users: int, changes: tuple[str, ...]) -> float:
    """The certified optimum's mean cost of a test slot."""
    scenario = load_scenario("paper", [f"seed={catalogue}", *changes])
    return float(solve_optimal(scenario.params, test_slots(scenario, users)).lower_bound.mean())


def do(all_jobs: Sequence[Job]) -> dict[Job, Measured]:
    """What every job came to."""
    found: dict[Job, Measured] = {job: job.measured() for job in all_jobs if (job.folder / MEASURED).exists()}
    for job, measured in on_cores({job: job.folder for job in all_jobs if job not in found}):
        found[job] = measured
        told = f"gap {measured.gap:.2%}, last {measured.last:.2%}, dip {measured.dip:.1%}, {measured.caches} caches"
        print(f"[{len(found)}/{len(all_jobs)}] {job.folder}: {told}", file=sys.stderr, flush=True)
    return {job: found[job] for job in all_jobs}


def by_row(found: Mapping[Job, Measured], row: str, users: int, what: str = "gap") -> list[np.ndarray]:
    """What the runs of one row came to at one number of users: of each catalogue those of its training seeds."""
    jobs = [job for job in found if (job.row, job.users) == (row, users)]
    catalogues = dict.fromkeys(job.catalogue for job in jobs)
    return [
        np.array([getattr(found[job], what) for job in jobs if job.catalogue == catalogue])
        for catalogue in catalogues
    ]


def unlike(decision: Decision) -> int:
    """How many different caches there are among decisions."""
    return len(np.unique(np.asarray(decision.cache), axis=0))


def over_catalogues(gaps: Sequence[Sequence[float]]) -> str:
    """A mean over catalogues, of which each has runs of several seeds [%]; from three on with its 95 % interval."""
    if not len(gaps):
        return "–"
    found = over_groups([100 * np.array(of_one) for of_one in gaps])
    return f"{found.mean:.2f}" + ("" if len(gaps) < 3 else f" [{found.low:.2f}, {found.high:.2f}]")


def against_constant(gaps: Sequence[np.ndarray], base: Sequence[np.ndarray]) -> str:
    """By how much gaps cost less than those of `constant`, of the same catalogues [%]."""
    return over_catalogues([1 - (1 + ours) / (1 + its) for ours, its in zip(gaps, base, strict=True)])


def table(title: str, found: Mapping[Job, Measured], extra: Mapping[str, Mapping[int, list[np.ndarray]]]) -> None:
    """Prints the gaps of all rows, in Markdown; and what they have over `constant`, if that is among the extra."""
    users = sorted({job.users for job in found})
    rows = dict.fromkeys(job.row for job in found)
    print(f"\n{title}\n\n| learner | " + " | ".join(f"{n} users" for n in users) + " | runs |")
    print("|---" * (len(users) + 2) + "|")
    for row in rows:
        each = [by_row(found, row, n) for n in users]
        counts = (str(sum(map(len, gaps_of_one))) for gaps_of_one in each)
        print(f"| {row} | " + " | ".join(map(over_catalogues, each)) + f" | {'+'.join(counts)} |")
    for row, values in extra.items():
        print(f"| {row} | " + " | ".join(over_catalogues(values[n]) for n in users) + " | |")
    if CONSTANT not in extra:
        return
    print("\nCheaper than `constant` by [%], and different caches of a run, mean\n")
    print(
        "| learner | "
        + " | ".join(f"{n} users | caches" for n in users)
        + " |\n|---"
        + "|---|---" * len(users)
        + "|"
    )
    for row in rows:
        cells = []
        for n in users:
            cells.append(against_constant(by_row(found, row, n), extra[CONSTANT][n]))
            cells.append(f"{np.mean(np.concatenate(by_row(found, row, n, 'caches'))):.0f}")
        print(f"| {row} | " + " | ".join(cells) + " |")
