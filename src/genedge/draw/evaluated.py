"""The figure of an evaluation: dots at one number of users, lines over several; of a box also what was held."""

from genedge.draw.boxes import timelines
from genedge.draw.canvas import Figure
from genedge.draw.cells import over_users_figure
from genedge.draw.dots import dots_figure
from genedge.draw.fit import AS_USUAL, Fit
from genedge.evaluation.box_results import BoxEvaluation
from genedge.results import Results


def evaluation_figure(results: Results, fit: Fit = AS_USUAL) -> Figure:
    """Draws an evaluation.

    Args:
        results: of cells or of a box.
        fit: the room it has.
    """
    if isinstance(results, BoxEvaluation):
        return dots_figure(results, timelines(results, fit), fit)
    if len(results.users) > 1:
        return over_users_figure(results, fit)
    return dots_figure(results, fit=fit)
