"""The typer application, and the options and limits that verbs share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from genedge.errors import InputError
from genedge.text import in_brief, nearest

# typer's error for a command line that makes no sense has no public name; this one is a kind of it.
UsageError: Any = typer.BadParameter.__base__


# Of a complaint, which quotes what was written.
MOST_LETTERS = 500


class Verbs(TyperGroup):
    """Verbs, whose complaints about a command line do no harm on a terminal, and hint at nothing unrelated."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the verb; of an unknown one says which may have been meant."""
        name = args[0]
        if name not in self.commands and not name.startswith("-"):
            near = nearest(name, self.commands)
            ctx.fail(f"No such command '{name}'." + (f" Did you mean '{near}'?" if near else ""))
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **more: Any) -> Any:
        """Reads what stands before the verb."""
        with _harmless():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        """Runs a verb; whatever its command line is refused for passes here."""
        with _harmless():
            return super().invoke(ctx)


@contextmanager
def _harmless() -> Iterator[None]:
    """Complaints about a command line do no harm: one line, not without end, and a hint only at what is near."""
    try:
        yield
    except UsageError as e:
        e.message = in_brief(e.message, MOST_LETTERS)
        if getattr(e, "possibilities", None):
            near = nearest(e.option_name, e.possibilities)
            e.possibilities = [near] if near else None
        raise


app = typer.Typer(
    cls=Verbs,
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
SlotsOption = Annotated[
    Path | None,
    typer.Option(
        "--slots",
        dir_okay=False,
        metavar="FILE",
        help="Slots of a file in place of drawn ones, JSON lines as 'genedge slots' prints them; an episode is as "
        "many in a row as the scenario's have, or those with the same 'episode'.",
    ),
]
POLICY_HELP = (
    "a policy's name, a run's folder, FILE.py:FUNCTION, or sb3:FILE, a model that Stable-Baselines3 has saved. Of "
    "both kinds of files the code that they contain is run: name only what you trust."
)
LABEL_HELP = "LABEL=POLICY calls it so in tables and figures; a path with an = of its own has a / before it."


# Larger seeds would repeat smaller ones: JAX takes 32 bits of them.
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything random.")]


def check_draws(users: int, models: int, slots: int, at_once: int) -> None:
    """Refuses what would not fit into memory.

    Args:
        users: how many users a slot.
        models: how many models.
        slots: how many slots in all.
        at_once: how many of them are decided at once.

    Raises:
        InputError: it is too much.
    """
    from genedge.limits import MOST_DRAWS, MOST_PLACES, decided, refuse_large

    if users > MOST_PLACES:
        raise InputError(f"{users} users are too many; a slot may have {MOST_PLACES}")
    if users * slots > MOST_DRAWS:
        raise InputError(
            f"{slots} slots of {users} users are too many at once; users times slots may be {MOST_DRAWS}"
        )
    refuse_large("the numbers of users, of models and of slots decided at once", decided(at_once, models, users))
