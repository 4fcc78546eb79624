"""Means over blocks of a trace: what they add up to, and whether their intervals hold what they should."""

import numpy as np
import pytest
from tallied import replayed

from genedge.boxes.schedulers import scheduler_of
from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.server import Server, Waited
from genedge.replay.blocks import MOST, blocks_of, in_blocks, means, saved
from genedge.replay.queue_tally import PARTS, QueueTally
from genedge.replay.simulate import Done
from genedge.statistics import interval


def at_random(seed, count, busy, of=("a",), own_s=1.0):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.exponential(own_s / busy, count))
    return [(float(t), of[m], f"u{m}", 0.0) for t, m in zip(times, rng.integers(len(of), size=count), strict=True)]


THREE = {name: Model(name, 1000, 5.0, 1.0, 2.0) for name in "abc"}


@pytest.mark.parametrize("box", [Box((1000, 1000)), Box((2000,), overlap=1.5)])
def test_blocks_add_up_to_what_the_whole_is(box):
    rows = at_random(1, 3000, 0.1, "abc")
    tally, dones = replayed(rows, THREE, box, "dwell+lru")
    assert blocks_of(tally) == MOST
    whole, parts = in_blocks(tally, 1), in_blocks(tally, MOST)
    for metric, (amount, of) in parts.items():
        assert len(amount) == MOST
        assert amount.sum() == pytest.approx(whole[metric][0].sum(), abs=1e-6), metric
        assert of.sum() == pytest.approx(whole[metric][1].sum()), metric
    assert parts["mean_s"][1].tolist() == [150] * 20
    # The first block are the first to come, whoever was served first.
    first = sorted(dones, key=lambda d: d.request.time)[:150]
    assert parts["mean_s"][0][0] == pytest.approx(sum(d.delay_s for d in first))
    assert sum(whole[part][0] for part in PARTS) == pytest.approx(whole["mean_s"][0])
    assert whole["loads_per_hour"][0] == tally.loads == sum(each.loads for each in tally.models.values())
    together = whole["generating"][0] + whole["loading"][0] + whole["idle"][0]
    assert together == pytest.approx(whole["idle"][1]) if box.overlap is None else together > whole["idle"][1]


def test_how_busy_by_hand():
    """A load of 5 s, then two requests of 2 s, one of them while b loads; b is done at 14 s, and again at 22 s."""
    rows = [(0.0, "a", "", 0.0), (6.0, "a", "", 0.0), (6.5, "b", "", 0.0), (20.0, "b", "", 0.0)]
    tally, _ = replayed(rows, THREE, Box((2000,), overlap=1.0))
    # a loads 0-5, generates 5-7 and 7-9; b loads 7-12, generates 12-14 and 20-22.
    whole = in_blocks(tally, 1)
    assert [float(whole[key][0][0]) for key in ("generating", "loading", "idle")] == [8, 10, 6]
    halves = in_blocks(tally, 2)
    # The second half begins when its first request comes, at 6.5 s.
    assert halves["generating"][0].tolist() == [1.5, 6.5]
    assert halves["loads_per_hour"][0].tolist() == [1, 1]
    assert halves["idle"][1].tolist() == [6.5, 15.5]


def test_warm_models_are_no_loads():
    tally, _ = replayed([(3.0, "a", "", 0.0)], THREE, Box((2000,), warm=("a",)))
    assert (tally.loads, tally.models["a"].loads, tally.models["a"].held_s) == (0, 0, 2.0)


def waiting_line(seed, count, busy):
    """One model, always in memory, each request 1 s, Poisson arrivals: as Lindley has it, without a box."""
    tally, free = QueueTally(0.0), 0.0
    for i, row in enumerate(at_random(seed, count, busy)):
        request = Request(i, *row, 1.0)
        began = max(free, request.time)
        free = began + 1.0
        tally.add(Done(request, 0, Waited(began - request.time, 0.0, 0.0), began, free))
    tally.close(Server(Box((1,)), THREE, scheduler_of("fifo+lru", Box((1,)), THREE)), free)
    return tally


@pytest.mark.parametrize(("busy", "least"), [(0.5, 0.90), (0.8, 0.83)])
def test_intervals_hold_the_mean_of_a_queue(busy, least):
    """Against Pollaczek and Khinchine; where the GPU is busy, 2,000 requests are few."""
    true_s = 1 + busy / (2 * (1 - busy))
    found = []
    for seed in range(150):
        tally = waiting_line(seed, 2000, busy)
        found.append(means(in_blocks(tally, blocks_of(tally)))["mean_s"].interval)
    held = np.array([each.low <= true_s <= each.high for each in found])
    assert np.isfinite([each.low for each in found]).mean() > 0.9
    assert least <= held.mean()
    # And they are no wider than they need be.
    spread = 2 * 1.96 * np.std([each.mean for each in found])
    assert np.mean([each.high - each.low for each in found]) == pytest.approx(spread, rel=0.5)


def test_a_difference_is_one_of_equal_blocks():
    rows = at_random(3, 8000, 0.12, "abc")
    ours, base = (replayed(rows, THREE, Box((2000,)), name)[0] for name in ("dwell+cost-aware", "fifo+lru"))
    count = min(blocks_of(ours), blocks_of(base))
    delays = [in_blocks(tally, count)["mean_s"] for tally in (ours, base)]
    less = saved(ours, base, ("mean_s", "loads_per_hour"))
    found = less["mean_s"].interval
    assert found.mean == pytest.approx(base.mean_s - ours.mean_s)
    assert less["share"].value == pytest.approx(1 - ours.mean_s / base.mean_s)
    differences = delays[1][0] / delays[1][1] - delays[0][0] / delays[0][1]
    assert tuple(found) == pytest.approx(tuple(interval(differences)))
    # Apart, neither is known as well as the difference: what both share cancels.
    assert 0 < found.low < found.high < 2 * found.mean
    same = saved(base, base, ("mean_s",))["mean_s"].interval
    assert tuple(same) == (0, 0, 0)


def test_short_or_overloaded_traces_have_no_intervals():
    short, _ = replayed(at_random(0, 4, 0.1), THREE, Box((1000,)))
    # Twice as much as can be done: the longer it lasts, the longer the waits.
    full, _ = replayed(at_random(0, 2000, 2.0, own_s=2.0), THREE, Box((1000,)))
    for tally in (short, full):
        assert blocks_of(tally) == 1
        assert np.isnan(means(in_blocks(tally, 1))["mean_s"].interval.low)


def test_nobody_is_served():
    tally = QueueTally(0.0)
    box = Box((1,))
    tally.close(Server(box, THREE, scheduler_of("fifo+lru", box, THREE)), 0.0)
    for quantity in means(in_blocks(tally, blocks_of(tally))).values():
        assert np.isnan(quantity.value)
