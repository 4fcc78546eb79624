"""Boxes for tests: models in a line each, requests from files or lists, and a second simulator."""

import csv
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genedge.boxes.scheduler_file import load_scheduler
from genedge.boxes.schedulers import eviction_of, order_of
from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.schedulers.combined import Combined
from genedge.edge.schedulers.foreseeing import WholeTrace
from genedge.edge.server import Server
from genedge.replay.simulate import Closed, Open, simulate

CASES = Path(__file__).parent / "edge/cases"


def models_of(**takes):
    """Models by name: memory [GB], load [s], seconds a step, seconds besides, working memory [GB]."""
    made = {}
    for name, (memory_gb, load_s, s_per_step, *more) in takes.items():
        s_fixed, working_gb = (*more, 0.0, 0.0)[:2]
        made[name] = Model(name, round(memory_gb * 1000), load_s, s_per_step, s_fixed, round(working_gb * 1000))
    return made


LETTERS = models_of(A=(20, 20, 1), B=(20, 20, 1), C=(20, 20, 1))
CHECKPOINTS = models_of(
    **dict.fromkeys(("sdxl-base", "juggernaut-xl", "pony-xl", "animagine-xl"), (7, 9, 0.15, 1)),
    **dict.fromkeys(("sd15", "dreamshaper-8", "realistic-v6"), (2.5, 6, 0.15, 1)),
    **dict.fromkeys(("flux-dev-fp8", "flux-schnell-fp8"), (17, 20, 0.15, 1)),
)


def requests_of(rows, models):
    """Requests of rows (time, model, user, steps)."""
    return [
        Request(i, time, model, user, steps, models[model].generation_s(steps))
        for i, (time, model, user, steps) in enumerate(rows)
    ]


def order_named(name):
    """An order with its numbers as tuned."""
    return order_of(load_scheduler(f"{name}+lru").order)


def eviction_named(name, box=None, rows=()):
    """How an eviction with its numbers as tuned is made for models; one that foresees is handed the rows."""
    part = load_scheduler(f"fifo+{name}").eviction
    if "foresees" in part.entry.traits:
        return lambda models: part.entry.load()(models, box, whole_of(rows, models), **part.numbers)
    return lambda models: eviction_of(part, models)


def whole_of(rows, models):
    """Rows for whoever foresees: a hit saves a load."""
    names = list(models)
    columns = ([row[0] for row in rows], [names.index(row[1]) for row in rows])
    return WholeTrace(*map(np.array, columns), np.array([models[row[1]].load_s for row in rows]), names)


def rows_of(case):
    """The rows of a case."""
    with (CASES / f"{case}.csv").open() as file:
        return [(float(r["time"]), r["model"], r["user"], float(r["steps"])) for r in csv.DictReader(file)]


class Ran(NamedTuple):
    """What a simulation came to."""

    server: Server
    done: list
    refused: list
    end: float

    @property
    def delays(self):
        """In the order of arrival."""
        return [d.delay_s for d in sorted(self.done, key=lambda d: d.request.number)]

    @property
    def loads(self):
        return sum(gpu.loads for gpu in self.server.gpus)


def run(rows, models, box, order=None, eviction=None, scheduler=None, think_s=None, server_of=Server):
    """A simulation from start to end."""
    scheduler = scheduler or Combined(order, eviction(models))
    server = server_of(box, models, scheduler)
    requests = requests_of(rows, models)
    arrivals = Open(requests) if think_s is None else Closed(requests, think_s)
    done, refused = [], []
    end = simulate(server, arrivals, done.append, refused.append)
    return Ran(server, done, refused, end)


def box_of(*memory_gb, **more):
    """A box with GPUs of these sizes."""
    return Box(tuple(round(gb * 1000) for gb in memory_gb), **more)


def simulated_again(rows, models, memory_mb, resident_first=False, least_often=False):
    """First come, first served with LRU, or LFU, on one GPU, written a second time: no events, one loop.

    Returns:
        Delays in the order of arrival, and how many loads.
    """
    held, served, came_as, delays, queue = OrderedDict(), {}, {}, {}, []
    clock, came, loads = 0.0, 0, 0
    while came < len(rows) or queue:
        if not queue:
            clock = max(clock, rows[came][0])
        while came < len(rows) and rows[came][0] <= clock:
            queue.append((came, *rows[came]))
            came += 1
        present = [r for r in queue if r[2] in held] if resident_first else []
        request = (present or queue)[0]
        queue.remove(request)
        number, time, name, _, steps = request
        served[name] = served.get(name, 0) + 1
        if name not in held:
            loads += 1
            while sum(models[m].memory_mb for m in held) + models[name].memory_mb > memory_mb:
                del held[min(held, key=lambda m: (served[m], came_as[m])) if least_often else next(iter(held))]
            came_as[name] = loads
            clock += models[name].load_s
        held[name] = None
        held.move_to_end(name)
        clock += models[name].generation_s(steps)
        delays[number] = clock - time
    return [delays[i] for i in range(len(rows))], loads
