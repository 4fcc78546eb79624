"""The figure of a replay: what policies cost, side by side, and how their hits add up over time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from genedge.draw.canvas import Axes, Figure, Line2D, in_figure
from genedge.draw.dots import LEVEL_STYLES, SMALL_PT, WIDTH_IN, Below, dots_figure
from genedge.draw.fit import AS_USUAL, LEAST_BESIDE_IN, Fit
from genedge.draw.palette import DASHES, GRID, PALETTE
from genedge.replay.replayed import LOAD_FREE, Replayed

OVER_TIME_IN = 2.6


def replay_figure(results: Replayed, fit: Fit = AS_USUAL) -> Figure:
    """Draws what each policy costs as dots, and the hit ratio so far over time below.

    Args:
        results: of a replay.
        fit: the room it has; where there is none beside the lines over time, they are named under the figure.
    """
    narrow = fit.width(WIDTH_IN) < LEAST_BESIDE_IN

    def draw(panels: Sequence[Axes]) -> None:
        _over_time(panels[0], results)
        if not narrow:
            panels[0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=fit.pt(SMALL_PT))

    under = [Line2D([], [], label=in_figure(name), **line) for name, line in _lines(results).items()]
    return dots_figure(results, Below([OVER_TIME_IN], draw, under if narrow else ()), fit)


def _lines(results: Replayed) -> dict[str, dict[str, Any]]:
    """How the lines over time are drawn, by policy."""
    return {
        name: {"color": PALETTE[i % len(PALETTE)], "ls": DASHES[i % len(DASHES)], "lw": 1.3}
        for i, name in enumerate(results.tallies)
    }


def _over_time(axes: Axes, results: Replayed) -> None:
    tallies = results.tallies
    requests = next(iter(tallies.values())).course.sums[0]
    width_s = next(iter(tallies.values())).course.width_s
    busy = requests > 0
    hours = (np.arange(requests.size) + 1)[busy] * width_s / 3600
    so_far = requests.cumsum()[busy]
    for name, line in _lines(results).items():
        hits = tallies[name].course.sums[1].cumsum()[busy]
        axes.plot(hours, hits / so_far, label=in_figure(name), **line)
    if results.limits is not None:
        most = results.limits.hits_course.sums[0].cumsum()[busy]
        axes.plot(hours, most / so_far, label=LOAD_FREE, **LEVEL_STYLES[0])
    axes.set(xlabel="time since the first request [h]", ylabel="hit ratio so far", ylim=(0, 1.02))
    axes.grid(color=GRID)
