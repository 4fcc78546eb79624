"""The figure of an evaluation on a box: what policies cost, and what they held in one episode."""

from pathlib import Path

import numpy as np

from genedge.draw.canvas import OPEN, Axes, Figure, Line2D, ListedColormap, Patch, named, style, write_figure
from genedge.draw.palette import PALETTE
from genedge.evaluation.boxes import BoxEvaluation, Result

PANELS = {
    "utility": "utility of a slot\n(lower is better)",
    "delay_s": "mean delay [s]\n(lower is better)",
    "hit_ratio": "requests that the box serves\n(share; higher is better)",
    "loads_per_hour": "loads per hour\n(lower is better)",
}
LOOK = {**OPEN, "font.size": 9}
ABSENT, LOADING, SERVING = "#FFFFFF", "#E69F00", "#A6CEE3"


def draw_boxes(evaluation: BoxEvaluation, path: Path) -> None:
    """Draws cost, delay, hits and loads side by side, and below what each policy held in the first episode.

    Args:
        evaluation: the results.
        path: file to write, in the format that its suffix says.
    """
    results = evaluation.results
    models = len(evaluation.scenario.models)
    strip = 0.5 + 0.13 * models
    with style(LOOK):
        height = 1.6 + 0.28 * len(results)
        figure = Figure(figsize=(10, height + strip * len(results) + 0.9), layout="constrained")
        grid = figure.add_gridspec(1 + len(results), len(PANELS), height_ratios=[height, *[strip] * len(results)])
        for i, metric in enumerate(PANELS):
            _panel(figure.add_subplot(grid[0, i]), evaluation, metric, first=i == 0)
        for row, result in enumerate(results):
            axes = figure.add_subplot(grid[1 + row, :])
            _timeline(axes, result, last=row == len(results) - 1)
        figure.legend(
            handles=[
                Patch(facecolor=SERVING, edgecolor="grey", label="loaded"),
                Patch(facecolor=LOADING, edgecolor="grey", label="loading"),
                Patch(facecolor=ABSENT, edgecolor="grey", label="not held"),
                Line2D([], [], ls="", marker="o", color="black", label="requests, served by the box"),
                Line2D([], [], ls="", marker="o", mfc="none", color="black", label="requests, sent to the cloud"),
            ],
            loc="outside lower center",
            ncols=5,
            frameon=False,
        )
        bound = "the optimum" if evaluation.exact else "a lower bound"
        known = "" if evaluation.optimum is None else f"; utility in expectation, dashed: {bound}"
        figure.suptitle(
            f"{named(evaluation.scenario.name)}, {evaluation.users} users: mean and 95 % interval over "
            f"{evaluation.episodes} episodes{known}",
            fontsize=10,
        )
        write_figure(figure, path, LOOK)


def _panel(axes: Axes, evaluation: BoxEvaluation, metric: str, first: bool) -> None:
    results, expected = evaluation.results, metric == "utility" and evaluation.optimum is not None
    for y, result in enumerate(results):
        value = evaluation.expected(result) if expected else evaluation.value(result, metric)
        colour = PALETTE[y % len(PALETTE)]
        if np.isfinite(value.low):
            axes.plot([value.low, value.high], [y, y], color=colour, lw=2, solid_capstyle="butt")
        axes.scatter([value.mean], [y], color=colour, s=36, zorder=3)
        axes.annotate(
            f"{value.mean:{'.2f' if metric == 'hit_ratio' else '.1f'}}",
            (value.mean, y),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        ).set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
    if expected and evaluation.optimum is not None:
        axes.axvline(evaluation.optimum, color="black", ls="--", lw=1.2)
    axes.grid(alpha=0.3, axis="y")
    axes.set_yticks(range(len(results)), [named(result.policy) for result in results] if first else [])
    axes.set_ylim(len(results) - 0.5, -0.8)
    axes.set_xlabel(PANELS[metric])
    axes.margins(x=0.2)


def _timeline(axes: Axes, result: Result, last: bool) -> None:
    slots, memory = result.slots, result.slots.memory
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
    by_box = (asked & np.asarray(result.outcome.hit)[..., None]).sum(axis=1)
    for counts, face in ((by_box, "black"), (asked.sum(axis=1) - by_box, "none")):
        at, of = np.nonzero(counts)
        shift = -0.18 if face == "black" else 0.18
        axes.scatter(at + shift, of, s=4 * counts[at, of], facecolors=face, edgecolors="black", linewidths=0.5)
    axes.set_yticks(range(models), [str(m) for m in range(models)], fontsize=7)
    axes.set_ylabel(named(result.policy), rotation=0, ha="right", va="center", labelpad=14)
    axes.set_xlim(-0.5, T - 0.5)
    for m in range(1, models):
        axes.axhline(m - 0.5, color="#DDDDDD", lw=0.5)
    if last:
        axes.set_xlabel("slot of the first episode; rows: models by number, circles: size by number of requests")
    else:
        axes.set_xticklabels([])
