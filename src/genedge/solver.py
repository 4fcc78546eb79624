"""The solver of linear and integer programmes."""

import os
import sys

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
