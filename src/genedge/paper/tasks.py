"""The pieces of work of a study, independent of each other: measure policies, or train an agent and measure it.

A task is described by plain values, so it can be sent anywhere, and its result is kept under a key made of them, of
the program's own source and of the libraries' versions: what is done is not done again, and what another version
did is never taken for ours.
"""

import hashlib
import json
import platform
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from genedge.errors import InputError
from genedge.evaluation.box_results import BOX_METRICS
from genedge.evaluation.boxes import evaluate_box
from genedge.evaluation.cells import evaluate
from genedge.evaluation.results import METRICS, OPTIMUM, Evaluation
from genedge.learn.runs import Row, create_run, open_run
from genedge.learn.training import DivergedError, train_run
from genedge.optimum.dynamic import solver
from genedge.policies import files_of, policy
from genedge.policies.boxes import box_policy
from genedge.registry import named
from genedge.results import Measured, Results
from genedge.scenario import Scenario, load_scenario
from genedge.versions import versions

# Slots to measure on, which no training sees.
TEST_SEED = 1000

# What results depend on. Pictures and the command line may change without anything being measured again.
SOURCES = (
    *("boxes", "catalogue", "cell", "edge", "env", "learn", "optimum", "policies", "scenario", "scenarios"),
    *("settings", "replay/side_by_side.py"),
    *("limits.py", "registry.py", "own.py", "public.py", "given.py", "precision.py", "xla.py", "highs.py"),
)
STUDY_SOURCES = (
    "evaluation/box_results.py",
    "evaluation/boxes.py",
    "evaluation/cells.py",
    "evaluation/decided.py",
    "evaluation/outages.py",
    "evaluation/results.py",
    "evaluation/scoring.py",
    "paper/tasks.py",
    "results.py",
)
SOURCE_KINDS = (".py", ".yaml", ".npz")

# Of a policy in a box. Where the optimum is known, what a policy costs in expectation has less of the slots' luck.
EXPECTED = "expected_utility"

# What a run's folder keeps; the checkpoint, which holds the replay buffer, has served its purpose.
RUN_FILES = ("scenario.yaml", "metrics.jsonl", "best.npz", "last.npz", "card.md", "run.json")


class Found(NamedTuple):
    """What a task found.

    Attributes:
        numbers: the same wherever the task ran on a like machine.
        times: how long things took [ms], by what and by number of users; they differ from run to run.
        files: of a trained run, by name.
    """

    numbers: dict[str, Any]
    times: dict[str, dict[str, float]]
    files: dict[str, bytes]


