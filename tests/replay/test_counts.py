"""Golden counts: what each policy for traces hits and loads, to the request.

A number that was tuned, or a rule, cannot change without a word: each half-life, weight and hysteresis changed by a
twentieth fails here. Where the change is meant, the counts are renewed with it.
"""

import zlib

import numpy as np
import pytest

from genedge.registry import named
from genedge.replay.catalogue import TraceModels, load_catalogue
from genedge.replay.generate import generate
from genedge.replay.hindsight import WholeTrace
from genedge.replay.server import Server
from genedge.replay.trace import Chunk

MEMORY_MB = 16_000
# Requests, models, users, rate [1/s], seed, and a catalogue: days and weeks for what forgets slowly, and a rush in
# which loads overlap.
TRACES = {
    "days": ((16000, 40, 500, 0.02, 4), "gentd26"),
    "weeks": ((8000, 40, 200, 0.01, 5), "load-free"),
    "rush": ((4000, 20, 100, 1.0, 6), "gentd26"),
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
    for name, (sizes, catalogue) in TRACES.items():
        models, users = TraceModels(load_catalogue(catalogue)), {}
        rows = list(generate(*sizes))
        time, numbers = [row.time for row in rows], [models.number(row.model) for row in rows]
        user = [users.setdefault(row.user, len(users)) for row in rows]
        made[name] = models, Chunk(time, numbers, user, [1.0] * len(rows), [1.0] * len(rows))
    return made


def counts(name, models, chunk):
    entry = named("trace policy")[name]
    requests = WholeTrace(np.array(chunk.time), np.array(chunk.model), np.array(chunk.saved_s))
    foreseen = {"static": (requests, MEMORY_MB), "belady": (requests,)}.get(name, ())
    served = Server(MEMORY_MB, models, entry.load()(models, *foreseen)).serve(chunk)
    return sum(served.hit), len(served.loaded), zlib.crc32(bytes(served.hit))


@pytest.mark.parametrize("trace", TRACES)
@pytest.mark.parametrize("policy", named("trace policy"))
def test_hits_and_loads_are_what_they_were(policy, trace, traces):
    assert counts(policy, *traces[trace]) == COUNTS[policy][trace]
