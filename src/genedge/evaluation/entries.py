"""What stands in a row of a comparison: a policy, or training runs that differ in nothing but their seed."""

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from glob import glob
from itertools import pairwise
from pathlib import Path

from genedge.errors import InputError
from genedge.evaluation.together import Entry
from genedge.learn.runs import Run, differences, find_runs
from genedge.own import in_file
from genedge.registry import for_boxes, named


def entries_of(names: Mapping[str, str], report: Callable[[str], None]) -> list[Entry]:
    """The rows that names of policies ask for.

    A pattern with `*`, and a folder that is no run but holds some, stand for the runs in them. Of these, such as
    differ in the training seed alone are one row. What diverged has nothing to decide with, and is left out.

    Args:
        names: of policies, of folders, and patterns of folders, by what to call them, see `labelled`.
        report: called with a line for each run that is left out.

    Raises:
        InputError: a pattern or a folder holds no run, or none that has not diverged, or a run is damaged or there
            twice; or what has a label is more than one row.
    """
    found = _rows(list(names.values()), report)
    rows: list[Entry] = []
    for label, name in names.items():
        inside = list(dict.fromkeys(found[name]))
        if label == name:
            rows += inside
        elif len(inside) == 1:
            rows.append(inside[0]._replace(name=label))
        else:
            raise InputError(f"policy {label}={name}: these are {len(inside)} rows; give each a label, or none")
    return list(dict.fromkeys(rows))


def _rows(names: Sequence[str], report: Callable[[str], None]) -> dict[str, list[Entry]]:
    """The rows that each name stands for."""
    asked: dict[str, list[Run]] = {
        name: _without_diverged(name, find_runs(folders), report) for name in names if (folders := _folders(name))
    }
    runs = {os.path.realpath(run.folder): run for found in asked.values() for run in found}
    groups: dict[Hashable, list[Run]] = {}
    for run in runs.values():
        groups.setdefault(_but_for_the_seed(run), []).append(run)
    titles = _titles(list(groups.values()), [name for name in names if name not in asked])
    of_run = {
        os.path.realpath(run.folder): _entry(title, group)
        for title, group in zip(titles, groups.values(), strict=True)
        for run in group
    }
    return {
        name: [of_run[os.path.realpath(run.folder)] for run in asked[name]]
        if name in asked
        else [Entry(name, (name,))]
        for name in names
    }


def _folders(name: str) -> list[Path]:
    """The folders in which runs are that a name stands for; none if it is a policy's."""
    if name in named("policy") or name in for_boxes() or name.startswith("sb3:"):
        return []
    path = Path(name)
    if path.is_dir() and not (path / "run.json").exists():
        return [path]
    if "*" not in name or path.exists() or in_file(name):
        return []
    # What a folder of runs has besides is no matter: tables, figures, what has not begun.
    found = [Path(match) for match in sorted(glob(name)) if any(Path(match).rglob("run.json"))]
    if not found:
        raise InputError(f"policy {name!r}: no folder of that pattern holds a run; 'genedge train' makes one")
    return found


def _without_diverged(name: str, runs: Sequence[Run], report: Callable[[str], None]) -> list[Run]:
    diverged = {run.folder for run in runs if run.ended == "diverged"}
    if len(diverged) == len(runs):
        raise InputError(f"policy {name!r}: training diverged in every run there")
    for folder in sorted(diverged):
        report(f"{folder}: training diverged; it is left out")
    return [run for run in runs if run.folder not in diverged]


def _but_for_the_seed(run: Run) -> Hashable:
    agent = run.agent_sha256 or run.agent
    return run.scenario.as_yaml(), tuple(run.scenario.own), run.users, agent, run.episodes, run.slots_sha256


def _entry(title: str, runs: list[Run]) -> Entry:
    if len(runs) == 1:  # What one run is says nothing of others.
        return Entry(str(runs[0].folder), (str(runs[0].folder),))
    runs = sorted(runs, key=lambda run: run.seed)
    for one, other in pairwise(runs):
        if one.seed == other.seed:
            raise InputError(
                f"{one.folder} and {other.folder} are the same run, with seed {one.seed}; name one of them"
            )
    return Entry(title, tuple(str(run.folder) for run in runs), tuple(run.seed for run in runs))


def _titles(groups: Sequence[Sequence[Run]], taken: Sequence[str]) -> list[str]:
    """How to call groups: by what sets them apart, else by the folders that they are in."""
    firsts = [group[0] for group in groups]
    settings = differences(firsts)
    of_runs: dict[str, list[object]] = {
        **{key: [getattr(run, key) for run in firsts] for key in ("agent", "users", "episodes")},
        "slots": [Path(run.slots).name for run in firsts],
    }
    apart = {
        # What a setting says already, as cell.users does, is not said again.
        **{key: each for key, each in of_runs.items() if len({*each}) > 1 and each not in settings.values()},
        **settings,
    }
    by_setting = [", ".join(f"{key}={values[i]}" for key, values in apart.items()) for i in range(len(firsts))]
    by_folder = [os.path.commonpath([run.folder for run in group]) for group in groups]
    for titles in (by_setting, by_folder):
        if all(titles) and len({*titles, *taken}) == len(titles) + len(taken):
            return titles
    return [str(run.folder) for run in firsts]
