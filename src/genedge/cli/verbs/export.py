"""`genedge export`: a trained run as a folder that needs neither JAX nor this package."""

from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.app import SetOption


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("export")(export)


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder of a trained run, or learned.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="onnx or numpy; else onnx, or numpy where that fails.")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="The cell to serve; else the run's, or paper.")
    ] = None,
    set_: SetOption = [],
) -> None:
    """Export a run's best actor for an edge server: the actor, what decodes it, and a runner.

    'python OUT/runner.py' reads slots and prints decisions, the JSON lines of 'slots' and 'decide'; it needs only
    NumPy, and onnxruntime where the actor is an ONNX file. An actor knows one catalogue, that of its scenario; only
    any-cell, and 'learned', the policy that ships with the package, can be exported for another.
    """
    from genedge.cli.console import say
    from genedge.export.folder import COMPARED_SLOTS, export_actor, export_run
    from genedge.policies.learned import shipped_actor
    from genedge.scenario import load_scenario
    from genedge.xla import set_up_jax

    set_up_jax()
    if run == "learned":
        made = export_actor(shipped_actor(), load_scenario(scenario or "paper", set_), None, out, format_)
    else:
        made = export_run(Path(run), out, scenario, set_, format_)
    if made.instead_of_onnx is not None:
        say(f"No ONNX file ({made.instead_of_onnx}); a NumPy archive instead")
    compared = f"raw actions within {made.difference:.0e} of the run's on {COMPARED_SLOTS} slots"
    say(f"{out}: {made.file}, runner.py, cell.json; {compared}")
