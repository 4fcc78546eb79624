"""`genedge testbed`: the paper's system run for real, measured beside its equations."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from genedge.cli.app import LABEL_HELP, POLICY_HELP, ScenarioOption, SeedOption, SetOption, check_draws

if TYPE_CHECKING:
    from genedge.testbed.run import Ran
    from genedge.testbed.summary import Summary


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("testbed")(run_for_real)


def run_for_real(
    policies: Annotated[str, typer.Option(metavar="A,B,LABEL=DIR", help=f"Each {POLICY_HELP} {LABEL_HELP}")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for what is measured, the figure and the page.")],
    scenario: ScenarioOption = "measured",
    users: Annotated[int | None, typer.Option(min=1, help="Users; else the scenario's.")] = None,
    slots: Annotated[
        int, typer.Option(min=1, help="How many, the first ones of an evaluation with that seed.")
    ] = 10,
    seed: SeedOption = 0,
    set_: SetOption = [],
    links: Annotated[
        Literal["namespaces", "paced"] | None,
        typer.Option(
            help="Who keeps to the links' rates: the kernel, in network namespaces, which takes root's rights; or "
            "the senders themselves.",
            show_default="namespaces where they can be had",
        ),
    ] = None,
    factor: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1000,
            help="Seconds of this machine for one of the scenario's: links are so many times slower, and what is "
            "measured is divided by it.",
            show_default="what generation takes here, over Eq. (12)",
        ),
    ] = None,
    quality: Annotated[
        str, typer.Option(metavar="NAME|FILE.py:FUNCTION", help="Measure of quality, as in genedge calibrate.")
    ] = "distance",
) -> None:
    """Run users, base station and cloud as processes, and measure what the model's equations predict.

    Users send pictures with a hole over links of the rates that were decided, the base station and the cloud repair
    them with the small models, with the steps that were decided, and all policies meet the same slots. Nothing
    outside this machine is addressed. An interrupted run goes on with the same command. Needs genedge[diffusion].
    """
    from genedge.calibrate.quality import measure
    from genedge.cli.progress import progress
    from genedge.folders import one_writer
    from genedge.interruption import resumable
    from genedge.policies.labels import labelled
    from genedge.scenario import load_scenario
    from genedge.testbed.run import Wanted, run
    from genedge.testbed.summary import summary
    from genedge.testbed.written import write
    from genedge.xla import set_up_jax

    set_up_jax()
    loaded = load_scenario(scenario, set_)
    number = loaded.settings.cell.users if users is None else users
    check_draws(number, len(loaded.models), slots, loaded.settings.cell.slots_per_episode)
    named = labelled(policies, "--policies")
    wanted = Wanted(loaded, named, number, slots, seed, links, factor, measure(quality))
    with resumable("the same command goes on from here"), one_writer(out):
        with progress(slots) as tick:
            ran = run(wanted, out, tick)
            tick("measured", slots)
        found = summary(ran.rows)
        write(out, ran, found)
    _print(out, ran, found)


def _print(out: Path, ran: "Ran", found: "Summary") -> None:
    """What was found, in a table and a few lines."""
    from genedge.cli.console import console, say
    from genedge.cli.table import print_table
    from genedge.testbed.written import findings, table

    print_table(console(), *table(found))
    for line in findings(ran.facts, found):
        say(line)
    say(f"Written: {out}/page.html, {out}/measured.png, {out}/summary.json, {out}/rows.csv")