class _Task:
    """What all tasks have."""

    @property
    def key(self) -> str:
        """Under what the task's result is kept."""
        told = json.dumps([type(self).__name__, asdict(cast(Any, self)), _source(), _libraries()], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Measure(_Task):
    """Measures policies side by side on one catalogue.

    Attributes:
        preset: the scenario's name.
        changes: settings changed, `key=value` each.
        catalogue: the scenario's seed.
        users: numbers of users.
        policies: names.
        episodes: test episodes.
        fingerprint: of the files behind the policies' names.
    """

    preset: str
    changes: tuple[str, ...]
    catalogue: int
    users: tuple[int, ...]
    policies: tuple[str, ...]
    episodes: int
    fingerprint: str

    @property
    def work(self) -> int:
        """A rough size, in episodes of the paper's training."""
        # HCRAS evaluates thousands of decisions in every slot, and constant is chosen on many episodes; beside them
        # all others take no time.
        chosen = 10 * len(self.users) if "constant" in self.policies else 0
        return 3 + chosen + self.episodes * len(self.users) * (12 if "hcras" in self.policies else 1)

    def run(self, folder: Path) -> Found:
        """Measures.

        Args:
            folder: unused; all tasks are called alike.
        """
        if fingerprint(self.policies) != self.fingerprint:
            raise InputError(f"a file behind {', '.join(self.policies)} is not what it was when the study began")
        scenario = _scenario(self)
        found = _measured(scenario, self.policies, self.users, self.episodes)
        return Found(
            {
                "optimum": _optimum(found),
                "policies": {name: _metrics(found, name) for name in self.policies},
                "caches": {name: {str(n): _caches(found, name, n) for n in self.users} for name in self.policies},
            },
            {name: {str(n): _decision_ms(found, name, n) for n in self.users} for name in self.policies},
            {},
        )


@dataclass(frozen=True)
class MeasureBox(_Task):
    """Measures rules for a box side by side on one catalogue, on whole episodes.

    Attributes:
        preset: the scenario's name.
        changes: settings changed, `key=value` each, which make it a box.
        catalogue: the scenario's seed.
        users: number of users.
        policies: names of rules for boxes; `optimal` only where the optimum is known.
        episodes: test episodes.
    """

    preset: str
    changes: tuple[str, ...]
    catalogue: int
    users: int
    policies: tuple[str, ...]
    episodes: int

    @property
    def work(self) -> int:
        """A rough size, in episodes of the paper's training."""
        return 20 + self.episodes * (12 if "hcras" in self.policies else 1)

    @property
    def known(self) -> bool:
        """Whether the optimum is asked for, which not every box has."""
        return "optimal" in self.policies

    def run(self, folder: Path) -> Found:
        """Measures.

        Args:
            folder: unused; all tasks are called alike.

        Raises:
            InputError: the optimum is asked for and is not known.
        """
        scenario = _scenario(self)
        solve = solver(scenario.params, self.users, scenario.settings.cell.slots_per_episode)
        rules = {name: box_policy(name, scenario, solve) for name in self.policies}
        found = evaluate_box(scenario, rules, solve, self.users, self.episodes, TEST_SEED, lambda text: None)
        optimum = found.optimum if self.known else None
        users = str(self.users)
        return Found(
            {
                "optimum": {users: [optimum] * self.episodes},
                "policies": {name: {users: _of_box(found.of(name, self.users), optimum)} for name in self.policies},
                "caches": {name: {users: _caches(found, name, self.users)} for name in self.policies},
            },
            {name: {users: _decision_ms(found, name, self.users)} for name in self.policies},
            {},
        )


@dataclass(frozen=True)
class Train(_Task):
    """Trains an agent on one catalogue, then measures it on slots that it has not seen.

    Attributes:
        preset: the scenario's name.
        changes: settings changed, `key=value` each.
        catalogue: the scenario's seed.
        users: number of users.
        agent: the algorithm.
        episodes: of training.
        seed: of training.
        test_episodes: to measure on.
    """

    preset: str
    changes: tuple[str, ...]
    catalogue: int
    users: int
    agent: str
    episodes: int
    seed: int
    test_episodes: int

    @property
    def work(self) -> int:
        """A rough size, in episodes of the paper's training."""
        # REINFORCE has no critic to learn, and no replay to learn from in every slot.
        return self.test_episodes + (self.episodes // 8 if self.agent == "reinforce" else self.episodes)

    @property
    def name(self) -> str:
        """What to call the run's folder."""
        changes = [change.replace("/", "-") for change in self.changes]
        words = (self.preset, *changes, f"catalogue-{self.catalogue}", self.agent, f"{self.users}-users")
        return "_".join((*words, f"{self.episodes}-episodes", f"seed-{self.seed}"))

    def run(self, folder: Path) -> Found:
        """Trains and measures.

        Args:
            folder: to train in; an interrupted training goes on where its last checkpoint stands.

        Raises:
            InputError: what is there is of another training, is damaged, or is being written.
        """
        scenario, place = _scenario(self), folder / self.name
        if (place / "run.json").exists():
            run = open_run(place)
            there = (run.scenario.as_yaml(), run.users, run.agent, run.episodes, run.seed)
            if there != (scenario.as_yaml(), self.users, self.agent, self.episodes, self.seed):
                raise InputError(f"{place}: damaged, or of another training; remove it, and it is trained anew")
        else:
            # What was cut off while the folder was made is no run yet.
            shutil.rmtree(place, ignore_errors=True)
            run = create_run(place, scenario, self.users, self.agent, self.episodes, self.seed)
        rows: list[Row] = []
        try:
            train_run(run, rows.append)
        except DivergedError:
            # A finding too: so large learning rates do.
            nothing: list[float | None] = [None] * self.test_episodes
            told = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
            metrics = dict.fromkeys(METRICS, nothing)
            return Found({"diverged": True, "metrics": metrics, "caches": None, "rows": told}, {}, {})
        found = _measured(scenario, (str(place),), (self.users,), self.test_episodes)
        seconds = [row.pop("seconds") for row in rows]
        return Found(
            {
                "diverged": False,
                "metrics": _metrics(found, str(place))[str(self.users)],
                "caches": _caches(found, str(place), self.users),
                "rows": rows,
            },
            {
                "decision": {str(self.users): _decision_ms(found, str(place), self.users)},
                "training": {str(self.users): 1e3 * seconds[-1]},
            },
            {file: (place / file).read_bytes() for file in RUN_FILES},
        )


Task = Measure | MeasureBox | Train


def fingerprint(policies: Iterable[str]) -> str:
    """A hash of the files behind policies' names; empty if all are in the registry.

    Args:
        policies: names.
    """
    files = [path for name in policies if name not in named("policy") for path in files_of(name)]
    return _hash(files) if files else ""


def sources(package: Path) -> list[Path]:
    """The files of the program that results depend on.

    Args:
        package: its folder.

    Raises:
        InputError: something of SOURCES or STUDY_SOURCES is not there; without it, results of one version would be
            taken for another's.
    """
    found: list[Path] = []
    for path in (package / name for name in (*SOURCES, *STUDY_SOURCES)):
        inside = [path] if path.is_file() else sorted(path.rglob("*"))
        named = [file for file in inside if file.suffix in SOURCE_KINDS]
        if not named:
            raise InputError(
                f"{path}: not there, and results depend on it; install genedge anew, or mend SOURCES in "
                "paper/tasks.py"
            )
        found += named
    return found


def _scenario(task: Task) -> Scenario:
    return load_scenario(task.preset, [f"seed={task.catalogue}", *task.changes])


def _measured(scenario: Scenario, names: Iterable[str], users: tuple[int, ...], episodes: int) -> Evaluation:
    policies = {name: policy(name, scenario) for name in names}
    return evaluate(scenario, policies, users, episodes, TEST_SEED, lambda text: None)


def _optimum(found: Evaluation) -> dict[str, list[float]]:
    return {str(level.users): level.quantity.samples[0].tolist() for level in found.levels if level.name == OPTIMUM}


def _metrics(found: Evaluation, name: str) -> dict[str, dict[str, list[float | None]]]:
    """By number of users and metric, a value for each episode; null where undefined."""
    return {
        str(n): {metric: _or_null(found.of(name, n).samples[metric]) for metric in METRICS} for n in found.users
    }


def _of_box(row: Measured, optimum: float | None) -> dict[str, list[float | None]]:
    """By metric, a value for each episode; null where undefined."""
    samples = {metric: row.samples[metric] for metric in BOX_METRICS}
    if optimum is not None:
        # What it lost, episode by episode, beside the optimum's cost.
        samples[EXPECTED] = optimum + row.derived[EXPECTED].samples[0]
    return {metric: _or_null(values) for metric, values in samples.items()}


def _or_null(values: np.ndarray) -> list[float | None]:
    return [float(x) if np.isfinite(x) else None for x in values]


def _caches(found: Results, name: str, users: int) -> int:
    """How many different caches a policy chose in all slots that it met."""
    return int(found.value(name, users, "caches").mean)


def _decision_ms(found: Results, name: str, users: int) -> float:
    return found.value(name, users, "decision_ms").mean


@cache
def _libraries() -> dict[str, str]:
    """Versions of what the bits of a result depend on."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {name: number for name, number in versions().items() if name != "genedge"} | {"python": python}


@cache
def _source() -> str:
    """A hash of the source that results depend on."""
    return _hash(sources(Path(__file__).parent.parent))


def _hash(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
