"""What is told of a run: its table, its sentences, its figure."""

import json

import numpy as np
import pytest
from made_up_testbed import made_up_run

from genedge.draw.beside import beside_figure
from genedge.draw.fit import Fit
from genedge.errors import InputError
from genedge.testbed.rows import MEASURED
from genedge.testbed.summary import summary
from genedge.testbed.written import findings, table, write

POLICIES = ("knapsack", "cloud-only")


@pytest.fixture
def ran(tmp_path):
    return made_up_run(tmp_path, POLICIES, 4)


def test_the_table_has_a_line_of_each_part(ran):
    found = summary(ran.rows)
    lines = {(policy, part): cells for policy, part, *cells in table(found).rows}
    assert len(lines) == len(POLICIES) * (len(MEASURED) + 1)
    predicted, measured, ratio = lines["knapsack", "delay [s]"]
    assert predicted.startswith(f"{found.of('knapsack', 'delay_s').predicted.mean:.3g} [")
    assert measured.startswith(f"{found.of('knapsack', 'delay_s').measured.mean:.3g} [")
    assert ratio == "1.1"


def test_sentences_say_what_holds(ran):
    lines = "\n".join(findings(ran.facts, summary(ran.rows)))
    assert "predicted and measured alike: knapsack < cloud-only" in lines
    assert "knapsack should cost less than cloud-only by" in lines
    assert "Mean delay, measured over predicted: knapsack 1.1, cloud-only 1.1." in lines
    assert "up to 2 pictures at once, on a processor, 2 cores" in lines
    assert "8 requests of each policy in 4 slots; none was done again" in lines


def test_files_are_written(ran, tmp_path):
    write(tmp_path, ran, summary(ran.rows))
    assert (tmp_path / "measured.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["policies"]["knapsack"]["delay_s"]["ratio"]["mean"] == pytest.approx(1.1)
    assert found["factor"] == 1.25


def test_a_picture_that_is_missing_is_told(ran, tmp_path):
    (tmp_path / "pictures" / "2" / "1-0.png").unlink()
    with pytest.raises(InputError, match=r"1-0\.png: cannot be read"):
        write(tmp_path, ran, summary(ran.rows))


@pytest.mark.parametrize("width", [None, 3.4])
def test_the_figure_shows_each_request_where_both_meet(width):
    values = {"a": (np.array([1.0, 2.0]), np.array([1.5, 2.5])), "b": (np.array([0.5]), np.array([4.0]))}
    figure = beside_figure({"delay [s]": values, "wait [s]": values}, "title", Fit(width))
    delay = figure.axes[0]
    assert delay.get_title() == "delay [s]"
    line, *dots = delay.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert line.get_xdata()[1] >= 4.0
    for (predicted, measured), dot in zip(values.values(), dots, strict=True):
        np.testing.assert_array_equal(dot.get_xdata(), predicted)
        np.testing.assert_array_equal(dot.get_ydata(), measured)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["as predicted", "a", "b"]


def test_all_columns_are_drawn(ran, tmp_path, monkeypatch):
    from genedge.testbed import written as module

    figures = []
    monkeypatch.setattr(module, "beside_figure", lambda *given: figures.append(given) or beside_figure(*given))
    write(tmp_path, ran, summary(ran.rows))
    ((panels, _),) = figures
    assert len(panels) == len(MEASURED)
    predicted, measured = panels["delay [s]"]["knapsack"]
    np.testing.assert_allclose(measured, 1.1 * predicted)
    assert len(predicted) == 8
