"""Policies in order, each with its gap to the optimum at few and at many users: the report's first picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genedge.draw.canvas import Figure, LogTicks, in_figure, style
from genedge.draw.charts import FONT_PT, LABEL_PT, LEAST_DRAWN, WIDTH_IN, draw_title, legend_below
from genedge.draw.fit import AS_USUAL, Fit, in_lines
from genedge.draw.palette import MARKERS, PALETTE
from genedge.statistics import Interval

# Of a column of numbers beside the axes, in sizes of its letters.
NUMBER_EM = 4.6


@dataclass(frozen=True)
class Ranking:
    """Values of several series by name on a logarithmic axis, and as numbers, names from the least to the largest.

    Attributes:
        name: of its files.
        title: what it shows.
        caption: how it was measured, in words.
        xlabel: what is on the axis, with its unit.
        series: of each, by name, a value with its interval; not every name needs one, and one may be undefined.
        marked: the name that is shown in bold letters.
    """

    name: str
    title: str
    caption: str
    xlabel: str
    series: Mapping[str, Mapping[str, Interval]]
    marked: str

    @property
    def order(self) -> list[str]:
        """The names by their mean over the series, undefined ones last."""
        names = dict.fromkeys(name for values in self.series.values() for name in values)

        def rank(name: str) -> float:
            mean = np.mean([values[name].mean for values in self.series.values() if name in values])
            return float(mean) if np.isfinite(mean) else np.inf

        return sorted(names, key=rank)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The numbers drawn."""
        return [
            {"policy": name, "series": label, **values[name]._asdict()}
            for name in self.order
            for label, values in self.series.items()
            if name in values
        ]

    def draw(self, styles: Mapping[str, int], fit: Fit = AS_USUAL) -> Figure:
        """Draws it.

        Args:
            styles: unused; the series have styles of their own.
            fit: the room it has.
        """
        order, pt, least = self.order, fit.pt(LABEL_PT), np.inf
        shifts = np.linspace(-0.17, 0.17, len(self.series)) if len(self.series) > 1 else [0.0]
        with style(fit.look(FONT_PT)):
            width = fit.width(WIDTH_IN)
            figure = Figure(layout="constrained")
            axes = figure.add_subplot()
            for i, (label, values) in enumerate(self.series.items()):
                shown = [name for name in order if name in values and np.isfinite(values[name].mean)]
                mean, low, high = np.array([values[name] for name in shown]).reshape(-1, 3).T
                low, high = np.where(np.isfinite(low), low, mean), np.where(np.isfinite(high), high, mean)
                mean, low, high = (np.maximum(each, LEAST_DRAWN) for each in (mean, low, high))
                # On such axes nothing reaches zero: an interval that does leaves them.
                low = np.where(low > LEAST_DRAWN, low, LEAST_DRAWN / 10)
                least = min([least, *mean])
                axes.errorbar(
                    mean,
                    [order.index(name) + shifts[i] for name in shown],
                    xerr=[mean - low, high - mean],
                    color=PALETTE[i % len(PALETTE)],
                    marker=MARKERS[i % len(MARKERS)],
                    ls="",
                    ms=6,
                    lw=1.6,
                    capsize=2.5,
                    label=in_figure(label),
                )
                for name in shown:
                    axes.annotate(
                        f"{values[name].mean:.{1 if values[name].mean >= 1 else 2}f} %",
                        (1, order.index(name)),
                        ((i + 1) * NUMBER_EM * pt, 0),
                        xycoords=("axes fraction", "data"),
                        textcoords="offset points",
                        ha="right",
                        va="center",
                        fontsize=pt,
                        color=PALETTE[i % len(PALETTE)],
                    )
            axes.set_xscale("log")
            if np.isfinite(least):
                axes.set_xlim(left=least / 3)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(LogTicks())
            axes.set_yticks(range(len(order)), [in_figure(name) for name in order], fontsize=fit.pt(FONT_PT))
            for name, tick in zip(order, axes.get_yticklabels(), strict=True):
                tick.set_fontweight("bold" if name == self.marked else "normal")
            axes.set(ylim=(len(order) - 0.4, -0.6), xlabel=in_lines(self.xlabel, 0.6 * width, fit.pt(FONT_PT)))
            draw_title(axes, self.title, fit)
            axes.grid(alpha=0.3, axis="x")
            axes.grid(alpha=0.3, axis="y")
            axes.set_axisbelow(True)
            rows_in = (0.9 + 0.33 * len(order)) * pt / LABEL_PT
            handles: Sequence[Any] = axes.get_legend_handles_labels()[0]
            figure.set_size_inches(width, rows_in + legend_below(figure, handles, fit))
        return figure
