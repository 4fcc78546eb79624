"""Training with progress shown: one run with its learning curve as it grows, or many side by side."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genedge.cli.console import say
from genedge.cli.progress import progress
from genedge.errors import InputError
from genedge.folders import one_writer
from genedge.interruption import resumable
from genedge.learn.agents import agent_class, own_section, section_of
from genedge.learn.runs import Row, Run, find_runs, refuse_taken
from genedge.learn.side_by_side import make, train_all
from genedge.learn.training import train_run
from genedge.scenario import Scenario
from genedge.scenario.load import read_scenario

if TYPE_CHECKING:
    from genedge.engines import Engine

BLOCKS = "▁▂▃▄▅▆▇█"
CURVE_WIDTH = 40


def scenario_for(agent: str, scenario: str, overrides: Sequence[str], network: str | None) -> Scenario:
    """What an agent is trained on.

    Args:
        agent: its name.
        scenario: a preset's name or a file.
        overrides: settings changed, `key=value` each.
        network: which kind; None for the scenario's.

    Raises:
        InputError: one of them makes no sense.
    """
    if network is not None:
        if "network" not in agent_class(agent).Settings.model_fields:
            raise InputError(f"--network: --agent {agent} has none to choose; leave it out")
        overrides = [*overrides, f"{section_of(agent)}.network={network}"]
    return read_scenario(scenario, overrides, own_section(agent))


def train_with_progress(run: Run) -> list[Row]:
    """Trains a run to its end, showing progress.

    Args:
        run: the run.

    Returns:
        The rows of metrics.
    """
    rows: list[Row] = []
    with progress(run.episodes) as tick:
        tick("compiling", 0)

        def report(row: Row) -> None:
            rows.append(row)
            evaluated = [-r["evaluated_utility"] for r in rows]
            tick(f"reward {evaluated[-1]:.1f}, best {max(evaluated):.1f} {curve(evaluated)}", row["episode"])

        train_run(run, report)
    return rows


def train_wanted(folder: Path, wanted: Sequence[Run], engine: "Engine") -> None:
    """Trains new runs side by side, and goes on with those that are there, see `train_many`.

    Args:
        folder: that will hold them, and no other runs.
        wanted: the runs.
        engine: where to train.

    Raises:
        InputError: the folder holds something else or is being written, or a run could not be trained.
    """
    if not folder.is_dir():
        refuse_taken(folder)
    with one_writer(folder), resumable("the same command goes on from here"):
        make(folder, wanted)
        _train(folder, wanted, engine)


def train_many(folder: Path, engine: "Engine") -> None:
    """Trains all runs of a folder to their ends; says what came of them, and what to type next.

    Args:
        folder: that holds them.
        engine: where to train.

    Raises:
        InputError: it holds none or is being written, or a run could not be trained.
    """
    with one_writer(folder), resumable(f"'genedge train --resume {folder}' goes on"):
        _train(folder, find_runs([folder]), engine)


def _train(folder: Path, runs: Sequence[Run], engine: "Engine") -> None:
    with progress(sum(run.episodes for run in runs)) as tick:
        train_all(runs, engine, tick)
    diverged = [run for run in runs if run.ended == "diverged"]
    for run in diverged:
        say(f"{run.folder}: training diverged; it is not trained again")
    say(f"{folder}: {len(runs)} runs" + (f", {len(diverged)} of them diverged" if diverged else ""))
    say("next: " + _next(folder, runs))


def _next(folder: Path, runs: Sequence[Run]) -> str:
    """The command that compares runs: on the same slots where all are of one cell, else each on its own."""
    if len({(run.scenario.id, run.users, run.slots_sha256) for run in runs}) > 1 or runs[0].learner.any_cell:
        return shlex.join(["genedge", "runs", str(folder)])
    slots = ["--slots", runs[0].slots] if runs[0].slots else ["--users", str(runs[0].users)]
    cell = ["--scenario", str(runs[0].folder / "scenario.yaml"), *slots]
    return shlex.join(["genedge", "evaluate", "--policies"]) + f" {shlex.quote(f'{folder}/*')} {shlex.join(cell)}"


def curve(values: list[float]) -> str:
    """The learning curve in one line of text, oldest first.

    Args:
        values: the rewards.
    """
    stride = -(-len(values) // CURVE_WIDTH)
    shown = values[stride - 1 :: stride]
    low, high = min(shown), max(shown)
    return "".join(BLOCKS[round((v - low) / ((high - low) or 1) * (len(BLOCKS) - 1))] for v in shown)
