"""The figure of an evaluation: dots at one number of users, lines over several; of a box also what was held."""

from collections.abc import Mapping

from genedge.draw.boxes import timelines
from genedge.draw.canvas import Figure
from genedge.draw.cells import over_users_figure
from genedge.draw.dots import dots_figure
from genedge.evaluation.box_results import BoxEvaluation
from genedge.results import Results


def evaluation_figure(results: Results, labels: Mapping[str, str]) -> Figure:
    """Draws an evaluation.

    Args:
        results: of cells or of a box.
        labels: how to call policies; others are called by their names.
    """
    if isinstance(results, BoxEvaluation):
        return dots_figure(results, labels, timelines(results))
    if len(results.users) > 1:
        return over_users_figure(results, labels)
    return dots_figure(results, labels)
