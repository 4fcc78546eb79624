"""What is drawn, read from a figure's artists: for tests of what a picture shows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from genedge.draw.canvas import Axes, Figure


@contextmanager
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    """The figures that are written meanwhile, which are written all the same."""
    from genedge.draw import canvas

    figures: list[Figure] = []
    write = canvas.write_figure

    def keep(figure: Figure, *more: Any) -> None:
        figures.append(figure)
        write(figure, *more)

    with monkeypatch.context() as patch:
        patch.setattr(canvas, "write_figure", keep)
        yield figures


def dots(axes: Axes) -> dict[int, float]:
    """Where the dots are, by their rows from the top."""
    return {round(y): x for points in axes.collections for x, y in np.asarray(points.get_offsets()).tolist()}


def intervals(axes: Axes) -> dict[int, tuple[float, float]]:
    """Both ends of the lines through the dots, by row."""
    return {
        round(line.get_ydata()[0]): tuple(line.get_xdata())
        for line in axes.get_lines()
        if line.get_label().startswith("_")
    }


def levels(axes: Axes) -> dict[str, float]:
    """Where the lines across all rows are, by what they are called."""
    return {
        line.get_label(): line.get_xdata()[0] for line in axes.get_lines() if not line.get_label().startswith("_")
    }


def numbers(axes: Axes) -> list[str]:
    """What is written beside the dots, from the top."""
    return [text.get_text() for text in axes.texts]


def names(axes: Axes) -> list[str]:
    """What the rows are called, from the top."""
    return [text.get_text() for text in axes.get_yticklabels()]


def legend(figure: Figure) -> list[str]:
    """What a figure's legend explains."""
    return [text.get_text() for shown in figure.legends for text in shown.get_texts()]


def assert_shows(axes: Axes, metric: str, value: Callable[[int, str], float], rows: int) -> None:
    """That a panel has a dot at each row's value."""
    shown = dots(axes)
    assert sorted(shown) == list(range(rows))
    assert [shown[i] for i in range(rows)] == pytest.approx([value(i, metric) for i in range(rows)])
