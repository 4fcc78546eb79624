"""The figure of a replay through a box with a queue: what schedulers cost, and of what the delay is made."""

from collections.abc import Sequence

import numpy as np

from genedge.draw.canvas import Axes, Figure, Patch, in_figure
from genedge.draw.dots import SMALL_PT, WIDTH_IN, Below, dots_figure
from genedge.draw.fit import AS_USUAL, LEAST_BESIDE_IN, Fit
from genedge.draw.palette import GRID, PALETTE
from genedge.replay.queued import PARTS, Queued

# By colour and, in print, by hatching.
HATCHES = ("", "//", "..", "xx", "\\\\")


def queued_figure(results: Queued, fit: Fit = AS_USUAL) -> Figure:
    """Draws what each scheduler costs as dots, and its mean delay taken apart as a bar below.

    Args:
        results: of a replay through a box.
        fit: the room it has; where there is none beside the bars, their parts are named under the figure.
    """
    narrow = fit.width(WIDTH_IN) < LEAST_BESIDE_IN
    handles = [
        Patch(
            facecolor=PALETTE[i % len(PALETTE)],
            hatch=HATCHES[i],
            edgecolor="white",
            label=results.metrics[part].name,
        )
        for i, part in enumerate(PARTS)
    ]

    def draw(panels: Sequence[Axes]) -> None:
        _taken_apart(panels[0], results)
        if not narrow:
            panels[0].legend(
                handles=handles,
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                frameon=False,
                fontsize=fit.pt(SMALL_PT),
            )

    height_in = 1.0 + 0.28 * len(results.rows)
    return dots_figure(results, Below([height_in], draw, handles if narrow else ()), fit)


def _taken_apart(axes: Axes, results: Queued) -> None:
    names = [row.policy for row in results.rows]
    left = np.zeros(len(names))
    for i, part in enumerate(PARTS):
        values = np.array([row.value(part).mean for row in results.rows])
        axes.barh(
            range(len(names)),
            values,
            0.7,
            left,
            color=PALETTE[i % len(PALETTE)],
            hatch=HATCHES[i],
            edgecolor="white",
            linewidth=0.3,
        )
        left += values
    axes.set(xlabel="mean delay taken apart [s]", xlim=(0, None))
    axes.set_yticks(range(len(names)), [in_figure(name) for name in names])
    axes.invert_yaxis()
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=GRID)
