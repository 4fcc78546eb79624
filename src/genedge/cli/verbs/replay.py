"""`genedge replay`: a trace of requests through a box, schedulers side by side."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genedge.cli.figures import FigureOption, FontOption, NoTitleOption, WidthOption
from genedge.errors import InputError
from genedge.registry import listed, named

if TYPE_CHECKING:
    from genedge.boxes.load import BoxFile
    from genedge.draw.fit import Fit

FORESEEING = [name for name, entry in named("eviction").items() if "foresees" in entry.traits]
# What is replayed, and what is run today, unless said.
QUEUED, TODAY = "fifo+lru,affinity+lru,dwell+lru,dwell+cost-aware", "fifo+lru"
UNQUEUED, TODAY_UNQUEUED = "lru,lfu,gdsf,popularity,cost-aware,keep-forever,static,belady", "lru"
NOW = "genedge replay TRACE --box cloud-no-queue --memory 12 --schedulers lru,cost-aware"

HELP = f"""Replay a trace through a box: what each scheduler costs, beside what nobody could exceed.

A box is a preset or a YAML file. In most, requests queue for GPUs that do one thing at a time, and the delay is
taken apart. In cloud-no-queue and load-free nothing queues: who asks for what is loaded is served at once, others
by the cloud; hits are counted, and bounds on hits and delay are certified.

A scheduler is ORDER+EVICTION, of the orders {", ".join(named("order"))} and the evictions
{", ".join(named("eviction"))}; the name of another program whose rule ships as a file, such as ollama; FILE.yaml, a
scheduler with its numbers; or FILE.py:CLASS. Where nothing queues, EVICTION alone will do. {listed(FORESEEING)}
know the whole trace. With --set models=NAME the models are those of another catalogue: gentd26, load-free,
measured, measured-cell, sdxl-24gb, or a file.

