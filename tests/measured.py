"""Measurements that nobody made: of a model whose curve and delay are known."""

import numpy as np

from genedge.calibrate.curves import values
from genedge.calibrate.measurements import Measurement

PAPER = ("three_pieces", (22.0, 110.0, 63.0, 28.0), (5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 120), 4.0)
DECAYS = (1, 2, 5, 10, 20, 40, 50, 100, 125, 200)
EXPONENTIAL = ("exponential", (1.0, 5.0, 0.05), DECAYS, 0.3)
POWER = ("power", (1.0, 5.0, 0.7), DECAYS, 0.3)
B1, B2 = 0.05, 0.4


def drawn(truth, images, seed, evaluations=lambda steps: steps):
    """Runs of a model: images differ in level and in how much steps change them, and every run has noise.

    The first run of all warms up, and takes ten times as long beyond what it should.
    """
    family, parameters, steps, noise = truth
    rng = np.random.default_rng(seed)
    curve = values(family, np.array(parameters), np.array(steps, float))
    middle = curve.mean()
    rows = []
    for image in range(images):
        level, scale = rng.normal(0, 3 * noise), rng.normal(1, 0.1)
        for count, at in zip(steps, curve, strict=True):
            quality = middle + level + (at - middle) * scale + rng.normal(0, noise)
            takes = B2 + B1 * evaluations(count)
            seconds = takes * (1 + rng.normal(0, 0.02)) * (1 if rows else 10)
            rows.append(Measurement(str(image), count, evaluations(count), quality, seconds))
    return rows
