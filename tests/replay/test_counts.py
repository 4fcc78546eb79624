"""Golden counts: what each eviction hits and loads where nothing queues, to the request.

A number that was tuned, or a rule, cannot change without a word: each half-life, weight and hysteresis changed by a
twentieth fails here. Where the change is meant, the counts are renewed with it.
"""

import zlib

import pytest
from unqueued_boxes import Trace, drive_of

from genedge.boxes.load import load_box
from genedge.replay.generate import generate

MEMORY_MB = 16_000
# Requests, models, users, rate [1/s], seed, and a box: days and weeks for what forgets slowly, and a rush in
# which loads overlap.
TRACES = {
    "days": ((16000, 40, 500, 0.02, 4), "cloud-no-queue"),
    "weeks": ((8000, 40, 200, 0.01, 5), "load-free"),
    "rush": ((4000, 20, 100, 1.0, 6), "cloud-no-queue"),
}
# Hits, loads, and a checksum of which requests were hits.
COUNTS = {
    "lru": {"days": (4304, 11392, 249099665), "weeks": (2363, 5637, 2309270371), "rush": (170, 634, 2967544884)},
    "lfu": {"days": (5734, 10064, 1090479140), "weeks": (3054, 4946, 911609717), "rush": (175, 633, 3999611793)},
    "gdsf": {"days": (5273, 10500, 2108702726), "weeks": (3015, 4985, 1320052535), "rush": (163, 636, 1687626540)},
    "popularity": {
        "days": (5992, 7923, 2935010452),
        "weeks": (2986, 5005, 1545897978),
        "rush": (1891, 86, 356703205),
    },
    "cost-aware": {
        "days": (6126, 6486, 2060468230),
        "weeks": (2960, 5010, 410788068),
        "rush": (1964, 38, 907743486),
    },
    "keep-forever": {"days": (3955, 4, 486933906), "weeks": (428, 4, 3228973747), "rush": (968, 4, 1050917632)},
    "cloud-only": {"days": (0, 0, 1467803533), "weeks": (0, 0, 1246488676), "rush": (0, 0, 982225854)},
    "static": {"days": (6442, 4, 1992645926), "weeks": (3126, 4, 951271391), "rush": (2024, 4, 3962852712)},
    "belady": {"days": (8603, 3544, 3507681467), "weeks": (4441, 1730, 3179308127), "rush": (1008, 465, 567981462)},
}


@pytest.fixture(scope="module")
def traces():
    made = {}
    for name, (sizes, box) in TRACES.items():
        models, cloud = load_box(box).models, load_box(box).box.cloud
        rows = list(generate(*sizes))
        columns = ([r.time for r in rows], [r.model for r in rows], [r.user for r in rows])
        trace = Trace(*columns, [1.0] * len(rows), [1.0] * len(rows))
        for model in trace.model:
            assert models[model].memory_mb == 4000
        made[name] = models, cloud, trace
    return made


@pytest.mark.parametrize("trace", TRACES)
@pytest.mark.parametrize("name", COUNTS)
def test_hits_and_loads_are_what_they_were(name, trace, traces):
    models, cloud, requests = traces[trace]
    served = drive_of(name, models, MEMORY_MB, requests, cloud=cloud).serve(requests.requests)
    assert (sum(served.hit), len(served.loaded), zlib.crc32(bytes(served.hit))) == COUNTS[name][trace]
