"""The door before several boxes: which model a request is for, and what it does if boxes break off or are full."""

import asyncio
import contextlib
import json
import socket

import pytest

pytestmark = pytest.mark.heavy("starlette", "httpx", "h11")

TAKES = {"load_s": 0, "displaces_s": 0, "own_s": 1}


async def request_of(body, content_type="application/json"):
    from starlette.requests import Request

    from genedge.live.front import model_of

    headers = [(b"content-type", content_type.encode())]
    return await model_of(Request({"type": "http", "method": "POST", "headers": headers}), body)


def test_the_model_in_each_interface():
    form = (
        b"--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n"
        b"--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"i.png\"\r\n\r\n\x00\x01\r\n--x--\r\n"
    )  # fmt: skip
    for body, kind, model in (
        (b'{"model": "m"}', "application/json", "m"),
        (b'{"model": "x", "override_settings": {"sd_model_checkpoint": "m"}}', "", "m"),
        (form, "multipart/form-data; boundary=x", "m"),
        (form[:40], "multipart/form-data; boundary=x", None),
        (form, "multipart/form-data", None),
        (b'{"prompt": ""}', "", None),
        (b'{"model": 3, "override_settings": 4}', "", None),
        (b"[1]", "", None),
        (b"", "", None),
        (b"[" * 100_000, "", None),
        (b"\xff", "", None),
    ):
        assert asyncio.run(request_of(body, kind)) == model, body[:80]


@contextlib.asynccontextmanager
async def door(*answers):
    """A door before boxes that each answer every request with these bytes, and then close."""
    import httpx

    from genedge.live.app import Door
    from genedge.live.front import Front
    from genedge.live.others import Others
    from genedge.live.routing import seen_of

    heard, servers, writers = [], [], []

    def serving(number, said):
        async def serve(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            heard.append((number, head))
            writers.append(writer)
            if said is not None:
                writer.write(said)
                writer.close()

        return serve

    for number, said in enumerate(answers):
        servers.append(await asyncio.start_server(serving(number, said), "127.0.0.1", 0))
    others = Others([f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers], {})
    for number, box in enumerate(others.boxes):
        box.seen = seen_of({"busy_s": number, "free_mb": 0, "gpus": 1, "models": {"m": TAKES}})
    front = Front(others, Door(key="k", most_bytes=1 << 20), "inner", None)
    transport = httpx.ASGITransport(front.application())
    headers = {"Authorization": "Bearer k"}
    async with httpx.AsyncClient(transport=transport, base_url="http://door", headers=headers) as client:
        yield client, others, heard
    front.close()
    for each in (*servers, *writers):
        each.close()
        await each.wait_closed()
    await asyncio.sleep(0.05)


def asked(client, **headers):
    return client.post("/v1/x?y=1", content=json.dumps({"model": "M"}), headers=headers)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Genedge-Served-By: edge\r\n\r\nok"
FULL = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nfull"


def timed(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, 30))


def test_the_best_box_answers_and_gets_the_boxes_key():
    async def ask():
        async with door(OK, OK) as (client, others, heard):
            answer = await asked(client)
            assert (answer.status_code, answer.text, answer.headers["x-genedge-box"]) == (200, "ok", "0")
            assert answer.headers["x-genedge-served-by"] == "edge"
            ((number, head),) = heard
            assert number == 0
            assert head.startswith(b"POST /v1/x?y=1 HTTP/1.1\r\n")
            assert b"authorization: Bearer inner\r\n" in head
            assert b"Bearer k\r\n" not in head
            assert others.boxes[0].sent == []
            assert (await asked(client, Authorization="Bearer other")).status_code == 401
            for path in ("/metrics", "/v1/box", "/v1/models"):
                assert (await client.get(path, headers={"Authorization": ""})).status_code == 401
            assert len(heard) == 1
            assert (await client.get("/v1/box")).json()["underway"] == 0
            assert 'genedge_door_answers_total{box="0",status="200"} 1' in (await client.get("/metrics")).text

    timed(ask())


