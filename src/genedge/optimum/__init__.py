"""The certified optimum of every slot."""

from genedge.optimum.certificate import Certificate, certify, objective, radio_cost
from genedge.optimum.solve import Solved, solve_best, solve_optimal, solve_priced

__all__ = [
    "Certificate",
    "Solved",
    "certify",
    "objective",
    "radio_cost",
    "solve_best",
    "solve_optimal",
    "solve_priced",
]
