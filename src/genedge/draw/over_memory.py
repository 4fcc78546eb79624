"""The figure of a replay with several amounts of memory: delays over memory, beside what nobody could go below."""

from collections.abc import Sequence
from math import ceil

import numpy as np

from genedge.draw.canvas import Axes, Figure, Line2D, LogTicks, in_figure, style
from genedge.draw.dots import FONT_PT, LEVEL_STYLES, SMALL_PT, TITLE_PT
from genedge.draw.fit import AS_USUAL, LEAST_BESIDE_IN, Fit, columns_of, in_lines
from genedge.draw.palette import DASHES, GRID, MARKERS, PALETTE
from genedge.replay.over_memory import WORTH, OverMemory
from genedge.replay.worth import LOADS, Worth
from genedge.results import Level
from genedge.statistics import Interval

WIDTH_IN = 9.0
# Axes are logarithmic where values are more than so many times apart.
FAR_APART = 10.0
# Of lines at the same amount of memory, as a share of the axis.
APART = 0.008
FEWER = "refuses some: means of the others"


def over_memory_figure(results: OverMemory, fit: Fit = AS_USUAL) -> Figure:
    """Draws the mean delay and its 95 % quantile over memory, with intervals; with prices they stand on top.

    Args:
        results: with several amounts of memory.
        fit: the room it has; in a narrow one the panels stand one above the other.
    """
    width, pt = fit.width(WIDTH_IN), fit.pt(FONT_PT)
    across = 2 if width >= LEAST_BESIDE_IN * pt / FONT_PT else 1
    down = ceil(len(results.panels) / across)
    with style(fit.look(FONT_PT)):
        figure = Figure(layout="constrained")
        maps = [] if results.worth is None else [*WORTH]
        rows = down + ceil(len(maps) / across)
        grid = figure.subplots(rows, across, squeeze=False)
        for axes, kind in zip(grid.flat[len(results.panels) :], maps, strict=True):
            _map(figure, axes, results.worth, kind, fit, 0.7 * width / across)
        for axes, metric in zip(grid.flat, results.panels, strict=False):
            _over_memory(axes, results, metric)
            axes.set_ylabel(results.axis(metric))
        handles, _ = grid[0, 0].get_legend_handles_labels()
        if len(results.comparable) < len(results.at):
            handles.append(Line2D([], [], color="black", marker="o", mfc="white", ls="", label=FEWER))
        names = [str(handle.get_label()) for handle in handles]
        columns = columns_of(names, width, pt, 4)
        figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False)
        lines = ceil(len(names) / columns) + 1
        if fit.title:
            title = in_lines(results.title(in_figure), 0.96 * width, fit.pt(TITLE_PT))
            figure.suptitle(title, fontsize=fit.pt(TITLE_PT))
            lines += title.count("\n") + 1
        panels_in = rows * max(0.36 * width * 2 / across, 2.2 * pt / FONT_PT)
        figure.set_size_inches(width, panels_in + 1.6 * lines * pt / 72)
    return figure


def _over_memory(axes: Axes, results: OverMemory, metric: str) -> None:
    amounts = list(results.at)
    far_apart = amounts[0] > 0 and amounts[-1] > FAR_APART * amounts[0]
    values = {
        name: [each.value(name, None, metric) for each in results.at.values()] for name in results.first.policies
    }
    for i, (name, some) in enumerate(values.items()):
        beside = APART * (i - (len(values) - 1) / 2)
        # Intervals at the same amount do not hide each other.
        x = [
            gb * (amounts[-1] / amounts[0]) ** beside if far_apart else gb + beside * (amounts[-1] - amounts[0])
            for gb in amounts
        ]
        _line(axes, x, some, i, in_figure(name))
        fewer = [
            value.mean if gb not in results.comparable else np.nan for gb, value in zip(amounts, some, strict=True)
        ]
        axes.plot(x, fewer, color="white", marker="o", ms=2.5, ls="", zorder=4)
    for i, (name, levels) in enumerate(_levels(results).items()):
        here = {gb: level.quantity.value for gb, level in levels.items() if level.metric == metric}
        # In both panels, so that the legend of the first has all.
        axes.plot(list(here), list(here.values()), label=name, **LEVEL_STYLES[i % len(LEVEL_STYLES)])
    if far_apart:
        axes.set_xscale("log", base=2)
    axes.set_xticks(amounts, [f"{gb:g}" for gb in amounts], minor=False)
    axes.minorticks_off()
    _scale(axes, [value for some in values.values() for value in some])
    axes.set_xlabel("memory of each GPU [GB]")
    axes.grid(color=GRID)
    if results.prices:
        top = axes.secondary_xaxis("top")
        top.set_xticks(amounts, [f"{results.prices[gb]:g}" for gb in amounts], minor=False)
        top.minorticks_off()
        top.set_xlabel("price of the memory, a month")


