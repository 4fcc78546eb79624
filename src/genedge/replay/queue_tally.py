"""What is noted of one scheduler in a replay through a box with a queue."""

from array import array
from collections import Counter
from dataclasses import dataclass

import numpy as np

from genedge.edge.gpu import Stay
from genedge.edge.request import Request
from genedge.edge.server import Server
from genedge.replay.simulate import Done
from genedge.replay.sketch import QuantileSketch

PARTS = ("generation_s", "queue_s", "own_load_s", "others_loads_s", "cloud_s")


@dataclass
class ModelTally:
    """What is told of one model under one scheduler.

    Attributes:
        requests: served.
        hits: of these, those that waited for no load of it.
        loads: begun.
        held_s: how long GPUs held it.
        delay_s: of its requests together [s].
    """

    requests: int = 0
    hits: int = 0
    loads: int = 0
    held_s: float = 0.0
    delay_s: float = 0.0


class QueueTally:
    """What is noted of one scheduler: a row of numbers for each request that is served, in the order of results.

    Attributes:
        begin: time of the first request [s].
        end: when all was done [s].
        fit_nowhere: the requests that nothing could serve, by model.
        never_fit: the models that fit on no GPU, whoever serves them.
        numbers: of requests, as they came.
        times: when they came [s].
        waits: until they began to be generated, or left for the cloud [s].
        delays: until their results were there [s].
        own_loads: of the wait, while their models loaded [s].
        others_loads: of the wait, while other models loaded [s].
        own_s: how long they generate alone with the steps that they ask for [s].
        gpu: which served them; −1 for the cloud.
        asked: for which models.
        users: by whom; empty where unknown.
        models: what is told of each.
        sketch: of the delays.
        longest: the request with the longest delay.
        gpus: how many there are.
        stays: of all models in all memories.
        loaded: of each load when it began [s], and what it brought [MB], in the order of time.
        loading: when GPUs loaded, from and to [s], by GPU.
    """

    def __init__(self, begin: float) -> None:
        """Nothing yet.

        Args:
            begin: time of the first request [s].
        """
        self.begin = self.end = begin
        self.fit_nowhere: Counter[str] = Counter()
        self.never_fit: frozenset[str] = frozenset()
        self.numbers, self.gpu = array("q"), array("h")
        self.times, self.waits, self.delays, self.own_s = array("d"), array("d"), array("d"), array("d")
        self.own_loads, self.others_loads = array("d"), array("d")
        self.asked: list[str] = []
        self.users: list[str] = []
        self.models: dict[str, ModelTally] = {}
        self.sketch = QuantileSketch()
        self.longest: Done | None = None
        self.gpus = 1
        self.stays: list[Stay] = []
        self.loaded: list[tuple[float, int]] = []
        self.loading: list[list[tuple[float, float]]] = []
        self._longest_s = -1.0

    @property
    def served(self) -> int:
        """How many requests were."""
        return len(self.times)

    @property
    def refused(self) -> int:
        """How many requests nothing could serve."""
        return self.fit_nowhere.total()

    @property
    def loads(self) -> int:
        """How many were begun."""
        return len(self.loaded)

    @property
    def gives_all_steps(self) -> bool:
        """Whether no request was generated in less time than the steps take that it asks for."""
        took_s = np.subtract(self.delays, self.waits)
        # Times since 1970 have rounded off less than a thousandth of a second.
        return bool((took_s >= np.asarray(self.own_s) - 1e-3).all())

    @property
    def mean_s(self) -> float | None:
        """The mean delay [s]; None if nobody was served."""
        return float(np.sum(self.delays)) / self.served if self.served else None

    def add(self, d: Done) -> None:
        """A request has its result.

        Args:
            d: what became of it.
        """
        request = d.request
        _, own_load_s, others_loads_s = d.waited
        delay_s = d.ended - request.time
        self.numbers.append(request.number)
        self.times.append(request.time)
        self.waits.append(d.began - request.time)
        self.delays.append(delay_s)
        self.own_loads.append(own_load_s)
        self.others_loads.append(others_loads_s)
        self.own_s.append(request.own_s)
        self.gpu.append(d.gpu)
        self.asked.append(request.model)
        self.users.append(request.user)
        model = self.models.get(request.model)
        if model is None:
            model = self.models[request.model] = ModelTally()
        model.requests += 1
        model.hits += own_load_s == 0 and d.gpu >= 0
        model.delay_s += delay_s
        if delay_s > self._longest_s:
            self.longest, self._longest_s = d, delay_s

    def refuse(self, request: Request) -> None:
        """Nothing can serve a request.

        Args:
            request: it.
        """
        self.fit_nowhere[request.model] += 1

    def close(self, server: Server, end: float) -> None:
        """All requests are done.

        Args:
            server: that served them.
            end: now [s].
        """
        self.sketch.add(np.array(self.delays))
        self.end = end
        self.gpus = len(server.gpus)
        there_already = {*server.box.pins, *server.box.warm}
        for gpu in server.gpus:
            for name in list(gpu.resident):
                gpu.leave(end, name)
            self.stays += gpu.stays
            loads = [s for s in gpu.stays if s.came > self.begin or s.model not in there_already]
            self.loading.append([(stay.came, stay.loaded) for stay in loads])
            for stay in gpu.stays:
                self.models.setdefault(stay.model, ModelTally()).held_s += stay.left - stay.came
            for stay in loads:
                self.models[stay.model].loads += 1
                self.loaded.append((stay.came, stay.brought_mb))
        self.loaded.sort()
        gpus = range(self.gpus)
        served = (name for name, each in self.models.items() if each.requests)
        self.never_fit = frozenset(
            name for name in (*served, *self.fit_nowhere) if not any(server.fits(g, name) for g in gpus)
        )

    def asked_for(self) -> dict[str, int]:
        """How many requests there were for each model, the most first."""
        asked = Counter({name: each.requests for name, each in self.models.items() if each.requests})
        return dict((asked + self.fit_nowhere).most_common())
