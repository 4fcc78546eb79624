"""`genedge cite`: BibTeX for what a run, or a comparison, rests on."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("cite")(cite)


def cite(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="Folder of a run.")] = None,
    policies: Annotated[
        str,
        typer.Option(
            metavar="A,B,DIR",
            help="Also what these rest on: any names that genedge knows, folders of runs.",
        ),
    ] = "",
) -> None:
    """Print BibTeX: the paper, this software, and what a run and policies rest on.

    Of a run these are its agent, its network and the libraries that it learned with; of policies what they use
    beyond this package.
    """
    from genedge.citations import bibtex, keys_of, keys_of_run
    from genedge.learn.runs import open_run

    keys = [] if run is None else [*keys_of_run(open_run(run))]
    for name in policies.split(","):
        if name.strip():
            keys += keys_of(name.strip())
    print(bibtex(keys), end="")
