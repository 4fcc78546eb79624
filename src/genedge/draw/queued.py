"""The figure of a replay through a queue: what schedulers cost, of what the delay is made, and who is where."""

from collections.abc import Sequence

import numpy as np

from genedge.draw.canvas import Axes, Figure, Line2D, Patch, in_figure
from genedge.draw.dots import SMALL_PT, WIDTH_IN, Below, dots_figure
from genedge.draw.fit import AS_USUAL, LEAST_BESIDE_IN, Fit
from genedge.draw.palette import GRID, PALETTE
from genedge.replay.queue_tally import QueueTally
from genedge.replay.queued import Queued

# By colour and, in print, by hatching.
HATCHES = ("", "//", "..", "xx", "\\\\")
# So many requests around the longest wait are shown, and so many models.
SHOWN, ROWS = 120, 12


def queued_figure(results: Queued, fit: Fit = AS_USUAL) -> Figure:
    """Draws what each scheduler costs, its mean delay taken apart, and two schedulers around the longest wait.

    Args:
        results: of a replay through a box.
        fit: the room it has; where there is none beside the bars, their parts are named under the figure.
    """
    narrow = fit.width(WIDTH_IN) < LEAST_BESIDE_IN
    parts = [
        Patch(
            facecolor=PALETTE[i % len(PALETTE)],
            hatch=HATCHES[i],
            edgecolor="white",
            label=results.metrics[part].name,
        )
        for i, part in enumerate(results.parts)
    ]
    stays: list[Patch | Line2D] = [
        Patch(facecolor=PALETTE[0], alpha=0.35, label="in memory"),
        Patch(facecolor=PALETTE[1], hatch="//", edgecolor="white", label="loads"),
        Line2D([], [], color="black", ls="", marker="o", ms=3, label="request, and its wait"),
    ]
    shown = _shown(results)

    def draw(panels: Sequence[Axes]) -> None:
        _taken_apart(panels[0], results)
        for axes, name in zip(panels[1:], shown, strict=True):
            _who_is_where(axes, results, name)
        if not narrow:
            for axes, handles in zip(panels, (parts, stays), strict=False):
                axes.legend(
                    handles=handles,
                    loc="center left",
                    bbox_to_anchor=(1.0, 0.5),
                    frameon=False,
                    fontsize=fit.pt(SMALL_PT),
                )

    rows = min(len(_models(results)), ROWS)
    heights = [1.0 + 0.28 * len(results.rows), *[0.9 + 0.2 * rows] * len(shown)]
    return dots_figure(results, Below(heights, draw, (*parts, *stays) if narrow else ()), fit)


def _shown(results: Queued) -> list[str]:
    """What is run today, and the best of the others."""
    others = [row for row in results.rows if row.policy != results.against and results.tallies[row.policy].served]
    best = min(others, key=lambda row: row.value("mean_s").mean, default=None)
    names = [results.against, *([] if best is None else [best.policy])]
    return [name for name in names if results.tallies[name].served]


def _models(results: Queued) -> list[str]:
    """The most asked for in the stretch that is shown, the first at the top."""
    begin, end = _stretch(results)
    tally = results.tallies[results.against]
    there = [model for time, model in zip(tally.times, tally.asked, strict=True) if begin <= time <= end]
    return sorted(set(there), key=lambda model: (-there.count(model), model))


def _stretch(results: Queued) -> tuple[float, float]:
    """From when to when: around the longest wait under what is run today."""
    tally = results.tallies[results.against]
    if not tally.served:
        return 0.0, 0.0
    order = np.argsort(tally.times, kind="stable")
    times, waits = np.array(tally.times)[order], np.array(tally.waits)[order]
    middle = int(waits.argmax())
    first = max(min(middle - SHOWN // 2, len(times) - SHOWN), 0)
    last = min(first + SHOWN, len(times)) - 1
    return float(times[first]), float((times[first : last + 1] + waits[first : last + 1]).max())


def _taken_apart(axes: Axes, results: Queued) -> None:
    names = [row.policy for row in results.rows]
    left = np.zeros(len(names))
    for i, part in enumerate(results.parts):
        values = np.array([row.value(part).mean for row in results.rows])
        axes.barh(
            range(len(names)),
            values,
            0.7,
            left,
            color=PALETTE[i % len(PALETTE)],
            hatch=HATCHES[i],
            edgecolor="white",
            linewidth=0.3,
        )
        left += values
    axes.set(xlabel="mean delay taken apart [s]", xlim=(0, None))
    axes.set_yticks(range(len(names)), [in_figure(name) for name in names])
    axes.invert_yaxis()
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=GRID)


def _who_is_where(axes: Axes, results: Queued, name: str) -> None:
    """Which models are in memory, and whose requests wait, around the longest wait."""
    tally: QueueTally = results.tallies[name]
    models, (begin, end) = _models(results)[:ROWS], _stretch(results)
    row_of = {model: i for i, model in enumerate(models)}
    for stay in tally.stays:
        row = row_of.get(stay.model)
        if row is None or stay.left < begin or stay.came > end:
            continue
        came, loaded, left = ((time - begin) / 60 for time in (stay.came, stay.loaded, stay.left))
        axes.barh(row, loaded - came, 0.8, came, color=PALETTE[1], hatch="//", edgecolor="white", linewidth=0)
        axes.barh(row, left - loaded, 0.8, loaded, color=PALETTE[0], alpha=0.35)
    for time, wait, model in zip(tally.times, tally.waits, tally.asked, strict=True):
        row = row_of.get(model)
        if row is not None and begin <= time <= end:
            axes.plot([(time - begin) / 60, (time + wait - begin) / 60], [row, row], color="black", lw=0.7)
            axes.plot([(time - begin) / 60], [row], color="black", marker="o", ms=3)
    axes.set(
        xlabel=f"{in_figure(name)}\ntime [min], from {(begin - tally.begin) / 3600:.1f} h on",
        xlim=(0, max(end - begin, 1e-9) / 60),
    )
    axes.set_yticks(range(len(models)), [in_figure(model) for model in models])
    axes.set_ylim(len(models) - 0.4, -0.6)
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)
