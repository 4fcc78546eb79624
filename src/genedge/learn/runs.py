"""Run folders: what a training run was, how it went, and where it stands.

    run.json          what was asked for, and with which versions
    scenario.yaml     the scenario, every value written out with its provenance
    metrics.jsonl     one line per evaluation interval
    checkpoint.npz    everything training carries, the replay buffer included, to go on from
    best.npz          the best actor so far, to decide with
    last.npz          the actor as it is now
    card.md           all of this for a reader
    ended.json        how it ended, once it has: finished, or diverged

Every file is written whole or not at all, so an interruption at any moment leaves a run that can go on.
"""

import hashlib
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from genedge.errors import InputError
from genedge.files import read_text, whole_file
from genedge.folders import is_empty, one_writer
from genedge.learn.agent import Agent
from genedge.learn.agents import (
    LOGGED,
    absolute,
    load_agent,
    own_section,
    section_of,
    told_in_words,
    with_own_section,
)
from genedge.own import digest, in_file
from genedge.registry import listed, named
from genedge.scenario import Scenario, load_scenario, with_slots
from genedge.settings.provenance import setting_of
from genedge.text import shortened
from genedge.versions import versions

FORMAT = "genedge run 3"

# Least episodes between evaluations, and most evaluations of a run.
INTERVAL = 10
MOST_EVALUATIONS = 200

# Slots are counted in 32 bits.
MOST_SLOTS = 2**31 - 1

Row = dict[str, Any]
Ending = Literal["finished", "diverged"]


