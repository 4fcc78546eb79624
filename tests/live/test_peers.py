"""Boxes whose cloud is other boxes: who is asked, that nothing goes to and fro, and what if one is gone."""

import contextlib
import itertools
import json
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from live_server import live, until

pytestmark = pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client")

# By the catalogue a load takes long, so that another box that has the model is sooner; in truth it is quick.
BOX = """
name: peer
gpus: [{{memory_gb: 2}}]
models:
  defaults: {{memory_gb: 2, load_s: 60, B1_s_per_step: 0, B2_s: 0.1,
    worker: {{command: "{python} {echo} {{port}} 0", health: /healthz}}}}
  a: {{}}
  b: {{}}
  broken: {{worker: {{command: "{python} -c 'raise SystemExit(7)' {{port}}", health: /healthz}}}}
"""
folders = itertools.count()


def box_of(tmp_path, *options, **more):
    folder = tmp_path / f"box{next(folders)}"
    folder.mkdir()
    return live(folder, "--shadow", "", *options, box=BOX, **more)


def served_by(answer):
    assert answer.status_code == 200, answer.text
    return answer.headers["x-genedge-served-by"]


def knows(box, *has):
    """Waits until a box has heard which models its peers have, and that they rest."""
    until(lambda: [(other["has"], other["busy_s"]) for other in box.box()["others"]] == [(x, 0) for x in has], 60)


def test_a_box_that_has_the_model_is_asked_and_one_that_has_not_is_not(tmp_path):
    with box_of(tmp_path) as there, box_of(tmp_path, "--cloud", there.url) as here:
        pid = there.ask("b").json()["pid"]
        knows(here, ["b"])
        answer = here.ask("b")
        assert answer.json()["pid"] == pid
        assert "s expected there, " in answer.headers["x-genedge-why"]
        # Both would have to load it, and one's own load is no later.
        assert served_by(here.ask("a")) == "edge"
        # Now it is here, and this box does not ask for it elsewhere.
        assert served_by(here.ask("a")) == "edge"
        assert here.box()["counts"] == {"cloud": 1, "edge": 2}
        assert "cloud" not in there.box()["counts"]


def test_what_cannot_be_loaded_here_is_served_there(tmp_path):
    good = BOX.replace("raise SystemExit(7)", "pass").replace(
        "{python} -c 'pass' {{port}}", "{python} {echo} {{port}} 0"
    )
    folder = tmp_path / "good"
    folder.mkdir()
    with live(folder, box=good) as there, box_of(tmp_path, "--cloud", f"{there.url}/v1/") as here:
        assert served_by(here.ask("broken")) == "cloud"
        # It rests here for a minute, and is asked of the other at once.
        assert served_by(here.ask("broken")) == "cloud"


def test_nothing_goes_to_and_fro(tmp_path):
    """Each is the other's cloud, and neither can load the model."""
    ports = [free_port() for _ in range(2)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    with (
        box_of(tmp_path, "--port", str(ports[0]), "--cloud", urls[1], "--journal", str(tmp_path / "j0")) as one,
        box_of(tmp_path, "--port", str(ports[1]), "--cloud", urls[0], "--journal", str(tmp_path / "j1")) as other,
    ):
        answer = one.ask("broken")
        assert answer.status_code == 502
        assert "could not be loaded" in answer.text or "has ended with status 7" in answer.text
        # A request that has been passed on stays, though the other has the model.
        other.ask("b")
        knows(one, ["b"])
        stays = one.client.post("/x", json={"model": "b"}, headers={"X-Genedge-Passed-On": "1"})
        assert served_by(stays) == "edge"
        # A flood of both at once: all are served, and none is passed on twice.
        answers = []
        threads = [
            threading.Thread(target=lambda box=box, m=m: answers.append(box.ask(m)))
            for box in (one, other)
            for m in "abababab"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 16
        assert {served_by(answer) for answer in answers} <= {"edge", "cloud"}
        sent = [(tmp_path / j / "journal.jsonl").read_text().count('"offloaded"') for j in ("j0", "j1")]
        counts = [box.box()["counts"] for box in (one, other)]
        # What one sends the other serves itself: nobody sends more than its own clients asked of it.
        assert sent[1] <= 8
        assert counts[0].get("cloud", 0) + counts[0].get("failed", 0) >= sent[0] - 1


def test_a_peer_that_dies_is_left_alone(tmp_path):
    with box_of(tmp_path, ends_with=-9) as there, box_of(tmp_path, "--cloud", there.url) as here:
        there.ask("b")
        knows(here, ["b"])
        there.process.kill()
        began = time.monotonic()
        assert served_by(here.ask("b")) == "edge"
        assert served_by(here.ask("b")) == "edge"
        assert time.monotonic() - began < 30


def test_a_peer_that_hangs_in_the_midst_costs_some_seconds_and_no_request(tmp_path):
    with box_of(tmp_path) as there, box_of(tmp_path, "--cloud", there.url) as here:
        there.ask("b")
        knows(here, ["b"])
        os.kill(there.process.pid, signal.SIGSTOP)
        try:
            assert served_by(here.ask("b")) == "edge"
        finally:
            os.kill(there.process.pid, signal.SIGCONT)


def test_of_three_boxes_the_one_that_has_it_and_another_when_that_is_killed_while_it_generates(tmp_path):
    with (
        box_of(tmp_path) as first,
        box_of(tmp_path) as second,
        box_of(tmp_path, "--cloud", f"{first.url},{second.url}") as here,
    ):
        first.ask("a")
        pid = second.ask("b").json()["pid"]
        knows(here, ["a"], ["b"])
        assert here.ask("b").json()["pid"] == pid
        found = []
        asks = threading.Thread(target=lambda: found.append(here.ask("b", takes_s=8)))
        asks.start()
        until(lambda: generates(second), within_s=60)
        second.process.kill()
        asks.join()
        assert served_by(found[0]) == "edge"
        assert found[0].json()["pid"] != pid
        assert served_by(here.ask("a")) == "cloud"


def generates(box):
    return any(each["state"] == "generating" for each in box.box()["gpus"][0]["resident"])


@contextlib.contextmanager
def fake(state, answer):
    """A server that says how it is, and answers what it is asked for, as given."""

    class Fake(BaseHTTPRequestHandler):
        def do_GET(self):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + state)

        def do_POST(self):
            asked.append(self.path)
            self.wfile.write(answer)

        def log_message(self, *args):
            pass

    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


TAKES = {"load_s": 0, "displaces_s": 0, "own_s": 0}
TEMPTING = json.dumps({"soon": {"busy_s": 0, "free_mb": 1, "gpus": 1, "models": {"a": TAKES}}}).encode()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n",
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Unavailable\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_peer_that_promises_and_does_not_keep_it_costs_no_request(tmp_path, answer):
    with fake(TEMPTING, answer) as (url, asked), box_of(tmp_path, "--cloud", url) as here:
        knows(here, ["a"])
        assert served_by(here.ask("a")) == "edge"
        assert asked == ["/v1/anything"]


@pytest.mark.parametrize(
    "state",
    [
        b"", b"hello", b"[" * 200_000, b"[1]", b'{"soon": 3}', b'{"soon": {"busy_s": -1}}', b"x" * (8 << 20),
        TEMPTING.replace(b'"busy_s": 0', b'"busy_s": NaN'),
    ],
)  # fmt: skip
def test_a_peer_that_says_rubbish_of_itself_is_not_asked(tmp_path, state):
    with fake(state, b"") as (url, asked), box_of(tmp_path, "--cloud", url) as here:
        time.sleep(2)
        assert served_by(here.ask("a")) == "edge"
        assert asked == []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
