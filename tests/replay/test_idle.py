"""What heaps decide is what a plain search through all that is in memory decides, to the last request."""

import numpy as np
import pytest

from genedge.registry import named
from genedge.replay.catalogue import TraceModels, load_catalogue
from genedge.replay.hindsight import Belady, WholeTrace
from genedge.replay.idle import Idle
from genedge.replay.server import Server
from genedge.replay.trace import Chunk

ONLINE = [name for name, entry in named("trace policy").items() if "foresees" not in entry.traits]


class PlainIdle:
    """The interface of `Idle`, over a list in the order of loads."""

    def __init__(self, models, size):
        self.models, self.size = models, size

    def least(self, need_mb, value):
        victims = []
        for model in sorted(self.models, key=value):
            if need_mb <= 0:
                break
            victims.append(model)
            need_mb -= self.size[model]
        return victims if need_mb <= 0 else None

    least_now = least


def plain_serve(memory_mb, models, policy, chunk):
    """Hits and loads of a server that goes through everything in memory at every miss."""
    size, ready, busy = models.memory_mb, {}, {}
    hits, loaded = [], []
    for i, (time, m, user, local_s, _) in enumerate(zip(*chunk, strict=True)):
        policy.seen(time, m, user)
        hits.append(m in ready and ready[m] <= time)
        if hits[-1]:
            busy[m] = max(busy[m], time + local_s)
        if m in ready or size[m] > memory_mb:
            continue
        idle = PlainIdle([x for x in busy if busy[x] <= time], size)
        need_mb = size[m] - memory_mb + sum(size[x] for x in busy)
        victims = policy.choose(time, m, idle, need_mb)
        if victims is not None:
            for victim in victims:
                del ready[victim], busy[victim]
            ready[m] = busy[m] = time + models.load_s[m]
            loaded.append(i)
    return hits, loaded


def drawn(rng, count, requests):
    """Models and a trace with ties of every kind: of times, counts, savings and sizes."""
    tree = load_catalogue("load-free").model_dump()
    sizes = [[1.0], [1.0, 2.0, 3.0, 1.234], [0.001, 0.007, 4.0]][rng.integers(3)]
    loads = [[0.0], [22.5], [0.0, 3.0, 1e3]][rng.integers(3)]
    tree["models"] = {
        str(m): {"memory_gb": rng.choice(sizes), "load_s": rng.choice(loads), "result_mb": rng.choice([7.5, 0, 20])}
        for m in range(count)
    }
    models = TraceModels(load_catalogue("load-free").model_validate(tree))
    for m in range(count):
        models.number(str(m))
    gaps = rng.choice([[0.0, 0.0, 1.0], [0.5, 0.5, 1.0], [0.0, 10.0, 100.0]][rng.integers(3)], requests)
    runs = [[0.0], [0.0, 1.0, 2.0], [18.0, 30.0]][rng.integers(3)]
    model = np.minimum(rng.zipf(1.3, requests) - 1, count - 1)
    chunk = Chunk(
        np.cumsum(gaps).tolist(),
        model.tolist(),
        rng.integers(-1, 6, requests).tolist(),
        rng.choice(runs, requests).tolist(),
        [1.0] * requests,
    )
    return models, chunk


@pytest.mark.parametrize("name", [*ONLINE, "belady"])
@pytest.mark.parametrize("seed", range(4))
def test_heaps_decide_as_a_plain_search(name, seed):
    rng = np.random.default_rng(seed)
    loads = 0
    for _ in range(12):
        models, chunk = drawn(rng, int(rng.integers(1, 30)), 300)
        memory_mb = int(rng.choice([0, 1000, 2500, 6000, 20_000]))
        requests = WholeTrace(np.array(chunk.time), np.array(chunk.model), np.array(chunk.saved_s))

        def policy(models=models, requests=requests):
            return Belady(models, requests) if name == "belady" else named("trace policy")[name].load()(models)

        served = Server(memory_mb, models, policy()).serve(chunk)
        assert plain_serve(memory_mb, models, policy(), chunk) == served
        loads += len(served.loaded)
    assert loads > 0 or name == "cloud-only"


def test_what_is_found_may_stay_and_what_stays_may_go():
    idle = Idle([1, 1, 1])
    value = {0: 3.0, 1: 1.0, 2: 2.0}
    for model in (0, 1, 2):
        idle.load(model, until=0.0)
    idle.advance(0.0)
    assert idle.least(2, value.__getitem__) == [1, 2]
    assert idle.least(2, value.__getitem__) == [1, 2]
    idle.use(1, until=5.0)
    value[1] = 4.0
    assert idle.least(2, value.__getitem__) == [2, 0]
    assert idle.least(3, value.__getitem__) is None
    idle.give_up(0)
    idle.load(0, until=4.0)
    idle.advance(5.0)
    value[0] = 5.0
    assert idle.least(3, value.__getitem__) == idle.least_now(3, value.__getitem__) == [2, 1, 0]


@pytest.mark.parametrize("name", ["lru", "lfu", "gdsf"])
def test_a_miss_looks_at_few_of_many_models(name, monkeypatch):
    """Counted, not timed: how many values are asked for in all, with thousands of models in memory."""
    looks = 0
    least = Idle.least

    def counting(self, need_mb, value):
        def counted(model):
            nonlocal looks
            looks += 1
            return value(model)

        return least(self, need_mb, counted)

    monkeypatch.setattr(Idle, "least", counting)
    tree = load_catalogue("load-free").model_dump()
    models = TraceModels(load_catalogue("load-free").model_validate(tree))
    rng = np.random.default_rng(0)
    model = rng.integers(0, 4000, 12_000).tolist()
    for m in range(4000):
        models.number(str(m))
    n = len(model)
    chunk = Chunk([float(t) for t in range(n)], model, [0] * n, [20.0] * n, [1.0] * n)
    served = Server(2000 * models.memory_mb[0], models, named("trace policy")[name].load()(models)).serve(chunk)
    assert len(served.loaded) > 5000
    assert looks < 5 * n
