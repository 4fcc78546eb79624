"""`genedge fit`: what measurements of a model come to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genedge.cli.figures import FigureOption, FontOption, NoTitleOption, WidthOption

if TYPE_CHECKING:
    from genedge.calibrate.fit import Fit


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("fit")(fit)


def fit(
    measurements: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv", help="A run a line, under the header image,steps,evaluations,quality,seconds."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, metavar="FILE.yaml", help="Also write a catalogue of the model.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What the catalogue calls the model.", show_default="the file's name"),
    ] = None,
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="With --out: on what it was measured, for every number's note.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False,
    figure: FigureOption = None,
    width: WidthOption = None,
    font: FontOption = None,
    no_title: NoTitleOption = False,
) -> None:
    """Fit a model's measurements: does quality fall with steps, along which curve, and what does a step take?

    Quality is a cost, lower is better. Curves: three pieces, as the paper has them (A2 until A1 steps, falling
    linearly to A4 at A3, then flat), an exponential, a power; each with its R², AICc and 95 % intervals over
    images. What is not identified is said, and not invented. Delay is b2 + b1 · evaluations; B1 and B2 of steps
    follow.
    """
    import json

    from genedge.calibrate.calibrated import remarks_of
    from genedge.calibrate.entries import entries_of, facts_beside, write_entries
    from genedge.calibrate.fit import fit_of
    from genedge.calibrate.measurements import read_measurements
    from genedge.calibrate.table import table_of
    from genedge.cli.figures import room_of, write
    from genedge.errors import InputError

    room = room_of(figure, width, font, no_title)
    if out is None and (model is not None or note):
        raise InputError("--model and --note are of a catalogue; give --out FILE.yaml with them")
    if model == "":
        raise InputError("--model is empty; give a name, or leave it out")
    facts = facts_beside(measurements)
    fitted = fit_of(table_of(read_measurements(measurements), str(measurements)))
    if out is not None:
        write_entries(out, model or measurements.stem, entries_of(fitted, facts, note))
    remarks, of = remarks_of(fitted, facts), facts.get("measure")
    if as_json:
        print(json.dumps({**fitted.as_json(), "measure": of, "remarks": remarks}))
    else:
        _print(fitted, measurements, "quality" if of is None else f"quality ({of})", remarks)
    if figure is not None:
        from genedge.draw.measured import measured_figure

        write(figure, measured_figure(fitted, measurements.stem, of, room), room)


def _print(fitted: "Fit", measurements: Path, quality: str, remarks: list[str]) -> None:
    from genedge.calibrate.fit import NAMES
    from genedge.cli.console import console
    from genedge.cli.table import print_table

    out, table, delay = console(), fitted.table, fitted.delay
    change = fitted.verdict.change
    out.print(
        f"{measurements}: {quality} {fitted.verdict.word}; from {table.steps[0]:g} to {table.steps[-1]:g} steps by "
        f"{_with(change.mean, (change.low, change.high), '+')} over {len(table.images)} images"
    )
    rows = [
        [
            NAMES[name],
            _number(family.r2),
            _number(family.aicc),
            ", ".join(f"{key} {_with(value, family.intervals[key])}" for key, value in family.parameters.items()),
        ]
        for name, family in fitted.families.items()
    ]
    print_table(out, "", ["quality over steps", "R²", "AICc", "parameters"], rows)
    lines = [
        ["b1 [s/evaluation]", _with(delay.b1, delay.ends[0])],
        ["b2 [s]", _with(delay.b2, delay.ends[1])],
        ["B1 [s/step]", _with(delay.B1, delay.steps_ends[0])],
        ["B2 [s]", _with(delay.B2, delay.steps_ends[1])],
    ]
    print_table(out, "", [f"delay, R² {_number(delay.r2)}", "value"], lines)
    for line in remarks:
        out.print(line)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _with(value: float | None, interval: tuple[float, float] | None, sign: str = "") -> str:
    """A value with its interval; a dash where it is not identified."""
    if value is None or interval is None:
        return "–"
    low, high = interval
    return f"{value:{sign}.4g} [{low:{sign}.4g}, {high:{sign}.4g}]"
