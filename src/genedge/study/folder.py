"""The folder of a study: what is done is kept there, so an interrupted study goes on and a repeated one is short.

results/KEY.json   what a task found, beside the task itself
runs/NAME/         each trained agent, to be used as a policy
figures/, tables/  pictures (PNG and PDF) and the numbers they are drawn from (CSV)
report.html        all of it on one page
unfinished/        trainings that were cut off, until they are done
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genedge.errors import InputError
from genedge.files import read_text, whole_file
from genedge.study.engines import Engine
from genedge.study.tasks import Result, Task, Train, key_of

# What a task found, as its file tells it: `found` and `times`, see `Result`.
Told = dict[str, Any]


def load(folder: Path, task: Task) -> Told | None:
    """What a task found, if it is done.

    Args:
        folder: of the study.
        task: the task.
    """
    path = _path(folder, task)
    try:
        told: Told = json.loads(read_text(path))
        complete = {"found", "times"} <= told.keys()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror or e}") from None
    except (ValueError, AttributeError, RecursionError):
        complete = False
    if not complete:
        raise InputError(f"{path}: damaged; remove it, and the same command does that piece of work again")
    return told


def run_folder(folder: Path, task: Train) -> Path:
    """Where a trained agent is kept, to be used as a policy.

    Args:
        folder: of the study.
        task: its training.
    """
    return folder / "runs" / f"{task.name}_{key_of(task)[:6]}"


def keep(folder: Path, task: Task, result: Result) -> None:
    """Writes down what a task found.

    Args:
        folder: of the study.
        task: the task.
        result: what it found.
    """
    if isinstance(task, Train):
        for name, content in result.files.items():
            with whole_file(run_folder(folder, task) / name) as file:
                file.write(content)
    # Last, because a task counts as done once this file is there.
    told = {"task": {"kind": type(task).__name__, **asdict(task)}, "found": result.found, "times": result.times}
    with whole_file(_path(folder, task)) as file:
        file.write(json.dumps(told, indent=1).encode())
    shutil.rmtree(folder / "unfinished" / key_of(task), ignore_errors=True)


def do(folder: Path, tasks: Sequence[Task], engine: Engine, report: Callable[[str, int], None]) -> dict[Task, Told]:
    """Does what is not done yet.

    Args:
        folder: of the study.
        tasks: what the study needs.
        engine: where to do it.
        report: called with a text and the work done so far, see `Task.work`.

    Returns:
        What each task found.

    Raises:
        InputError: a task failed, a result is damaged, or the folder cannot be written.
    """
    all_told = {task: load(folder, task) for task in dict.fromkeys(tasks)}
    # The longest first: at the end no core waits for long.
    left = sorted((task for task, told in all_told.items() if told is None), key=lambda task: -task.work)
    work = sum(task.work for task, told in all_told.items() if told is not None)
    done = len(all_told) - len(left)
    report(f"{done} of {len(all_told)} pieces of work done", work)
    if left:
        for task, result in engine(left, folder / "unfinished"):
            keep(folder, task, result)
            all_told[task] = load(folder, task)
            done, work = done + 1, work + task.work
            report(f"{done} of {len(all_told)} pieces of work done", work)
        with contextlib.suppress(OSError):  # Another section's trainings may wait there.
            (folder / "unfinished").rmdir()
    return {task: told for task, told in all_told.items() if told is not None}


def _path(folder: Path, task: Task) -> Path:
    return folder / "results" / f"{key_of(task)}.json"
