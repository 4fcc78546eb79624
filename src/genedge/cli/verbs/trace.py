"""`genedge trace`: traces of requests, generated or converted from public data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.app import SeedOption, Verbs
from genedge.errors import InputError
from genedge.registry import listed, named

OutOption = Annotated[Path, typer.Option("--out", dir_okay=False, metavar="FILE.csv", help="Trace to write.")]

MOST_SHOWN = 20

FORMAT_HELP = (
    "How it is written: "
    + listed((f"{entry.name} ({entry.what})" for entry in named("trace format").values()), "or")
    + ", or a function in a Python file of yours, which is run."
)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    trace = typer.Typer(
        cls=Verbs, no_args_is_help=True, rich_markup_mode=None, help="Traces of requests, for genedge replay."
    )
    trace.command("generate")(generate)
    trace.command("convert")(convert)
    trace.command("show")(show)
    app.add_typer(trace, name="trace")


def generate(
    out: OutOption,
    requests: Annotated[int, typer.Option(min=1, help="How many.")] = 100_000,
    models: Annotated[int, typer.Option(min=1, max=100_000, help="How many models.")] = 50,
    users: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many users.")] = 1000,
    rate: Annotated[float, typer.Option(min=1e-6, max=1e6, help="Mean number of requests a second.")] = 0.1,
    seed: SeedOption = 0,
) -> None:
    """Draw a trace: a Zipf–Markov popularity, users who come back in sessions, mostly for their last model."""
    from genedge.cli.console import say
    from genedge.cli.progress import progress
    from genedge.replay.generate import generate as draw
    from genedge.replay.trace import Row, write_trace

    with progress(requests) as tick:

        def counted() -> Iterator[Row]:
            for done, row in enumerate(draw(requests, models, users, rate, seed)):
                if done % 10_000 == 0:
                    tick("drawing", done)
                yield row
            tick("drawn", requests)

        write_trace(out, counted())
    say(f"{out}: {requests} requests for {models} models by {users} users")


def convert(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Requests of another format.")],
    out: OutOption,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME|FILE.py:FUNCTION", help=FORMAT_HELP, show_default="gentd26"),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD=COLUMN,...",
            help="A table with a header, whatever its columns are called, such as time=TIMESTAMP,model=Model; the "
            "fields are time, model, user, steps, images, request_mb and result_mb.",
        ),
    ] = None,
) -> None:
    """Turn requests into a trace: sorted by time; what cannot be replayed is set aside and counted."""
    from genedge.cli.console import say
    from genedge.replay.columns import columns_of, table_format
    from genedge.replay.convert import convert as convert_requests
    from genedge.replay.convert import format_named

    if columns is not None and format_ is not None:
        raise InputError("give --columns or --format, not both")
    read = format_named(format_ or "gentd26") if columns is None else table_format(columns_of(columns))
    converted = convert_requests(source, out, read)
    say(f"{out}: {converted.requests} requests of {converted.rows} rows")
    for reason, count in converted.set_aside.items():
        say(f"set aside: {count}, {reason}")
    for what, count in converted.noted.items():
        say(f"noted: {count}, {what}")


def show(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace, .csv or .jsonl.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False,
) -> None:
    """Tell what is in a trace: requests for each model, sessions, how bursty it is."""
    import json

    from genedge.cli.console import console
    from genedge.cli.table import print_table
    from genedge.replay.shown import SESSION_S
    from genedge.replay.shown import show as look

    shown = look(trace)
    if as_json:
        print(json.dumps(shown.as_json()))
        return
    out = console()
    most = list(shown.models.items())[:MOST_SHOWN]
    rows = [[name, str(count), f"{count / shown.requests:.1%}"] for name, count in most]
    left = len(shown.models) - len(most)
    if left:
        rest = shown.requests - sum(count for _, count in most)
        rows.append([f"{left} more", str(rest), f"{rest / shown.requests:.1%}"])
    print_table(
        out,
        f"{trace}: {shown.requests} requests in {shown.hours:.1f} h for {len(shown.models)} models",
        ["model", "requests", "share"],
        rows,
    )
    again = (
        ""
        if shown.same_again is None
        else f", {shown.same_again:.0%} of whose next requests are for the same model"
    )
    out.print(f"{shown.users} users in {shown.sessions} sessions ({SESSION_S / 60:.0f} min apart){again}.")
    if shown.gaps_variation is not None:
        out.print(
            f"Times between requests: coefficient of variation {shown.gaps_variation:.1f} (1 if they come at "
            f"random); {shown.busiest_hour} requests in the busiest hour."
        )
