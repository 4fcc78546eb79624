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
    set_: SetOption = [],
    slots: SlotsOption = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run where it was interrupted; no other option.")
    ] = None,
) -> None:
    """Trains an agent; users read HELP."""
    from genedge.cli.console import say
    from genedge.cli.training import train_with_progress
    from genedge.errors import InputError
    from genedge.interruption import resumable
    from genedge.learn.agents import agent_class, own_section, section_of
    from genedge.learn.runs import create_run, open_run
    from genedge.scenario import read_scenario, with_slots
    from genedge.xla import set_up_jax

    set_up_jax()
    if resume is not None:
        if any((out, users, network, episodes, seed, set_, slots)) or (scenario, agent) != ("paper", "ddpg"):
            raise InputError("--resume goes on with the run's own settings; give no other option")
        run = open_run(resume)
    elif out is None:
        raise InputError("--out DIR is missing: the folder for the new run (or --resume DIR)")
    else:
        if network is not None:
            if "network" not in agent_class(agent).Settings.model_fields:
                raise InputError(f"--network: --agent {agent} has none to choose; leave it out")
            set_ = [*set_, f"{section_of(agent)}.network={network}"]
        told = read_scenario(scenario, set_, own_section(agent))
        told = told if slots is None else with_slots(told, slots)
        run = create_run(out, told, users, agent, episodes, seed)
    with resumable(f"'genedge train --resume {run.folder}' goes on"):
        rows = train_with_progress(run)
    say(f"{run.folder}: {rows[-1]['episode']} episodes, best evaluated utility {rows[-1]['best_utility']:.1f}")