@dataclass(frozen=True)
class Run:
    """A run as its folder describes it.

    Attributes:
        folder: where it lives.
        scenario: what it trains on.
        users: number of users in every slot; of any-cell, the most.
        places: number of places of the networks; a multi-layer perceptron serves at most so many users.
        agent: which algorithm.
        episodes: how many episodes in all.
        seed: of everything random.
        agent_sha256: of the reader's own file, if the agent is in one.
        slots: the file whose episodes it trains on; empty where they are drawn.
        slots_sha256: of that file.
    """

    folder: Path
    scenario: Scenario
    users: int
    places: int
    agent: str
    episodes: int
    seed: int
    agent_sha256: str = ""
    slots: str = ""
    slots_sha256: str = ""

    @cached_property
    def learner(self) -> Agent[Any]:
        """The agent, on the run's scenario."""
        return load_agent(self.agent, self.scenario)

    @property
    def most_users(self) -> float:
        """The most users that the actor can serve; infinite without a limit."""
        return self.places if self.learner.fixed_places else math.inf

    @property
    def ended(self) -> Ending | None:
        """How it ended; None while it has not, and of runs that an earlier version made.

        Raises:
            InputError: the file that says it is damaged.
        """
        path = self.folder / "ended.json"
        try:
            ending = json.loads(read_text(path))["ended"]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            ending = None
        if ending not in get_args(Ending):
            remedy = f"remove it, and 'genedge train --resume {self.folder}' writes it anew"
            raise InputError(f"{path}: damaged; {remedy}")
        found: Ending = ending
        return found

    @property
    def row(self) -> tuple[str, ...]:
        """What a line of metrics.jsonl holds."""
        first, *others = LOGGED
        return (first, *self.learner.metrics, *others)

    @property
    def id(self) -> str:
        """A hash of everything that the run's bits follow from; its arrays carry it."""
        # A reader's own file may be moved, but not changed.
        agent = (self.agent.rpartition(":")[2], self.agent_sha256) if self.agent_sha256 else self.agent
        of_file = (self.slots_sha256,) if self.slots else ()
        asked = (self.scenario.as_yaml(), self.users, agent, self.episodes, self.seed, *of_file)
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def evaluated_after(episodes: int) -> list[int]:
    """After which episodes a run is evaluated, if it does not diverge before.

    Args:
        episodes: how many it has in all.
    """
    interval = max(INTERVAL, episodes // MOST_EVALUATIONS)
    return [*range(interval, episodes, interval), episodes]


def new_run(
    folder: Path, scenario: Scenario, users: int | None, agent: str, episodes: int | None, seed: int
) -> Run:
    """A run that could be trained; nothing is written yet.

    Args:
        folder: where it will live.
        scenario: what it trains on, maybe with slots of a file.
        users: number of users in every slot; None for the scenario's, and always for any-cell, which draws them,
            and for slots of a file, which have their own.
        agent: which algorithm: a name in the registry, or `FILE.py:CLASS`.
        episodes: how many episodes; None for the scenario's.
        seed: of everything random.

    Raises:
        InputError: there is no such agent, the users do not fit the scenario's places, or the episodes are too
            many to count.
    """
    agent, scenario = absolute(agent), with_own_section(agent, scenario)
    cell, recorded = scenario.settings.cell, scenario.recorded
    if recorded is not None:
        if users is not None:
            raise InputError(f"--users {users}: the slots of --slots have their own users; leave it out")
        users = recorded.users
    with told_in_words(agent):
        learner = load_agent(agent, scenario)
        if recorded is not None and learner.any_cell:
            raise InputError(f"--slots: --agent {agent} trains on cells that it draws, each its own; leave it out")
        users = learner.users(users)
        learner.refuse()  # Before there is a folder, not when training begins.
        places = learner.places(users)
        if users > places:
            raise InputError(
                f"--users {users}: the cell has {places} places; give it more with --set cell.places={users}"
            )
        learner.refuse_large(places)
    episodes = episodes or learner.settings.episodes
    most = MOST_SLOTS // cell.slots_per_episode
    if episodes > most:
        raise InputError(f"{episodes} episodes are too many; ask for at most {most}")
    of_file = () if recorded is None else (recorded.file, recorded.sha256)
    return Run(folder, scenario, users, places, agent, episodes, seed, sha256_of(agent), *of_file)


def create_run(
    folder: Path, scenario: Scenario, users: int | None, agent: str, episodes: int | None, seed: int
) -> Run:
    """Makes the folder of a new run.

    Args:
        folder: must not hold anything yet.
        scenario: see `new_run`, as all that follows.
        users: number of users.
        agent: which algorithm.
        episodes: how many episodes.
        seed: of everything random.

    Raises:
        InputError: the folder is not empty or is being written; or see `new_run`.
    """
    run = new_run(folder, scenario, users, agent, episodes, seed)
    if not folder.is_dir():
        refuse_taken(folder)
    with one_writer(folder):
        refuse_taken(folder)
        describe(run)
    return run


def refuse_taken(folder: Path) -> None:
    """Refuses a folder for something new that holds something already.

    Args:
        folder: the folder.

    Raises:
        InputError: it does, or is none.
    """
    taken = f"{folder}: already there and not empty; choose another folder"
    if folder.exists() and not folder.is_dir():
        raise InputError(taken)
    if folder.exists() and not is_empty(folder):
        go_on = f", or go on with --resume {folder}" if (folder / "run.json").exists() else ""
        raise InputError(taken + go_on)


def describe(run: Run) -> None:
    """Writes what a run is into its folder.

    Args:
        run: the run.
    """
    description = {
        "format": FORMAT,
        "scenario": run.scenario.name,
        "scenario_id": run.scenario.id,
        "users": run.users,
        "places": run.places,
        "agent": run.agent,
        "episodes": run.episodes,
        "seed": run.seed,
        "versions": versions(),
        "machine": platform.platform(),
        **_of_own_agent(run),
        **({"slots": run.slots, "slots_sha256": run.slots_sha256} if run.slots else {}),
    }
    with whole_file(run.folder / "scenario.yaml") as file:
        bare = replace(run.scenario, own={}) if run.scenario.own else run.scenario
        file.write(bare.as_yaml().encode())
    # Last, because a folder counts as a run once this file is there.
    with whole_file(run.folder / "run.json") as file:
        file.write((json.dumps(description, indent=2) + "\n").encode())


def sha256_of(agent: str) -> str:
    """A hash of the file that a reader's own agent is in; empty for all others.

    Args:
        agent: its name.

    Raises:
        InputError: the file is not there.
    """
    return digest(Path(agent.rpartition(":")[0])) if in_file(agent) else ""


def _of_own_agent(run: Run) -> dict[str, Any]:
    """What scenario.yaml cannot say, since nobody else knows the section."""
    if not run.agent_sha256:
        return {}
    section = f"{run.learner.section}."
    settings = {
        key.removeprefix(section): setting.as_leaf()
        for key, setting in run.scenario.table.items()
        if key.startswith(section)
    }
    return {"agent_sha256": run.agent_sha256, "hyperparameters": settings}


def _with_own_agent(path: Path, scenario: Scenario, description: Any) -> Scenario:
    """The scenario of a run's folder, with the hyperparameters of a reader's own agent.

    Raises:
        InputError: the agent's file is not there, or was changed.
    """
    agent = description["agent"]
    file = agent.rpartition(":")[0]
    if not Path(file).is_file():
        raise InputError(f"{path}: its agent is in {file}, which is not there; restore that file")
    if sha256_of(agent) != description.get("agent_sha256"):
        raise InputError(
            f"{path}: its agent is in {file}, which has changed since the run was made; restore that file, or "
            f"train a new run"
        )
    section, settings = section_of(agent), description.get("hyperparameters")
    if not isinstance(settings, dict):
        raise InputError(f"{path}: not the description of a run; 'genedge train' makes one")
    told = {f"{section}.{key}": setting_of(leaf, f"{path}: {key}") for key, leaf in settings.items()}
    return replace(scenario, told={**scenario.told, **told}, own=own_section(agent))


def open_run(folder: Path) -> Run:
    """Reads the description of a run.

    Args:
        folder: a run's folder.

    Raises:
        InputError: it is not a run, or not one that this version understands.
    """
    path = folder / "run.json"
    try:
        description = json.loads(read_text(path))
        written, scenario_id = description["format"], description["scenario_id"]
        numbers = {key: description[key] for key in ("users", "places", "episodes", "seed")}
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: not a run folder (it has no run.json); 'genedge train' makes one") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{path}: not the description of a run; 'genedge train' makes one") from None
    if written != FORMAT:
        raise InputError(
            f"{path}: its format is {shortened(written)}; this version reads {FORMAT!r}; train the run again"
        )
    scenario, agent = load_scenario(folder / "scenario.yaml"), description.get("agent")
    own = isinstance(agent, str) and in_file(agent)
    if own:
        scenario = _with_own_agent(path, scenario, description)
    if scenario.files and scenario.id != scenario_id:
        raise InputError(
            f"{path}: its scenario is not what it was: {listed(scenario.files, 'or')} has changed since the run "
            f"was made, or scenario.yaml beside it; restore that file, or train a new run"
        )
    cell = scenario.settings.cell
    fits = (
        scenario.id == scenario_id
        and (own or agent in named("agent"))
        and all(type(number) is int and 0 <= number < 2**32 for number in numbers.values())
        and 0 < numbers["users"] <= numbers["places"] == load_agent(agent, scenario).places(numbers["users"])
        and 0 < numbers["episodes"] <= MOST_SLOTS // cell.slots_per_episode
    )
    if not fits:
        raise InputError(f"{path}: does not fit scenario.yaml beside it; restore what 'genedge train' wrote")
    slots = {key: description.get(key, "") for key in ("slots", "slots_sha256")}
    if not all(isinstance(value, str) for value in slots.values()):
        raise InputError(f"{path}: not the description of a run; 'genedge train' makes one")
    return Run(folder, scenario, agent=agent, agent_sha256=sha256_of(agent), **numbers, **slots)


