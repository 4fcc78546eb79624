"""The best schedule found by looking ahead."""

import numpy as np
import pytest
from all_schedules import least_sum, tiny
from edge_boxes import CHECKPOINTS, LETTERS, box_of, requests_of, rows_of, run

from genedge.edge.schedulers.evictions import Lru
from genedge.edge.schedulers.orders import Affinity, Dwell, Fifo
from genedge.replay.rollout import Effort, best_found

SILENT = lambda *told: None  # noqa: E731


def found(rows, models, box, step=10, ahead=30):
    return best_found(box, models, requests_of(rows, models), Effort(step, ahead), SILENT)


def test_it_is_a_schedule():
    """No better than the best of all, on tiny boxes of all kinds, and mostly as good."""
    attained = 0
    for seed in range(40):
        rows, models, box, _ = tiny(seed)
        best_s = least_sum(rows, models, box)[0]
        ours_s = found(rows, models, box, 1, 6)
        assert ours_s >= best_s - 1e-9, seed
        attained += ours_s <= best_s + 1e-9
    assert attained >= 24


def test_it_beats_what_knows_less():
    assert found(rows_of("abaacabc"), LETTERS, box_of(20)) == pytest.approx(8 * 76.5)
    rows, box = rows_of("nine-checkpoints")[:1000], box_of(24)
    ours_s = found(rows, CHECKPOINTS, box) / len(rows)
    for order in (Fifo(), Affinity(), Dwell(16.0)):
        assert ours_s < 0.97 * np.mean(run(rows, CHECKPOINTS, box, order, Lru).delays)


def test_twice_the_same():
    rows = rows_of("nine-checkpoints")[:200]
    assert found(rows, CHECKPOINTS, box_of(24, 24)) == found(rows, CHECKPOINTS, box_of(24, 24))
