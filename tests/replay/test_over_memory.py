"""Several amounts of memory in one: what more saves, what a second costs, where the knee is, how it is drawn."""

import numpy as np
import pytest

from genedge.boxes.load import load_box
from genedge.draw.over_memory import over_memory_figure
from genedge.replay.over_memory import over_memory
from genedge.replay.queueing import replay_queue
from genedge.replay.worth import worth

BOX = """
gpus: [{memory_gb: 20}, {memory_gb: 20}]
models:
  defaults: {memory_gb: 20, load_s: 20, B1_s_per_step: 1}
  large: {memory_gb: 40}
"""


@pytest.fixture
def at(tmp_path):
    """Results by memory, of requests for so many models in turn."""

    def made(amounts, models, asked=60, box=BOX):
        rows = "".join(f"{100 * i},{models[i % len(models)]},u,10\n" for i in range(asked))
        (tmp_path / "trace.csv").write_text(f"time,model,user,steps\n{rows}")
        (tmp_path / "box.yaml").write_text(box)
        file = str(tmp_path / "box.yaml")
        report = lambda *told: None  # noqa: E731
        return {
            gb: replay_queue(
                tmp_path / "trace.csv", load_box(file, (), gb), ["dwell+lru"], "fifo+lru", False, True, report
            )
            for gb in amounts
        }

    return made


ONE_GPU = BOX.replace(", {memory_gb: 20}", "")


def test_what_more_memory_saves_and_costs(at):
    """Four models in turn on one GPU: LRU hits with room for all four, and never with less."""
    found = at([80, 20, 60], "abcd", 400, ONE_GPU)
    results = over_memory(found, [2.5])
    assert list(results.at) == [20, 60, 80]
    assert results.prices == {20: 50, 60: 150, 80: 200}
    first, second = results.steps["fifo+lru"]
    # 30 s with 20 and 60 GB; with 80 GB four requests of 400 load.
    assert (first.less_s.value, first.costs, first.second_costs) == (0, 100, None)
    assert second.less_s.value == pytest.approx(20 * 396 / 400)
    assert second.second_costs == pytest.approx(50 / 19.8)
    assert 18.5 < second.less_s.interval.low < 19.8 < second.less_s.interval.high < 20.5
    assert results.knee("fifo+lru") is None
    assert results.as_json()["memory"]["fifo+lru"]["steps"][1]["costs"] == 50
    told = results.remarks[0]
    assert "80 GB save 19.8 of 30.0 s over 20 GB; there is no knee; a second less of the mean delay costs" in told
    assert "a month, no second is saved from 20 to 60 GB, 2.53 from 60 to 80 GB." in told


def test_prices_of_each_amount_and_of_all_gpus(at):
    found = at([40, 20], "ab")
    assert over_memory(found, [7, 3]).prices == {20: 3, 40: 7}
    assert over_memory(found, [2]).prices == {20: 80, 40: 160}
    assert over_memory(found, []).prices == {}
    assert over_memory(found, []).steps["fifo+lru"][0].costs is None


def test_the_knee_is_where_the_line_bends(at):
    """Two of four models in turn on one GPU are held with 40 GB; what comes besides is asked for once in ten."""
    models = "ab" * 9 + "cd"
    results = over_memory(at([20, 40, 60, 80], models, 600, ONE_GPU), [])
    means_s = [each.tallies["fifo+lru"].mean_s for each in results.at.values()]
    assert means_s == sorted(means_s, reverse=True)
    assert results.knee("fifo+lru") == 40
    # Where the first step costs nearly all, it is no knee over prices.
    assert over_memory(dict(results.at), [1, 97, 98, 99]).knee("fifo+lru") is None


