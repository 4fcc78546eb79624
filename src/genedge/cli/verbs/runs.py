"""`genedge runs`: lists training runs and what sets them apart."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genedge.cli.figures import FigureOption, FontOption, NoTitleOption, WidthOption

if TYPE_CHECKING:
    from genedge.learn.runs import Row, Run


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("runs")(runs)


def runs(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Runs, or folders that hold runs.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, one JSON line a run.")] = False,
    figure: FigureOption = None,
    width: WidthOption = None,
    font: FontOption = None,
    no_title: NoTitleOption = False,
) -> None:
    """List runs, how far they came, and the settings in which they differ.

    The utility is that of the run's own evaluation slots, which depend on scenario, users and seed; 'genedge
    evaluate --policies DIR,DIR' compares runs on the same slots, and with the optimum.
    """
    from genedge.cli.figures import room_of, write
    from genedge.errors import InputError
    from genedge.learn.runs import differences
    from genedge.text import shown

    fit = room_of(figure, width, font, no_title)
    found, logged, broken = _read(folders)
    unlike = differences(found)
    described = [
        _described(run, logged[i]) | {"settings": {key: values[i] for key, values in unlike.items()}}
        for i, run in enumerate(found)
    ]
    if as_json:
        for row in described:
            print(json.dumps(row))
    else:
        _print(described, unlike)
    if figure is not None:
        from genedge.draw.cells import learning_figure

        curves = {str(run.folder): rows for run, rows in zip(found, logged, strict=True)}
        told = "Learning curves", "each run on its own evaluation slots"
        write(figure, learning_figure(curves, {}, *told, fit), fit)
    if broken:
        *others, last = broken
        for message in others:
            print(f"genedge: {shown(message)}", file=sys.stderr)
        raise InputError(last)


def _read(folders: Sequence[Path]) -> tuple[list["Run"], list[list["Row"]], list[str]]:
    """The runs that can be read, their rows, and what is wrong with each of the others.

    Raises:
        InputError: none can be read.
    """
    from genedge.errors import InputError
    from genedge.learn.runs import open_run, rows_of, run_folders

    found: list[Run] = []
    logged: list[list[Row]] = []
    broken: list[InputError] = []
    for folder in run_folders(folders):
        try:
            run = open_run(folder)
            rows = rows_of(run)
        except InputError as e:
            broken.append(e)
        else:
            found.append(run)
            logged.append(rows)
    if not found:
        raise broken[0]
    return found, logged, list(map(str, broken))


def _described(run: "Run", rows: Sequence["Row"]) -> dict[str, Any]:
    """A run and how far it came."""
    return {
        "run": str(run.folder),
        "agent": run.agent,
        "scenario": run.scenario.name,
        "users": run.users,
        "seed": run.seed,
        "episode": rows[-1]["episode"] if rows else 0,
        "episodes": run.episodes,
        "ended": run.ended,
        "best_utility": rows[-1]["best_utility"] if rows else None,
        "last_utility": rows[-1]["evaluated_utility"] if rows else None,
        "seconds": rows[-1]["seconds"] if rows else 0.0,
    }


def _print(described: Sequence[Mapping[str, Any]], unlike: Mapping[str, Sequence[Any]]) -> None:
    """Prints the runs, and the settings in which they differ."""
    from genedge.cli.console import console
    from genedge.cli.table import print_table

    out = console()
    columns = ("run", "agent", "scenario", "users", "seed")
    rows = []
    for row in described:
        utilities = (row["best_utility"], row["last_utility"])
        rows.append(
            [
                *(str(row[key]) for key in columns),
                f"{row['episode']} of {row['episodes']}" + (", diverged" if row["ended"] == "diverged" else ""),
                *("–" if utility is None else f"{utility:.2f}" for utility in utilities),
                f"{row['seconds']:.0f}",
            ]
        )
    print_table(out, "", (*columns, "episodes", "best Σ U_n", "last Σ U_n", "time [s]"), rows)
    if unlike:
        rows = [[row["run"], *(str(values[i]) for values in unlike.values())] for i, row in enumerate(described)]
        print_table(out, "settings that differ", ("run", *unlike), rows)