def _line(axes: Axes, x: Sequence[float], values: Sequence[Interval], number: int, label: str) -> None:
    means, low, high = (np.array([getattr(value, part) for value in values]) for part in Interval._fields)
    low, high = np.where(np.isfinite(low), low, means), np.where(np.isfinite(high), high, means)
    axes.errorbar(
        x,
        means,
        yerr=[means - low, high - means],
        color=PALETTE[number % len(PALETTE)],
        marker=MARKERS[number % len(MARKERS)],
        ls=DASHES[number % len(DASHES)],
        ms=5,
        lw=1.3,
        capsize=2,
        label=label,
    )


def _scale(axes: Axes, values: Sequence[Interval]) -> None:
    """Logarithmic where means are far apart; else from zero, or from where an interval ends below."""
    means = [value.mean for value in values if np.isfinite(value.mean)]
    ends = [end for value in values for end in value if np.isfinite(end)]
    if means and min(means) > 0 and max(means) > FAR_APART * min(means):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(LogTicks())
        axes.yaxis.set_minor_formatter(LogTicks())
    elif max(ends, default=0.0) > 0:
        axes.set_ylim(min(0.0, 1.08 * min(ends)), 1.08 * max(ends))


def _levels(results: OverMemory) -> dict[str, dict[float, Level]]:
    """Those that are drawn, by name and memory."""
    found: dict[str, dict[float, Level]] = {}
    for gb, each in results.at.items():
        for level in each.levels:
            if level.drawn:
                found.setdefault(level.name, {})[gb] = level
    return found


def _map(figure: Figure, axes: Axes, worth: Worth | None, kind: str, fit: Fit, room_in: float) -> None:
    """Seconds saved over memory and the time that loads take, each field with its number."""
    assert worth is not None
    amounts = worth.memory_gb
    values = np.array([[getattr(field, kind).value for field in worth.at(loads)] for loads in LOADS])
    known = values[np.isfinite(values)]
    least, most = min(float(known.min(initial=0.0)), 0.0), max(float(known.max(initial=0.0)), 1e-9)
    image = axes.imshow(values, cmap="cividis", vmin=least, vmax=most, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            shade = "black" if value > (least + most) / 2 else "white"
            axes.text(j, i, f"{value:.1f}", ha="center", va="center", color=shade, fontsize=fit.pt(SMALL_PT))
    axes.set_xticks(range(len(amounts)), [f"{gb:g}" for gb in amounts])
    axes.set_yticks(range(len(LOADS)), [f"×{loads:g}" for loads in LOADS])
    axes.set(xlabel="memory of each GPU [GB]", ylabel="time that loads take")
    told = {
        "of_deciding": f"{in_figure(worth.ours)} instead of {in_figure(worth.against)}",
        "of_caching": f"this memory instead of a model at a time, {in_figure(worth.ours)}",
    }
    axes.set_title(in_lines(told[kind], room_in, fit.pt(FONT_PT)), fontsize=fit.pt(FONT_PT))
    figure.colorbar(image, ax=axes, label="delay saved [s]")
