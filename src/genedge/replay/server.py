"""The edge server that a trace is replayed through.

A request for a model that is in memory and loaded is a hit: the edge generates at once. Any other is a miss: the
cloud generates as fast, after its wait and over the backhaul. After a miss the policy may load the model that was
asked for, and nothing else. From the start of its load a model occupies memory; it serves once it is loaded. A
model that loads or generates cannot be given up until it is done. Nothing queues: hits run side by side, and so
do loads.
"""

from typing import NamedTuple

from genedge.replay.catalogue import TraceModels
from genedge.replay.idle import Idle
from genedge.replay.policies import TracePolicy
from genedge.replay.trace import Chunk


class Served(NamedTuple):
    """What became of a chunk.

    Attributes:
        hit: of each request.
        loaded: indices of the requests that started a load.
    """

    hit: list[bool]
    loaded: list[int]


class Server:
    """One server with one policy. The policy is told of each request when it comes, and of none before."""

    def __init__(self, memory_mb: int, models: TraceModels, policy: TracePolicy) -> None:
        """An empty server.

        Args:
            memory_mb: for models.
            models: those met in the trace.
            policy: decides what to load and what to give up.
        """
        self.memory_mb = memory_mb
        self.free_mb = memory_mb
        self._models = models
        self._policy = policy
        self._ready: dict[int, float] = {}
        self._idle = Idle(models.memory_mb)

    @property
    def resident(self) -> frozenset[int]:
        """Models that occupy memory, loaded or loading."""
        return frozenset(self._ready)

    def serve(self, chunk: Chunk) -> Served:
        """Serves requests one after the other.

        Args:
            chunk: no earlier than what was served before.

        Raises:
            ValueError: the policy gave up a model that is not there or busy, or loads what does not fit.
        """
        ready, idle = self._ready, self._idle
        size, load_s = self._models.memory_mb, self._models.load_s
        seen, choose = self._policy.seen, self._policy.choose
        hits: list[bool] = []
        loaded: list[int] = []
        note = hits.append
        for time, model, user, local_s in zip(chunk.time, chunk.model, chunk.user, chunk.local_s, strict=True):
            seen(time, model, user)
            at = ready.get(model)
            if at is not None:
                hit = at <= time
                note(hit)
                if hit and local_s > 0:
                    idle.use(model, time + local_s)
                continue
            note(False)
            if size[model] > self.memory_mb:
                continue
            idle.advance(time)
            victims = choose(time, model, idle, size[model] - self.free_mb)
            if victims is None:
                continue
            for victim in victims:
                if victim not in idle:
                    raise ValueError(f"the policy gave up model {victim}, which is not there or busy")
                idle.give_up(victim)
                del ready[victim]
                self.free_mb += size[victim]
            self.free_mb -= size[model]
            if self.free_mb < 0:
                raise ValueError(f"the policy loads model {model}, which does not fit")
            ready[model] = time + load_s[model]
            idle.load(model, ready[model])
            loaded.append(len(hits) - 1)
        return Served(hits, loaded)
