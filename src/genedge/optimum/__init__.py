"""The certified optimum of every slot."""

from genedge.optimum.certificate import Certificate, certify
from genedge.optimum.solve import Solved, solve_optimal, solve_priced

__all__ = ["Certificate", "Solved", "certify", "solve_optimal", "solve_priced"]
