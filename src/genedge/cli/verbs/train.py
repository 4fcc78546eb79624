"""`genedge train`: trains an agent into a run folder."""

from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.app import ScenarioOption, SeedOption, SetOption, SlotsOption
from genedge.registry import listed, named

HELP = f"""Train an agent; the folder then serves as a policy in 'decide' and 'evaluate'.

There are {listed(f"{entry.name} ({entry.what})" for entry in named("agent").values())}. A run can be interrupted at
any moment and resumed; it then ends with the very same bits.
"""


AGENTS = f"The algorithm: {listed([*named('agent'), 'FILE.py:CLASS'], 'or')}."


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("train", help=HELP)(train)


def train(
    out: Annotated[Path | None, typer.Option(help="Folder of the new run.")] = None,
    scenario: ScenarioOption = "paper",
    users: Annotated[int | None, typer.Option(min=1, help="Users; else the scenario's.")] = None,
    agent: Annotated[str, typer.Option(help=AGENTS)] = "ddpg",
    network: Annotated[str | None, typer.Option(help="mlp or equivariant; else the scenario's.")] = None,
    episodes: Annotated[int | None, typer.Option(min=1, help="Episodes; else the scenario's.")] = None,
    seed: SeedOption = 0,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Several seeds side by side, one run each in DIR/seed-A, on all cores."),
    ] = None,
    set_: SetOption = [],
    slots: SlotsOption = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with this run, or all in this folder, where it was interrupted; no other option."),
    ] = None,
) -> None:
    """Trains an agent; users read HELP."""
    from genedge.cli.console import say
    from genedge.cli.training import scenario_for, train_many, train_wanted, train_with_progress
    from genedge.engines import on_cores
    from genedge.errors import InputError
    from genedge.interruption import resumable
    from genedge.learn.grid import seeds_of
    from genedge.learn.runs import create_run, new_run, open_run
    from genedge.scenario import with_slots
    from genedge.xla import set_up_jax

    set_up_jax()
    if resume is not None:
        if any((out, users, network, episodes, seed, seeds, set_, slots)) or (scenario, agent) != ("paper", "ddpg"):
            raise InputError("--resume goes on with the run's own settings; give no other option")
        if resume.is_dir() and not (resume / "run.json").exists():
            return train_many(resume, on_cores)
        run = open_run(resume)
    elif out is None:
        raise InputError("--out DIR is missing: the folder for the new run (or --resume DIR)")
    else:
        told = scenario_for(agent, scenario, set_, network)
        told = told if slots is None else with_slots(told, slots)
        if seeds is not None:
            if seed:
                raise InputError("--seed and --seeds: give one of them")
            wanted = [new_run(out / f"seed-{each}", told, users, agent, episodes, each) for each in seeds_of(seeds)]
            return train_wanted(out, wanted, on_cores)
        run = create_run(out, told, users, agent, episodes, seed)
    with resumable(f"'genedge train --resume {run.folder}' goes on"):
        rows = train_with_progress(run)
    say(f"{run.folder}: {rows[-1]['episode']} episodes, best evaluated utility {rows[-1]['best_utility']:.1f}")
