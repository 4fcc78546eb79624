"""Training into a run's folder, so that an interruption at any moment leaves a run that can go on."""

import json
import math
from collections.abc import Callable
from time import monotonic
from typing import Any

import jax
import numpy as np

from genedge.errors import InputError
from genedge.files import remove_left_behind, whole_file
from genedge.folders import one_writer
from genedge.given import Weights
from genedge.learn.agents import told_in_words
from genedge.learn.arrays import restore, restore_actor, save
from genedge.learn.card import card
from genedge.learn.runs import Ending, Row, Run, evaluated_after, rows_of, with_its_slots
from genedge.registry import listed
from genedge.xla import at_once

# Checkpoints hold the replay buffer; they are written at most this often, at the end, and when interrupted.
CHECKPOINT_EVERY_S = 10.0

ARRAYS = ("checkpoint.npz", "best.npz", "last.npz")


class DivergedError(InputError):
    """Training came to numbers that are none."""


@at_once()
def train_run(run: Run, report: Callable[[Row], None]) -> None:
    """Trains until the run's last episode, from its checkpoint if there is one.

    Args:
        run: the run.
        report: called with every row of metrics, those of earlier sessions first.

    Raises:
        InputError: the checkpoint is damaged, the folder cannot be written or is being written, or training
            diverged, which is a `DivergedError`.
        KeyboardInterrupt: the run can go on from its last checkpoint.
    """
    with one_writer(run.folder), told_in_words(run.agent):
        try:
            _train(with_its_slots(run), report)
        except DivergedError:
            _note_end(run, "diverged")
            raise
        _note_end(run, "finished")


def _train(run: Run, report: Callable[[Row], None]) -> None:
    # What a killed session was writing never got its name.
    for name in ("metrics.jsonl", "card.md", "ended.json", *ARRAYS):
        remove_left_behind(run.folder / name)
    training = run.learner.training(run.users, run.episodes, run.seed)
    learner, rows = _where_it_stands(run, training.init())
    for row in rows:
        report(row)
    saved = start = monotonic()
    earlier_s = rows[-1]["seconds"] if rows else 0.0
    try:
        for episode in evaluated_after(run.episodes)[len(rows) :]:
            after, metrics = training.train(learner, episode - int(learner.episodes))
            after, utility = training.evaluate(after)
            _refuse_other(run, after, metrics, episode)
            row = _row(run, after, metrics, float(utility), earlier_s + monotonic() - start)
            # The metrics first: they may be ahead of the checkpoint, never behind it.
            _write_metrics(run, [*rows, row])
            rows.append(row)
            learner = after
            report(row)
            if monotonic() - saved > CHECKPOINT_EVERY_S:
                _save_all(run, learner, training.last_actor(learner), rows)
                saved = monotonic()
    finally:
        # An interval that was cut short has used up its learner; then the last checkpoint stands.
        if not learner.episodes.is_deleted():
            _save_all(run, learner, training.last_actor(learner), rows)


def _where_it_stands(run: Run, learner: Any) -> tuple[Any, list[Row]]:
    """The learner of the run's checkpoint, and the rows logged up to it; the one given if there is none."""
    checkpoint = run.folder / "checkpoint.npz"
    if not checkpoint.exists():
        return learner, []
    learner = restore(checkpoint, learner, run.id)
    floats = [leaf for leaf in jax.tree.leaves(learner) if jax.numpy.issubdtype(leaf.dtype, np.floating)]
    if any(np.isnan(leaf).any() for leaf in floats):
        raise InputError(
            f"{checkpoint}: damaged, or the training was diverging: it holds what is no number; remove it to "
            "train from the start"
        )
    return learner, rows_of(run, int(learner.episodes))


def _refuse_other(run: Run, learner: Any, metrics: Any, episode: int) -> None:
    """Refuses what a run could not read again.

    Raises:
        InputError: the agent logs other metrics than it says, or has not finished the episodes that it was to.
    """
    if metrics._fields != run.learner.metrics:
        raise InputError(
            f"{run.agent}: its training logs {listed(metrics._fields)}, and its metrics are "
            f"{listed(run.learner.metrics)}; they must be the same"
        )
    if int(learner.episodes) != episode:
        raise InputError(
            f"{run.agent}: its learner has finished {int(learner.episodes)} episodes, where it was to have "
            f"finished {episode}; train must add up to them"
        )


def _row(run: Run, learner: Any, metrics: Any, utility: float, seconds: float) -> Row:
    """What is logged of an interval.

    Raises:
        DivergedError: something in it is no number.
    """
    row = {
        "episode": int(learner.episodes),
        **{name: float(values.mean()) for name, values in metrics._asdict().items()},
        "evaluated_utility": utility,
        "best_utility": float(learner.best_utility),
        "seconds": round(seconds, 3),
    }
    if not all(math.isfinite(value) for value in row.values()):
        raise DivergedError(
            f"{run.folder}: training diverged before episode {row['episode']}; train a new run with lower "
            f"learning rates ('genedge scenario show --all' lists them under {run.learner.section})"
        )
    return row


def _save_all(run: Run, learner: Any, last_actor: Any, rows: list[Row]) -> None:
    for name, tree in zip(ARRAYS, (learner, learner.best_actor, last_actor), strict=True):
        save(run.folder / name, tree, run.id)
    with whole_file(run.folder / "card.md") as file:
        file.write(card(run, rows).encode())


def _note_end(run: Run, ending: Ending) -> None:
    with whole_file(run.folder / "ended.json") as file:
        file.write((json.dumps({"ended": ending}) + "\n").encode())


def _write_metrics(run: Run, rows: list[Row]) -> None:
    with whole_file(run.folder / "metrics.jsonl") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows).encode())


@at_once()
def load_actor(run: Run, which: Weights = "best") -> Any:
    """An actor of a run, as its agent decides with it.

    Args:
        run: the run.
        which: the one with the best evaluation, or the one at the end.

    Raises:
        InputError: there is none yet, or the file is damaged.
    """
    return restore_actor(run.folder / f"{which}.npz", run.learner.actor_like(run.places), run.id)
