"""Fixtures of tests of the cell."""

import math

import numpy as np
import pytest

from genedge.cell.types import Box


@pytest.fixture(scope="session")
def plain_box():
    """A function of the number of models: a box that is like the paper's cell, without loads, queues or drift."""

    def box(models: int) -> Box:
        nothing = np.zeros(models)
        return Box(
            weights_gb=nothing,
            load_s=nothing,
            load_slots=nothing.astype(np.int32),
            pinned=nothing.astype(bool),
            every=None,
            offload=np.array(False),
            shared=np.array(False),
            generators=np.array(math.inf),
            rank_drift=np.array(0.0),
        )

    return box
