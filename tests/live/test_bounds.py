"""What clients send and take costs a live box no more than so much: pictures, names, long answers, slow clients."""

import asyncio
import io
import socket
import time

import httpx
import pytest
from live_server import BOX, live, until
from sent_pictures import BROKEN, as_format, of_size, png

from genedge.errors import InputError
from genedge.live.jobs import AHEAD_BYTES, Ended, Failure, Passed, Picture, Ticket
from genedge.live.pictures import picture_of
from genedge.live.pipelines import parts_of
from genedge.live.wishes import MASKS, a1111, white_where_repaired

# --- Pictures


@pytest.mark.parametrize("how", BROKEN)
def test_a_picture_that_is_none_or_broken_is_the_clients_fault(how):
    """In the box, and in a worker, of which it is then no failure."""
    for repairs in MASKS:
        with pytest.raises(Failure, match=r"^mask: it ") as failed:
            white_where_repaired(BROKEN[how], repairs)
        assert failed.value.kind == "bad"
    with pytest.raises(InputError, match=r"^image: it "):
        parts_of(Picture(image=BROKEN[how]))
    with pytest.raises(InputError, match=r"^mask: it "):
        parts_of(Picture(image=png(), mask=BROKEN[how]))


@pytest.mark.parametrize("size", [(12_000, 12_000), (8193, 1), (1, 8193), (2**31 - 1, 2**31 - 1)])
def test_a_picture_that_says_that_it_is_huge_is_not_decoded(size):
    with pytest.raises(InputError, match=r"it has \d+x\d+ pixels; it may have 8192 each way|decompression bomb"):
        picture_of(of_size(*size), "mask")


def test_pictures_of_known_formats_are_read_and_no_others():
    for name in ("PNG", "JPEG", "WEBP"):
        assert picture_of(as_format(name), "image").size == (8, 8)
    for name in ("GIF", "BMP", "TIFF", "EPS"):
        with pytest.raises(InputError, match="it must be a PNG, JPEG or WebP file"):
            picture_of(as_format(name), "image")


def test_a_mask_is_white_where_it_is_to_be_repaired():
    from PIL import Image

    mask = Image.new("RGBA", (2, 1))
    mask.putdata([(255, 255, 255, 0), (0, 0, 0, 255)])
    file = io.BytesIO()
    mask.save(file, "PNG")
    for repairs, white in (("transparent", [255, 0]), ("white", [255, 0]), ("black", [0, 255])):
        made = Image.open(io.BytesIO(white_where_repaired(file.getvalue(), repairs)))
        assert [made.getpixel((x, 0)) for x in (0, 1)] == white


def test_more_images_than_are_made_are_refused_and_not_made_fewer():
    assert a1111({"batch_size": 2, "n_iter": 5}).picture.images == 10
    with pytest.raises(Failure, match="batch_size: times n_iter it is 20 images; at most 10 are made"):
        a1111({"batch_size": 4, "n_iter": 5})


# --- Answers


def test_whoever_makes_an_answer_waits_until_some_of_it_is_taken():
    """And goes on, too, when its client is gone."""

    async def made():
        for goes_on in (lambda ticket: ticket.pieces.get(), leaves):
            ticket = Ticket(None, Passed("POST", "/x", {}, b"{}"))
            for _ in range(2):
                ticket.put(b"x" * AHEAD_BYTES)
            waits = asyncio.ensure_future(ticket.room())
            await asyncio.sleep(0.01)
            assert not waits.done()
            await goes_on(ticket)
            await asyncio.wait_for(waits, 10)
        ticket.put(b"x")
        assert ticket.pieces.empty()

    async def leaves(ticket):
        ticket.leave()

    asyncio.run(made())


LARGE = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MB = 400


class Large(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(0)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(MB)

    def answer(self, pieces):
        self.send_response(200)
        self.send_header("Content-Length", str(pieces << 20))
        self.end_headers()
        for _ in range(pieces):
            self.wfile.write(b"x" * (1 << 20))

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Large).serve_forever()
"""


def held_mb(box):
    with open(f"/proc/{box.process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1000


@pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client")
def test_a_slow_client_costs_no_memory_and_gets_all_of_its_answer(tmp_path):
    (tmp_path / "large.py").write_text(LARGE)
    command = f"{{python}} {tmp_path}/large.py {{{{port}}}}"
    box_file = f'{BOX}  long: {{{{worker: {{{{command: "{command}", health: /healthz}}}}}}}}\n'
    with live(tmp_path, "--quiet", box=box_file) as box, socket.socket() as client:
        assert box.ask("a").status_code == 200
        before = held_mb(box)
        url = httpx.URL(box.url)
        client.connect((url.host, url.port))
        body = b'{"model": "long"}'
        client.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        until(box.generates)
        time.sleep(3)
        assert held_mb(box) < before + 100
        assert box.generates()
        client.settimeout(60)
        taken = 0
        while taken < 400 << 20:
            taken += len(client.recv(1 << 20))
        until(lambda: not box.generates())
        assert box.box()["counts"]["edge"] == 2


@pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client")
def test_a_client_that_takes_nothing_for_long_is_gone(monkeypatch):
    from genedge.edge.request import Request
    from genedge.live import app
    from genedge.live.jobs import Head

    monkeypatch.setattr(app, "STALLED_S", 0.05)
    left, sent = [], []

    class Driver:
        def leave(self, ticket):
            left.append(ticket)

    async def send(message):
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    async def answered():
        ticket = Ticket(Request(0, 0.0, "a", "", 1.0, 1.0), Passed("POST", "/x", {}, b"{}"))
        ticket.put(b"x")
        ticket.put(Ended())
        await asyncio.wait_for(app._AsItComes(Driver(), ticket, Head(200, {}))({}, None, send), 10)
        assert left == [ticket]

    asyncio.run(answered())
    # Without its end, so that it shows.
    assert sent == ["http.response.start", "http.response.body"]


# --- What is kept of a request


@pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client")
def test_bodies_and_names_are_bounded(tmp_path):
    with live(tmp_path, "--quiet") as box:
        for path in ("/x", "/v1/images/generations"):
            answer = box.client.post(path, json={"model": "a", "user": "u" * 257})
            assert answer.status_code == 400
            assert answer.json()["error"]["message"] == "user: it may have 256 characters, not 257"
        assert box.ask("a", user="u" * 256).status_code == 200
        form = b'--B\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n%s\r\n--B--\r\n'
        for picture, told in ((png(), "a is a server of its own"), (b"x" * (33 << 20), "the body is too long")):
            # In chunks, so that its length is not known before.
            answer = box.client.post(
                "/v1/images/edits",
                content=iter([form % picture]),
                headers={"content-type": "multipart/form-data; boundary=B"},
            )
            assert answer.status_code == 400
            assert told in answer.json()["error"]["message"]
