"""Figures of cells: rewards while learning, and policies over the number of users."""

from collections.abc import Mapping, Sequence
from typing import Any

from genedge.draw.canvas import Axes, Figure, in_figure, style
from genedge.draw.dots import LOOK, level_styles
from genedge.draw.palette import COLOURS, DASHES, MARKERS, PALETTE
from genedge.results import Results


@style(LOOK)
def learning_figure(
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    levels: Mapping[str, float],
    title: str,
    note: str,
) -> Figure:
    """Draws the evaluated reward over episodes, beside what other policies earn; of a single run also the explored.

    Args:
        curves: runs' metrics by what to call them.
        levels: mean utility of a slot by policy, drawn as lines.
        title: what was trained on what.
        note: on which slots the curves and the lines were measured.
    """
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
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
    for i, (name, utility) in enumerate(levels.items(), len(curves)):
        hue = i % len(COLOURS)
        axes.axhline(-utility, color=COLOURS[hue], ls=DASHES[hue], lw=1.2, label=in_figure(name))
    axes.set(xlabel=f"episode\n({note})", ylabel="mean reward of a slot, −Σ Uₙ", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def over_users_figure(results: Results, labels: Mapping[str, str]) -> Figure:
    """Draws metrics over the number of users, with 95 % intervals.

    Args:
        results: of cells.
        labels: how to call policies in the legend; others are called by their names.
    """
    with style(LOOK):
        figure = Figure(figsize=(9, 6.6), layout="constrained")
        grid = figure.subplots(2, 2, sharex=True)
        for axes, metric in zip(grid.flat, results.panels, strict=True):
            for i, policy in enumerate(results.policies):
                _over_users(axes, results, policy, metric, i, in_figure(labels.get(policy, policy)))
            for name, line in level_styles(results).items():
                values = [results.levels_at(users)[name] for users in results.users]
                if metric in values[0]:
                    axes.plot(results.users, [value[metric].mean for value in values], label=name, **line)
            axes.set_ylabel(results.axis(metric))
            axes.grid(alpha=0.3)
            axes.set_xticks(results.users)
        for axes in grid[1]:
            axes.set_xlabel("number of users")
        figure.suptitle(results.title(in_figure), fontsize=10)
        handles, names = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _over_users(axes: Axes, results: Results, policy: str, metric: str, number: int, label: str) -> None:
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
        label=label,
    )
