"""The typer application and the options that verbs share."""

from typing import Annotated

import typer

app = typer.Typer(
    help="Which generative models should an edge server keep in memory, and how should it share bandwidth and "
    "denoising steps among its users?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ScenarioOption = Annotated[
    str, typer.Option("--scenario", metavar="NAME|FILE", help="A preset's name or a scenario file.")
]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting: a dotted key and a YAML value, such as objective.alpha=0.5. Repeatable.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
