"""Figures: for print and for the colour-blind, every axis with its unit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from genedge.files import whole_file
from genedge.palette import COLOURS, DASHES, MARKERS
from genedge.study.evaluate import Evaluation

PANELS = {
    "utility": "total utility of a slot, Eq. (15)\n(lower is better)",
    "hit_ratio": "model hit ratio\n(requests served from the cache)",
    "delay_s": "mean delay [s]\n(lower is better)",
    "tv": "mean TV of the images\n(lower is better)",
}


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
        path: PNG to write.
    """
    figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
    alone = len(curves) == 1
    for i, (name, rows) in enumerate(curves.items()):
        episode, style = [row["episode"] for row in rows], i % len(COLOURS)
        if alone:
            explored = [row["reward"] for row in rows]
            axes.plot(episode, explored, color="#7F7F7F", lw=1, label=f"{name}, exploring")
        axes.plot(
            episode,
            [-row["evaluated_utility"] for row in rows],
            color=COLOURS[style],
            ls=DASHES[style],
            lw=1.8,
            label=f"{name}, evaluated" if alone else name,
        )
    for i, (name, utility) in enumerate(levels.items(), len(curves)):
        style = i % len(COLOURS)
        axes.axhline(-utility, color=COLOURS[style], ls=DASHES[style], lw=1.2, label=name)
    axes.set(xlabel=f"episode\n({note})", ylabel="mean reward of a slot, −Σ U$_n$", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    _write(figure, path)


def draw_comparison(evaluation: Evaluation, labels: Mapping[str, str], path: Path) -> None:
    """Draws utility, hit ratio, delay and TV over the number of users, with 95 % intervals.

    Args:
        evaluation: the results.
        labels: how to call each policy in the legend.
        path: PNG to write.
    """
    figure, grid = plt.subplots(2, 2, figsize=(9, 6.6), layout="constrained", sharex=True)
    users = evaluation.users
    for axes, (metric, label) in zip(grid.flat, PANELS.items(), strict=True):
        for i, policy in enumerate(evaluation.policies):
            values = [evaluation.value(policy, n, metric) for n in users]
            error = [[v.mean - v.low for v in values], [v.high - v.mean for v in values]]
            style = i % len(COLOURS)
            axes.errorbar(
                users,
                [v.mean for v in values],
                yerr=error,
                color=COLOURS[style],
                marker=MARKERS[style],
                ls=DASHES[style],
                ms=5,
                lw=1.3,
                capsize=2,
                label=labels.get(policy, policy),
            )
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.set_xticks(users)
    for axes in grid[1]:
        axes.set_xlabel("number of users")
    scenario = evaluation.scenario
    figure.suptitle(
        f"scenario {scenario.name}, {evaluation.episodes} episodes of "
        f"{scenario.settings.cell.slots_per_episode} slots each, 95 % intervals",
        fontsize=10,
    )
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    _write(figure, path)


def draw_policies(evaluation: Evaluation, labels: Mapping[str, str], path: Path) -> None:
    """Draws utility, hit ratio, delay and TV of each policy at one number of users, with 95 % intervals.

    Args:
        evaluation: the results, at one number of users.
        labels: how to call each policy.
        path: PNG to write.
    """
    (users,) = evaluation.users
    names = [labels.get(policy, policy) for policy in evaluation.policies]
    figure, grid = plt.subplots(2, 2, figsize=(9, 5.6), layout="constrained", sharey=True)
    for axes, (metric, label) in zip(grid.flat, PANELS.items(), strict=True):
        values = [evaluation.value(policy, users, metric) for policy in evaluation.policies]
        colours = [COLOURS[i % len(COLOURS)] for i in range(len(values))]
        error = [[v.mean - v.low for v in values], [v.high - v.mean for v in values]]
        bars = axes.barh(
            names, [v.mean for v in values], xerr=error, color=colours, error_kw={"capsize": 3, "lw": 1}
        )
        digits = "%.3f" if metric == "hit_ratio" else "%.1f"
        axes.bar_label(bars, fmt=digits, label_type="center", color="white", fontsize=8, fontweight="bold")
        axes.set_xlabel(label)
        axes.grid(alpha=0.3, axis="x")
        axes.set_axisbelow(True)
    grid[0, 0].invert_yaxis()
    figure.suptitle(
        f"scenario {evaluation.scenario.name}, {users} users, {evaluation.episodes} episodes of "
        f"{evaluation.scenario.settings.cell.slots_per_episode} slots, 95 % intervals",
        fontsize=10,
    )
    _write(figure, path)


def _write(figure: Figure, path: Path) -> None:
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=150)
    plt.close(figure)
