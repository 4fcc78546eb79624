"""Figures of cells: rewards while learning, and policies over the number of users."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from genedge.draw.canvas import Axes, Figure, in_figure, style
from genedge.draw.dots import FONT_PT, MOST_COLUMNS, SMALL_PT, TITLE_PT, level_styles
from genedge.draw.fit import AS_USUAL, LEAST_BESIDE_IN, Fit, columns_of, in_lines
from genedge.draw.palette import COLOURS, DASHES, GRID, MARKERS, PALETTE
from genedge.results import Results


def learning_figure(
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    levels: Mapping[str, float],
    title: str,
    note: str,
    fit: Fit = AS_USUAL,
) -> Figure:
    """Draws the evaluated reward over episodes, beside what other policies earn; of a single run also the explored.

    Args:
        curves: runs' metrics by what to call them.
        levels: mean utility of a slot by policy, drawn as lines.
        title: what was trained on what.
        note: on which slots the curves and the lines were measured.
        fit: the room it has; where there is none beside the curves, they are named under them.
    """
    width, pt, small = fit.width(7.5), fit.pt(FONT_PT), fit.pt(SMALL_PT)
    with style(fit.look(FONT_PT)):
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        _curves(axes, curves)
        for i, (name, utility) in enumerate(levels.items(), len(curves)):
            hue = i % len(COLOURS)
            axes.axhline(-utility, color=COLOURS[hue], ls=DASHES[hue], lw=1.2, label=in_figure(name))
        axes_in = max(0.45 * width, 1.9 * pt / FONT_PT)
        note = in_lines(f"({note})", 0.75 * width, pt)
        axes.set(xlabel=f"episode\n{note}", ylabel=in_lines("mean reward of a slot, −Σ Uₙ", 0.85 * axes_in, pt))
        axes.grid(color=GRID)
        handles, names = axes.get_legend_handles_labels()
        lines = 0.0
        if width >= LEAST_BESIDE_IN:
            axes.legend(fontsize=small, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        elif handles:
            columns = columns_of(names, width, small, MOST_COLUMNS)
            lines = ceil(len(names) / columns)
            figure.legend(loc="outside lower center", ncols=columns, fontsize=small, frameon=False)
        if fit.title:
            title = in_lines(title, 0.75 * width, fit.pt(10.8))
            axes.set_title(title, fontsize=fit.pt(10.8))
        lines += 2.5 + note.count("\n") + title.count("\n") + fit.title
        figure.set_size_inches(width, axes_in + 1.6 * lines * pt / 72)
    return figure


def _curves(axes: Axes, curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    alone = len(curves) == 1
    for i, (name, rows) in enumerate(curves.items()):
        episode, hue, label = [row["episode"] for row in rows], i % len(COLOURS), in_figure(name)
        if alone:
            explored = [row["reward"] for row in rows]
            axes.plot(episode, explored, color="#7F7F7F", lw=1, label=f"{label}, exploring")
        axes.plot(
            episode,
            [-row["evaluated_utility"] for row in rows],
            color=COLOURS[hue],
            ls=DASHES[hue],
            lw=1.8,
            label=f"{label}, evaluated" if alone else label,
        )


def over_users_figure(results: Results, fit: Fit = AS_USUAL) -> Figure:
    """Draws metrics over the number of users, with 95 % intervals.

    Args:
        results: of cells.
        fit: the room it has; in a narrow one the panels stand one above the other.
    """
    width, pt = fit.width(9.0), fit.pt(FONT_PT)
    across = 2 if width >= LEAST_BESIDE_IN * pt / FONT_PT else 1
    down = ceil(len(results.panels) / across)
    with style(fit.look(FONT_PT)):
        figure = Figure(layout="constrained")
        grid = figure.subplots(down, across, sharex=True, squeeze=False)
        for axes, metric in zip(grid.flat, results.panels, strict=True):
            for i, policy in enumerate(results.policies):
                _over_users(axes, results, policy, metric, i)
            for name, line in level_styles(results).items():
                values = [results.levels_at(users)[name] for users in results.users]
                if metric in values[0]:
                    axes.plot(results.users, [value[metric].mean for value in values], label=name, **line)
            axes.set_ylabel(results.axis(metric))
            axes.grid(color=GRID)
            axes.set_xticks(results.users)
        for axes in grid[-1]:
            axes.set_xlabel("number of users")
        if fit.title:
            title = in_lines(results.title(in_figure), 0.96 * width, fit.pt(TITLE_PT))
            figure.suptitle(title, fontsize=fit.pt(TITLE_PT))
        handles, names = grid[0, 0].get_legend_handles_labels()
        columns = columns_of(names, width, pt, 4)
        figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False)
        # Panels keep their shape; the legend has what it needs.
        panels_in = down * max(0.33 * width * 2 / across, 1.7 * pt / FONT_PT)
        figure.set_size_inches(width, panels_in + 1.6 * (ceil(len(names) / columns) + 1) * pt / 72)
    return figure


def _over_users(axes: Axes, results: Results, policy: str, metric: str, number: int) -> None:
    values = [results.value(policy, users, metric) for users in results.users]
    axes.errorbar(
        results.users,
        [value.mean for value in values],
        yerr=[[value.mean - value.low for value in values], [value.high - value.mean for value in values]],
        color=PALETTE[number % len(PALETTE)],
        marker=MARKERS[number % len(MARKERS)],
        ls=DASHES[number % len(DASHES)],
        ms=5,
        lw=1.3,
        capsize=2,
        label=in_figure(policy),
    )
