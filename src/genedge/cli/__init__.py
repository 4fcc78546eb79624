"""The command line. Nothing is imported here but what hears interruptions: the verbs come once they are heard."""

import io
import os
import sys

from genedge import interruption
from genedge.cli.streams import mend_streams, told_in_a_line
from genedge.errors import InputError
from genedge.files import remove_unfinished
from genedge.text import shown

__all__ = ["main", "run"]


def main() -> None:
    """The program: runs the command line in a process of its own, which can be interrupted at any moment."""
    try:
        mend_streams()
        interruption.listen()
        status = run()
        interruption.ends(status)
    except KeyboardInterrupt:  # In the midst of what `run` says at the end, or before it began.
        status = _told(*_interrupted())
        interruption.ends(status)
    sys.exit(status)


def run() -> int:
    """Runs the command line in this process; what the user can mend is told in one message, never a traceback.

    Returns:
        The status: 0 if all went well, 1 if whoever reads the output has seen enough, 2 if something must be
        mended, `interruption.STATUS` after an interruption.
    """
    interruption.starts()
    if sys.stdout is None:
        return _told(2, "standard output is closed; send it to a file, or to /dev/null")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where the terminal has no Greek letters, it shows question marks.
        sys.stdout.reconfigure(errors="replace")
    status, message = 0, ""
    try:
        status, message = _outcome()
    except BaseException:
        # What an interruption is turned into on its way, by libraries that it surprises, is still an interruption.
        if not interruption.asked():
            raise
    try:
        # While somebody can still be told that it failed.
        print(end="", flush=True)
    except OSError as e:
        # The output takes no more; keep Python from trying again while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not message:
            status, message = _of_output(e)
    if interruption.asked():
        status, message = _interrupted()
    return _told(status, message)


def _outcome() -> tuple[int, str]:
    """Does the work; the status, and what to say of it."""
    try:
        from genedge.cli.commands import app

        with told_in_a_line():
            app()
    except InputError as e:
        return 2, str(e)
    except OSError as e:
        return (2, f"{e.filename}: {e.strerror or e}") if e.filename is not None else _of_output(e)
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as e:
        if e.code == 130:  # So typer turns an interruption into an exit, without a word.
            return _interrupted()
        return (e.code if isinstance(e.code, int) else int(e.code is not None)), ""
    except Exception as e:
        # JAX says it so; to name its error would import it.
        if isinstance(e, MemoryError) or (isinstance(e, RuntimeError) and str(e).startswith("RESOURCE_EXHAUSTED")):
            of = "slots, episodes, users or models, or a smaller batch or population"
            return 2, f"out of memory; ask for fewer {of}"
        if _kept_jax_from_starting(e):
            return 2, f"JAX does not start: {e}; mend or unset the environment variable"
        raise
    return 0, ""


def _kept_jax_from_starting(e: Exception) -> bool:
    """Whether it was raised while JAX was imported, as of JAX_ENABLE_X64=maybe."""
    import traceback

    frames = (frame for frame, _ in traceback.walk_tb(e.__traceback__))
    return "jax" not in sys.modules and any(frame.f_globals.get("__name__") == "jax" for frame in frames)


def _of_output(e: OSError) -> tuple[int, str]:
    # Whoever read it has seen enough; typer does the same in the midst of longer outputs.
    return (1, "") if isinstance(e, BrokenPipeError) else (2, f"output: {e.strerror or e}")


def _interrupted() -> tuple[int, str]:
    remove_unfinished()
    return interruption.STATUS, interruption.told()


def _told(status: int, message: str) -> int:
    if message:
        print(f"genedge: {shown(message)}", file=sys.stderr)
    return status
