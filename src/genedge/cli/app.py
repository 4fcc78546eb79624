"""The typer application, and the options and limits that verbs share."""

from typing import Annotated

import typer

from genedge.errors import InputError

app = typer.Typer(
    help="Which generative models should an edge server keep in memory, and how should it share bandwidth and "
    "denoising steps among its users?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print("genedge", version("genedge"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


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
# Slots are drawn all at once; this many draws of a user take some gigabytes.
MOST_DRAWS = 10**8

# Larger seeds would repeat smaller ones: JAX takes 32 bits of them.
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything random.")]


def check_draws(users: int, slots: int) -> None:
    """Refuses what would not fit into memory.

    Args:
        users: how many users a slot.
        slots: how many slots in all.

    Raises:
        InputError: it is too much.
    """
    if users * slots > MOST_DRAWS:
        raise InputError(
            f"{slots} slots of {users} users are too many at once; users times slots may be {MOST_DRAWS}"
        )