def test_its_own_pages_may_ask_and_those_of_others_not():
    async def ask():
        async with door(OK) as (client, _, heard):
            refused = await asked(client, Origin="http://evil.example")
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "origin")
            assert heard == []
            assert (await asked(client, Origin="http://door")).status_code == 200
            # A box would take it for another's.
            assert b"origin" not in heard[0][1].lower()

    timed(ask())


def test_methods_that_are_not_answered_are_said_as_objects():
    async def ask():
        async with door(OK) as (client, _, heard):
            for method in ("OPTIONS", "TRACE"):
                answer = await client.request(method, "/v1/x")
                assert answer.status_code == 405
                assert answer.json()["error"]["message"].startswith(f"{method} is not answered here; ")
            assert heard == []

    timed(ask())


@pytest.mark.parametrize("broken", [b"", b"rubbish\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", OK[:-2]])
def test_one_that_breaks_off_before_it_answers_is_passed_over(broken):
    async def ask():
        async with door(broken, OK) as (client, _, heard):
            answer = await asked(client)
            assert (answer.status_code, answer.headers["x-genedge-box"]) == (200, "1")
            assert [number for number, _ in heard] == [0, 1]

    timed(ask())


def test_one_that_hangs_is_passed_over_when_it_is_gone():
    async def ask():
        async with door(None, OK) as (client, others, heard):
            asks = asyncio.ensure_future(asked(client))
            while not heard:
                await asyncio.sleep(0.01)
            assert (await client.get("/v1/box")).json()["underway"] == 1
            others.boxes[0].gone.set()
            assert (await asks).headers["x-genedge-box"] == "1"

    timed(ask())


def test_full_ones_are_passed_over_and_if_all_are_one_says_so():
    async def ask():
        async with door(FULL, OK) as (client, others, _):
            assert (await asked(client)).headers["x-genedge-box"] == "1"
            assert others.boxes[0].sent == others.boxes[1].sent == []
        async with door(FULL, FULL) as (client, others, heard):
            answer = await asked(client)
            assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (429, "full", "3")
            assert len(heard) == 2
            assert others.boxes[0].sent == others.boxes[1].sent == []

    timed(ask())


def test_where_no_box_answers_the_client_is_to_come_back():
    async def ask():
        async with door(b"", b"") as (client, others, _):
            answer = await asked(client)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "no box answers now" in answer.json()["error"]["message"]
            for box in others.boxes:
                box.seen = None
            assert (await asked(client)).status_code == 503
            assert (await client.get("/healthz")).status_code == 503

    timed(ask())


def test_bodies_are_bounded_together_and_each():
    """Four of the largest size for each box; what has been answered is of no more account."""
    large = {"content": json.dumps({"model": "m", "x": "x" * ((1 << 20) - 100)})}

    async def ask():
        async with door(None) as (client, others, heard):
            assert (await client.post("/v1/x", content=b"x" * ((1 << 20) + 1))).status_code == 400
            waiting = [asyncio.ensure_future(client.post("/v1/x", **large)) for _ in range(4)]
            while len(heard) < 4:
                await asyncio.sleep(0.01)
            refused = await client.post("/v1/x", **large)
            assert refused.status_code == 429
            assert "no room for another" in refused.json()["error"]["message"]
            others.boxes[0].gone.set()
            assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [503] * 4
            others.boxes[0].gone.clear()
            again = asyncio.ensure_future(client.post("/v1/x", **large))
            while len(heard) < 5:
                await asyncio.sleep(0.01)
            others.boxes[0].gone.set()
            assert (await again).status_code == 503

    timed(ask())


def test_answers_are_sent_at_once():
    """What asyncio does not know to be TCP waits for the other side to confirm the head before the body goes."""
    from genedge.live.service import listener

    async def connected():
        reached = asyncio.get_running_loop().create_future()
        with listener("127.0.0.1", 0) as listens:
            server = await asyncio.start_server(lambda r, w: reached.set_result(w), sock=listens)
            _, writer = await asyncio.open_connection(*listens.getsockname())
            accepted = (await reached).get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for each in (writer, await reached, server):
                each.close()
            await asyncio.sleep(0.05)

    timed(connected())
