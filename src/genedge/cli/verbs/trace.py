"""`genedge trace`: traces of requests, generated or converted from public data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.app import SeedOption, Verbs
from genedge.registry import listed, named

OutOption = Annotated[Path, typer.Option("--out", dir_okay=False, metavar="FILE.csv", help="Trace to write.")]

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
        str, typer.Option("--format", metavar="NAME|FILE.py:FUNCTION", help=FORMAT_HELP)
    ] = "gentd26",
) -> None:
    """Turn requests into a trace: sorted by time; what cannot be replayed is set aside and counted."""
    from genedge.cli.console import say
    from genedge.replay.convert import convert as convert_requests
    from genedge.replay.convert import format_named

    converted = convert_requests(source, out, format_named(format_))
    say(f"{out}: {converted.requests} requests of {converted.rows} rows")
    for reason, count in converted.set_aside.items():
        say(f"set aside: {count}, {reason}")
    for what, count in converted.noted.items():
        say(f"noted: {count}, {what}")
