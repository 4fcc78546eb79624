"""`genedge cite`: BibTeX for what a run, or a comparison, rests on."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("cite")(cite)


def cite(
    name: Annotated[
        str | None, typer.Argument(metavar="RUN|NAME", help="Folder of a run, or any name that genedge knows.")
    ] = None,
    policies: Annotated[
        str,
        typer.Option(
            metavar="A,B,DIR",
            help="Also what these rest on: any names that genedge knows, folders of runs.",
        ),
    ] = "",
) -> None:
    """Print BibTeX: the paper, this software, and what a run, policies or anything else that has a name rest on.

    Of a run these are its agent, its network and the libraries that it learned with; of policies what they use
    beyond this package.
    """
    from genedge.citations import bibtex, keys_of

    names = [] if name is None else [name]
    names += [policy.strip() for policy in policies.split(",") if policy.strip()]
    print(bibtex(key for one in names for key in keys_of(one)), end="")
