"""`genedge paper`: the paper's whole evaluation, reproduced and judged in one report."""

from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.app import LABEL_HELP, POLICY_HELP
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
    only: Annotated[str | None, typer.Option(metavar="A,B", help="Do the work of these sections alone.")] = None,
    policies: Annotated[
        str | None,
        typer.Option(metavar="A,LABEL=B", help=f"Your own beside the paper's; each {POLICY_HELP} {LABEL_HELP}"),
    ] = None,
    engine: Annotated[str, typer.Option(help="Where to work: local (this machine's cores) or ray.")] = "local",
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Of the Ray cluster; else the one that Ray finds.")
    ] = None,
    width: WidthOption = None,
    font: FontOption = None,
    no_title: NoTitleOption = False,
) -> None:
    """Run the paper's evaluation, Section V: figures, tables, and a verdict on every claim, in one HTML report.

    An interrupted study goes on where it stopped, and what is done is not done again. The whole takes hours on two
    cores, --quick some minutes. Sections: claims, convergence, hits, utility, quality, trade-off, budget,
    sensitivity, watch.
    """
    from genedge.cli.console import say
    from genedge.cli.figures import Room
    from genedge.cli.progress import counter, progress
    from genedge.errors import InputError
    from genedge.folders import one_writer
    from genedge.interruption import resumable
    from genedge.paper.engines import on_cores, on_ray
    from genedge.paper.folder import do
    from genedge.paper.plan import PLANS, changed
    from genedge.paper.report import section_names, tasks_of, write_report
    from genedge.paper.sections import SECTIONS
    from genedge.paper.study import study_of, try_out
    from genedge.policies.labels import labelled
    from genedge.xla import set_up_jax

    set_up_jax()
    room = Room(width, font, no_title)
    fit = room.fit
    if engine not in ("local", "ray"):
        raise InputError(f"--engine {engine}: no such engine; there are local and ray")
    if address is not None and engine != "ray":
        raise InputError("--address is that of a Ray cluster; give --engine ray with it")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: a file, not a folder; choose another name")
    work = on_ray(address) if engine == "ray" else on_cores
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
        tasks = tasks_of(study, names)
        with progress(sum(task.work for task in tasks)) as tick:
            do(out, tasks, work, tick)
        with counter(len(SECTIONS), "written") as report:
            shown = write_report(study, out, command, fit, report)
    say(f"{out}/report.html: {', '.join(shown)}; figures in {out}/figures, numbers in {out}/tables")
