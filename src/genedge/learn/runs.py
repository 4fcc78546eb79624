"""Run folders: what a training run was, how it went, and where it stands.

    run.json          settings, provenance, versions
    scenario.yaml     the scenario, every value written out
    metrics.jsonl     one line per evaluation interval
    checkpoint.npz    everything training carries, to go on from
    actor.npz         the best actor so far, to decide with

Every file is written whole or not at all, so an interruption at any moment leaves a run that can go on.
"""

import json
import math
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import jax
import numpy as np

from genedge.cell.sampling import sample_episodes
from genedge.errors import InputError
from genedge.files import whole_file
from genedge.learn.networks import Mlp
from genedge.scenario import Scenario, load_scenario

FORMAT = "genedge run 1"

# Episodes between evaluations, and how many fixed episodes an evaluation takes.
INTERVAL = 10
EVALUATION_EPISODES = 8

# Checkpoints hold the replay buffer; they are written at most this often, at the end, and when interrupted.
CHECKPOINT_EVERY_S = 10.0

# Slots are counted in 32 bits.
MOST_SLOTS = 2**31 - 1

_Tree = TypeVar("_Tree")
Row = dict[str, Any]

# What a line of metrics.jsonl holds.
ROW = ("episode", "reward", "evaluated_utility", "best_utility", "critic_loss", "q", "seconds")


