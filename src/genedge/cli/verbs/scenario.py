"""`genedge scenario`: what a cell is made of, and where each number comes from."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from genedge.cli.app import SetOption, Verbs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genedge.scenario import Scenario
    from genedge.settings.provenance import Setting


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    group = typer.Typer(cls=Verbs, help="Look at scenarios.", no_args_is_help=True)
    group.command("show")(show)
    group.command("list")(list_presets)
    app.add_typer(group, name="scenario")


def list_presets() -> None:
    """List the presets that ship with the package."""
    from genedge.scenario import presets

    print("\n".join(presets()))


def show(
    scenario: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A preset's name or a scenario file.")],
    set_: SetOption = [],
    as_json: Annotated[bool, typer.Option("--json", help="All in SI units, for a program.")] = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="A complete scenario file.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="The hyperparameters of agents and policies too.")] = False,
) -> None:
    """Show every setting of a cell with its unit and provenance, and the catalogue.

    Provenance: paper (stands in the paper), restored (its formula was lost; this reading fits the words),
    assumed (the text does not give it), measured, user (set by you).
    """
    from genedge.errors import InputError
    from genedge.scenario import load_scenario

    if as_json and as_yaml:
        raise InputError("--json and --yaml: choose one")
    if all_ and (as_json or as_yaml):
        raise InputError("--all: --json and --yaml tell everything; leave it out")
    loaded = load_scenario(scenario, set_)
    if as_json:
        print(json.dumps(loaded.as_json()))
    elif as_yaml:
        print(loaded.as_yaml(), end="")
    else:
        _print_tables(loaded, loaded.table if all_ else loaded.of_cell)


def _print_tables(scenario: "Scenario", shown: "Mapping[str, Setting]") -> None:
    from rich.table import Table

    from genedge.cli.console import console
    from genedge.scenario import DrawnModels
    from genedge.scenario.sections import NUMBERS_OF_MODELS
    from genedge.settings.words import unit_of

    out = console()
    settings = Table("setting", "value", "unit", "provenance", "note", title=f"{scenario.name} ({scenario.id})")
    for key, setting in shown.items():
        settings.add_row(key, scenario.in_brief(key), unit_of(key), setting.provenance, setting.note)
    out.print(settings)

    keys = NUMBERS_OF_MODELS
    drawn = scenario.settings.models
    of_several_origins = drawn.given if isinstance(drawn, DrawnModels) else scenario.catalogue
    tables = ["TV over steps"] if any(model.curve is not None for model in scenario.models) else []
    catalogue = Table("model", *keys, *tables, title="catalogue, by popularity rank")
    for m, model in enumerate(scenario.models):
        cells = [f"{getattr(model, key):.4g}" for key in keys]
        if of_several_origins:
            cells = [f"{cell} ({scenario.provenance_of(m, key)})" for cell, key in zip(cells, keys, strict=True)]
        if tables:
            curve = model.curve
            cells.append("A1 to A4" if curve is None else f"a table of {len(curve.steps)} steps")
        name = "" if scenario.catalogue is None else f" {scenario.model_names[m]}"
        catalogue.add_row(f"{m}{name}", *cells)
    out.print(catalogue)
