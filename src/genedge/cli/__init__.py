"""The command line: one file a verb. Nothing heavy is imported until a verb runs."""

import io
import os
import sys

from genedge.cli.app import app
from genedge.cli.verbs import (
    cite,
    decide,
    demo,
    evaluate,
    export,
    paper,
    replay,
    runs,
    scenario,
    score,
    slots,
    trace,
    train,
    watch,
)
from genedge.errors import InputError
from genedge.text import shown

__all__ = ["main"]

for verb in (
    scenario,
    slots,
    decide,
    score,
    train,
    runs,
    evaluate,
    watch,
    paper,
    trace,
    replay,
    export,
    demo,
    cite,
):
    verb.register(app)


def main() -> None:
    """Runs the command line; what the user can mend ends with one message and status 2, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where the terminal has no Greek letters, it shows question marks.
        sys.stdout.reconfigure(errors="replace")
    try:
        try:
            app()
        finally:
            # While somebody can still be told that it failed.
            print(end="", flush=True)
    except InputError as e:
        _stop(str(e))
    except OSError as e:
        if e.filename is not None:
            _stop(f"{e.filename}: {e.strerror or e}")
        # The output takes no more; keep Python from trying again while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(e, BrokenPipeError):
            sys.exit(1)  # Whoever read it has seen enough; typer does the same in the midst of longer outputs.
        _stop(f"output: {e.strerror or e}")
    except SystemExit as e:
        if e.code == 130:  # So typer turns Ctrl-C into an exit, without a word.
            _stop("interrupted")
        raise
    except (MemoryError, RuntimeError) as e:
        # JAX says it so; to name its error would import it.
        if isinstance(e, RuntimeError) and not str(e).startswith("RESOURCE_EXHAUSTED"):
            raise
        _stop("out of memory; ask for fewer slots, episodes, users or models, or a smaller batch or population")


def _stop(message: str) -> None:
    print(f"genedge: {shown(message)}", file=sys.stderr)
    sys.exit(2)
