"""How soon a box would serve each of its models, for other boxes that could ask it, and for itself."""

import math
from typing import Any

from genedge.live.driver import Driver
from genedge.live.jobs import Outcome
from genedge.live.routing import Seen, Takes

# A request counts for e^-1 after so long [s]; of a model that was asked for c times so, the chance that it is again
# before long is taken for 1 - e^-c.
FADES_S = 300.0
# Of the mean generation time, the share of the last one.
LAST = 0.2


class Soon:
    """A box's own view of what a request would cost it."""

    def __init__(self, driver: Driver) -> None:
        """Nothing asked yet.

        Args:
            driver: the box.
        """
        self._driver = driver
        self._asked: dict[str, tuple[float, float]] = {}
        self._own_s: dict[str, float] = {}

    def asked(self, model: str) -> None:
        """A request for a model has come.

        Args:
            model: its name.
        """
        now = self._driver.now()
        self._asked[model] = (self._count(model, now) + 1, now)

    def ended(self, outcome: Outcome) -> None:
        """A request has ended.

        Args:
            outcome: what became of it.
        """
        if outcome.outcome == "edge" and outcome.began is not None:
            model, took_s = outcome.ticket.request.model, outcome.now - outcome.began
            self._own_s[model] = (1 - LAST) * self._own_s.get(model, took_s) + LAST * took_s

    def seen(self) -> Seen:
        """The box as it is now, without models that could not be loaded just now; none if it is about to end."""
        driver, server = self._driver, self._driver.server
        now = driver.now()
        gpus = range(len(server.gpus))
        models = {}
        for model in driver.file.models.named if driver.takes_on else ():
            fitting = [gpu for gpu in gpus if server.fits(gpu, model)]
            if not fitting or not driver.tries(model):
                continue
            there = any(model in server.gpus[gpu].resident for gpu in fitting)
            load_s = 0.0 if there else self._load_s(model)
            displaces_s = 0.0 if there else min(self._displaces_s(now, gpu, model) for gpu in fitting)
            models[model] = Takes(load_s, displaces_s, self.own_s(model))
        free_mb = sum(max(state.free_mb, 0) for state in server.gpus)
        return Seen(self._busy_s(now), free_mb, len(server.gpus), models)

    def plain(self) -> dict[str, Any]:
        """The same, as `/v1/box` says it."""
        seen = self.seen()
        return {**seen._asdict(), "models": {name: takes._asdict() for name, takes in seen.models.items()}}

    def own_s(self, model: str) -> float:
        """How long a request for a model generates: as they did, else as the catalogue says [s].

        Args:
            model: its name.
        """
        models = self._driver.file.models
        measured = self._own_s.get(model)
        return models[model].generation_s(models.usual_steps(model) or 1) if measured is None else measured

    def _load_s(self, model: str) -> float:
        return self._driver.load_s.get(model, self._driver.file.models[model].load_s)

    def _count(self, model: str, now: float) -> float:
        count, then = self._asked.get(model, (0.0, now))
        return count * math.exp((then - now) / FADES_S)

    def _busy_s(self, now: float) -> float:
        """What waits, what is generated, of which half is taken for done, and what loads, by each GPU's share."""
        server, busy_s = self._driver.server, 0.0
        for model, queue in server.waiting.items():
            busy_s += len(queue) * self.own_s(model)
            if not any(model in state.resident for state in server.gpus):
                busy_s += self._load_s(model)
        for state in server.gpus:
            if state.serving is not None:
                busy_s += self.own_s(state.serving.model) / 2
            if state.loading is not None:
                busy_s += max(self._load_s(state.loading) - (now - state.resident[state.loading]), 0.0)
        return busy_s / len(server.gpus)

    def _displaces_s(self, now: float, gpu: int, model: str) -> float:
        """Loads of what makes room on a GPU, each by the chance that it is asked for again, dearest memory last."""
        server, models = self._driver.server, self._driver.file.models
        state, pins = server.gpus[gpu], server.box.pins
        lacks_mb = server.missing_mb(gpu, model) + models[model].working_mb - state.free_mb
        found = []
        for name in state.resident:
            if name not in pins:
                again_s = (1 - math.exp(-self._count(name, now))) * self._load_s(name)
                found.append((again_s / max(models[name].memory_mb, 1), again_s, models[name].memory_mb))
        total_s = 0.0
        for _, again_s, memory_mb in sorted(found):
            if lacks_mb <= 0:
                break
            lacks_mb -= memory_mb
            total_s += again_s
        return total_s
