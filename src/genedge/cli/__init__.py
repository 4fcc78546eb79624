"""The command line: one file a verb. Nothing heavy is imported until a verb runs."""

import os
import sys

from genedge.cli.app import app
from genedge.cli.verbs import decide, demo, evaluate, scenario, score, slots, train
from genedge.errors import InputError

__all__ = ["main"]

for verb in (scenario, slots, decide, score, train, evaluate, demo):
    verb.register(app)


def main() -> None:
    """Runs the command line; what the user can mend ends with one message and status 2, never a traceback."""
    try:
        app()
    except InputError as e:
        _stop(str(e))
    except KeyboardInterrupt:
        _stop("interrupted")
    except BrokenPipeError:
        # Whoever read the output has seen enough; keep Python from complaining while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as e:
        _stop(f"{e.filename or 'output'}: {e.strerror or e}")
    except MemoryError:
        _stop("out of memory; ask for fewer slots, episodes or users")


def _stop(message: str) -> None:
    print(f"genedge: {message}", file=sys.stderr)
    sys.exit(2)
