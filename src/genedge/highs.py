"""The solver of linear and integer programmes."""

import os
import sys
from collections.abc import Callable

import highspy


def quiet_solver() -> highspy.Highs:
    """A solver that prints nothing; a process's first greets on standard output, whatever its options say."""
    sys.stdout.flush()
    stdout, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        solver = highspy.Highs()
        solver.silent()
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(nowhere)
    return solver


def run_watched(solver: highspy.Highs, report: Callable[[int], None]) -> None:
    """Runs a solver in a thread of its own, so that the interpreter goes on: Ctrl-C ends it at once.

    Args:
        solver: with a linear programme.
        report: told a few times a second how many steps the simplex method has made; what it raises ends the run.
    """
    steps = 0

    def count(event: highspy.HighsCallbackEvent) -> None:
        nonlocal steps
        steps = event.data_out.simplex_iteration_count

    solver.HandleUserInterrupt = True
    solver.cbSimplexInterrupt += count
    solver.startSolve()
    try:
        while not solver.wait(0.2)[0]:
            report(steps)
    except BaseException:
        solver.cancelSolve()
        solver.wait(4.0)  # It looks up between two steps, but not while it simplifies the programme.
        raise