@dataclass(frozen=True)
class Run:
    """A run as its folder describes it.

    Attributes:
        folder: where it lives.
        scenario: what it trains on.
        users: number of users in every slot.
        places: number of places, the most users it can serve.
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


def create_run(folder: Path, scenario: Scenario, users: int, agent: str, episodes: int, seed: int) -> Run:
    """Makes the folder of a new run.

    Args:
        folder: must not hold anything yet.
        scenario: what it trains on.
        users: number of users in every slot.
        agent: which algorithm: ddpg.
        episodes: how many episodes.
        seed: of everything random.

    Raises:
        InputError: the folder is not empty, the users do not fit the scenario's places, or the episodes are too
            many to count.
    """
    places = scenario.settings.cell.places
    if users > places:
        raise InputError(
            f"--users {users}: the cell has {places} places; give it more with --set cell.places={users}"
        )
    most = MOST_SLOTS // scenario.settings.cell.slots_per_episode
    if episodes > most:
        raise InputError(f"{episodes} episodes are too many; ask for at most {most}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        go_on = f", or go on with --resume {folder}" if (folder / "run.json").exists() else ""
        raise InputError(f"{folder}: already there and not empty; choose another folder{go_on}")
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
        "versions": {name: version(name) for name in ("genedge", "jax", "jaxlib", "numpy", "optax")},
        "python": platform.python_version(),
        "machine": platform.platform(),
    }
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
        description = json.loads(path.read_text(encoding="utf-8"))
        written, scenario_id = description["format"], description["scenario_id"]
        numbers = {key: description[key] for key in ("users", "places", "episodes", "seed")}
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: not a run folder (it has no run.json); 'genedge train' makes one") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{path}: not the description of a run; 'genedge train' makes one") from None
    if written != FORMAT:
        raise InputError(f"{path}: its format is {written!r}; this version reads {FORMAT!r}")
    scenario = load_scenario(folder / "scenario.yaml")
    cell = scenario.settings.cell
    fits = (
        all(type(number) is int and 0 <= number < 2**32 for number in numbers.values())
        and 0 < numbers["users"] <= numbers["places"] == cell.places
        and 0 < numbers["episodes"] <= MOST_SLOTS // cell.slots_per_episode
    )
    if scenario.id != scenario_id or not fits or description.get("agent") != "ddpg":
        raise InputError(f"{path}: does not fit scenario.yaml beside it; restore what 'genedge train' wrote")
    return Run(folder=folder, scenario=scenario, agent="ddpg", **numbers)


def metrics_of(run: Run, episodes: int) -> list[Row]:
    """The rows logged up to an episode; later ones belong to an interval that will be trained again.

    Args:
        run: the run.
        episodes: how many episodes the run's checkpoint has finished.

    Raises:
        InputError: the file is damaged, or does not reach that far.
    """
    path = run.folder / "metrics.jsonl"
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        logged = [{key: row[key] for key in ROW} for row in map(json.loads, text.splitlines())]
        rows = [row for row in logged if row["episode"] <= episodes]
        complete = (rows[-1]["episode"] if rows else 0) == episodes
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        complete = False
    if not complete:
        raise InputError(
            f"{path}: damaged, or without the row of episode {episodes}, which checkpoint.npz has reached; restore "
            f"it, or remove checkpoint.npz to train from the start"
        )
    return rows


def save(path: Path, tree: Any) -> None:
    """Writes the arrays of a pytree, random keys included, as a NumPy archive.

    Args:
        path: where.
        tree: any pytree of arrays.
    """
    leaves = jax.tree.leaves(tree)
    arrays = {f"{i:04d}": np.asarray(_plain(leaf)) for i, leaf in enumerate(leaves)}
    with whole_file(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def restore(path: Path, like: _Tree) -> _Tree:
    """Reads what `save` wrote.

    Args:
        path: the archive.
        like: a pytree of the same structure, shapes and types.

    Raises:
        InputError: it is missing, damaged, or of another shape.
    """
    leaves, structure = jax.tree.flatten(like)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = [archive[f"{i:04d}"] for i in range(len(leaves))]
            complete = len(archive.files) == len(leaves)
    except FileNotFoundError:
        raise InputError(
            f"{path}: missing; the run has not come that far, 'genedge train --resume {path.parent}' goes on"
        ) from None
    except PermissionError:
        raise InputError(f"{path}: cannot be read; give yourself permission to read it") from None
    except Exception:  # A damaged archive can fail in almost any way.
        raise InputError(f"{path}: damaged; {_anew(path)}") from None
    for array, leaf in zip(arrays, leaves, strict=True):
        plain = _plain(leaf)
        complete &= array.shape == plain.shape and array.dtype == plain.dtype
    if not complete:
        raise InputError(f"{path}: of another kind of run, its arrays do not fit this one; {_anew(path)}")
    restored = [
        jax.random.wrap_key_data(array) if _is_key(leaf) else jax.numpy.asarray(array)
        for array, leaf in zip(arrays, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, restored)


def _anew(path: Path) -> str:
    return f"remove it, and 'genedge train --resume {path.parent}' writes it anew"


def _is_key(leaf: Any) -> bool:
    return bool(jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _plain(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def train_run(run: Run, report: Callable[[Row], None]) -> None:
    """Trains until the run's last episode, from its checkpoint if there is one.

    Args:
        run: the run.
        report: called with every row of metrics, those of earlier sessions first.

    Raises:
        InputError: the checkpoint is damaged, the folder cannot be written, or training diverged.
        KeyboardInterrupt: the run can go on from its last checkpoint.
    """
    from genedge.learn import ddpg

    # What a killed session was writing never got its name.
    for name in ("metrics.jsonl", "checkpoint.npz", "actor.npz"):
        for unfinished in run.folder.glob(f".{name}.*"):
            unfinished.unlink(missing_ok=True)
    plan = plan_of(run)
    params, key = run.scenario.params, jax.random.key(run.seed)
    train_key, evaluation_key = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    slots = sample_episodes(
        params, evaluation_key, run.users, run.places, plan.slots_per_episode, EVALUATION_EPISODES
    )
    learner = ddpg.init(plan, params, train_key, slots)
    checkpoint = run.folder / "checkpoint.npz"
    rows: list[Row] = []
    if checkpoint.exists():
        learner = restore(checkpoint, learner)
        rows = metrics_of(run, int(learner.episodes))
        for row in rows:
            report(row)

    saved = monotonic()
    start, earlier_s = monotonic(), rows[-1]["seconds"] if rows else 0.0
    try:
        while (done := int(learner.episodes)) < run.episodes:
            after, metrics = ddpg.train(plan, params, learner, min(INTERVAL, run.episodes - done))
            after, utility = ddpg.evaluate(params, after, slots)
            row = {
                "episode": int(after.episodes),
                "reward": float(metrics.reward.mean()),
                "evaluated_utility": float(utility),
                "best_utility": float(after.best_utility),
                "critic_loss": float(metrics.critic_loss.mean()),
                "q": float(metrics.q.mean()),
                "seconds": round(earlier_s + monotonic() - start, 3),
            }
            if not all(math.isfinite(value) for value in row.values()):
                raise InputError(
                    f"{run.folder}: training diverged before episode {row['episode']}; train a new run with a "
                    f"lower ddpg.actor_learning_rate and ddpg.critic_learning_rate"
                )
            # The metrics first: they may be ahead of the checkpoint, never behind it.
            _write_metrics(run, [*rows, row])
            rows.append(row)
            learner = after
            report(row)
            if monotonic() - saved > CHECKPOINT_EVERY_S:
                save(checkpoint, learner)
                save(run.folder / "actor.npz", learner.best_actor)
                saved = monotonic()
    finally:
        # An interval that was cut short has used up its learner; then the last checkpoint stands.
        if not learner.slots.is_deleted():
            save(checkpoint, learner)
            save(run.folder / "actor.npz", learner.best_actor)


def _write_metrics(run: Run, rows: list[Row]) -> None:
    with whole_file(run.folder / "metrics.jsonl") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows).encode())


def plan_of(run: Run) -> Any:
    """The plan that the learner of a run follows.

    Args:
        run: the run.
    """
    from genedge.learn.ddpg import Plan

    cell = run.scenario.settings.cell
    return Plan(
        run.scenario.settings.ddpg,
        run.users,
        run.places,
        len(run.scenario.models),
        cell.slots_per_episode,
        run.episodes,
    )


def load_actor(run: Run) -> Mlp:
    """The best actor of a run.

    Args:
        run: the run.

    Raises:
        InputError: there is none yet, or the file is damaged.
    """
    from genedge.cell.feasible import action_size
    from genedge.env.observation import observation_size
    from genedge.learn.networks import init_mlp

    models = len(run.scenario.models)
    hidden = run.scenario.settings.ddpg.hidden_layers
    sizes = (observation_size(models, run.places), *hidden, action_size(models, run.places))
    # Shapes alone: to draw the weights would take a second to compile.
    like = jax.eval_shape(lambda key: init_mlp(key, sizes, last_scale=0.01), jax.random.key(0))
    return restore(run.folder / "actor.npz", like)
