"""`genedge replay`: a trace of requests through an edge server, policies side by side."""

import json
from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.figures import FigureOption, FontOption, NoTitleOption, WidthOption
from genedge.registry import listed, named

FORESEEING = [name for name, entry in named("trace policy").items() if "foresees" in entry.traits]
ONLINE = [name for name in named("trace policy") if name not in FORESEEING]

HELP = f"""Replay a trace: hits, delay, loads and utility of each policy, beside what no policy could exceed.

A hit is generated at the edge, a miss in the cloud, over the backhaul. Online policies: {", ".join(ONLINE)};
{listed(FORESEEING)} know the whole trace. The load-free bound is the most hits, were loads free; the bound on the
delay counts load times.
"""


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("replay", help=HELP)(replay)


def replay(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace, .csv or .jsonl.")],
    memory: Annotated[float, typer.Option(metavar="GB", help="For models.")],
    catalogue: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="What models take: gentd26, load-free, or a YAML file.")
    ] = "gentd26",
    policies: Annotated[
        str, typer.Option(metavar="A,B", help="Names of policies.")
    ] = "lru,lfu,gdsf,popularity,cost-aware,keep-forever,static,belady",
    bounds: Annotated[
        bool, typer.Option("--bounds/--no-bounds", help="The bounds take memory that grows with the trace.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False,
    figure: FigureOption = None,
    width: WidthOption = None,
    font: FontOption = None,
    no_title: NoTitleOption = False,
) -> None:
    """Replays a trace; users read HELP."""
    from genedge.cli.figures import room_of, write
    from genedge.cli.progress import stages
    from genedge.cli.table import print_results
    from genedge.files import refuse_no_plain_file
    from genedge.replay.catalogue import load_catalogue
    from genedge.replay.run import replay as run

    fit = room_of(figure, width, font, no_title)
    loaded = load_catalogue(catalogue)
    names = list(dict.fromkeys(name.strip() for name in policies.split(",") if name.strip()))
    refuse_no_plain_file(trace)
    with trace.open("rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    passes = 1 + (bounds or any(name in FORESEEING for name in names)) + bounds
    with stages(lines * passes, "replayed") as report:
        results = run(trace, loaded, memory, names, bounds, report)
    if as_json:
        print(json.dumps(results.as_json()))
    else:
        print_results(results)
    if figure is not None:
        from genedge.draw.replay import replay_figure

        write(figure, replay_figure(results, fit), fit)
