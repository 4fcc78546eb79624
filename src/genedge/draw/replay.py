"""The figure of a replay: what policies cost, side by side, and how their hits add up over time."""

from pathlib import Path
from typing import Any

import numpy as np

from genedge.draw.canvas import OPEN, Axes, Figure, named, style, write_figure
from genedge.draw.palette import DASHES, PALETTE
from genedge.replay.run import Replay

PANELS = {
    "hit_ratio": "hit ratio\n(higher is better)",
    "utility": "mean utility of a request\n(lower is better)",
    "delay_s": "mean delay [s]\n(lower is better)",
    "loads_per_hour": "loads per hour\n(lower is better)",
}
LOOK = {**OPEN, "font.size": 9}
BOUND: dict[str, Any] = {"color": "black", "ls": "--", "lw": 1.2}


def draw_replay(replay: Replay, path: Path) -> None:
    """Draws hit ratio, utility, delay and loads side by side, and the hit ratio so far over time below.

    Args:
        replay: the results.
        path: file to write, in the format that its suffix says.
    """
    results = replay.as_json()
    rows, bounds = results["policies"], results["bounds"]
    names = list(rows)
    with style(LOOK):
        figure = Figure(figsize=(10, 4.2 + 0.28 * len(names)), layout="constrained")
        grid = figure.add_gridspec(2, len(PANELS), height_ratios=[0.8 + 0.28 * len(names), 2.6])
        alpha = replay.catalogue.alpha.value
        for i, (metric, label) in enumerate(PANELS.items()):
            axes = figure.add_subplot(grid[0, i])
            values = [rows[name][metric] or 0.0 for name in names]
            colours = [PALETTE[j % len(PALETTE)] for j in range(len(names))]
            digits = ".2f" if metric == "loads_per_hour" else ".3f"
            axes.scatter(values, range(len(names)), color=colours, s=42, zorder=3)
            for y, value in enumerate(values):
                axes.annotate(
                    f"{value:{digits}}", (value, y), (0, 6), textcoords="offset points", ha="center", fontsize=8
                ).set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
            axes.grid(alpha=0.3, axis="y")
            axes.set_yticks(range(len(names)), names if i == 0 else [])
            axes.set_ylim(len(names) - 0.5, -0.8)
            axes.set_xlabel(label)
            axes.margins(x=0.2)
            if bounds is None:
                continue
            if metric == "hit_ratio":
                axes.axvline(bounds["load_free_hit_ratio"], **BOUND)
            elif metric == "delay_s":
                axes.axvline(bounds["delay_s"], **BOUND)
            elif metric == "utility":
                quality = rows[names[0]]["utility"] - alpha * rows[names[0]]["delay_s"]
                axes.axvline(alpha * bounds["delay_s"] + quality, **BOUND)
        _over_time(figure.add_subplot(grid[1, :]), replay)
        figure.suptitle(
            f"{named(Path(replay.trace).name)}: {rows[names[0]]['requests']} requests for {replay.models} models, "
            f"{replay.memory_gb:g} GB, catalogue {named(replay.catalogue.name)}; dashed: certified bounds",
            fontsize=10,
        )
        write_figure(figure, path, LOOK)


def _over_time(axes: Axes, replay: Replay) -> None:
    tallies = replay.policies
    requests = next(iter(tallies.values())).course.sums[0]
    width_s = next(iter(tallies.values())).course.width_s
    busy = requests > 0
    hours = (np.arange(requests.size) + 1)[busy] * width_s / 3600
    so_far = requests.cumsum()[busy]
    for i, (name, tally) in enumerate(tallies.items()):
        line: dict[str, Any] = {"color": PALETTE[i % len(PALETTE)], "ls": DASHES[i % len(DASHES)], "lw": 1.3}
        axes.plot(hours, tally.course.sums[1].cumsum()[busy] / so_far, label=name, **line)
    if replay.limits is not None:
        most = replay.limits.hits_course.sums[0].cumsum()[busy]
        axes.plot(hours, most / so_far, label="load-free bound", **BOUND)
    axes.set(xlabel="time since the first request [h]", ylabel="hit ratio so far", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
