"""The report's figures, each from a table of numbers: narrow enough to be read on a phone, fit for print.

A figure is drawn from the rows that stand in the CSV file beside it, and from nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from genedge.draw.canvas import Axes, Figure, LogNorm, LogTicks, Patch, Rectangle, in_figure, style, width_in
from genedge.draw.fit import AS_USUAL, Fit, columns_of, in_lines
from genedge.draw.palette import DASHES, MARKERS, PALETTE
from genedge.statistics import Interval

WIDTH_IN = 5.2
# Of most letters, of titles, of legends [pt].
FONT_PT, TITLE_PT, LEGEND_PT = 10.0, 10.5, 9.0
# Of the names of rows and columns, and of the numbers in cells.
LABEL_PT, NUMBER_PT = 8.0, 7.5
HOLDS, FAILS, UNSURE = "#56B4E9", "#E69F00", "#F0F0F0"
# Of a column's heading, in letters.
LONGEST_LINE = 40
OPTIMUM = "certified optimum"
# On logarithmic axes a gap of zero would be nowhere; so small ones are drawn here [%].
LEAST_DRAWN = 1e-3
# Of intervals at the same x, as a share of the axis.
APART = 0.01


class Series(NamedTuple):
    """A line of a chart.

    Attributes:
        label: in the legend.
        x: where.
        y: values with their intervals.
    """

    label: str
    x: Sequence[float]
    y: Sequence[Interval]


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis.

    Attributes:
        name: of its files.
        title: what it shows.
        caption: how it was measured, in words.
        xlabel: what is on the axis, with its unit.
        ylabel: likewise.
        series: the lines.
        levels: horizontal lines by label.
        marks: vertical lines by label.
        xscale: linear or log.
        yscale: likewise.
        ticks: every x where something was measured is a tick, and the lines are drawn a little beside each other.
        bands: intervals as bands, for lines of many points.
    """

    name: str
    title: str
    caption: str
    xlabel: str
    ylabel: str
    series: Sequence[Series]
    levels: Mapping[str, float]
    marks: Mapping[str, float]
    xscale: str = "linear"
    yscale: str = "linear"
    ticks: bool = False
    bands: bool = False

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The numbers drawn."""
        points = [
            {"series": s.label, "x": x, "mean": y.mean, "low": y.low, "high": y.high}
            for s in self.series
            for x, y in zip(s.x, s.y, strict=True)
        ]
        return points + [{"series": label, "mean": level} for label, level in self.levels.items()]

    def draw(self, styles: Mapping[str, int], fit: Fit = AS_USUAL) -> Figure:
        """Draws it.

        Args:
            styles: number of each label's colour, marker and dash; a chart of other lines has its own.
            fit: the room it has.
        """
        with style(fit.look(FONT_PT)):
            figure = Figure(layout="constrained")
            axes = figure.add_subplot()
            if not all(s.label in styles or s.label == OPTIMUM for s in self.series):
                styles = {s.label: i for i, s in enumerate(self.series)}
            for series, shift in zip(self.series, self._shifts(), strict=True):
                self._line(axes, series, shift, styles)
            for i, (label, level) in enumerate(self.levels.items(), 1):
                colour, dash = ("black", "--") if label == OPTIMUM else ("#666666", DASHES[i % len(DASHES)])
                axes.axhline(level, color=colour, ls=dash, lw=1.1, label=in_figure(label))
            for label, at in self.marks.items():
                axes.axvline(at, color="#555555", ls=(0, (1, 2)), lw=1.2, label=in_figure(label))
            width, pt = fit.width(WIDTH_IN), fit.pt(FONT_PT)
            axes_in = max(0.65 * width, 2.3 * pt / FONT_PT)
            figure.set_size_inches(width, axes_in + legend_below(figure, axes.get_legend_handles_labels()[0], fit))
            axes.set(xlabel=in_lines(self.xlabel, 0.8 * width, pt), ylabel=in_lines(self.ylabel, 0.8 * axes_in, pt))
            axes.set(xscale=self.xscale, yscale=self.yscale)
            for scale, axis in ((self.xscale, axes.xaxis), (self.yscale, axes.yaxis)):
                if scale == "log":
                    axis.set_major_formatter("{x:g}")
                    axis.set_minor_formatter(LogTicks())
            if self.ticks:
                where = sorted({x for s in self.series for x in s.x})
                axes.set_xticks(where, [f"{x:g}" for x in where])
                axes.minorticks_off()
            draw_title(axes, self.title, fit)
            axes.grid(alpha=0.3)
        return figure

    def _shifts(self) -> list[float]:
        """How far each line is drawn beside its x, so that intervals at the same x do not hide each other."""
        if not self.ticks:
            return [0.0] * len(self.series)
        where = [x for s in self.series for x in s.x]
        apart = APART * (max(where) - min(where) or 1.0)
        return [(i - (len(self.series) - 1) / 2) * apart for i in range(len(self.series))]

    def _line(self, axes: Axes, series: Series, shift: float, styles: Mapping[str, int]) -> None:
        colour, marker, dash = style_of(series.label, styles)
        centre, low, high = (np.array([getattr(y, part) for y in series.y]) for part in ("mean", "low", "high"))
        low, high = np.where(np.isfinite(low), low, centre), np.where(np.isfinite(high), high, centre)
        if self.yscale == "log":
            centre, low, high = (np.maximum(values, LEAST_DRAWN) for values in (centre, low, high))
        if self.bands:
            axes.plot(series.x, centre, color=colour, ls=dash, lw=1.6, label=in_figure(series.label))
            axes.fill_between(series.x, low, high, color=colour, alpha=0.15, lw=0)
        else:
            axes.errorbar(
                [x + shift for x in series.x],
                centre,
                yerr=[centre - low, high - centre],
                color=colour,
                marker=marker,
                ls=dash,
                ms=5.5,
                lw=1.4,
                capsize=2.5,
                markerfacecolor="none" if series.label == OPTIMUM else colour,
                label=in_figure(series.label),
            )


def style_of(label: str, styles: Mapping[str, int]) -> tuple[str, str, Any]:
    """Colour, marker and dash of a label; the optimum is black and dashed everywhere.

    Args:
        label: what is drawn.
        styles: number of each label's style.
    """
    if label == OPTIMUM:
        return "black", "_", "--"
    i = styles[label]
    return PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)], DASHES[i % len(DASHES)]


@dataclass(frozen=True)
class Grid:
    """A table of numbers in coloured cells: does a conclusion hold (column) under an assumption (row)?

    Attributes:
        name: of its files.
        title: what it shows.
        caption: how to read it.
        columns: headings.
        labels: of the rows.
        cells: of each row, a value with its interval and whether it holds for each column; None where nothing was
            measured.
        formats: of each column's numbers.
    """

    name: str
    title: str
    caption: str
    columns: Sequence[str]
    labels: Sequence[str]
    cells: Sequence[Sequence[tuple[Interval, bool | None] | None]]
    formats: Sequence[str]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The numbers drawn."""
        return [
            {
                "assumption": label,
                "conclusion": column.replace("\n", " "),
                "mean": cell[0].mean,
                "low": cell[0].low,
                "high": cell[0].high,
                "holds": {True: "yes", False: "no", None: "interval on both sides"}[cell[1]],
            }
            for label, row in zip(self.labels, self.cells, strict=True)
            for column, cell in zip(self.columns, row, strict=True)
            if cell is not None
        ]

    def draw(self, styles: Mapping[str, int], fit: Fit = AS_USUAL) -> Figure:
        """Draws it.

        Args:
            styles: unused; all figures are drawn alike.
            fit: the room it has.
        """
        rows, columns = len(self.labels), len(self.columns)
        with style(fit.look(FONT_PT)):
            pt = fit.pt(LABEL_PT)
            width = max(fit.width(WIDTH_IN), self._least_in(fit))
            figure = Figure(figsize=(width, (1.9 + 0.235 * rows) * pt / LABEL_PT), layout="constrained")
            axes = figure.add_subplot()
            for i, row in enumerate(self.cells):
                for j, cell in enumerate(row):
                    if cell is None:
                        continue
                    value, holds = cell
                    colour, hatch = {True: (HOLDS, ""), False: (FAILS, "///"), None: (UNSURE, "")}[holds]
                    axes.add_patch(
                        Rectangle((j, i), 1, 1, facecolor=colour, hatch=hatch, edgecolor="white", lw=1.5)
                    )
                    text = axes.text(
                        j + 0.5,
                        i + 0.52,
                        format(value.mean, self.formats[j]),
                        ha="center",
                        va="center",
                        fontsize=fit.pt(NUMBER_PT),
                    )
                    text.set_bbox({"facecolor": colour, "edgecolor": "none", "pad": 0.8})
            axes.set(xlim=(0, columns), ylim=(rows, 0))
            lines = [column.split("\n") for column in self.columns]
            headings = ["\n".join(in_figure(line, LONGEST_LINE) for line in heading) for heading in lines]
            axes.set_xticks(np.arange(columns) + 0.5, headings, rotation=90, fontsize=pt)
            axes.set_yticks(np.arange(rows) + 0.5, self.labels, fontsize=pt)
            axes.xaxis.tick_top()
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
            handles = [
                Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=label)
                for colour, hatch, label in (
                    (HOLDS, "", "holds"),
                    (FAILS, "///", "does not"),
                    (UNSURE, "", "interval on both sides"),
                )
            ]
            legend_below(figure, handles, fit)
        return figure

    def _least_in(self, fit: Fit) -> float:
        """The width in which its numbers do not overlap [inch]; a table that is any narrower says nothing."""
        numbers = [
            format(cell[0].mean, self.formats[j])
            for row in self.cells
            for j, cell in enumerate(row)
            if cell is not None
        ]
        label_in = max(width_in(label, fit.pt(LABEL_PT)) for label in self.labels)
        number_in = max((width_in(number, fit.pt(NUMBER_PT)) for number in numbers), default=0.0)
        return label_in + len(self.columns) * (number_in + 0.05) + 0.2