def with_its_slots(run: Run) -> Run:
    """The same run with the slots of the file that it trains on; to decide, nobody needs them.

    Args:
        run: as `open_run` reads it.

    Raises:
        InputError: the file is not there, or was changed.
    """
    if not run.slots or run.scenario.recorded is not None:
        return run
    told = f"{run.folder}: it trains on the slots of {run.slots}, which"
    if not Path(run.slots).is_file():
        raise InputError(f"{told} is not there; restore that file")
    if digest(Path(run.slots)) != run.slots_sha256:
        raise InputError(f"{told} has changed since the run was made; restore that file, or train a new run")
    return replace(run, scenario=with_slots(run.scenario, run.slots))


def run_folders(folders: Sequence[Path]) -> list[Path]:
    """The folders of runs in some folders, however deep, by name.

    Args:
        folders: runs, or folders that hold runs.

    Raises:
        InputError: a folder is missing or holds no run.
    """
    found: dict[Path, None] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; name runs, or folders that hold runs")
        inside = sorted(path.parent for path in folder.rglob("run.json"))
        if not inside:
            raise InputError(f"{folder}: holds no run; 'genedge train --out {folder}/NAME' makes one")
        found |= dict.fromkeys(inside)
    return list(found)


def find_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in some folders, however deep, by name.

    Args:
        folders: runs, or folders that hold runs.

    Raises:
        InputError: a folder is missing or holds no run, or a run's description is damaged.
    """
    return [open_run(folder) for folder in run_folders(folders)]


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Settings that are not the same in all runs, with each run's value.

    Of the agents' settings only those of the agents that were trained are told.

    Args:
        runs: some runs.

    Returns:
        By dotted key, one value for each run; None where a run has no such setting.
    """
    idle = {section_of(agent) for agent in named("agent")} - {run.learner.section for run in runs}
    keys = dict.fromkeys(key for run in runs for key in run.scenario.table)
    values = {
        key: [setting.value if (setting := run.scenario.table.get(key)) else None for run in runs]
        for key in keys
        if key.partition(".")[0] not in idle
    }
    return {key: each for key, each in values.items() if any(value != each[0] for value in each)}


def rows_of(run: Run, episodes: int | None = None) -> list[Row]:
    """The rows logged up to an episode; later ones belong to an interval that will be trained again.

    Args:
        run: the run.
        episodes: how many episodes the run's checkpoint has finished; None for all that is logged.

    Raises:
        InputError: the file is damaged, or does not reach that far.
    """
    path = run.folder / "metrics.jsonl"
    try:
        text = read_text(path) if path.exists() else ""
        rows = [{key: row[key] for key in run.row} for row in map(json.loads, text.splitlines())]
        if episodes is not None:
            rows = [row for row in rows if row["episode"] <= episodes]
        numbers = all(
            type(value) in (int, float) and math.isfinite(value) for row in rows for value in row.values()
        )
        logged = [row["episode"] for row in rows]
        complete = numbers and logged == evaluated_after(run.episodes)[: len(rows)]
        complete &= episodes is None or (logged[-1] if rows else 0) == episodes
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        complete = False
    if not complete:
        raise InputError(
            f"{path}: damaged, or without the row of an episode that checkpoint.npz has reached; restore it, or "
            f"remove checkpoint.npz to train from the start"
        )
    return rows
