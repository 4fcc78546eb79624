"""What policies held on a box in the first episode of an evaluation, slot by slot, and what was asked for."""

from collections.abc import Sequence

import numpy as np

from genedge.draw.canvas import Axes, Line2D, ListedColormap, Patch, in_figure
from genedge.draw.dots import FONT_PT, WIDTH_IN, Below
from genedge.draw.fit import Fit, in_lines
from genedge.evaluation.box_results import BoxEvaluation, FirstEpisode
from genedge.text import in_brief

# Of the models' names [pt], which are cut where they are long.
TINY_PT, LONGEST = 7.0, 14
ABSENT, LOADING, SERVING = "#FFFFFF", "#E69F00", "#A6CEE3"


def timelines(evaluation: BoxEvaluation, fit: Fit) -> Below:
    """A timeline of each policy, to stand below the dots.

    Args:
        evaluation: the results.
        fit: the room that the figure has.
    """
    pt = fit.pt(FONT_PT)
    # Below the last one there are its labels; in letters of the usual size a model has 0.13 inches.
    strip_in = (0.5 + 0.13 * len(evaluation.scenario.models)) * fit.pt(TINY_PT) / TINY_PT
    told = "slot of the first episode; rows: models, circles: size by number of requests"
    names = [in_figure(in_brief(name, LONGEST)) for name in evaluation.scenario.model_names]

    def draw(panels: Sequence[Axes]) -> None:
        for axes, policy in zip(panels, evaluation.policies, strict=True):
            _timeline(axes, policy, evaluation.first[policy], fit)
            axes.set_yticks(range(len(names)), names, fontsize=fit.pt(TINY_PT))
        for axes in panels[:-1]:
            axes.set_xticklabels([])
        panels[-1].set_xlabel(in_lines(told, 0.7 * fit.width(WIDTH_IN), pt))

    legend = (
        Patch(facecolor=SERVING, edgecolor="grey", label="loaded"),
        Patch(facecolor=LOADING, edgecolor="grey", label="loading"),
        Patch(facecolor=ABSENT, edgecolor="grey", label="not held"),
        Line2D([], [], ls="", marker="o", color="black", label="requests, served by the box"),
        Line2D([], [], ls="", marker="o", mfc="none", color="black", label="requests, sent to the cloud"),
    )
    return Below([strip_in] * len(evaluation.rows), draw, legend)


def _timeline(axes: Axes, policy: str, first: FirstEpisode, fit: Fit) -> None:
    slots, memory = first.slots, first.slots.memory
    assert memory is not None
    held, loaded = np.asarray(memory.held), np.asarray(memory.held & (memory.wait == 0))
    T, models = held.shape
    # Where the cache is decided when the requests are known, what began in the slot itself shows from the next on.
    state = np.where(loaded, 2, np.where(held, 1, 0)).T
    axes.imshow(
        state,
        cmap=ListedColormap([ABSENT, LOADING, SERVING]),
        vmin=0,
        vmax=2,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, T - 0.5, models - 0.5, -0.5),
    )
    asked = np.asarray(slots.requests)[..., None] == np.arange(models)
    asked = asked & np.asarray(slots.active)[..., None]
    by_box = (asked & np.asarray(first.outcome.hit)[..., None]).sum(axis=1)
    for counts, face in ((by_box, "black"), (asked.sum(axis=1) - by_box, "none")):
        at, of = np.nonzero(counts)
        shift = -0.18 if face == "black" else 0.18
        axes.scatter(at + shift, of, s=4 * counts[at, of], facecolors=face, edgecolors="black", linewidths=0.5)
    axes.set_ylabel(in_figure(policy), rotation=0, ha="right", va="center", labelpad=14)
    axes.set_xlim(-0.5, T - 0.5)
    for m in range(1, models):
        axes.axhline(m - 0.5, color="#DDDDDD", lw=0.5)