The journal of a live box is a trace, too. With --recorded its events are told to the box anew, each when it
happened, and the decisions are compared with those that it made then.
"""


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("replay", help=HELP)(replay)


def replay(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace, .csv or .jsonl; or a journal.")],
    box: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="A box: a preset, or a YAML file.")] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="GB[,GB]", help="For models, of each GPU, else as the box says; several if it queues."
        ),
    ] = None,
    schedulers: Annotated[
        str | None,
        typer.Option(metavar="A,B", help=f"Names of schedulers: {QUEUED}; where nothing queues {UNQUEUED}."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"The one that others are compared with: {TODAY}, or {TODAY_UNQUEUED}."),
    ] = None,
    levers: Annotated[
        bool, typer.Option("--levers/--no-levers", help="Where it queues: replay what else could be changed, too.")
    ] = True,
    price: Annotated[
        str | None,
        typer.Option(
            metavar="X[,X]",
            help="With several --memory: of a GB of the GPUs' memory for a month, or of all of it for a month, one "
            "for each --memory.",
        ),
    ] = None,
    worth: Annotated[
        bool,
        typer.Option(
            "--worth",
            help="With several --memory: replay loads that are shorter and longer, too, and tell what caching is "
            "worth where.",
        ),
    ] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the box.")
    ] = None,
    bounds: Annotated[
        bool,
        typer.Option("--bounds/--no-bounds", help="The bounds take memory that grows with the trace."),
    ] = True,
    recorded: Annotated[
        bool,
        typer.Option(
            "--recorded",
            help="Of a journal: with the durations that it recorded, under the scheduler that lived, tell whether "
            "all decisions are the same. Ends with 1 if one is not.",
        ),
    ] = False,
    catalogue: Annotated[str | None, typer.Option(hidden=True)] = None,
    policies: Annotated[str | None, typer.Option(hidden=True)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False,
    figure: FigureOption = None,
    width: WidthOption = None,
    font: FontOption = None,
    no_title: NoTitleOption = False,
) -> None:
    """Replays a trace; users read HELP."""
    from genedge.boxes.load import load_box
    from genedge.cli.figures import room_of
    from genedge.files import refuse_no_plain_file

    fit = room_of(figure, width, font, no_title)
    name = _box_of(box, memory, catalogue, policies)
    memories: list[float | None] = [None] if memory is None else list(dict.fromkeys(_memories(memory)))
    prices = [] if price is None else _prices(price, len(memories))
    files = [load_box(name, overrides or [], memory_gb) for memory_gb in memories]
    if recorded:
        _recorded(trace, files[0], as_json)
        return
    if not trace.is_dir():
        refuse_no_plain_file(trace)
    if not files[0].box.queue:
        if len(files) > 1:
            raise InputError(f"--memory {memory}: where nothing queues, give one amount at a time")
        names, today = _names(schedulers, UNQUEUED), against or TODAY_UNQUEUED
        _without_a_queue(trace, files[0], names, today, bounds, as_json, figure, fit)
        return
    at = dict(zip(memories, files, strict=True))
    names, today = _names(schedulers, QUEUED), against or TODAY
    _through_a_queue(trace, at, names, today, levers, bounds, prices, worth, as_json, figure, fit)


def _recorded(journal: Path, file: "BoxFile", as_json: bool) -> None:
    """With recorded durations: whether a live box would decide the same again."""
    from genedge.cli.console import say
    from genedge.replay.again import replayed_again

    found = replayed_again(journal, file)
    if as_json:
        print(json.dumps({"journal": str(journal), "lives": [each.as_json() for each in found]}))
    else:
        for each in found:
            say(f"{journal}, {each.in_words}")
    if any(each.first_unlike is not None for each in found):
        raise typer.Exit(1)


def _without_a_queue(
    trace: Path,
    file: "BoxFile",
    names: Sequence[str],
    against: str,
    bounds: bool,
    as_json: bool,
    figure: Path | None,
    fit: "Fit",
) -> None:
    """Through a box in which nothing queues."""
    from genedge.boxes.schedulers import foresees
    from genedge.cli.figures import write
    from genedge.cli.progress import stages
    from genedge.cli.table import print_results
    from genedge.replay.unqueued import replay_unqueued

    passes = 1 + (bounds or any(foresees(name, file.box) for name in names)) + bounds
    with stages(_lines(trace) * passes, "replayed") as report:
        results = replay_unqueued(trace, file, names, against, bounds, report)
    if as_json:
        print(json.dumps(results.as_json()))
    else:
        print_results(results)
    if figure is not None:
        from genedge.draw.replay import replay_figure

        write(figure, replay_figure(results, fit), fit)


def _through_a_queue(
    trace: Path,
    at_memory: "dict[float | None, BoxFile]",
    names: Sequence[str],
    against: str,
    levers: bool,
    bounds: bool,
    prices: list[float],
    worth: bool,
    as_json: bool,
    figure: Path | None,
    fit: "Fit",
) -> None:
    """Through a box with a queue, for each amount of memory."""
    from genedge.cli.figures import write
    from genedge.cli.progress import stages
    from genedge.cli.table import print_results
    from genedge.replay.levers import levers_of
    from genedge.replay.over_memory import over_memory
    from genedge.replay.queueing import replay_queue
    from genedge.replay.worth import LOADS, REPLAYS
    from genedge.replay.worth import worth as worth_of

    by_memory = {gb: file for gb, file in at_memory.items() if gb is not None}
    if worth and len(by_memory) < 2:
        raise InputError("--worth: what caching is worth is told over several amounts; give --memory A,B")
    first = next(iter(at_memory.values()))
    passes = (1 + 2 * bounds + len({*names, against}) + levers * len(levers_of(first, against, ()))) * len(
        at_memory
    )
    passes += worth * (1 + REPLAYS * len(LOADS) * len(at_memory))
    with stages(_lines(trace) * passes, "replayed") as report:
        found = {
            gb: replay_queue(trace, file, names, against, levers, bounds, report) for gb, file in at_memory.items()
        }
        of_caching = worth_of(trace, by_memory, against, report) if worth else None
    at = {gb: each for gb, each in found.items() if gb is not None}
    several = over_memory(at, prices, of_caching) if len(at) > 1 else None
    one = next(iter(found.values()))
    results = one if several is None else several
    if as_json:
        print(json.dumps(results.as_json()))
    else:
        print_results(results)
    if figure is not None:
        from genedge.draw.over_memory import over_memory_figure
        from genedge.draw.queued import queued_figure

        write(figure, queued_figure(one, fit) if several is None else over_memory_figure(several, fit), fit)


def _box_of(box: str | None, memory: str | None, catalogue: str | None, policies: str | None) -> str:
    """The box, or what to write now in place of what was written once."""
    if policies is not None:
        raise InputError(f"--policies is --schedulers now, such as {NOW}")
    if catalogue is not None:
        raise InputError(f"--catalogue is the models of a box now, such as {NOW} --set models=gentd26")
    if box is None and memory is not None:
        raise InputError(f"--memory is that of a box: give --box, too, such as {NOW}")
    if box is None:
        raise InputError(f"give --box, a preset or a YAML file, such as {NOW}")
    return box


def _names(schedulers: str | None, usual: str) -> list[str]:
    asked = usual if schedulers is None else schedulers
    names = list(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))
    if not names:
        raise InputError("--schedulers is empty; give ORDER+EVICTION, such as dwell+cost-aware")
    return names


def _lines(trace: Path) -> int:
    from genedge.replay.journal import is_journal, read_journal

    if is_journal(trace):
        return sum(event["event"] == "arrived" for event in read_journal(trace))
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


def _prices(text: str, memories: int) -> list[float]:
    """Of a GB, or of each amount of memory."""
    if memories < 2:
        raise InputError(f"--price {text}: what memory is worth takes several amounts; give --memory A,B")
    try:
        prices = [float(each) for each in text.split(",")]
    except ValueError:
        prices = [-1.0]
    if not all(0 <= each <= 1e9 for each in prices):
        raise InputError(f"--price {text}: give what a GB costs a month, such as 5, or one for each --memory")
    if len(prices) not in (1, memories):
        raise InputError(f"--price {text}: give one, of a GB for a month, or {memories}, one for each --memory")
    return prices
