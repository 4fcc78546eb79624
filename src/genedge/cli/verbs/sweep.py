"""`genedge sweep`: trains an agent with every combination of some settings."""

from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.app import ScenarioOption, SetOption, SlotsOption
from genedge.cli.engines import AddressOption, EngineOption, chosen_engine
from genedge.cli.verbs.train import AGENTS


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("sweep")(sweep)


def sweep(
    out: Annotated[Path, typer.Option(help="Folder of the sweep; runs are in DIR/KEY=VALUE/seed-N.")],
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=A,B",
            help="A setting and its values, such as ddpg.batch=64,128. Repeatable: then every combination.",
        ),
    ],
    seeds: Annotated[str, typer.Option(metavar="A,B", help="Seeds, one run each with every setting.")] = "0",
    scenario: ScenarioOption = "paper",
    users: Annotated[int | None, typer.Option(min=1, help="Users; else the scenario's.")] = None,
    agent: Annotated[str, typer.Option(help=AGENTS)] = "ddpg",
    episodes: Annotated[int | None, typer.Option(min=1, help="Episodes; else the scenario's.")] = None,
    set_: SetOption = [],
    slots: SlotsOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
) -> None:
    """Train an agent with every combination of some settings and seeds, on all cores or on a Ray cluster.

    Each run is an ordinary one, with the bits that 'genedge train' gives on one thread. An interrupted sweep goes
    on with the same command; what has ended, also where training diverged, is not trained again, and with more
    values or seeds only what is new.
    """
    from genedge.cli.training import scenario_for, train_wanted
    from genedge.errors import InputError
    from genedge.learn.grid import as_override, folder_name, grid, seeds_of
    from genedge.learn.runs import new_run
    from genedge.scenario import with_slots
    from genedge.xla import set_up_jax

    set_up_jax()
    work = chosen_engine(engine, address)
    numbers, wanted = seeds_of(seeds), []
    for changes in grid(vary):
        told = scenario_for(agent, scenario, [*set_, *(as_override(*change) for change in changes.items())], None)
        told = told if slots is None else with_slots(told, slots)
        home = out / folder_name(changes)
        wanted += [new_run(home / f"seed-{seed}", told, users, agent, episodes, seed) for seed in numbers]
    if len({run.id for run in wanted}) < len(wanted):
        raise InputError(f"--vary {' '.join(vary)}: a value is there twice; give each once")
    train_wanted(out, wanted, work)
