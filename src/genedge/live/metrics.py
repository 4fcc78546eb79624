"""What is counted of a live box, for Prometheus; and one JSON line for each access."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from genedge.live.driver import Driver
from genedge.live.jobs import Outcome

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """Counts."""

    def __init__(self, log: IO[str] | None = None) -> None:
        """Nothing counted yet.

        Args:
            log: where a line for each access goes; None for nowhere.
        """
        self._log = log
        self._registry = r = CollectorRegistry()
        self._requests = Counter(
            "genedge_requests", "Requests that ended or were refused", ["model", "outcome"], registry=r
        )
        self._duration = Histogram(
            "genedge_request_seconds", "From arrival to end", ["model"], buckets=SECONDS, registry=r
        )
        self._queue = Histogram(
            "genedge_queue_seconds", "From arrival until generating began", ["model"], buckets=SECONDS, registry=r
        )
        self._generation = Histogram(
            "genedge_generation_seconds", "Generating", ["model"], buckets=SECONDS, registry=r
        )
        self._steps = Counter("genedge_steps", "Denoising steps", ["model"], registry=r)
        self._depth = Gauge("genedge_queue_depth", "Requests that wait", ["model"], registry=r)
        self._loads = Gauge("genedge_loads", "Loads that ended, since the start", ["model", "result"], registry=r)
        self._load_s = Gauge("genedge_load_seconds", "The last load", ["model"], registry=r)
        self._evictions = Gauge("genedge_evictions", "Models that left", ["model", "reason"], registry=r)
        self._age = Gauge("genedge_eviction_age_seconds", "Age of what left last", ["gpu"], registry=r)
        self._memory = Gauge("genedge_memory_megabytes", "Memory for models", ["gpu", "of"], registry=r)
        self._failed = Counter("genedge_out_of_memory", "Loads and requests that had no room", registry=r)
        self._failed_loads = 0
        self._lost = Gauge("genedge_journal_lost", "Events that could not be kept", registry=r)
        self._http = Counter("genedge_http_answers", "Answers", ["status"], registry=r)
        self._saved_s = Gauge(
            "genedge_shadow_saved_seconds", "Mean delay less than the shadow's", ["scheduler"], registry=r
        )

    def ended(self, outcome: Outcome) -> None:
        """A request has ended.

        Args:
            outcome: what became of it.
        """
        ticket, model = outcome.ticket, outcome.ticket.request.model
        self._requests.labels(model, outcome.outcome).inc()
        if outcome.outcome == "memory":
            self._failed.inc()
        if outcome.outcome not in ("edge", "cloud"):
            return
        self._duration.labels(model).observe(outcome.now - ticket.request.time)
        if outcome.began is not None:
            self._queue.labels(model).observe(outcome.began - ticket.request.time)
            self._generation.labels(model).observe(outcome.now - outcome.began)
        if ticket.told_steps is not None:
            self._steps.labels(model).inc(ticket.told_steps)

    def refused(self, model: str, why: str) -> None:
        """A request was not taken on.

        Args:
            model: its.
            why: the kind of failure.
        """
        self._requests.labels(model, why).inc()

    def shadowed(self, found: Sequence[Mapping[str, Any]]) -> None:
        """What the same requests would have cost under other schedulers.

        Args:
            found: by `Shadows`.
        """
        self._saved_s.clear()
        for each in found:
            if each["scheduler"]:
                self._saved_s.labels(each["scheduler"]).set(each["mean_s"] - each["lived_s"])

    def accessed(self, method: str, path: str, status: int, took_s: float) -> None:
        """A request was answered.

        Args:
            method: of HTTP.
            path: without its query.
            status: of the answer.
            took_s: until its head was sent [s].
        """
        self._http.labels(str(status)).inc()
        if self._log is not None:
            line = {"time": round(time.time(), 3), "method": method, "path": path[:200], "status": status}
            print(json.dumps({**line, "seconds": round(took_s, 4)}), file=self._log, flush=True)

    def text(self, driver: Driver) -> bytes:
        """All of it, as Prometheus reads it.

        Args:
            driver: the box.
        """
        self._depth.clear()
        for model, queue in driver.server.waiting.items():
            self._depth.labels(model).set(len(queue))
        for (model, result), count in driver.loads.items():
            self._loads.labels(model, result).set(count)
        failed = sum(count for (_, result), count in driver.loads.items() if result == "memory")
        self._failed.inc(failed - self._failed_loads)
        self._failed_loads = failed
        for model, took_s in driver.load_s.items():
            self._load_s.labels(model).set(took_s)
        for number, gpu in enumerate(driver.server.gpus):
            reserved = sum(driver.file.models[model].memory_mb for model in gpu.resident)
            used_mb = driver.held.used_mb(number)
            found = {"budget": gpu.memory_mb, "reserved": reserved, "used": used_mb, "others": gpu.others_mb}
            for of, memory_mb in found.items():
                self._memory.labels(str(number), of).set(memory_mb)
        for (model, reason), count in driver.held.evictions.items():
            self._evictions.labels(model, reason).set(count)
        for number, stay, _ in driver.held.left:
            self._age.labels(str(number)).set(stay.left - stay.loaded)
        self._lost.set(driver.journal.lost)
        return generate_latest(self._registry)
