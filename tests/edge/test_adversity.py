"""A box to which what no simulation does happens: models are lost, loads fail, others take memory, clients go."""

from edge_boxes import box_of, models_of, order_named
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge.edge.live_server import LiveServer
from genedge.edge.request import Request
from genedge.edge.scheduler import Load, Serve
from genedge.edge.schedulers.combined import Combined
from genedge.edge.schedulers.evictions import Lru
from genedge.registry import named

MODELS = models_of(a=(1, 5, 1), b=(2, 3, 1, 2), c=(3, 8, 0.5), d=(2, 2, 2, 0, 1))
ORDERS = list(named("order"))


def server_of(box, order="fifo"):
    return LiveServer(box, MODELS, Combined(order_named(order), Lru(MODELS)))


def request_for(number, time, model):
    return Request(number, time, model, "u", 1, MODELS[model].generation_s(1))


def loaded_with(server, *models):
    """Loads and serves one request of each, in this order, from 0 s on."""
    for i, model in enumerate(models):
        server.arrive(i, request_for(i, i, model))
        assert isinstance(server.next(i, 0), Load)
        server.loaded(i, 0, 1.0)
        assert isinstance(server.next(i, 0), Serve)
        server.finished(i, 0, 1.0)


def test_a_model_that_is_lost_is_loaded_again():
    server = server_of(box_of(4))
    loaded_with(server, "a")
    assert server.lost(5, 0, "a") is None
    assert server.gpus[0].free_mb == 4000
    assert not server.gpus[0].resident
    server.arrive(6, request_for(9, 6, "a"))
    assert server.next(6, 0) == Load("a", ())


def test_a_worker_that_dies_in_the_midst_gives_its_request_back():
    server = server_of(box_of(4))
    loaded_with(server, "a")
    request = request_for(9, 6, "a")
    server.arrive(6, request)
    assert isinstance(server.next(6, 0), Serve)
    assert server.lost(7, 0, "a") is request
    assert not request.waiting
    server.arrive(7, request)
    assert server.next(7, 0) == Load("a", ())


def test_others_take_memory_from_what_rests_longest():
    server = server_of(box_of(6))
    loaded_with(server, "a", "b", "c")
    assert server.others_hold(9, 0, 1) == ["a"]
    assert server.gpus[0].free_mb == 999
    assert server.others_hold(10, 0, 3000) == ["b"]
    assert server.gpus[0].free_mb == 0
    assert server.others_hold(11, 0, 0) == []
    assert server.gpus[0].free_mb == 3000


def test_what_generates_stays_though_others_take_its_memory():
    server = server_of(box_of(4))
    loaded_with(server, "c")
    server.arrive(6, request_for(9, 6, "c"))
    assert isinstance(server.next(6, 0), Serve)
    assert server.others_hold(7, 0, 3000) == []
    assert server.gpus[0].free_mb == -2000
    server.finished(8, 0, 2.0)
    assert server.others_hold(8, 0, 3000) == ["c"]


@settings(deadline=None, max_examples=150)
@given(st.data(), st.sampled_from(ORDERS), st.sampled_from([(4,), (5, 3)]), st.sampled_from([(), ("a",)]))
def test_the_ledger_is_right_whatever_happens(data, order, gpus, pins):
    """Memory sums up after every event, what loads or generates is in memory, and each request is answered once."""
    server = server_of(box_of(*gpus, pins=pins), order)
    served, left, came = [], [], []
    for now in range(40):
        happens(server, now, data.draw(st.integers(0, 9)), data, came, served, left)
        for gpu in range(len(gpus)):
            server.next(now, gpu)
        for state in server.gpus:
            held = sum(MODELS[model].memory_mb for model in state.resident)
            assert state.free_mb == state.memory_mb - state.others_mb - held
            assert state.loading is None or state.loading in state.resident
            assert state.serving is None or state.serving.model in state.resident
            assert set(state.resting) <= set(state.resident)
    under_way = [state.serving.number for state in server.gpus if state.serving]
    waiting = [request.number for queue in server.waiting.values() for request in queue]
    aside = [request.number for request in server.aside]
    assert sorted([*served, *left, *under_way, *waiting, *aside]) == sorted(came)


def happens(server, now, what, data, came, served, left):
    """One thing, where it can be."""
    gpu = data.draw(st.sampled_from(range(len(server.gpus))))
    state = server.gpus[gpu]
    if what <= 3:
        request = request_for(now, now, data.draw(st.sampled_from("abc")))
        came.append(now)
        assert server.arrive(now, request)
    elif what <= 5 and state.serving is not None:
        served.append(server.finished(now, gpu, 1.0).number)
    elif what <= 7 and state.loading is not None:
        server.loaded(now, gpu, 1.0, failed=data.draw(st.booleans()))
    elif what == 8:
        waiting = [request for queue in server.waiting.values() for request in queue]
        if waiting and data.draw(st.booleans()):
            request = data.draw(st.sampled_from(waiting))
            server.cancel(now, request)
            left.append(request.number)
        else:
            server.others_hold(now, gpu, data.draw(st.sampled_from([0, 500, 2000])))
    elif what == 9:
        there = [model for model in state.resident if model != state.loading]
        if there:
            request = server.lost(now, gpu, data.draw(st.sampled_from(there)))
            if request is not None:
                server.arrive(now, request)