def test_means_of_fewer_requests_are_not_compared(at):
    """With 20 GB what needs 40 is refused, and a mean without it says nothing of memory."""
    results = over_memory(at([20, 40, 60], ["a", "large"], 60, ONE_GPU), [1])
    assert results.comparable == [40, 60]
    assert np.isnan(results.steps["fifo+lru"][0].less_s.value)
    assert results.steps["fifo+lru"][1].less_s.value == pytest.approx(20 * 58 / 60)
    assert "20 GB: 30 requests are refused: their models fit on no GPU, and there is no cloud: large." in (
        results.remarks
    )
    only = over_memory(at([20, 40], ["a", "large"], 60, ONE_GPU), [1])
    assert only.remarks[0] == "Memory: with all amounts but 40 GB requests are refused, and means are over fewer."


def test_one_table_has_all_amounts(at):
    results = over_memory(at([20, 40], "abc"), [1])
    first, *_, last = results.sheets
    assert [row[0] for row in results.texts(first)] == [
        *(f"{gb} GB: {name}" for gb in (20, 40) for name in ("dwell+lru", "fifo+lru")),
        *(
            f"{gb} GB: {bound}"
            for gb in (20, 40)
            for bound in (
                "the best schedule found, knowing the trace",
                "loads on demand: nobody's is less",
                "no loads, shortest first: nobody's is less",
            )
        ),
    ]
    assert [row[0] for row in results.texts(last)] == ["20 to 40 GB: dwell+lru", "20 to 40 GB: fifo+lru"]


def test_delays_over_memory_are_drawn(at):
    results = over_memory(at([20, 60, 80], "abcd", 400, ONE_GPU), [2.5])
    mean, p95 = over_memory_figure(results).axes[:2]
    drawn = {line.get_label(): line for line in mean.get_lines() if not line.get_label().startswith("_")}
    bound = drawn["no loads, shortest first: nobody's is less"]
    assert bound.get_ydata() == pytest.approx([10, 10, 10])
    lines = [container.lines[0] for container in mean.containers]
    # Beside each other, so that no interval hides another.
    for line, beside in zip(lines, (-0.004 * 60, 0.004 * 60), strict=True):
        assert line.get_xdata() == pytest.approx(np.array([20, 60, 80]) + beside)
    assert list(lines[1].get_ydata()) == pytest.approx([30, 30, 10.2])
    assert list(p95.containers[1].lines[0].get_ydata()) == pytest.approx([30, 30, 10], rel=0.01)
    (top,) = mean.child_axes
    assert [label.get_text() for label in top.get_xticklabels()] == ["50", "150", "200"]
    assert mean.get_xlabel() == "memory of each GPU [GB]"
    assert over_memory_figure(over_memory(dict(results.at), [])).axes[0].child_axes == []


def test_the_map_of_what_caching_is_worth_is_drawn(at, tmp_path):
    found = at([20, 40], "ab", 60, ONE_GPU)
    files = {gb: each.file for gb, each in found.items()}
    results = over_memory(found, [], worth(tmp_path / "trace.csv", files, "fifo+lru", lambda *told: None))
    _, _, deciding, caching, *_ = over_memory_figure(results).axes
    # Two models in turn, 30 s apart but for the loads: with 40 GB each loads once, with 20 GB every time.
    saved_s = [[0, load_s * 58 / 60] for load_s in (5, 10, 20, 40, 80)]
    assert caching.get_images()[0].get_array().data == pytest.approx(np.array(saved_s))
    assert deciding.get_images()[0].get_array().data == pytest.approx(np.zeros((5, 2)))
    assert [label.get_text() for label in caching.get_yticklabels()] == ["×0.25", "×0.5", "×1", "×2", "×4"]
    assert [text.get_text() for text in caching.texts[:2]] == ["0.0", "4.8"]


def test_delays_that_are_far_apart_are_drawn_on_logarithmic_axes(at):
    """With 2 GB every request loads, and they come twice as fast as that can be done."""
    box = """
gpus: [{memory_gb: 20}]
models: {defaults: {memory_gb: 2, load_s: 180, B1_s_per_step: 1}}
"""
    axes = over_memory_figure(over_memory(at([2, 40], "ab", 600, box), [])).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "40"]
    assert not any("$" in label.get_text() for label in axes.get_yticklabels(which="both"))
    assert any(label.get_text() for label in axes.get_yticklabels())
