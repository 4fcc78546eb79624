"""The figure of a replay: what policies cost, side by side, and how their hits add up over time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from genedge.draw.canvas import Axes, Figure, in_figure
from genedge.draw.dots import LEVEL_STYLES, Below, dots_figure
from genedge.draw.palette import DASHES, PALETTE
from genedge.replay.replayed import LOAD_FREE, Replayed

OVER_TIME_IN = 2.6


def replay_figure(results: Replayed) -> Figure:
    """Draws what each policy costs as dots, and the hit ratio so far over time below.

    Args:
        results: of a replay.
    """

    def draw(panels: Sequence[Axes]) -> None:
        _over_time(panels[0], results)

    return dots_figure(results, {}, Below([OVER_TIME_IN], draw, ()))


def _over_time(axes: Axes, results: Replayed) -> None:
    tallies = results.tallies
    requests = next(iter(tallies.values())).course.sums[0]
    width_s = next(iter(tallies.values())).course.width_s
    busy = requests > 0
    hours = (np.arange(requests.size) + 1)[busy] * width_s / 3600
    so_far = requests.cumsum()[busy]
    for i, (name, tally) in enumerate(tallies.items()):
        line: dict[str, Any] = {"color": PALETTE[i % len(PALETTE)], "ls": DASHES[i % len(DASHES)], "lw": 1.3}
        axes.plot(hours, tally.course.sums[1].cumsum()[busy] / so_far, label=in_figure(name), **line)
    if results.limits is not None:
        most = results.limits.hits_course.sums[0].cumsum()[busy]
        axes.plot(hours, most / so_far, label=LOAD_FREE, **LEVEL_STYLES[0])
    axes.set(xlabel="time since the first request [h]", ylabel="hit ratio so far", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
