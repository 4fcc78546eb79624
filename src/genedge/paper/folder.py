"""The folder of a study: what is done is kept there, so an interrupted study goes on and a repeated one is short.

results/KEY.json   what a task found, beside the task itself
runs/NAME/         each trained agent, to be used as a policy
figures/, tables/  pictures (PNG and PDF) and the numbers they are drawn from (CSV)
report.html        all of it on one page
written.json       names of these figures and tables, so that a later report removes what it does not have
unfinished/        trainings that were cut off, until they are done
"""

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genedge.engines import Engine
from genedge.errors import InputError
from genedge.files import read_text, whole_file
from genedge.paper.records import Record, Records, fits
from genedge.paper.tasks import Found, Task, Train

# What a report writes beside its page, and nothing else is ever removed.
WRITTEN = re.compile(r"tables/[\w-]+\.csv|figures/[\w-]+\.(png|pdf)")


def load(folder: Path, task: Task) -> Record | None:
    """What a task found, if it is done.

    Args:
        folder: of the study.
        task: the task.

    Raises:
        InputError: its file cannot be read, is damaged, or is of another task.
    """
    path = _path(folder, task)
    try:
        record = json.loads(read_text(path))
        whole = (
            record.pop("sha256") == _checksum(record)
            and record.pop("task") == _as_json(task)
            and fits(record, task)
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror or e}") from None
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise InputError(
            f"{path}: damaged, or of another piece of work; remove it, and the same command does that piece again"
        )
    return dict(record)


def run_folder(folder: Path, task: Train) -> Path:
    """Where a trained agent is kept, to be used as a policy.

    Args:
        folder: of the study.
        task: its training.
    """
    return folder / "runs" / f"{task.name}_{task.key[:6]}"


def keep(folder: Path, task: Task, found: Found) -> None:
    """Writes down what a task found.

    Args:
        folder: of the study.
        task: the task.
        found: what it found.
    """
    if isinstance(task, Train):
        for name, content in found.files.items():
            with whole_file(run_folder(folder, task) / name) as file:
                file.write(content)
    # Last, because a task counts as done once this file is there.
    record = {"task": _as_json(task), "found": found.numbers, "times": found.times}
    with whole_file(_path(folder, task)) as file:
        file.write(json.dumps(record | {"sha256": _checksum(record)}, indent=1).encode())
    shutil.rmtree(folder / "unfinished" / task.key, ignore_errors=True)


def do(
    folder: Path,
    tasks: Sequence[Task],
    engine: Engine,
    report: Callable[[str, int], None],
    grown: Callable[[Records, int], None] = lambda records, work: None,
) -> dict[Task, Record]:
    """Does what is not done yet.

    Args:
        folder: of the study.
        tasks: what the study needs, in the order in which to do it.
        engine: where to do it.
        report: called with a text and the work done so far, see `Task.work`.
        grown: called with what was found so far, and the work done, at the start and after each piece.

    Returns:
        What each task found.

    Raises:
        InputError: a task failed, a file of the study is damaged, or the folder cannot be written.
    """
    listed(folder)  # Refused before any work, not when all is done.
    each = dict.fromkeys(tasks)
    records = {task: record for task in each if (record := load(folder, task)) is not None}
    left = [task for task in each if task not in records]

    def tell() -> None:
        work = sum(task.work for task in records)
        report(f"{len(records)} of {len(each)} pieces of work done", work)
        grown(records, work)

    tell()
    if left:
        for task, found in engine({task: folder / "unfinished" / task.key for task in left}):
            keep(folder, task, found)
            if (record := load(folder, task)) is not None:
                records[task] = record
            tell()
        with contextlib.suppress(OSError):  # Another section's trainings may wait there.
            (folder / "unfinished").rmdir()
    return records


def listed(folder: Path) -> list[str]:
    """The figures and tables that the last report wrote, by their names in the folder.

    Args:
        folder: of the study.

    Raises:
        InputError: the list cannot be read, or names what no report writes.
    """
    path = folder / "written.json"
    try:
        names = json.loads(read_text(path))
        whole = isinstance(names, list) and all(WRITTEN.fullmatch(name) for name in names)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror or e}") from None
    except (ValueError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise InputError(
            f"{path}: damaged, or it lists what no report writes; remove it, and then the figures and tables of "
            "earlier reports that you do not want"
        )
    return list(names)


def list_written(folder: Path, written: Sequence[str]) -> None:
    """Notes what a report wrote, and removes what an earlier one wrote and this one did not.

    Nothing else is removed: only files of these kinds, in the study's own `figures` and `tables`.

    Args:
        folder: of the study.
        written: names in the folder.

    Raises:
        InputError: see `listed`; or the folder cannot be written.
    """
    for name in set(listed(folder)) - set(written):
        path = folder / name
        # Behind a link would be somebody else's.
        if path.is_file() and not path.is_symlink() and not path.parent.is_symlink():
            path.unlink()
    with whole_file(folder / "written.json") as file:
        file.write(json.dumps(sorted(written)).encode())


def _as_json(task: Task) -> dict[str, Any]:
    """A task as its file tells it."""
    record: dict[str, Any] = json.loads(json.dumps({"kind": type(task).__name__, **asdict(task)}))
    return record


def _checksum(record: Record) -> str:
    """A hash of what a file says, however it is laid out."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _path(folder: Path, task: Task) -> Path:
    return folder / "results" / f"{task.key}.json"
