"""The figure of results: a panel for each metric, in it a dot for each policy and a line for each level."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from genedge.draw.canvas import Axes, Figure, Line2D, Patch, in_figure, style, width_in
from genedge.draw.fit import AS_USUAL, Fit, columns_of, in_lines
from genedge.draw.palette import GRID, PALETTE
from genedge.results import Results

# Of most letters [pt], of the numbers beside dots, and of the title.
FONT_PT, SMALL_PT, TITLE_PT = 9.0, 8.0, 10.0
WIDTH_IN = 10.0
# Between panels, for the numbers at their borders [inch].
GAP_IN = 0.25
# Of a legend in one line.
MOST_COLUMNS = 5
# Of the levels, in their order; the first is black as no policy is.
LEVEL_STYLES: Sequence[Mapping[str, Any]] = (
    {"color": "black", "ls": "--", "lw": 1.2},
    {"color": "black", "ls": ":", "lw": 1.6},
    {"color": "#777777", "ls": "-.", "lw": 1.2},
)


class Below(NamedTuple):
    """Pictures below the dots, each as wide as the figure.

    Attributes:
        heights_in: of each [inch].
        draw: draws them, given the axes of each.
        legend: what their symbols mean.
    """

    heights_in: Sequence[float]
    draw: Callable[[Sequence[Axes]], None]
    legend: Sequence[Patch | Line2D]


NOTHING = Below((), lambda axes: None, ())


def dots_figure(results: Results, below: Below = NOTHING, fit: Fit = AS_USUAL) -> Figure:
    """Draws each policy's values as dots with their intervals, beside the levels.

    Args:
        results: at one number of users, or of a trace.
        below: what stands under the dots.
        fit: the room it has; panels that do not fit side by side stand one above the other.
    """
    (users,) = {row.users for row in results.rows}
    levels, styles = results.levels_at(users), level_styles(results)
    # By place and not by name: two names may look alike.
    names = [in_figure(row.policy) for row in results.rows]
    width, pt = fit.width(WIDTH_IN), fit.pt(FONT_PT)
    room_in = width - max(width_in(name, pt) for name in names)
    across = _across(results, room_in, pt)
    down = ceil(len(results.panels) / across)
    dots_in = (1.6 + 0.28 * len(results.rows)) * pt / FONT_PT
    title = in_lines(results.title(in_figure), 0.96 * width, fit.pt(TITLE_PT))
    with style(fit.look(FONT_PT)):
        legend = [*(Line2D([], [], label=name, **line) for name, line in styles.items()), *below.legend]
        columns = (
            columns_of([str(handle.get_label()) for handle in legend], width, pt, MOST_COLUMNS) if legend else 1
        )
        lines = max(ceil(len(legend) / columns) - 2, 0) + title.count("\n") * fit.title
        heights = [*[dots_in] * down, *below.heights_in]
        height_in = sum(heights) + (0.7 if legend else 0.4) + 1.6 * lines * pt / 72
        figure = Figure(figsize=(width, height_in), layout="constrained")
        grid = figure.add_gridspec(len(heights), across, height_ratios=heights)
        for i, metric in enumerate(results.panels):
            axes = figure.add_subplot(grid[i // across, i % across])
            _panel(axes, results, metric, fit, room_in / across - GAP_IN)
            for name, line in styles.items():
                if metric in levels[name]:
                    axes.axvline(levels[name][metric].mean, label=name, **line)
            axes.set_yticks(range(len(names)), [""] * len(names) if i % across else names)
        below.draw([figure.add_subplot(grid[down + i, :]) for i in range(len(below.heights_in))])
        if legend:
            figure.legend(handles=legend, loc="outside lower center", ncols=columns, frameon=False)
        if fit.title:
            figure.suptitle(title, fontsize=fit.pt(TITLE_PT))
    return figure


def _across(results: Results, room_in: float, pt: float) -> int:
    """How many panels stand side by side: as many as their labels have room for beside the names."""
    panels = len(results.panels)
    labels = [line for metric in results.panels for line in results.axis(metric).split("\n")]
    least_in = GAP_IN + max(width_in(label, pt) for label in labels)
    most = min(max(int(room_in / least_in), 1), panels)
    return ceil(panels / ceil(panels / most))


def level_styles(results: Results) -> dict[str, Mapping[str, Any]]:
    """How the levels of what the panels show are drawn, by name.

    Args:
        results: with their levels.
    """
    names = dict.fromkeys(level.name for level in results.levels if level.drawn and level.metric in results.panels)
    return {name: LEVEL_STYLES[i % len(LEVEL_STYLES)] for i, name in enumerate(names)}


def _panel(axes: Axes, results: Results, metric: str, fit: Fit, panel_in: float) -> None:
    widest_in = 0.0
    for y, row in enumerate(results.rows):
        value = row.value(metric)
        if np.isnan(value.mean):
            continue
        colour = PALETTE[y % len(PALETTE)]
        if np.isfinite(value.low):
            axes.plot([value.low, value.high], [y, y], color=colour, lw=2, solid_capstyle="butt")
        axes.scatter([value.mean], [y], color=colour, s=36, zorder=3)
        told = f"{value.mean:{results.metrics[metric].digits}}"
        widest_in = max(widest_in, width_in(told, fit.pt(SMALL_PT)))
        number = axes.annotate(
            told,
            (value.mean, y),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=fit.pt(SMALL_PT),
            zorder=2.5,
        )
        number.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    axes.grid(color=GRID, axis="y")
    axes.set_ylim(len(results.rows) - 0.5, -0.8)
    axes.set_xlabel(results.axis(metric))
    # So that the numbers of the outermost dots do not leave it.
    share = min(0.5 * widest_in / panel_in, 0.4) if panel_in > 0 else 0.0
    axes.margins(x=max(0.2, share / (1 - 2 * share)))
