"""Whether two runs came to the same end."""

import json
from pathlib import Path

import numpy as np

from genedge.learn.training import ARRAYS


def assert_same_end(folder: Path, other: Path) -> None:
    """All arrays of two runs are the same to the last bit, and so are the metrics but for the time they took."""
    for name in ARRAYS:
        with np.load(folder / name) as ours, np.load(other / name) as theirs:
            assert ours.files == theirs.files
            for key in ours.files:
                assert ours[key].dtype == theirs[key].dtype
                assert ours[key].tobytes() == theirs[key].tobytes(), (name, key)
    rows = [
        [{**json.loads(line), "seconds": 0} for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (folder, other)
    ]
    assert rows[0] == rows[1]
