"""`genedge paper`: the paper's whole evaluation, reproduced and judged in one report."""

from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.app import LABEL_HELP, POLICY_HELP
from genedge.cli.engines import AddressOption, EngineOption, chosen_engine
from genedge.cli.figures import FontOption, NoTitleOption, WidthOption


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("paper")(paper)


def paper(
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = Path("paper"),
    quick: Annotated[bool, typer.Option("--quick", help="A small version, in minutes.")] = False,
    plan: Annotated[
        list[str], typer.Option(metavar="KEY=VALUE", help="Change a size, such as seeds=[0,1,2,3,4]. Repeatable.")
    ] = [],
    only: Annotated[
        str | None, typer.Option(metavar="A,B", help="Train and measure for these sections alone.")
    ] = None,
    policies: Annotated[
        str | None,
        typer.Option(metavar="A,LABEL=B", help=f"Your own beside the paper's; each {POLICY_HELP} {LABEL_HELP}"),
    ] = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    width: WidthOption = None,
    font: FontOption = None,
    no_title: NoTitleOption = False,
) -> None:
    """Run the paper's evaluation, Section V: figures, tables, and a verdict on every claim, in one HTML report.

    The study grows: after minutes the report shows a part of it, marked as unfinished, and later more and more. An
    interrupted study keeps its report and goes on where it stopped; what is done is not done again. The whole takes
    75 minutes or more on two cores, --quick some eight. Sections: claims, convergence, hits, utility, quality,
    trade-off, budget, sensitivity, watch.
    """
    from genedge.cli.console import say
    from genedge.cli.figures import Room
    from genedge.cli.progress import progress
    from genedge.errors import InputError
    from genedge.folders import one_writer
    from genedge.interruption import resumable
    from genedge.paper.plan import PLANS, changed
    from genedge.paper.report import grow, section_names, shown_with, work_of
    from genedge.paper.sections import SECTIONS
    from genedge.paper.study import study_of, try_out
    from genedge.policies.labels import labelled
    from genedge.xla import set_up_jax

    set_up_jax()
    work = chosen_engine(engine, address)
    room = Room(width, font, no_title)
    fit = room.fit
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: a file, not a folder; choose another name")
    names = list(SECTIONS) if only is None else section_names(only)
    own = {} if policies is None else labelled(policies, "--policies")
    study = study_of(changed(PLANS[quick], plan), own)
    try_out(study)  # Refused before any work, not in its midst.
    command = ["genedge", "paper", "--out", str(out)]
    if quick:
        command.append("--quick")
    for change in plan:
        command += ["--plan", change]
    if policies is not None:
        command += ["--policies", policies]
    command += room.told
    with one_writer(out), resumable("the same command goes on from here"):
        shown = shown_with(study, out, names)
        with progress(work_of(study, shown)) as tick:
            grow(study, out, command, shown, work, fit, tick)
    say(f"{out}/report.html: {', '.join(shown)}; figures in {out}/figures, numbers in {out}/tables")
