"""Run folders: what a training run was, how it went, and where it stands.

    run.json          what was asked for, and with which versions
    scenario.yaml     the scenario, every value written out with its provenance
    metrics.jsonl     one line per evaluation interval
    checkpoint.npz    everything training carries, the replay buffer included, to go on from
    best.npz          the best actor so far, to decide with
    last.npz          the actor as it is now
    card.md           all of this for a reader

Every file is written whole or not at all, so an interruption at any moment leaves a run that can go on.
"""

import hashlib
import json
import math
import platform
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Literal, TypeVar

import jax
import numpy as np

from genedge.errors import InputError
from genedge.files import read_text, refuse_no_plain_file, remove_left_behind, whole_file
from genedge.folders import is_empty, one_writer
from genedge.learn.actor import Network, Pair
from genedge.learn.agents import (
    AGENTS,
    actor_like,
    metrics_of,
    places_of,
    refuse_large_agent,
    refuse_scenario,
    settings_of,
    training,
)
from genedge.learn.card import card
from genedge.learn.hyperparameters import AnyCell
from genedge.scenario import Scenario, load_scenario
from genedge.text import shortened
from genedge.versions import versions
from genedge.xla import at_once

FORMAT = "genedge run 3"

# Least episodes between evaluations, and most evaluations of a run.
INTERVAL = 10
MOST_EVALUATIONS = 200

# Checkpoints hold the replay buffer; they are written at most this often, at the end, and when interrupted.
CHECKPOINT_EVERY_S = 10.0

# Slots are counted in 32 bits.
MOST_SLOTS = 2**31 - 1

ARRAYS = ("checkpoint.npz", "best.npz", "last.npz")

_Tree = TypeVar("_Tree")
Row = dict[str, Any]


