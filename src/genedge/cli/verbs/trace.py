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
    models: Annotated[
        str,
        typer.Option(
            metavar="N|NAME=WEIGHT,...|CATALOGUE",
            help="How many models; or their names, with weights or the first the most popular; or a catalogue.",
        ),
    ] = "50",
    users: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many users.")] = 1000,
    rate: Annotated[float, typer.Option(min=1e-6, max=1e6, help="Mean number of requests a second.")] = 0.1,
    skew: Annotated[
        float | None,
        typer.Option(min=0, max=20, help="Exponent of Zipf's law.", show_default="changes as in the paper's cell"),
    ] = None,
    gaps_cv: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=1000,
            help="Bursts: the coefficient of variation of the times between requests; GenTD26 has 11.5.",
            show_default="1, at random",
        ),
    ] = None,
    by_hour: Annotated[
        str | None,
        typer.Option(
            metavar="W0,...,W23",
            help="The rhythm of a day: weights of its hours, such as by_hour of genedge trace show --json.",
            show_default="all hours alike",
        ),
    ] = None,
    session_requests: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=1e6,
            help="Mean number of requests of a session, which ends when its user has asked for nothing for 10 min.",
            show_default="32 users at work, however long they pause",
        ),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Draw a trace: models by Zipf's law, users who come back in sessions, mostly for their last model."""
    from genedge.cli.console import say
    from genedge.cli.progress import progress
    from genedge.replay.generate import generate as draw
    from genedge.replay.habits import Habits, hours_of, models_of
    from genedge.replay.trace import Row, write_trace

    names, weights, count = models_of(models)
    if weights is not None and skew is not None:
        raise InputError("--models with weights says how popular each is; leave --skew out, or the weights")
    hours = None if by_hour is None else hours_of(by_hour)
    habits = Habits(names, weights, skew, gaps_cv, hours, session_requests)
    with progress(requests) as tick:

        def counted() -> Iterator[Row]:
            for done, row in enumerate(draw(requests, count, users, rate, seed, habits)):
                if done % 10_000 == 0:
                    tick("drawing", done)
                yield row
            tick("drawn", requests)

        write_trace(out, counted())
    say(f"{out}: {requests} requests for {count} models by {users} users")


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
            "fields are time, model, user, steps, images, request_mb, result_mb, generation_s and adapters.",
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
    from genedge.replay.shown import in_words
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
    for line in in_words(shown):
        out.print(line)
