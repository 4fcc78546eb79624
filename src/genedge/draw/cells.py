"""Figures: for print and for the colour-blind, every axis with its unit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genedge.draw.canvas import Figure, named, style, write_figure
from genedge.draw.palette import COLOURS, DASHES, MARKERS
from genedge.evaluation.cells import Evaluation

PANELS = {
    "utility": "total utility of a slot, Eq. (15)\n(lower is better)",
    "hit_ratio": "model hit ratio\n(requests served from the cache)",
    "delay_s": "mean delay [s]\n(lower is better)",
    "tv": "mean TV of the images\n(lower is better)",
}


@style()
def draw_learning_curves(
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    levels: Mapping[str, float],
    title: str,
    note: str,
    path: Path,
) -> None:
    """Draws the evaluated reward over episodes, beside what other policies earn; of a single run also the explored.

    Args:
        curves: runs' metrics by what to call them.
        levels: mean utility of a slot by policy, drawn as lines.
        title: what was trained on what.
        note: on which slots the curves and the lines were measured.
        path: file to write, in the format that its suffix says.
    """
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    alone = len(curves) == 1
    for i, (name, rows) in enumerate(curves.items()):
        episode, hue, label = [row["episode"] for row in rows], i % len(COLOURS), named(name)
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
        axes.axhline(-utility, color=COLOURS[hue], ls=DASHES[hue], lw=1.2, label=named(name))
    axes.set(xlabel=f"episode\n({note})", ylabel="mean reward of a slot, −Σ Uₙ", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    write_figure(figure, path)


@style()
def draw_comparison(evaluation: Evaluation, labels: Mapping[str, str], path: Path) -> None:
    """Draws utility, hit ratio, delay and TV over the number of users, with 95 % intervals.

    Args:
        evaluation: the results.
        labels: how to call each policy in the legend.
        path: file to write, in the format that its suffix says.
    """
    figure = Figure(figsize=(9, 6.6), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True)
    users = evaluation.users
    for axes, (metric, label) in zip(grid.flat, PANELS.items(), strict=True):
        for i, policy in enumerate(evaluation.policies):
            values = [evaluation.value(policy, n, metric) for n in users]
            error = [[v.mean - v.low for v in values], [v.high - v.mean for v in values]]
            hue = i % len(COLOURS)
            axes.errorbar(
                users,
                [v.mean for v in values],
                yerr=error,
                color=COLOURS[hue],
                marker=MARKERS[hue],
                ls=DASHES[hue],
                ms=5,
                lw=1.3,
                capsize=2,
                label=named(labels.get(policy, policy)),
            )
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.set_xticks(users)
    for axes in grid[1]:
        axes.set_xlabel("number of users")
    scenario = evaluation.scenario
    figure.suptitle(
        f"scenario {named(scenario.name)}, {evaluation.episodes} episodes of "
        f"{scenario.settings.cell.slots_per_episode} slots each, 95 % intervals",
        fontsize=10,
    )
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    write_figure(figure, path)


@style()
def draw_policies(evaluation: Evaluation, labels: Mapping[str, str], path: Path) -> None:
    """Draws utility, hit ratio, delay and TV of each policy at one number of users, with 95 % intervals.

    Args:
        evaluation: the results, at one number of users.
        labels: how to call each policy.
        path: file to write, in the format that its suffix says.
    """
    (users,) = evaluation.users
    places = range(len(evaluation.policies))
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    grid = figure.subplots(2, 2, sharey=True)
    for axes, (metric, label) in zip(grid.flat, PANELS.items(), strict=True):
        values = [evaluation.value(policy, users, metric) for policy in evaluation.policies]
        colours = [COLOURS[i % len(COLOURS)] for i in range(len(values))]
        error = [[v.mean - v.low for v in values], [v.high - v.mean for v in values]]
        bars = axes.barh(
            places, [v.mean for v in values], xerr=error, color=colours, error_kw={"capsize": 3, "lw": 1}
        )
        digits = "%.3f" if metric == "hit_ratio" else "%.1f"
        axes.bar_label(bars, fmt=digits, label_type="center", color="white", fontsize=8, fontweight="bold")
        axes.set_xlabel(label)
        axes.grid(alpha=0.3, axis="x")
        axes.set_axisbelow(True)
    # By place and not by name: two names may look alike.
    grid[0, 0].set_yticks(places, [named(labels.get(policy, policy)) for policy in evaluation.policies])
    grid[0, 0].invert_yaxis()
    figure.suptitle(
        f"scenario {named(evaluation.scenario.name)}, {users} users, {evaluation.episodes} episodes of "
        f"{evaluation.scenario.settings.cell.slots_per_episode} slots, 95 % intervals",
        fontsize=10,
    )
    write_figure(figure, path)
