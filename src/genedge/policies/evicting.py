"""The one adapter by which evictions decide what a slot box holds: the same objects as in a replay.

Each episode runs a box of `genedge.edge` in which nothing queues. A slot's requests come when it begins; what the
memory holds once they have come is the slot's cache. The two boxes are one and the same, since

1. a result is there before the next slot begins;
2. a load ends before the slot in which its model first serves; one of whole slots takes a hair less;
3. where the cache is decided with the requests known, those come first whose models are loaded: these are in use,
   so none of them is given up in the slot that it serves in;
4. where it is decided ahead, loads begin when the slot ends, if it decides, for those of its requests whose models
   are absent then; so none is given up and loaded again at one moment.

Where loading takes no time, a slot box serves the request behind which a model is loaded; here the cloud does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array
from jaxtyping import Bool

from genedge.boxes.scheduler_file import Part, eviction_in_slots
from genedge.cell.feasible import TOLERANCE, fill_cache, first_memory
from genedge.cell.generation import generation_delay
from genedge.cell.popularity import popularity
from genedge.cell.radio import backhaul_delay
from genedge.cell.service import rounds_waited
from genedge.cell.types import Decision, Params, Slot
from genedge.edge.box import Box, Cloud
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.schedulers.alone import Afterwards, Alone
from genedge.edge.schedulers.eviction import Eviction
from genedge.edge.schedulers.foreseeing import Forecast, WholeTrace
from genedge.edge.unqueued import Unqueued
from genedge.env.episodes import EpisodePolicy
from genedge.policies.box_shares import share
from genedge.replay.side_by_side import SideBySide
from genedge.scenario import Scenario

NO_TRACE = WholeTrace(np.zeros(0), np.zeros(0, int), np.zeros(0), ())

_fill = jax.jit(fill_cache)
_popularity = jax.jit(popularity)


def evicting(name: str, scenario: Scenario) -> EpisodePolicy:
    """The policy for a box that holds what an eviction says, each episode with one of its own.

    Args:
        name: of the eviction; see `genedge.registry.for_boxes`.
        scenario: of a box.
    """
    part = eviction_in_slots(name)
    slot_s = scenario.settings.cell.slot_duration_s

    def decide(params: Params, courses: Any, slot: Slot, key: Array) -> tuple[Any, Decision]:
        if courses is None:
            box, models = box_of(params), models_of(params, slot, slot_s)
            ahead = params.box is not None and params.box.every is not None
            courses = [Course(_made(part, box, models), box, models, slot_s, ahead) for _ in slot.skew]
        held = _held(params, courses, slot)
        # Where a floor may leave too few steps for all that is held, nothing lasts, and the cache may be less.
        return courses, share(params, slot, np.asarray(_fill(params, slot, held.astype(float))))

    return EpisodePolicy(lambda episodes: None, decide)


def box_of(params: Params) -> Box:
    """A slot box as a box in which nothing queues.

    Args:
        params: the scenario, of a box.
    """
    assert params.box is not None
    pins, warm = (
        tuple(str(m) for m in np.flatnonzero(those)) for those in (params.box.pinned, first_memory(params).held)
    )
    # As much more than C as a cache may take.
    memory = _bytes(float(params.C) * (1 + TOLERANCE / 2))
    return Box((memory,), Cloud(wait_s=0.0, s_per_mb=1.0), pins=pins, warm=warm, queue=False)


def models_of(params: Params, slot: Slot, slot_s: float) -> dict[str, Model]:
    """The models of a slot box, by their numbers.

    A miss costs what it takes of all users' time if half of them miss; at a second a megabyte, so many megabytes.

    Args:
        params: the scenario, of a box.
        slot: which says how many users there are.
        slot_s: how long a slot lasts [s].
    """
    box, m = params.box, params.models
    assert box is not None
    half = max(round(float(np.asarray(slot.active).sum(axis=-1).mean())) // 2, 1)
    waited = float(rounds_waited(np.asarray(half), box.generators, half))
    backhaul_s = np.asarray(backhaul_delay(params, np.mean(params.input_bits, keepdims=True), m.output_bits))
    generation_s = np.asarray(generation_delay(m, m.A3))
    # Each of k misses slows the k − 1 others by as much as they slow it.
    miss_s = (2 * half - 1 if bool(box.shared) else 1) * backhaul_s + 2 * waited * generation_s
    # Slots are counted to 1e-9 (2).
    load_s = np.maximum(np.asarray(box.load_s) - 2e-9 * slot_s, 0.0)
    own_s = np.minimum(generation_s, slot_s / 2)
    made = {}
    for i, storage_gb in enumerate(np.asarray(m.storage_gb)):
        takes = _bytes(float(storage_gb))
        made[str(i)] = Model(str(i), takes, float(load_s[i]), 0.0, float(own_s[i]), megabytes=float(miss_s[i]))
    return made


class Course:
    """One episode of a box, slot after slot.

    Attributes:
        eviction: which decides what is held.
    """

    def __init__(
        self, eviction: Eviction, box: Box, models: Mapping[str, Model], slot_s: float, ahead: bool
    ) -> None:
        """Before the first slot.

        Args:
            eviction: has seen nothing.
            box: a slot box, see `box_of`.
            models: its models, see `models_of`.
            slot_s: how long a slot lasts [s].
            ahead: whether the cache is decided ahead.
        """
        self.eviction = eviction
        scheduler = (Afterwards if ahead else Alone)(eviction, eviction.name)
        self._server = Unqueued(box, models, scheduler)
        self._drive = SideBySide(self._server)
        self._models, self._slot_s, self._ahead = models, slot_s, ahead
        self._slots = self._requests = 0

    def serve(self, asked: Sequence[int], decides: bool) -> list[int]:
        """A slot.

        Args:
            asked: the model of each request, in the order in which they come.
            decides: whether the slot decides on the cache.

        Returns:
            The models that are held from then on.
        """
        now = self._slots * self._slot_s
        requests = [self._request(now, str(model)) for model in asked]
        self._drive.serve(requests, loads=not self._ahead)
        self._slots += 1
        resident = self._server.gpus[0].resident
        if self._ahead and decides:
            # What was asked for last is loaded first: nothing is given up while it loads.
            for request in [request for request in reversed(requests) if request.model not in resident]:
                request.time = self._slots * self._slot_s
                self._drive.again(request)
        return [int(name) for name in resident]

    def _request(self, now: float, model: str) -> Request:
        self._requests += 1
        return Request(self._requests - 1, now, model, "", 0.0, self._models[model].s_fixed)


def in_order(asked: Sequence[int], loaded: Bool[np.ndarray, "M"], ahead: bool) -> list[int]:
    """A slot's requests in an order in which they may come, as they all come at once.

    Args:
        asked: the model of each, by user.
        loaded: models that serve in the slot.
        ahead: whether the cache is decided ahead.

    Returns:
        Users: first those whose models are loaded (3). Where the cache is decided ahead, what most users ask for
        counts as asked for last, and of as many what is loaded.
    """
    users = range(len(asked))
    if not ahead:
        return sorted(users, key=lambda user: not loaded[asked[user]])
    count = np.bincount(asked, minlength=len(loaded))
    return sorted(users, key=lambda user: (count[asked[user]], loaded[asked[user]]))


def _made(part: Part, box: Box, models: Mapping[str, Model]) -> Eviction:
    # Who foresees is told in every slot how popular models are, and of no trace.
    foreseen = (box, NO_TRACE) if "foresees" in part.entry.traits else ()
    eviction: Eviction = part.entry.load()(models, *foreseen, **part.numbers)
    return eviction


def _held(params: Params, courses: Sequence[Course], slot: Slot) -> Bool[np.ndarray, "E M"]:
    """What is held in each episode when a slot's requests have come."""
    memory, box = slot.memory, params.box
    assert memory is not None
    assert box is not None
    requests, active = np.asarray(slot.requests), np.asarray(slot.active)
    loaded = np.asarray(memory.held) & (np.asarray(memory.wait) == 0)
    decides = np.asarray(memory.until) == 0
    popular = np.asarray(_popularity(params, slot), np.float64)
    held = np.zeros(loaded.shape, bool)
    for e, course in enumerate(courses):
        if isinstance(course.eviction, Forecast):
            course.eviction.told({str(m): often for m, often in enumerate(popular[e].tolist())})
        asked = requests[e, active[e]].tolist()
        order = in_order(asked, loaded[e], box.every is not None)
        held[e, course.serve([asked[user] for user in order], bool(decides[e]))] = True
    return held


def _bytes(gigabytes: float) -> int:
    """Whole bytes, so that sums are exact. A box only adds and compares what it calls megabytes."""
    return round(gigabytes * 1e9)
