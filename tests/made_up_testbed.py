"""A run of the testbed that never ran: its rows and pictures are made up."""

from pathlib import Path

import numpy as np

from genedge.testbed.pictures import png_of
from genedge.testbed.rows import MEASURED, Row
from genedge.testbed.run import Ran

FACTS = {
    "scenario": "small",
    "users": 2,
    "measure": "distance",
    "links": "paced",
    "why_paced": "network namespaces take root's rights",
    "generators": 2,
    "machine": "a processor, 2 cores",
    "factor": 1.25,
    "factor_from": "measured",
}


def made_up_run(folder: Path, policies: tuple[str, ...], slots: int) -> Ran:
    """A run of two users; everything takes a tenth longer than predicted.

    Args:
        folder: for its pictures.
        policies: what they are called.
        slots: how many.
    """
    rng = np.random.default_rng(0)
    rows = []
    for slot in range(slots):
        pictures = folder / "pictures" / str(slot)
        pictures.mkdir(parents=True)
        for user, channels in ((0, 1), (1, 3)):
            (pictures / f"sent-{user}.png").write_bytes(png_of(rng.random((channels, 24, 24))))
            for i, policy in enumerate(policies):
                (pictures / f"{i}-{user}.png").write_bytes(png_of(rng.random((channels, 24, 24))))
                predicted = {key: float(rng.uniform(0.5, 1) * (1 + i)) for key in MEASURED}
                measured = {key: 1.1 * value for key, value in predicted.items()}
                model = "faces" if user == 0 else "shapes"
                hit = user == 0
                rows.append(Row(slot, policy, user, model, 3, 10 + i, 0, hit, hit, predicted, measured))
    rows.sort(key=lambda row: (row.slot, policies.index(row.policy), row.user))
    return Ran(FACTS, rows)
