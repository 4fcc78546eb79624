"""`genedge runs`: lists training runs and what sets them apart."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genedge.cli.app import FigureOption

if TYPE_CHECKING:
    from genedge.learn.runs import Row, Run


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("runs")(runs)


def runs(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Runs, or folders that hold runs.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, one JSON line a run.")] = False,
    figure: FigureOption = None,
) -> None:
    """List runs, how far they came, and the settings in which they differ.

    The utility is that of the run's own evaluation slots, which depend on scenario, users and seed; 'genedge
    evaluate --policies DIR,DIR' compares runs on the same slots, and with the optimum.
    """
    from genedge.learn.runs import differences, find_runs, rows_of

    found = find_runs(folders)
    logged = {run.folder: rows_of(run) for run in found}
    unlike = differences(found)
    described = [
        _described(run, logged[run.folder]) | {"settings": {key: values[i] for key, values in unlike.items()}}
        for i, run in enumerate(found)
    ]
    if as_json:
        for row in described:
            print(json.dumps(row))
    else:
        _print(described, unlike)
    if figure is not None:
        from genedge.draw.canvas import write_figure
        from genedge.draw.cells import learning_figure
        from genedge.draw.dots import LOOK

        curves = {str(run.folder): logged[run.folder] for run in found}
        drawn = learning_figure(curves, {}, "Learning curves", "each run on its own evaluation slots")
        write_figure(drawn, figure, LOOK)


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
                f"{row['episode']} of {row['episodes']}",
                *("–" if utility is None else f"{utility:.2f}" for utility in utilities),
                f"{row['seconds']:.0f}",
            ]
        )
    print_table(out, "", (*columns, "episodes", "best Σ U_n", "last Σ U_n", "time [s]"), rows)
    if unlike:
        headings = ("setting", *(row["run"] for row in described))
        rows = [[key, *map(str, values)] for key, values in unlike.items()]
        print_table(out, "settings that differ", headings, rows)
