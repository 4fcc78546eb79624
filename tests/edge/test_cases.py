"""Needs that people told of in public, as small inputs with right answers.

Values come from an independent simulator, or by hand where the trace is short: one GPU, one request at a time,
first come first served, no cloud, loads occupy the GPU, memory empty at the start. LRU gives up what was served
least recently, blind to the queue.
"""

import numpy as np
import pytest
from edge_boxes import CASES, CHECKPOINTS, LETTERS, box_of, models_of, order_named, rows_of, run

from genedge.boxes.load import load_box
from genedge.edge.box import Ram
from genedge.edge.schedulers.evictions import Lfu, Lru
from genedge.edge.schedulers.orders import Affinity, Fifo
from genedge.replay.exact import most_hits_of_sets
from genedge.replay.unqueued import replay_unqueued

TWO_SIZES = models_of(**{"qwen2.5:7b": (5.5, 30, 1), "qwen2.5:14b": (9, 30, 1)})
PIPELINE = models_of(**{"gpt-oss:120b": (65, 13.2, 1), "gemma4:e4b": (10, 3.2, 1)})
EIGHT = models_of(
    embed=(0.6, 1, 0.2),
    fim=(3, 3, 0.2),
    chat8=(7, 6, 0.2),
    chat14=(12, 12, 0.2),
    vision=(9, 9, 0.2),
    coder32=(20, 20, 0.2),
    moe30=(19, 18, 0.2),
    asr=(2, 2, 0.2),
)
TEN = models_of(**dict.fromkeys("ABCDEFGHIJ", (1, 15, 0.1, 1)))


def mean(ran):
    assert ran.refused == []
    return np.mean(ran.delays)


def test_a_card_shared_with_others():
    rows = rows_of("switching-7b-14b")
    small = run(rows, TWO_SIZES, box_of(9), Fifo(), Lru)
    assert (mean(small), max(small.delays), small.loads) == (pytest.approx(63.833, abs=0.0005), 130, 5)
    large = run(rows, TWO_SIZES, box_of(14.5), Fifo(), Lru)
    assert (large.delays, large.loads) == ([40, 50, 58, 70, 20, 25], 2)


@pytest.mark.parametrize(
    ("order", "expected", "loads"),
    [("fifo", 119, 7), ("affinity", 76.5, 3), ("response-ratio", 76.5, 3), ("dwell", 76.5, 3)],
)
def test_collating(order, expected, loads):
    ran = run(rows_of("abaacabc"), LETTERS, box_of(20), order_named(order), Lru)
    assert (mean(ran), ran.loads) == (expected, loads)


def test_a_pipeline_of_two_models():
    rows = rows_of("pipeline-two-models")
    as_if_open = run(rows, PIPELINE, box_of(70), Fifo(), Lru)
    assert (mean(as_if_open), as_if_open.loads) == (pytest.approx(834.6), 200)
    # The truth: the next call comes when the last one ends; and batched by model.
    closed = run(rows, PIPELINE, box_of(70), Fifo(), Lru, think_s=0)
    assert closed.end / 3600 == pytest.approx(1.1778, abs=5e-5)
    batched = sorted(rows, key=lambda row: row[1])
    closed = run(batched, PIPELINE, box_of(70), Fifo(), Lru, think_s=0)
    assert (closed.end / 3600, closed.loads) == (pytest.approx(0.7268, abs=5e-5), 2)


def test_nine_checkpoints_on_a_card_of_24_gb():
    rows, card = rows_of("nine-checkpoints"), box_of(24)
    lru = run(rows, CHECKPOINTS, card, Fifo(), Lru)
    assert mean(lru) == pytest.approx(26.176, abs=0.0005)
    assert np.percentile(lru.delays, 95) == pytest.approx(63.028, abs=0.01)
    assert lru.loads == 2479
    assert mean(run(rows, CHECKPOINTS, card, Fifo(), Lfu)) == pytest.approx(
        25.706, abs=0.003
    )  # Where counts are equal, another goes.
    assert mean(run(rows, CHECKPOINTS, card, Affinity(), Lru)) == pytest.approx(25.732, abs=0.0005)
    with_ram = run(rows, CHECKPOINTS, box_of(24, ram=Ram(64000, 0.25)), Fifo(), Lru)
    assert mean(with_ram) == pytest.approx(19.787, abs=0.0005)