@dataclass(frozen=True)
class HeatMap:
    """One number over two settings.

    Attributes:
        name: of its files.
        title: what it shows.
        caption: how it was measured.
        xlabel: the setting across.
        ylabel: the setting upwards.
        x: its values.
        y: its values.
        values: with intervals, by y and x [%].
        label: what the colour says.
    """

    name: str
    title: str
    caption: str
    xlabel: str
    ylabel: str
    x: Sequence[str]
    y: Sequence[str]
    values: Sequence[Sequence[Interval]]
    label: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The numbers drawn."""
        return [
            {self.ylabel: y, self.xlabel: x, "mean": value.mean, "low": value.low, "high": value.high}
            for y, row in zip(self.y, self.values, strict=True)
            for x, value in zip(self.x, row, strict=True)
        ]

    def draw(self, styles: Mapping[str, int], fit: Fit = AS_USUAL) -> Figure:
        """Draws it.

        Args:
            styles: unused; all figures are drawn alike.
            fit: the room it has.
        """
        means = np.array([[value.mean for value in row] for row in self.values])
        with style(fit.look(FONT_PT)):
            width, pt = fit.width(WIDTH_IN), fit.pt(FONT_PT)
            figure = Figure(figsize=(width, max(0.73 * width, 2.6 * pt / FONT_PT)), layout="constrained")
            axes = figure.add_subplot()
            least = 0.1
            image = axes.imshow(
                np.maximum(means, least),
                cmap="cividis",
                norm=LogNorm(least, max(100.0, means.max())),
                aspect="auto",
            )
            for (i, j), value in np.ndenumerate(means):
                shade = "black" if value > 6 else "white"
                axes.text(j, i, f"{value:.1f}", ha="center", va="center", color=shade, fontsize=fit.pt(LEGEND_PT))
            axes.set_xticks(range(len(self.x)), self.x)
            axes.set_yticks(range(len(self.y)), self.y)
            axes.set(xlabel=self.xlabel, ylabel=self.ylabel)
            draw_title(axes, self.title, fit)
            bar = figure.colorbar(image, label=self.label, format=LogTicks())
            bar.minorformatter = LogTicks()
        return figure


class ClaimLine(NamedTuple):
    """A line of a forest plot.

    Attributes:
        label: what was claimed.
        claimed: the paper's number [%].
        largest: the most that any policy could reach [%]; NaN without a limit.
        measured: by contender, what we found [%].
    """

    label: str
    claimed: float
    largest: float
    measured: Mapping[str, Interval]


@dataclass(frozen=True)
class Forest:
    """Claims beside what was measured and what anyone could reach.

    Attributes:
        name: of its files.
        title: what it shows.
        caption: how to read it.
        xlabel: what is on the axis, with its unit.
        levels: one for each claim, from the top.
    """

    name: str
    title: str
    caption: str
    xlabel: str
    levels: Sequence[ClaimLine]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The numbers drawn."""
        return [
            {
                "claim": level.label.replace("\n", " "),
                "claimed": level.claimed,
                "largest": level.largest,
                "policy": who,
                **y._asdict(),
            }
            for level in self.levels
            for who, y in level.measured.items()
        ]

    def draw(self, styles: Mapping[str, int], fit: Fit = AS_USUAL) -> Figure:
        """Draws it.

        Args:
            styles: number of each label's colour and marker.
            fit: the room it has.
        """
        with style(fit.look(FONT_PT)):
            width, pt = fit.width(WIDTH_IN), fit.pt(LABEL_PT)
            figure = Figure(layout="constrained")
            axes = figure.add_subplot()
            for i, level in enumerate(self.levels):
                first = i == 0
                limits = [level.largest] if np.isfinite(level.largest) else []
                axes.barh(
                    [i] * len(limits), limits, height=0.8, color="#E5E5E5", label="within anyone's reach" * first
                )
                axes.plot(level.claimed, i, "|", color="black", ms=22, mew=2.2)
                places = np.linspace(-0.25, 0.25, len(level.measured)) if len(level.measured) > 1 else [0.0]
                for at, (who, y) in zip(places, level.measured.items(), strict=True):
                    colour, marker, _ = style_of(who, styles)
                    low, high = (y.mean if np.isnan(bound) else bound for bound in (y.low, y.high))
                    axes.errorbar(
                        [y.mean],
                        [i + at],
                        xerr=[[y.mean - low], [high - y.mean]],
                        color=colour,
                        marker=marker,
                        ms=5.5,
                        capsize=2.5,
                    )
            axes.plot([], [], "|", color="black", ms=9, mew=2.2, label="the paper's claim")
            known = [who for level in self.levels for who in level.measured]
            for who in dict.fromkeys(known):
                colour, marker, _ = style_of(who, styles)
                axes.plot([], [], color=colour, marker=marker, ls="", label=in_figure(who))
            axes.axvline(0, color="#555555", lw=0.8)
            axes.set_yticks(range(len(self.levels)), [level.label for level in self.levels], fontsize=pt)
            axes.set(ylim=(len(self.levels) - 0.4, -0.6), xlabel=self.xlabel)
            draw_title(axes, self.title, fit)
            axes.grid(alpha=0.3, axis="x")
            axes.set_axisbelow(True)
            levels_in = (0.9 + 0.55 * len(self.levels)) * pt / LABEL_PT
            handles = axes.get_legend_handles_labels()[0]
            figure.set_size_inches(width, levels_in + legend_below(figure, handles, fit))
        return figure


def legend_below(figure: Figure, handles: Sequence[Any], fit: Fit) -> float:
    """Draws a legend under everything.

    Args:
        figure: the figure.
        handles: what it explains.
        fit: the room that the figure has.

    Returns:
        Its height [inch].
    """
    width, pt = fit.width(WIDTH_IN), fit.pt(LEGEND_PT)
    columns = columns_of([str(handle.get_label()) for handle in handles], width, pt, 3)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=pt, frameon=False)
    return 1.6 * ceil(len(handles) / columns) * pt / 72


def draw_title(axes: Axes, title: str, fit: Fit) -> None:
    """Draws the title, unless there shall be none, from where the axes begin.

    Args:
        axes: where.
        title: what is shown.
        fit: the room that the figure has.
    """
    if fit.title:
        pt = fit.pt(TITLE_PT)
        axes.set_title(in_lines(title, 0.8 * fit.width(WIDTH_IN), pt), loc="left", fontsize=pt)


Picture = Chart | Grid | HeatMap | Forest
