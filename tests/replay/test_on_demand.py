"""What nobody who loads on demand could go below, against all schedules of tiny boxes."""

import numpy as np
import pytest
from all_schedules import Scripted, least_sum, tiny
from edge_boxes import CHECKPOINTS, box_of, models_of, rows_of, run

from genedge.edge.box import Cloud, Ram
from genedge.edge.schedulers.evictions import Lfu, Lru
from genedge.edge.schedulers.orders import Affinity, Fifo
from genedge.replay.least import Asked, anybody_s, bounds_of, on_demand_s, room_of, shortest_remaining_first
from genedge.replay.linear import Least
from genedge.replay.on_demand import Demand, Grid, busy_until, least_for_loads

SILENT = lambda *told: None  # noqa: E731


def asked_of(rows, models):
    takes = [models[row[1]] for row in rows]
    return Asked(
        [row[0] for row in rows], takes, [m.generation_s(row[3]) for m, row in zip(takes, rows, strict=True)]
    )


def bounds_of_tiny(rows, models, box, draw):
    """The bound as it is told, and with another grid: other steps, windows of few requests."""
    asked = asked_of(rows, models)
    yield len(rows) * on_demand_s(asked, box, SILENT)
    time, own_s = np.array(asked.time), np.array(asked.own_s)
    alone = len(box.gpus) > 1
    steps_s = np.array(draw.choice([[1.0, 2, 4, 8], [3.0, 6, 12], [0.5], [10.0, 20.0]]))
    grid = Grid(steps_s, min(draw.choice([0.5, 1.0, 9.0]), steps_s[-1]), draw.choice([1, 2, 3]))
    demand = Demand(
        time,
        np.array([sorted(models).index(row[1]) for row in rows]),
        np.zeros(time.size) if alone else busy_until(time, own_s) - time - own_s,
    )
    base_s = own_s.sum() if alone else shortest_remaining_first(asked.time, asked.own_s)
    yield base_s + least_for_loads(demand, room_of([models[m] for m in sorted(models)], box), grid, SILENT)


def check(seeds):
    attained = 0
    for seed in seeds:
        rows, models, box, draw = tiny(seed)
        least_s, plan = least_sum(rows, models, box)
        # The box accepts the schedule, and finds the same delays.
        assert sum(run(rows, models, box, scheduler=Scripted(plan)).delays) == pytest.approx(least_s), seed
        for order, eviction in ((Fifo, Lru), (Affinity, Lfu)):
            assert sum(run(rows, models, box, order(), eviction).delays) >= least_s - 1e-9, seed
        for bound_s in bounds_of_tiny(rows, models, box, draw):
            assert bound_s <= least_s * (1 + 1e-12) + 1e-9, seed
        attained += bound_s >= least_s * (1 - 1e-6)
        if len(rows) < 5:
            free_s, _ = least_sum(rows, models, box, on_demand=False)
            assert len(rows) * anybody_s(asked_of(rows, models), box) <= free_s * (1 + 1e-12) + 1e-9, seed
            assert free_s <= least_s + 1e-9, seed
    return attained


def test_no_bound_is_above_the_least_of_all_schedules():
    assert check(range(80)) > 20


@pytest.mark.heavy
def test_no_bound_is_above_the_least_of_all_schedules_of_thousands():
    check(range(1000, 4000))


def test_by_hand():
    """20 s to load, 10 s to generate: loads come on top of the shortest remaining time first."""
    models = models_of(A=(1, 20, 10), B=(1, 20, 10))
    rows = [(0, "A", "u", 1), (1000, "A", "u", 1), (2000, "B", "u", 1), (3000, "A", "u", 1)]
    assert on_demand_s(asked_of(rows, models), box_of(1), SILENT) == pytest.approx((30 + 10 + 30 + 30) / 4)
    assert on_demand_s(asked_of(rows, models), box_of(2), SILENT) == pytest.approx((30 + 10 + 30 + 10) / 4)
    # With a pinned or a warm A, and with every load at a quarter.
    assert on_demand_s(asked_of(rows, models), box_of(2, pins=("A",)), SILENT) == pytest.approx(15)
    assert on_demand_s(asked_of(rows, models), box_of(1, warm=("A",)), SILENT) == pytest.approx(20)
    ram = box_of(1, ram=Ram(10**6, 0.25))
    assert on_demand_s(asked_of(rows, models), ram, SILENT) == pytest.approx((15 + 10 + 15 + 15) / 4)
    assert on_demand_s(asked_of(rows, models), box_of(1, cloud=Cloud(0, 0)), SILENT) == 10
    # Three of one kind at once: one load, and all wait for it.
    rows = [(0, "A", "u", 1)] * 3
    assert on_demand_s(asked_of(rows, models), box_of(1), SILENT) == pytest.approx((30 + 40 + 50) / 3)