def test_evict_by_size_not_by_count():
    rows = rows_of("eight-models-24gb")
    assert mean(run(rows, EIGHT, box_of(24), Fifo(), Lru)) == pytest.approx(10.268, abs=0.0005)
    assert mean(run(rows, EIGHT, box_of(24), Fifo(), Lfu)) == pytest.approx(10.141, abs=0.0005)
    pinned = run(rows, EIGHT, box_of(24, pins=("embed", "fim")), Fifo(), Lru)
    assert (mean(pinned), pinned.loads) == (pytest.approx(10.145, abs=0.0005), 1537)


@pytest.mark.parametrize(("memory_gb", "most_models"), [(5, None), (80, 5)])
def test_two_pinned_of_at_most_five(memory_gb, most_models):
    rows = rows_of("ten-models-two-pinned")
    free = run(rows, TEN, box_of(memory_gb, most_models=most_models), Fifo(), Lru)
    assert (mean(free), free.loads) == (pytest.approx(7.816, abs=0.0005), 1198)
    pinned = run(rows, TEN, box_of(memory_gb, most_models=most_models, pins=("A", "B")), Fifo(), Lru)
    assert (mean(pinned), pinned.loads) == (pytest.approx(7.676, abs=0.0005), 1160)


def test_a_model_that_fits_on_none_of_four_cards():
    models = models_of(large=(30, 20, 1), small=(20, 10, 1))
    ran = run([(0, "large", "u", 1), (1, "small", "u", 1)], models, box_of(24, 24, 24, 24), Fifo(), Lru)
    assert [r.model for r in ran.refused] == ["large"]
    assert ran.delays == [11]


@pytest.mark.parametrize(
    ("case", "models", "memory_gb", "must_load", "most"),
    [
        ("nine-checkpoints", CHECKPOINTS, 24, True, 3181),
        ("nine-checkpoints", CHECKPOINTS, 24, False, 3850),
        ("eight-models-24gb", EIGHT, 24, True, 4666),
        ("pipeline-two-models", PIPELINE, 70, False, 99),
    ],
)
def test_the_most_hits(case, models, memory_gb, must_load, most):
    asked = [row[1] for row in rows_of(case)]
    names = sorted(set(asked))
    sizes = [models[name].memory_mb for name in names]
    assert most_hits_of_sets([names.index(each) for each in asked], sizes, memory_gb * 1000, must_load) == most


def test_the_best_fixed_set_of_nine_checkpoints_where_there_is_a_cloud():
    box = load_box(
        "load-free",
        [f"models.{name}.memory_gb={each.memory_mb / 1000:g}" for name, each in CHECKPOINTS.items()],
        24,
    )
    found = replay_unqueued(CASES / "nine-checkpoints.csv", box, ["static"], "static", False, lambda *told: None)
    best = ["dreamshaper-8", "juggernaut-xl", "realistic-v6", "sd15", "sdxl-base"]
    assert sorted(found.holds["static"]) == best


def test_the_best_fixed_set_where_there_is_a_cloud():
    """Loaded when first asked for: eight hits of the ten requests for two models, against six of seven for one."""
    sizes = [f"models.{name}.memory_gb={gb}" for name, gb in (("sdxl", 6), ("sd15", 5), ("pixart", 5))]
    box = load_box("load-free", ["cloud.wait_s=10", *sizes], 10)
    found = replay_unqueued(CASES / "static.csv", box, ["static"], "static", False, lambda *told: None)
    assert sorted(found.holds["static"]) == ["pixart", "sd15"]
    assert found.tallies["static"].hits == 8
    # sdxl alone fills the memory; it is asked for seven times.
    alone = [row for row in rows_of("static") if row[1] == "sdxl"]
    ran = run(alone, models_of(sdxl=(6, 0, 1)), box_of(10), Fifo(), Lru)
    assert (len(alone) - ran.loads, len(alone)) == (6, 7)
