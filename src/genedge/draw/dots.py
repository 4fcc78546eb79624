"""The figure of results: a panel for each metric, in it a dot for each policy and a line for each level."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from genedge.draw.canvas import OPEN, Axes, Figure, Line2D, Patch, in_figure, style
from genedge.draw.palette import PALETTE
from genedge.results import Results

LOOK = MappingProxyType({**OPEN, "font.size": 9})
WIDTH_IN = 10.0
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


def dots_figure(results: Results, labels: Mapping[str, str], below: Below = NOTHING) -> Figure:
    """Draws each policy's values as dots with their intervals, beside the levels.

    Args:
        results: at one number of users, or of a trace.
        labels: how to call policies; others are called by their names.
        below: what stands under the dots.
    """
    (users,) = {row.users for row in results.rows}
    levels = results.levels_at(users)
    styles = level_styles(results)
    dots_in = 1.6 + 0.28 * len(results.rows)
    with style(LOOK):
        legend = [*(Line2D([], [], label=name, **line) for name, line in styles.items()), *below.legend]
        height_in = dots_in + sum(below.heights_in) + (0.7 if legend else 0.4)
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        heights = [dots_in, *below.heights_in]
        grid = figure.add_gridspec(len(heights), len(results.panels), height_ratios=heights)
        for i, metric in enumerate(results.panels):
            axes = figure.add_subplot(grid[0, i])
            _panel(axes, results, metric)
            for name, line in styles.items():
                if metric in levels[name]:
                    axes.axvline(levels[name][metric].mean, label=name, **line)
            # By place and not by name: two names may look alike.
            names = [in_figure(labels.get(row.policy, row.policy)) for row in results.rows] if i == 0 else []
            axes.set_yticks(range(len(results.rows)), names or [""] * len(results.rows))
        below.draw([figure.add_subplot(grid[1 + i, :]) for i in range(len(below.heights_in))])
        if legend:
            columns = len(legend) if len(legend) <= MOST_COLUMNS else ceil(len(legend) / 2)
            figure.legend(handles=legend, loc="outside lower center", ncols=columns, frameon=False)
        figure.suptitle(results.title(in_figure), fontsize=10)
    return figure


def level_styles(results: Results) -> dict[str, Mapping[str, Any]]:
    """How the levels of what the panels show are drawn, by name.

    Args:
        results: with their levels.
    """
    names = dict.fromkeys(level.name for level in results.levels if level.drawn and level.metric in results.panels)
    return {name: LEVEL_STYLES[i % len(LEVEL_STYLES)] for i, name in enumerate(names)}


def _panel(axes: Axes, results: Results, metric: str) -> None:
    for y, row in enumerate(results.rows):
        value = row.value(metric)
        if np.isnan(value.mean):
            continue
        colour = PALETTE[y % len(PALETTE)]
        if np.isfinite(value.low):
            axes.plot([value.low, value.high], [y, y], color=colour, lw=2, solid_capstyle="butt")
        axes.scatter([value.mean], [y], color=colour, s=36, zorder=3)
        number = axes.annotate(
            f"{value.mean:{results.metrics[metric].digits}}",
            (value.mean, y),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            zorder=2.5,
        )
        number.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    axes.grid(alpha=0.3, axis="y")
    axes.set_ylim(len(results.rows) - 0.5, -0.8)
    axes.set_xlabel(results.axis(metric))
    axes.margins(x=0.2)
