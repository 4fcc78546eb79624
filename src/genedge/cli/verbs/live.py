"""`genedge live`: the box serves, with the very schedulers that are replayed."""

import os
from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.engines import AddressOption, EngineOption, is_ray
from genedge.errors import InputError

KEY, CLOUD_KEY = "GENEDGE_KEY", "GENEDGE_CLOUD_KEY"


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("live")(live)


def live(
    box: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|FILE", show_default=False, help="A box, whose models say their worker: see docs/live.md."
        ),
    ] = None,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo",
            help="The box demo with a second one as its cloud, and a client who asks for images for a minute.",
        ),
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any.")] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on; any but this machine's own needs a key.")] = (
        "127.0.0.1"
    ),
    scheduler: Annotated[
        str, typer.Option(metavar="NAME", help="As in genedge replay: ORDER+EVICTION, or a settings file.")
    ] = "dwell+cost-aware",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the box.")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep a journal there: a trace that can be replayed.")
    ] = None,
    shadow: Annotated[
        str, typer.Option(metavar="A,B", help="Schedulers beside which it runs, on the same requests.")
    ] = "fifo+lru",
    cloud: Annotated[
        str | None,
        typer.Option(
            metavar="URL,...",
            help="Where requests go that the box does not serve, or that another box there would serve sooner; "
            f"the key is read from {CLOUD_KEY}.",
        ),
    ] = None,
    waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait; more are answered 429.")] = 1000,
    waiting_of_user: Annotated[int, typer.Option(min=1, help="Likewise, of one user.")] = 100,
    hold: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds that a client is held while its model loads; then 503.")
    ] = 60.0,
    drain: Annotated[
        float,
        typer.Option(min=0, max=3600, help="Seconds that what waits and runs has to end, when asked to stop."),
    ] = 30.0,
    engine: EngineOption = "local",
    address: AddressOption = None,
    boxes: Annotated[
        int | None, typer.Option(min=1, max=1000, help="With --engine ray: how many boxes; else one a node.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no line for each access.")] = False,
) -> None:
    """Serve the models of a box over HTTP: OpenAI's and A1111's interfaces, or any server that a command starts.

    With --demo, the package's own small models and a client, for a look; with --engine ray, a box on each node of a
    Ray cluster behind one door. A key that all must show is read from GENEDGE_KEY. Ctrl-C ends it, after what waits
    and runs; a second one at once. Needs genedge[live].
    """
    import asyncio

    from genedge.boxes.load import load_box

    try:
        from genedge.cli.live_demo import live_demo
        from genedge.live.app import Door
        from genedge.live.jobs import Limits
        from genedge.live.service import Wanted, serve
    except ModuleNotFoundError as e:
        raise InputError(f'genedge live needs {e.name}; install it with: pip install "genedge[live]"') from None
    if demo and (box is not None or cloud is not None):
        raise InputError("--demo has a box and a cloud of its own; leave the others out")
    if box is None and not demo:
        raise InputError("give a box, a preset or a YAML file, such as genedge live demo; or --demo")
    wanted = Wanted(
        file=load_box(box or "demo", set_ or []),
        scheduler=scheduler,
        host=host,
        port=port,
        door=Door(key=os.environ.get(KEY) or None, hold_s=hold),
        limits=Limits(waiting=waiting, waiting_of_user=waiting_of_user),
        journal=journal,
        shadows=tuple(name.strip() for name in shadow.split(",") if name.strip()),
        cloud=cloud,
        cloud_key=os.environ.get(CLOUD_KEY) or None,
        drain_s=drain,
        quiet=quiet,
    )
    if not is_ray(engine, address):
        if boxes is not None:
            raise InputError("--boxes is for --engine ray; without it there is one box")
        asyncio.run(live_demo(wanted) if demo else serve(wanted))
        return
    if box is None:
        raise InputError("--demo is on this machine alone; leave --engine ray out")
    from genedge.live.on_ray import Cluster, serve_on_ray

    asyncio.run(serve_on_ray(wanted, Cluster(address, boxes, box, set_ or [])))
