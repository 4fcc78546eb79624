"""The figure of a model's measurements: quality over steps with what was fitted, and delay over evaluations."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genedge.calibrate.curves import values
from genedge.calibrate.fit import NAMES, Fit
from genedge.draw.canvas import Axes, Figure, LogTicks, in_figure, style
from genedge.draw.dots import FONT_PT, TITLE_PT, WIDTH_IN
from genedge.draw.fit import AS_USUAL, LEAST_BESIDE_IN, columns_of, in_lines
from genedge.draw.fit import Fit as Room
from genedge.draw.palette import DASHES, GRID, PALETTE
from genedge.statistics import interval_of, mean

HEIGHT_IN = 3.6
# Images beyond these are left out, so that the mean is seen; points of a curve; from this range on steps are
# logarithmic.
MOST_IMAGES, POINTS, DECADES = 40, 400, 20.0
IMAGES = "#BBBBBB"


def measured_figure(fit: Fit, name: str, measure: str | None = None, room: Room = AS_USUAL) -> Figure:
    """Draws measurements with their means, the curves fitted, breakpoints where they are identified, and the delay.

    Args:
        fit: of the measurements.
        name: of the model.
        measure: of quality, by its name; None if it is not known.
        room: what it has; where there is none side by side, the panels stand one above the other.
    """
    width, pt = room.width(WIDTH_IN), room.pt(FONT_PT)
    beside = width >= LEAST_BESIDE_IN
    with style(room.look(FONT_PT)):
        figure = Figure(figsize=(width, HEIGHT_IN * (1 if beside else 1.8)), layout="constrained")
        quality, delay = figure.subplots(1 if beside else 2, 2 if beside else 1, squeeze=False).flat
        _quality(quality, fit, "quality" if measure is None else f"quality ({in_figure(measure)})")
        _delay(delay, fit)
        handles, labels = quality.get_legend_handles_labels()
        columns = columns_of(labels, width, pt, len(labels))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        if room.title:
            title = f"{in_figure(name)}: quality {fit.verdict.word} with steps, {len(fit.table.images)} images"
            figure.suptitle(in_lines(title, 0.96 * width, room.pt(TITLE_PT)), fontsize=room.pt(TITLE_PT))
    return figure


def _quality(axes: Axes, fit: Fit, named: str) -> None:
    steps, quality = fit.table.steps, fit.table.quality
    for i, row in enumerate(quality[:MOST_IMAGES]):
        axes.plot(steps, row, color=IMAGES, lw=0.5, zorder=1, label="an image" if i == 0 else None)
    for i, (name, family) in enumerate(fit.families.items()):
        look: Mapping[str, Any] = {"color": PALETTE[i], "ls": DASHES[i], "lw": 1.4, "zorder": 3}
        label = NAMES[name] if family.r2 is None else f"{NAMES[name]}, R² {family.r2:.3f}"
        fine = np.geomspace(steps[0], steps[-1], POINTS)
        axes.plot(fine, values(name, family.curve, fine), label=label, **look)
    pieces = fit.families["three_pieces"]
    for key in ("A1", "A3"):
        at, interval = pieces.parameters[key], pieces.intervals[key]
        if at is not None and interval is not None:
            axes.axvspan(*interval, color=GRID, lw=0, zorder=0)
            axes.axvline(at, color=PALETTE[0], lw=0.8, ls=":", zorder=2)
            beside: Mapping[str, Any] = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points"}
            axes.annotate(key, (at, 1), (2, -2), va="top", **beside)
    _means(axes, steps, quality)
    axes.set(xlabel="denoising steps", ylabel=f"{named}, a cost\n(lower is better)")
    if steps[-1] / steps[0] >= DECADES:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(LogTicks())
    axes.grid(color=GRID, axis="y")
    axes.set_axisbelow(True)


def _means(axes: Axes, steps: np.ndarray, quality: np.ndarray) -> None:
    found = [interval_of(mean, column) for column in quality.T]
    middle = np.array([each.mean for each in found])
    off = np.abs(np.array([[each.low, each.high] for each in found]).T - middle)
    look: Mapping[str, Any] = {"color": "black", "fmt": "o", "ms": 4, "lw": 1.2, "zorder": 4}
    axes.errorbar(steps, middle, off, label="mean, 95 % interval", **look)


def _delay(axes: Axes, fit: Fit) -> None:
    evaluations, seconds, delay = fit.table.evaluations, fit.table.seconds, fit.delay
    for row in seconds[:MOST_IMAGES]:
        axes.plot(evaluations, row, color=IMAGES, lw=0, marker=".", ms=2.5, zorder=1)
    ends = np.array([0.0, evaluations.max()])
    axes.plot(ends, delay.b2 + delay.b1 * ends, color=PALETTE[0], lw=1.4, zorder=3)
    axes.plot(evaluations, delay.medians, color="black", lw=0, marker="o", ms=4, zorder=4, label="median")
    told = f"{delay.b2:.3g} s + {delay.b1:.3g} s · evaluations"
    axes.annotate(told, (0.03, 0.97), xycoords="axes fraction", va="top")
    # An outlier, such as a run that warms up, would leave the others no room.
    axes.set(xlabel="evaluations of the network", ylabel="seconds an image\n(medians over images)", xlim=(0, None))
    axes.set_ylim(0, 1.25 * max(float(np.quantile(seconds, 0.98)), float(delay.medians.max())))
    axes.grid(color=GRID, axis="y")
    axes.set_axisbelow(True)
