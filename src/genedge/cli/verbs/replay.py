"""`genedge replay`: a trace of requests through an edge server, policies side by side."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genedge.cli.figures import FigureOption, FontOption, NoTitleOption, WidthOption
from genedge.errors import InputError
from genedge.registry import listed, named

if TYPE_CHECKING:
    from genedge.draw.fit import Fit

FORESEEING = [name for name, entry in named("trace policy").items() if "foresees" in entry.traits]
ONLINE = [name for name in named("trace policy") if name not in FORESEEING]

HELP = f"""Replay a trace: hits, delay, loads and utility of each policy, beside what no policy could exceed.

With --box it goes through a box with a queue, whose GPUs do one thing at a time, under schedulers side by side:
ORDER+EVICTION, of the orders {", ".join(named("order"))} and the evictions {", ".join(named("eviction"))}; or
FILE.py:CLASS.

Without it nothing queues. A hit is generated at the edge, a miss in the cloud, over the backhaul. Online policies:
{", ".join(ONLINE)}; {listed(FORESEEING)} know the whole trace. The load-free bound is the most hits, were loads
free; the bound on the delay counts load times.
"""


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("replay", help=HELP)(replay)


def replay(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace, .csv or .jsonl.")],
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="GB[,GB]", help="For models, of each GPU; with --box one or more, or as the box says."
        ),
    ] = None,
    box: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="A box: a preset, or a YAML file.")] = None,
    schedulers: Annotated[
        str, typer.Option(metavar="A,B", help="With --box: names of schedulers.")
    ] = "fifo+lru,affinity+lru,dwell+lru,dwell+cost-aware",
    against: Annotated[
        str, typer.Option(metavar="NAME", help="With --box: the scheduler that the others are compared with.")
    ] = "fifo+lru",
    levers: Annotated[
        bool, typer.Option("--levers/--no-levers", help="With --box: replay what else could be changed, too.")
    ] = True,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="With --box: change a setting of it.")
    ] = None,
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
    if box is not None:
        _through_a_box(trace, box, overrides or [], memory, schedulers, against, levers, as_json, figure, fit)
        return
    memory_gb = _one_memory(memory)
    loaded = load_catalogue(catalogue)
    names = list(dict.fromkeys(name.strip() for name in policies.split(",") if name.strip()))
    refuse_no_plain_file(trace)
    lines = _lines(trace)
    passes = 1 + (bounds or any(name in FORESEEING for name in names)) + bounds
    with stages(lines * passes, "replayed") as report:
        results = run(trace, loaded, memory_gb, names, bounds, report)
    if as_json:
        print(json.dumps(results.as_json()))
    else:
        print_results(results)
    if figure is not None:
        from genedge.draw.replay import replay_figure

        write(figure, replay_figure(results, fit), fit)


def _through_a_box(
    trace: Path,
    box: str,
    overrides: list[str],
    memory: str | None,
    schedulers: str,
    against: str,
    levers: bool,
    as_json: bool,
    figure: Path | None,
    fit: "Fit",
) -> None:
    """The same through a box with a queue, for each amount of memory."""
    from genedge.boxes.load import load_box
    from genedge.cli.figures import write
    from genedge.cli.progress import stages
    from genedge.cli.table import print_results
    from genedge.files import refuse_no_plain_file
    from genedge.replay.levers import levers_of
    from genedge.replay.queueing import replay_queue

    names = list(dict.fromkeys(name.strip() for name in schedulers.split(",") if name.strip()))
    if not names:
        raise InputError("--schedulers is empty; give ORDER+EVICTION, such as dwell+cost-aware")
    memories: list[float | None] = [None] if memory is None else list(_memories(memory))
    files = [load_box(box, overrides, memory_gb) for memory_gb in memories]
    refuse_no_plain_file(trace)
    passes = (1 + len({*names, against}) + levers * len(levers_of(files[0], against, ()))) * len(files)
    with stages(_lines(trace) * passes, "replayed") as report:
        results = [replay_queue(trace, file, names, against, levers, report) for file in files]
    if as_json:
        documents = {
            f"{gb:g}": each.as_json() for gb, each in zip(memories, results, strict=True) if gb is not None
        }
        print(json.dumps({"by_memory_gb": documents} if len(results) > 1 else results[0].as_json()))
    else:
        for each in results:
            print_results(each)
    if figure is not None:
        from genedge.draw.queued import queued_figure

        write(figure, queued_figure(results[0], fit), fit)


def _lines(trace: Path) -> int:
    with trace.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _memories(text: str) -> list[float]:
    try:
        memories = [float(each) for each in text.split(",")]
    except ValueError:
        memories = [-1.0]
    if not all(0 <= each <= 1e6 for each in memories):
        raise InputError(f"--memory {text}: give gigabytes, from 0 to 1000000, such as 24 or 12,16,24")
    return memories


def _one_memory(text: str | None) -> float:
    if text is None:
        raise InputError("give --memory, gigabytes for models; or --box, a preset or a YAML file")
    memories = _memories(text)
    if len(memories) > 1:
        raise InputError(f"--memory {text}: without --box give one")
    return memories[0]
