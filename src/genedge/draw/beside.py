"""The figure of what was predicted against what was measured: a panel for each part, a dot for each request."""

from collections.abc import Mapping
from math import ceil

import numpy as np
from jaxtyping import Float

from genedge.draw.canvas import Axes, Figure, MaxNLocator, in_figure, style
from genedge.draw.dots import FONT_PT, TITLE_PT, WIDTH_IN
from genedge.draw.fit import AS_USUAL, Fit, columns_of, in_lines
from genedge.draw.palette import GRID, MARKERS, PALETTE

PANEL_IN, MOST_ACROSS = 2.4, 4

# By panel and policy, what was predicted and what was measured, of each request.
Panels = Mapping[str, Mapping[str, tuple[Float[np.ndarray, "R"], Float[np.ndarray, "R"]]]]


def beside_figure(panels: Panels, title: str, fit: Fit = AS_USUAL) -> Figure:
    """Draws requests where prediction and measurement meet; on the line both are the same.

    Args:
        panels: what to show, by its name with its unit; the same policies in each.
        title: of the figure.
        fit: the room it has; panels that do not fit side by side stand one below the other.
    """
    width, pt = fit.width(WIDTH_IN), fit.pt(FONT_PT)
    across = max(1, min(MOST_ACROSS, int(width / PANEL_IN)))
    down = ceil(len(panels) / across)
    names = [in_figure(name) for name in next(iter(panels.values()))]
    with style(fit.look(FONT_PT)):
        figure = Figure(figsize=(width, 0.8 + width / across * 0.95 * down), layout="constrained")
        grid = list(figure.subplots(down, across, squeeze=False).flat)
        for axes, (name, policies) in zip(grid, panels.items(), strict=False):
            _panel(axes, name, names, list(policies.values()))
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        handles, labels = grid[0].get_legend_handles_labels()
        columns = columns_of(labels, width, pt, len(labels))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        for axes in grid[::across]:
            axes.set_ylabel("measured")
        for axes in grid[max(0, len(panels) - across) : len(panels)]:
            axes.set_xlabel("predicted")
        if fit.title:
            figure.suptitle(in_lines(title, 0.96 * width, fit.pt(TITLE_PT)), fontsize=fit.pt(TITLE_PT))
    return figure


def _panel(axes: Axes, name: str, names: list[str], values: list[tuple[np.ndarray, np.ndarray]]) -> None:
    most = max((float(each.max()) for both in values for each in both if len(each)), default=0.0)
    end = 1.05 * most or 1.0
    axes.plot([0, end], [0, end], color="black", lw=0.8, ls="--", zorder=1, label="as predicted")
    for i, (label, (predicted, measured)) in enumerate(zip(names, values, strict=True)):
        # Open symbols, so that those beneath are seen.
        axes.plot(
            predicted,
            measured,
            ls="",
            marker=MARKERS[i % len(MARKERS)],
            ms=4,
            mfc="none",
            mec=PALETTE[i % len(PALETTE)],
            mew=0.9,
            zorder=2,
            label=label,
        )
    axes.set(title=name, xlim=(-0.03 * end, end), ylim=(-0.03 * end, end), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4))
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
