"""The least sum of delays of a tiny box, found by trying all schedules: written apart from the box and its bounds.

Something begins only when a request comes or something ends: whatever begins between could as well begin then. What
is loaded is not given up before it has served: that load could as well have been left out, but for one that brought
a model into the host's memory.
"""

import random
from functools import cache
from itertools import combinations
from math import inf
from typing import NamedTuple

from edge_boxes import box_of, models_of

from genedge.edge.box import Ram
from genedge.edge.scheduler import Load, Serve, Wait


class Gpu(NamedTuple):
    """What a GPU holds, what of it must serve before it may go, and until when it is busy."""

    held: frozenset
    fresh: frozenset = frozenset()
    until: float = -inf


class Host(NamedTuple):
    """Which models were loaded before, and which are in its memory, for they left a GPU."""

    loaded: frozenset = frozenset()
    ram: frozenset = frozenset()

    def without(self, out):
        """The same when models leave a GPU."""
        return Host(self.loaded, self.ram | set(out))


def least_sum(rows, models, box, on_demand=True):
    """The least sum of all delays, and what to do for it.

    Args:
        rows: (time, model, user, steps) in the order of time; each model must fit on each GPU.
        models: by name.
        box: without overlap and cloud, with host memory for all models or none.
        on_demand: whether a model loads only while somebody waits for it.

    Returns:
        Seconds, and what begins: (time, GPU, "serve", request) or (time, GPU, "load", model, given up).
    """
    share = 1.0 if box.ram is None else box.ram.load_share
    own = [models[row[1]].generation_s(row[3]) for row in rows]
    pins = frozenset(box.pins)

    def ways(gpu, memory_mb, need_mb, spare, places):
        """What may be given up so that there is room: no more than needed."""
        able = sorted(gpu.held - gpu.fresh - pins - spare)
        found = []
        for n in range(len(able) + 1):
            for out in combinations(able, n):
                if any(set(other) <= set(out) for other in found):
                    continue
                left = gpu.held - set(out)
                fits = sum(models[m].memory_mb for m in left) + need_mb <= memory_mb
                if fits and len(left) + places <= (box.most_models or inf):
                    found.append(out)
        return found

    def choices(now, g, gpus, left, host):
        """What a GPU may begin: the GPUs then, who is left, what the host knows, the cost, and what it is."""
        gpu = gpus[g]
        waiting = [i for i in left if rows[i][0] <= now]
        yield gpus, left, host, 0.0, None
        for i in waiting:
            name = rows[i][1]
            if name in gpu.held:
                for out in ways(gpu, box.gpus[g], models[name].working_mb, {name}, 0):
                    then = Gpu(gpu.held - set(out), gpu.fresh - {name}, now + own[i])
                    doing = (now, g, "serve", i, out)
                    cost = now + own[i] - rows[i][0]
                    yield (*gpus[:g], then, *gpus[g + 1 :]), left - {i}, host.without(out), cost, doing
        for name in sorted({rows[i][1] for i in (waiting if on_demand else left)}):
            if name not in gpu.held:
                takes = models[name]
                for out in ways(gpu, box.gpus[g], takes.memory_mb, set(), 1):
                    keeps = host.without(out)
                    load_s = takes.load_s * (share if name in keeps.ram else 1.0)
                    may_go = box.ram is not None and name not in host.loaded
                    fresh = gpu.fresh if may_go else gpu.fresh | {name}
                    then = Gpu(gpu.held - set(out) | {name}, fresh, now + load_s)
                    doing = (now, g, "load", name, out)
                    after = Host(keeps.loaded | {name}, keeps.ram - {name})
                    yield (*gpus[:g], then, *gpus[g + 1 :]), left, after, 0.0, doing

    @cache
    def begin(now, g, gpus, left, host):
        if not left:
            return 0.0, ()
        if g == len(gpus):
            events = [gpu.until for gpu in gpus if gpu.until > now] + [rows[i][0] for i in left if rows[i][0] > now]
            return begin(min(events), 0, gpus, left, host) if events else (inf, ())
        if gpus[g].until > now:
            return begin(now, g + 1, gpus, left, host)
        best, plan = inf, ()
        for then, rest, after, cost, doing in choices(now, g, gpus, left, host):
            # What takes no time is over at once, and the GPU is asked again.
            again = doing is not None and then[g].until <= now
            more, following = begin(now, g if again else g + 1, then, rest, after)
            if cost + more < best:
                best, plan = cost + more, following if doing is None else (doing, *following)
        return best, plan

    gpus = [frozenset() for _ in box.gpus]
    for name in (*box.pins, *box.warm):
        g = max(range(len(gpus)), key=lambda g: box.gpus[g] - sum(models[m].memory_mb for m in gpus[g]))
        gpus[g] |= {name}
    return begin(rows[0][0], 0, tuple(Gpu(held) for held in gpus), frozenset(range(len(rows))), Host())


class Scripted:
    """A scheduler that does what it is told to do."""

    name = "scripted"

    def __init__(self, plan):
        self._plan, self._requests = list(plan), {}

    def arrived(self, now, request):
        self._requests[request.number] = request

    def cancelled(self, now, request):
        pass

    def finished(self, now, gpu, request, took_s):
        pass

    def loaded(self, now, gpu, model, took_s, failed):
        pass

    def next(self, now, gpu, view):
        if not self._plan or self._plan[0][:2] != (now, gpu):
            return Wait()
        _, _, what, which, out = self._plan.pop(0)
        if what == "load":
            return Load(which, out)
        request = self._requests[which]
        return Serve(request, request.steps, out)


def tiny(seed):
    """A tiny box and requests: ties, loads and generations of no time, unequal models, features now and then."""
    draw = random.Random(seed)
    gpus = 1 if draw.random() < 0.8 else 2
    names = "abc"[: draw.randint(1, 3)]
    models = models_of(
        **{
            name: tuple(
                draw.choice(of)
                for of in ((1, 1, 2, 3), (0, 1, 2, 5, 9), (0, 1, 1, 2), (0, 0, 0.5, 3), (0, 0, 0, 1))
            )
            for name in names
        }
    )
    gaps, time, rows = draw.choice([[0], [0, 1], [0, 1, 2, 5], [1, 4, 9, 30], [0, 0, 1, 25]]), 0.0, []
    for _ in range(draw.randint(1, 6 if gpus == 1 else 3)):
        time += draw.choice(gaps)
        rows.append((time, draw.choice(names), "u", draw.choice([0, 1, 1, 2, 4])))
    more, one = {}, draw.choice(names)
    memory_gb = max(m.memory_mb + m.working_mb for m in models.values()) / 1000 + draw.choice([0, 1, 2])
    if draw.random() < 0.2:
        more["most_models"] = draw.randint(1, 2)
    # With host memory and two GPUs there are too many ways to load.
    if gpus == 1 and draw.random() < 0.2:
        more["ram"] = Ram(10**6, draw.choice([0.0, 0.25, 0.5]))
    if draw.random() < 0.15:
        more["warm"] = (one,)
    elif draw.random() < 0.15 and more.get("most_models") != 1:
        more["pins"] = (one,)
        memory_gb += models[one].memory_mb / 1000
    return rows, models, box_of(*[memory_gb] * gpus, **more), draw
