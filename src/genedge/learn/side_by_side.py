"""Several runs trained side by side, on this machine's cores or on a cluster; each as if it were trained alone."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from genedge.engines import Engine
from genedge.errors import InputError
from genedge.files import whole_file
from genedge.folders import is_empty
from genedge.learn.runs import Run, describe, evaluated_after, open_run, refuse_taken
from genedge.learn.training import ARRAYS, DivergedError, train_run
from genedge.versions import program

# What a run is, and what training makes of it.
DESCRIPTION = ("scenario.yaml", "run.json")
TRAINED = ("metrics.jsonl", *ARRAYS, "card.md", "ended.json")

# How often the counter looks how far the runs are.
LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Training:
    """A run to be trained, wherever.

    Attributes:
        home: the run's own folder.
        description: the files that say what it is, by name.
    """

    home: Path
    description: tuple[tuple[str, bytes], ...]

    @property
    def key(self) -> str:
        """A name for it, another for each version of the program."""
        told = json.dumps([program(), str(self.home), [(name, text.hex()) for name, text in self.description]])
        return hashlib.sha256(told.encode()).hexdigest()[:24]

    def run(self, folder: Path) -> dict[str, bytes]:
        """Trains it to its end, from where it stands; that it diverged is an end too.

        Args:
            folder: its own, or one on a machine that has no other.

        Returns:
            What training wrote, by name, where it was elsewhere than in the run's own folder.

        Raises:
            InputError: see `train_run`.
        """
        away = folder != self.home
        for name, text in self.description if away else ():
            with whole_file(folder / name) as file:
                file.write(text)
        with suppress(DivergedError):  # The folder says so.
            train_run(open_run(folder), lambda row: None)
        written = [folder / name for name in TRAINED if away and (folder / name).exists()]
        files = {path.name: path.read_bytes() for path in written}
        if "card.md" in files:  # It tells a command with the run's folder in it.
            files["card.md"] = files["card.md"].replace(str(folder).encode(), str(self.home).encode())
        return files


def training_of(run: Run) -> Training:
    """The work that a run is.

    Args:
        run: the run, whose folder is there.
    """
    return Training(run.folder, tuple((name, (run.folder / name).read_bytes()) for name in DESCRIPTION))


def make(folder: Path, wanted: Sequence[Run]) -> None:
    """Makes the folders of runs; those that are there already stay as they stand.

    Args:
        folder: that holds them, and nothing else of its writer's.
        wanted: the runs, whose folders need not be there.

    Raises:
        InputError: something else is there; then nothing was written.
    """
    homes = {run.folder for run in wanted}
    there = {path.parent for path in folder.rglob("run.json")}
    other = sorted(there - homes)
    other += [run.folder for run in wanted if run.folder in there and open_run(run.folder).id != run.id]
    if other:
        raise InputError(
            f"{folder}: holds runs of another command, such as {other[0]}; choose another --out, or give the "
            f"command that made them"
        )
    if not any(home.exists() for home in homes) and folder.exists() and not is_empty(folder):
        refuse_taken(folder)
    for run in wanted:
        if run.folder not in there:
            _refuse_foreign(run.folder)
    for run in wanted:
        if run.folder not in there:
            describe(run)


def _refuse_foreign(folder: Path) -> None:
    """Refuses a folder that holds more than what was cut off while it was made."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not all(name.startswith(".") or name in DESCRIPTION for name in names):
        refuse_taken(folder)


def train_all(runs: Sequence[Run], engine: Engine, report: Callable[[str, int], None]) -> None:
    """Trains runs to their ends; what has ended is not trained again.

    Args:
        runs: the runs, whose folders are there.
        engine: where to train.
        report: called with a text and the number of episodes that are done or will never be, in all runs.

    Raises:
        InputError: a run is damaged, or its folder cannot be written or is being written.
    """
    left = [run for run in runs if not _is_done(run)]
    done, told = len(runs) - len(left), -1

    def tell() -> None:
        nonlocal told
        # The last episode is done when all that it came to is written.
        episodes = max(0, sum(map(_episodes, runs)) - (done < len(runs)))
        if episodes != told:
            report(f"{done} of {len(runs)} runs done", episodes)
        told = episodes

    tell()
    if not left:
        return
    with _repeated(tell):
        for training, files in engine({training_of(run): run.folder for run in left}):
            for name, content in files.items():
                with whole_file(training.home / name) as file:
                    file.write(content)
            done += 1
    tell()


def _is_done(run: Run) -> bool:
    """Whether there is nothing to do, and what it came to is there."""
    ended = run.ended
    return ended == "diverged" or (ended == "finished" and all((run.folder / name).exists() for name in TRAINED))


def _episodes(run: Run) -> int:
    """How many episodes of a run need not be waited for."""
    if run.ended == "diverged":
        return run.episodes
    try:
        rows = (run.folder / "metrics.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0
    return ([0, *evaluated_after(run.episodes)][: rows + 1])[-1]


@contextmanager
def _repeated(tell: Callable[[], None]) -> Iterator[None]:
    """Tells again and again while the work within goes on."""
    over = Event()

    def repeat() -> None:
        while not over.wait(LOOK_EVERY_S):
            tell()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