class DivergedError(InputError):
    """Training came to numbers that are none."""


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
    """

    folder: Path
    scenario: Scenario
    users: int
    places: int
    agent: str
    episodes: int
    seed: int

    @property
    def any_cell(self) -> bool:
        """Whether the actor is meant for catalogues that it was not trained on."""
        return isinstance(settings_of(self.scenario, self.agent), AnyCell)

    @property
    def most_users(self) -> float:
        """The most users that the actor can serve; infinite without a limit."""
        return self.places if settings_of(self.scenario, self.agent).network == "mlp" else math.inf

    @property
    def row(self) -> tuple[str, ...]:
        """What a line of metrics.jsonl holds."""
        return ("episode", *metrics_of(self.agent), "evaluated_utility", "best_utility", "seconds")

    @property
    def id(self) -> str:
        """A hash of everything that the run's bits follow from; its arrays carry it."""
        asked = (self.scenario.as_yaml(), self.users, self.agent, self.episodes, self.seed)
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def evaluated_after(episodes: int) -> list[int]:
    """After which episodes a run is evaluated, if it does not diverge before.

    Args:
        episodes: how many it has in all.
    """
    interval = max(INTERVAL, episodes // MOST_EVALUATIONS)
    return [*range(interval, episodes, interval), episodes]


def create_run(
    folder: Path, scenario: Scenario, users: int | None, agent: str, episodes: int | None, seed: int
) -> Run:
    """Makes the folder of a new run.

    Args:
        folder: must not hold anything yet.
        scenario: what it trains on.
        users: number of users in every slot; None for the scenario's, and always for any-cell, which draws them.
        agent: which algorithm, see AGENTS.
        episodes: how many episodes; None for the scenario's.
        seed: of everything random.

    Raises:
        InputError: the folder is not empty or is being written, there is no such agent, the users do not fit the
            scenario's places, or the episodes are too many to count.
    """
    s, cell = settings_of(scenario, agent), scenario.settings.cell
    episodes = episodes or s.episodes
    if isinstance(s, AnyCell):
        if users is not None:
            raise InputError(f"--users {users}: --agent any-cell draws them; set any_cell.users=[least, most]")
        users = s.users[1]
    else:
        users = users or cell.users
    refuse_scenario(scenario, agent)  # Before there is a folder, not when training begins.
    places = places_of(scenario, agent, users)
    if users > places:
        raise InputError(
            f"--users {users}: the cell has {places} places; give it more with --set cell.places={users}"
        )
    refuse_large_agent(scenario, agent, places)
    most = MOST_SLOTS // cell.slots_per_episode
    if episodes > most:
        raise InputError(f"{episodes} episodes are too many; ask for at most {most}")
    run = Run(folder, scenario, users, places, agent, episodes, seed)
    description = {
        "format": FORMAT,
        "scenario": scenario.name,
        "scenario_id": scenario.id,
        "users": users,
        "places": places,
        "agent": agent,
        "episodes": episodes,
        "seed": seed,
        "versions": versions(),
        "machine": platform.platform(),
    }
    taken = f"{folder}: already there and not empty; choose another folder"
    if folder.exists() and not folder.is_dir():
        raise InputError(taken)
    with one_writer(folder):
        if not is_empty(folder):
            go_on = f", or go on with --resume {folder}" if (folder / "run.json").exists() else ""
            raise InputError(taken + go_on)
        with whole_file(folder / "scenario.yaml") as file:
            file.write(scenario.as_yaml().encode())
        # Last, because a folder counts as a run once this file is there.
        with whole_file(folder / "run.json") as file:
            file.write((json.dumps(description, indent=2) + "\n").encode())
    return run


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
    cell = scenario.settings.cell
    fits = (
        scenario.id == scenario_id
        and agent in AGENTS
        and all(type(number) is int and 0 <= number < 2**32 for number in numbers.values())
        and 0 < numbers["users"] <= numbers["places"] == places_of(scenario, agent, numbers["users"])
        and 0 < numbers["episodes"] <= MOST_SLOTS // cell.slots_per_episode
    )
    if not fits:
        raise InputError(f"{path}: does not fit scenario.yaml beside it; restore what 'genedge train' wrote")
    return Run(folder=folder, scenario=scenario, agent=agent, **numbers)


def find_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in some folders, however deep, by name.

    Args:
        folders: runs, or folders that hold runs.

    Raises:
        InputError: a folder is missing or holds no run, or a run's description is damaged.
    """
    found: dict[Path, Run] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; name runs, or folders that hold runs")
        inside = sorted(path.parent for path in folder.rglob("run.json"))
        if not inside:
            raise InputError(f"{folder}: holds no run; 'genedge train --out {folder}/NAME' makes one")
        found |= {path: open_run(path) for path in inside}
    return list(found.values())


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Settings that are not the same in all runs, with each run's value.

    Of the agents' settings only those of the agents that were trained are told.

    Args:
        runs: some runs.

    Returns:
        By dotted key, one value for each run; None where a run has no such setting.
    """
    idle = {agent.replace("-", "_") for agent in AGENTS} - {run.agent.replace("-", "_") for run in runs}
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


def save(path: Path, tree: Any, run_id: str) -> None:
    """Writes the arrays of a pytree, random keys included, as a NumPy archive.

    Args:
        path: where.
        tree: any pytree of arrays.
        run_id: whose they are.
    """
    leaves = jax.tree.leaves(tree)
    arrays = {f"{i:04d}": np.asarray(_plain(leaf)) for i, leaf in enumerate(leaves)} | {"run": np.array(run_id)}
    with whole_file(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def restore(path: Path, like: _Tree, run_id: str, anew: str | None = None) -> _Tree:
    """Reads what `save` wrote. Nothing is allocated before all sizes have been found to be those wanted.

    Args:
        path: the archive.
        like: a pytree of the same structure, shapes and types.
        run_id: whose arrays are wanted.
        anew: how to come by a good one; None for an archive of a run.

    Raises:
        InputError: it is missing, damaged, or of another run.
    """
    remedy = anew or f"remove it, and 'genedge train --resume {path.parent}' writes it anew"
    leaves, structure = jax.tree.flatten(like)
    wanted = {f"{i:04d}": (plain.shape, plain.dtype) for i, plain in enumerate(map(_plain, leaves))}
    wanted["run"] = ((), np.dtype(f"<U{len(run_id)}"))
    try:
        refuse_no_plain_file(path)
        there = _headers(path)
        complete = wanted.keys() <= there.keys()
        ours = there == wanted
        if complete and ours:
            with np.load(path, allow_pickle=False) as archive:
                arrays = [archive[name] for name in wanted if name != "run"]
                ours = archive["run"].item() == run_id
    except FileNotFoundError:
        going_on = f"the run has not come that far, 'genedge train --resume {path.parent}' goes on"
        raise InputError(f"{path}: missing; {going_on if anew is None else anew}") from None
    except PermissionError:
        raise InputError(f"{path}: cannot be read; give yourself permission to read it") from None
    except Exception:  # A damaged archive can fail in almost any way.
        complete = False
    if not complete:
        raise InputError(f"{path}: damaged; {remedy}")
    if not ours:
        raise InputError(f"{path}: of another run, made from other settings or another seed; {remedy}")
    restored = [
        jax.random.wrap_key_data(array) if _is_key(leaf) else jax.numpy.asarray(array)
        for array, leaf in zip(arrays, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, restored)


def restore_actor(path: Path, like: Network | Pair, run_id: str, anew: str | None = None) -> Network | Pair:
    """Reads an actor that `save` wrote.

    Args:
        path: the archive.
        like: an actor of the same structure, shapes and types.
        run_id: whose it is.
        anew: how to come by a good one; None for an archive of a run.

    Raises:
        InputError: it is missing, damaged, of another run, or its weights are no numbers to decide with.
    """
    actor = restore(path, like, run_id, anew)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(actor)):
        raise InputError(
            f"{path}: damaged, it has weights that are infinite or no numbers; "
            + (anew or f"remove {path.parent}, and train the run again")
        )
    return actor


def _headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of every array in an archive, which holds neither more nor less than they take.

    Raises:
        Exception: it is damaged; of almost any kind.
    """
    if not path.is_file():
        path.stat()  # Says what is wrong where nothing is there.
        raise ValueError("no plain file")
    there = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as stream:
                if np.lib.format.read_magic(stream) != (1, 0):
                    raise ValueError("none of ours")
                shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
                if entry.file_size != stream.tell() + math.prod(shape) * dtype.itemsize:
                    raise ValueError("an array of another size")
            name = entry.filename.removesuffix(".npy")
            if name in there:
                raise ValueError("an array twice")
            there[name] = (shape, dtype)
    return there


def _is_key(leaf: Any) -> bool:
    return bool(jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _plain(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


@at_once()
def train_run(run: Run, report: Callable[[Row], None]) -> None:
    """Trains until the run's last episode, from its checkpoint if there is one.

    Args:
        run: the run.
        report: called with every row of metrics, those of earlier sessions first.

    Raises:
        InputError: the checkpoint is damaged, the folder cannot be written or is being written, or training
            diverged.
        KeyboardInterrupt: the run can go on from its last checkpoint.
    """
    with one_writer(run.folder):
        _train(run, report)


def _train(run: Run, report: Callable[[Row], None]) -> None:
    # What a killed session was writing never got its name.
    for name in ("metrics.jsonl", "card.md", *ARRAYS):
        remove_left_behind(run.folder / name)
    steps = training(run.agent, run.scenario, run.users, run.episodes, run.seed)
    learner = steps.init()
    checkpoint = run.folder / "checkpoint.npz"
    rows: list[Row] = []
    if checkpoint.exists():
        learner = restore(checkpoint, learner, run.id)
        floats = [leaf for leaf in jax.tree.leaves(learner) if jax.numpy.issubdtype(leaf.dtype, np.floating)]
        if any(np.isnan(leaf).any() for leaf in floats):
            raise InputError(
                f"{checkpoint}: damaged, or the training was diverging: it holds what is no number; remove it to "
                "train from the start"
            )
        rows = rows_of(run, int(learner.episodes))
        for row in rows:
            report(row)

    def save_all() -> None:
        for name, tree in zip(ARRAYS, (learner, learner.best_actor, steps.last_actor(learner)), strict=True):
            save(run.folder / name, tree, run.id)
        with whole_file(run.folder / "card.md") as file:
            file.write(card(run, rows).encode())

    saved = monotonic()
    start, earlier_s = monotonic(), rows[-1]["seconds"] if rows else 0.0
    try:
        for episode in evaluated_after(run.episodes)[len(rows) :]:
            after, metrics = steps.train(learner, episode - int(learner.episodes))
            after, utility = steps.evaluate(after)
            row = {
                "episode": int(after.episodes),
                **{name: float(values.mean()) for name, values in metrics._asdict().items()},
                "evaluated_utility": float(utility),
                "best_utility": float(after.best_utility),
                "seconds": round(earlier_s + monotonic() - start, 3),
            }
            if not all(math.isfinite(value) for value in row.values()):
                section = run.agent.replace("-", "_")
                raise DivergedError(
                    f"{run.folder}: training diverged before episode {row['episode']}; train a new run with lower "
                    f"learning rates ('genedge scenario show --all' lists them under {section})"
                )
            # The metrics first: they may be ahead of the checkpoint, never behind it.
            _write_metrics(run, [*rows, row])
            rows.append(row)
            learner = after
            report(row)
            if monotonic() - saved > CHECKPOINT_EVERY_S:
                save_all()
                saved = monotonic()
    finally:
        # An interval that was cut short has used up its learner; then the last checkpoint stands.
        if not learner.episodes.is_deleted():
            save_all()


def _write_metrics(run: Run, rows: list[Row]) -> None:
    with whole_file(run.folder / "metrics.jsonl") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows).encode())


@at_once()
def load_actor(run: Run, which: Literal["best", "last"] = "best") -> Network | Pair:
    """An actor of a run.

    Args:
        run: the run.
        which: the one with the best evaluation, or the one at the end.

    Raises:
        InputError: there is none yet, or the file is damaged.
    """
    return restore_actor(run.folder / f"{which}.npz", actor_like(run.scenario, run.agent, run.places), run.id)