def test_shared_weights_may_be_there():
    """An adapter waits for its own weights at least, its base for none: others may have brought them."""
    models = models_of(base=(7, 9, 10), one=(0.2, 1, 10), other=(0.2, 1, 10))
    models |= {name: models[name]._replace(needs=("base",)) for name in ("one", "other")}
    rows = [(0, "one", "u", 1), (1000, "base", "u", 1), (2000, "other", "u", 1), (3000, "one", "u", 1)]
    bound_s = on_demand_s(asked_of(rows, models), box_of(7.2), SILENT)
    # What is shared takes no memory of those who share it, so that it sees room for both adapters.
    assert bound_s == pytest.approx((11 + 10 + 11 + 10) / 4)
    assert bound_s <= np.mean(run(rows, models, box_of(7.2), Affinity(), Lru).delays)
    assert bounds_of(asked_of(rows, models), box_of(7.2), models, None, SILENT).most_hits is None


@pytest.mark.parametrize("more", [{}, {"overlap": 1.0}, {"keep_alive_s": 60.0}, {"ram": Ram(64000, 0.25)}])
@pytest.mark.parametrize("gpus", [1, 2])
def test_on_real_needs(more, gpus):
    """Between anybody's and what an order and an eviction come to."""
    rows, box = rows_of("nine-checkpoints")[:600], box_of(*[24] * gpus, **more)
    found = bounds_of(asked_of(rows, CHECKPOINTS), box, CHECKPOINTS, None, SILENT)
    least = min(np.mean(run(rows, CHECKPOINTS, box, order(), Lru).delays) for order in (Fifo, Affinity))
    assert found.anybody_s <= found.on_demand_s <= min(least, found.found_s)
    assert found.on_demand_s > 0.6 * least
    if gpus == 1:
        assert found.on_demand_s > 1.03 * found.anybody_s


def test_the_most_hits_stand_beside_them():
    rows, box = rows_of("nine-checkpoints"), box_of(24)
    asked = asked_of(rows[:300], CHECKPOINTS)
    assert (
        bounds_of(asked, box, CHECKPOINTS, None, SILENT).most_hits
        < bounds_of(asked, box_of(48), CHECKPOINTS, None, SILENT).most_hits
    )
    assert bounds_of(asked, box_of(24, 24), CHECKPOINTS, None, SILENT).most_hits is None
    assert bounds_of(asked, box, CHECKPOINTS, 0.0, SILENT) == (None, None, None, None, False)
    long = Asked([float(i) for i in range(60_000)], *(list(each) * 200 for each in asked[1:]))
    found = bounds_of(long, box, CHECKPOINTS, None, SILENT)
    assert (found.on_demand_s, found.too_long) == (None, True)
    assert found.anybody_s > 0


def test_any_prices_bound_a_programme(monkeypatch):
    """The least of x + y where x + y is at least 1, x at most 0.25; without a solution there is still a bound."""
    programme = Least()
    both = programme.variables((2,), 1.0, np.array([0.25, 1.0]))
    programme.rows((1,), 1.0, np.inf, (both[:1], 1.0), (both[1:], 1.0))
    assert programme.solve(SILENT) == pytest.approx(1)
    monkeypatch.setattr("genedge.replay.linear.run_watched", lambda solver, report: None)
    assert programme.solve(SILENT) == 0


def test_until_when_it_is_busy():
    time, own_s = np.array([0.0, 1.0, 3.0, 10.0, 10.0]), np.array([2.0, 2.0, 1.0, 1.0, 0.5])
    assert busy_until(time, own_s).tolist() == [5, 5, 5, 11.5, 11.5]
