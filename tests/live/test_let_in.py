"""Who is let in at a live box and who may wait, what it answers to what nobody foresaw, and the steps it says."""

import asyncio
import io
import json
import threading
from functools import partial

import httpx
import pytest
from live_boxes import House
from live_server import BOX, gate, live, until

from genedge.live.journal import NoJournal

pytestmark = pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client")


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    with live(tmp_path_factory.mktemp("box")) as served:
        yield served


# --- Pages of other sites


def test_pages_of_other_sites_may_not_ask_in_their_visitors_names(box):
    own = box.url.removeprefix("http://")
    port = own.partition(":")[2]
    for origin, host, lets_in in (
        (None, own, True),
        (f"http://{own}", own, True),
        (f"http://localhost:{port}", f"localhost:{port}", True),
        (f"http://[::1]:{port}", f"[::1]:{port}", True),
        ("http://evil.example", own, False),
        (f"http://localhost:{port}", own, False),
        ("http://127.0.0.1:3000", own, False),
        ("null", own, False),
        ("", own, False),
        # A site whose own name points to this machine.
        (f"http://evil.example:{port}", f"evil.example:{port}", False),
        ("http://[::1", "[::1", False),
    ):
        headers = {"host": host, **({} if origin is None else {"origin": origin})}
        answer = box.client.post("/x", json={"model": "a"}, headers=headers)
        assert answer.status_code == (200 if lets_in else 403), (origin, host)
        if not lets_in:
            told = answer.json()["error"]
            assert told["code"] == "origin"
            assert "asks in its visitor's name" in told["message"]
        assert box.client.get("/v1/models", headers=headers).status_code == 200
    # What a browser asks before it sends such a thing is not allowed, either.
    asks = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = box.client.options("/x", headers=asks)
    assert answer.status_code == 405
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_with_a_key_a_box_may_have_any_name(tmp_path):
    with live(tmp_path, environment={"GENEDGE_KEY": "secret"}) as box:
        shown = {"host": "box.example", "authorization": "Bearer secret"}
        for origin, status in (("http://box.example", 200), ("http://evil.example", 403)):
            answer = box.client.post("/x", json={"model": "a"}, headers={**shown, "origin": origin})
            assert answer.status_code == status


# --- What nobody foresaw


def test_what_nobody_foresaw_is_an_object_and_goes_on_to_whoever_logs_it(tmp_path):
    from starlette.routing import Route

    from genedge.live.app import Box, Door, application
    from genedge.live.metrics import Metrics
    from genedge.live.soon import Soon

    async def broken(request):
        raise ZeroDivisionError

    async def asked():
        log, house = io.StringIO(), House(tmp_path, NoJournal())
        served = Box(house.driver, Door(), Metrics(log), Soon(house.driver))
        app = application(served, [Route("/broken", served.open(broken))])
        for raises in (False, True):
            transport = httpx.ASGITransport(app, raise_app_exceptions=raises)
            async with httpx.AsyncClient(transport=transport, base_url="http://box") as client:
                try:
                    answer = await client.get("/broken")
                except ZeroDivisionError:
                    continue
        await house.driver.close()
        return answer, [json.loads(line) for line in log.getvalue().splitlines()]

    answer, lines = asyncio.run(asked())
    assert (answer.status_code, answer.headers["connection"]) == (500, "close")
    assert answer.json()["error"]["message"] == "ZeroDivisionError, which nobody foresaw; the box has written where"
    assert [(line["path"], line["status"]) for line in lines] == [("/broken", 500)] * 2


def test_methods_that_are_not_answered_are_said_with_those_that_are(box):
    before = len(box.said)
    for method in ("OPTIONS", "TRACE", "BREW"):
        answer = box.client.request(method, "/v1/images/generations")
        assert answer.status_code == 405
        assert "POST" in answer.headers["allow"]
        assert answer.json()["error"]["message"].startswith(f"{method} is not answered here; ")
    until(lambda: len(box.said) >= before + 3)
    assert [json.loads(line)["method"] for line in box.said[before:]] == ["OPTIONS", "TRACE", "BREW"]


# --- Who does not wait


def asks_meanwhile(box, folder, asks):
    """What is answered to those who ask while a request is generated."""
    with gate(folder) as opens:
        busy = threading.Thread(target=lambda: box.ask("a", until=opens))
        busy.start()
        until(box.generates)
        answers = [asks() for _ in range(3)]
    busy.join()
    return answers


def refused_at_once(answer):
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "busy")
    assert 1 <= int(answer.headers["retry-after"]) <= 120


def test_who_asks_not_to_wait_is_served_at_once_or_refused(box, tmp_path):
    def asks(model="a", wait="no"):
        return box.client.post("/x", json={"model": model}, headers={"X-Genedge-Wait": wait})

    assert asks(wait="yes").status_code == 200
    assert asks().status_code == 200
    before = box.counted('genedge_requests_total{model="a",outcome="busy"}')
    for answer in asks_meanwhile(box, tmp_path, asks):
        refused_at_once(answer)
    assert box.box()["waiting"] == []
    assert box.counted('genedge_requests_total{model="a",outcome="busy"}') == before + 3
    # What is not loaded is, for who comes back.
    refused_at_once(asks("b"))
    until(lambda: asks("b").status_code == 200)
    assert asks("large").status_code == 400
    assert asks(wait="maybe").json()["error"]["message"] == "X-Genedge-Wait: must be no or yes, not 'maybe'"


def test_where_none_may_wait_all_are_served_at_once_or_refused(tmp_path):
    with live(tmp_path, "--waiting", "0") as box:
        refused_at_once(box.ask("a"))
        until(lambda: box.ask("a").status_code == 200)
        for answer in asks_meanwhile(box, tmp_path, lambda: box.ask("a")):
            refused_at_once(answer)
        assert box.ask("a").status_code == 200


# --- Steps


def test_a_server_is_told_as_many_steps_as_its_request_was_allotted(tmp_path):
    """Four of which wait longer than the scheduler lets them with all their steps; one does not say how many."""
    box_file = BOX.replace("B1_s_per_step: 0,", "B1_s_per_step: 1, least_steps: 4,")
    scheduler = tmp_path / "fewer.yaml"
    scheduler.write_text("order: {name: fifo}\neviction: {name: lru}\nfewer_steps_s: 1\n")
    given = [{"num_inference_steps": 50}, {"steps": 50, "prompt": "ü"}, {"max_tokens": 7.5}, {}, {"steps": 3}]
    found, threads = [], []
    with live(tmp_path, "--scheduler", str(scheduler), box=box_file) as box:
        with gate(tmp_path) as opens:
            for waiting, fields in enumerate(given):
                ask = partial(box.ask, "a", until=opens, **fields)
                threads.append(threading.Thread(target=lambda ask=ask: found.append(ask())))
                threads[-1].start()
                until(lambda n=waiting: box.generates() and sum(x["requests"] for x in box.box()["waiting"]) == n)
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in found] == [200] * 5
        told = []
        for answer in found:
            body = answer.json()["body"]
            named = [body[field] for field in ("num_inference_steps", "steps", "max_tokens") if field in body]
            assert answer.headers["x-genedge-steps"] == "".join(f"{steps:g}" for steps in named)
            told += named
        assert sorted(told) == [3, 4, 4, 50]
        assert "ü" in [answer.json()["body"].get("prompt") for answer in found]
        assert box.counted('genedge_steps_total{model="a"}') == sum(told)
