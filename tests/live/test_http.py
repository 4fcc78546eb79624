"""A live box over HTTP: what clients ask for, what goes wrong, and that nothing is left behind."""

import base64
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import httpx
import pytest
from live_server import alive, gate, live, until
from sent_pictures import BROKEN, png

pytestmark = pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client")


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    with live(tmp_path_factory.mktemp("box"), "--hold", "5", "--waiting-of-user", "4") as served:
        yield served


def test_any_path_with_a_model_goes_to_its_server(box):
    answer = box.client.post("/v1/chat/completions?x=1", json={"model": "a", "max_tokens": 3, "n": 2})
    assert answer.status_code == 200
    fields = answer.json()
    assert (fields["path"], fields["body"]) == (
        "/v1/chat/completions?x=1", {"model": "a", "max_tokens": 3, "n": 2}
    )  # fmt: skip
    assert answer.headers["x-genedge-served-by"] == "edge"
    assert answer.headers["x-genedge-steps"] == "3"


def test_models_make_room_for_each_other_and_their_processes_end(box):
    pids = {model: box.ask(model).json()["pid"] for model in "ab"}
    until(lambda: all(map(alive, pids.values())))
    box.ask("c")
    resident = {each["model"] for each in box.box()["gpus"][0]["resident"]}
    assert resident == {"c"}
    assert not any(map(alive, pids.values()))


def test_what_is_wrong_is_said_as_objects(box):
    for path, body, status, told in (
        ("/x", b"{}", 404, "no such path"),
        ("/x", b"not json", 404, "no such path"),
        ("/x", b'{"model": "zz"}', 404, "there is no model 'zz'; there are a, b, c"),
        ("/v1/images/generations", b"[1]", 400, "must be a JSON object"),
        ("/v1/images/generations", b"", 400, "not JSON"),
        ("/v1/images/generations", b'{"model": 3}', 400, "model: must be text, not 3"),
        ("/v1/images/generations", b'{"n": 1}', 400, "is a server of its own"),
        ("/v1/images/edits", b"{}", 400, "image: must be base64"),
        ("/sdapi/v1/txt2img", b'{"steps": 1e99}', 400, "steps: must be a whole number from 1 to 10000"),
    ):
        answer = box.client.post(path, content=body)
        assert answer.status_code == status, answer.text
        assert told in answer.json()["error"]["message"]


def test_a_model_that_fits_nowhere_says_need_and_have(box):
    """To a client, for whom it is no use to come back; a box that has passed it on may have others to ask."""
    answer = box.ask("large")
    assert answer.status_code == 400
    assert "retry-after" not in answer.headers
    told = answer.json()["error"]
    assert (told["code"], told["type"]) == ("large", "invalid_request_error")
    assert "large takes 40000 MB, and the largest GPU has 4000 MB" in told["message"]
    assert box.counted('genedge_requests_total{model="large",outcome="large"}') == 1
    passed_on = box.client.post("/x", json={"model": "large"}, headers={"X-Genedge-Passed-On": "1"})
    assert passed_on.status_code == 503
    assert 1 <= int(passed_on.headers["retry-after"]) <= 120


def test_a_load_that_takes_long_goes_on_and_the_retry_hits(box):
    answer = box.ask("slow")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "loading"
    assert 1 <= int(answer.headers["retry-after"]) <= 120
    assert box.counted('genedge_requests_total{model="slow",outcome="loading"}') == 1

    def resting():
        return [each["model"] for each in box.box()["gpus"][0]["resident"] if each["state"] == "resting"]

    until(lambda: "slow" in resting(), within_s=120)
    assert box.ask("slow").status_code == 200


def test_a_server_that_does_not_start_is_told_with_why(box):
    answer = box.ask("broken")
    assert answer.status_code == 502
    assert "has ended with status 7" in answer.json()["error"]["message"]
    assert box.ask("a").status_code == 200
    again = box.ask("broken")
    assert "could not be loaded" in again.json()["error"]["message"]
    assert 1 <= int(again.headers["retry-after"]) <= 120


def test_a_server_that_dies_in_the_midst(box):
    answer = box.ask("a", die=True)
    assert answer.status_code == 502
    assert "has ended with status 3" in answer.json()["error"]["message"]
    assert box.ask("a").status_code == 200


def test_one_client_cannot_flood_the_box(box, tmp_path):
    """While one of its requests is generated, four of them may wait; another client's wait beside them."""
    found = []

    def asks(user, waiting, opens):
        thread = threading.Thread(target=lambda: found.append(box.ask("a", user=user, until=opens)))
        thread.start()
        until(lambda: box.generates() and sum(each["requests"] for each in box.box()["waiting"]) == waiting)
        return thread

    with gate(tmp_path) as opens:
        threads = [asks("greedy", waiting, opens) for waiting in range(5)]
        before = box.counted('genedge_requests_total{model="a",outcome="busy"}')
        refused = box.ask("a", user="greedy")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
        assert 1 <= int(refused.headers["retry-after"]) <= 120
        assert box.counted('genedge_requests_total{model="a",outcome="busy"}') == before + 1
        threads.append(asks("modest", 5, opens))
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in found] == [200] * 6


def test_clients_that_leave_wait_no_more(box):
    busy = threading.Thread(target=lambda: box.ask("a", takes_s=5, user="x"))
    busy.start()
    until(lambda: "generating" in [model["state"] for model in box.box()["gpus"][0]["resident"]])
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{box.url}/x", json={"model": "b", "user": "y"}, timeout=0.2, trust_env=False)
    until(lambda: box.box()["waiting"] == [], within_s=3)
    busy.join()
    assert box.box()["counts"].get("left")


def test_metrics_and_health(box):
    assert box.ask("a").status_code == 200
    assert box.client.get("/healthz").text == "ok\n"
    text = box.client.get("/metrics").text
    for name in (
        'genedge_requests_total{model="a",outcome="edge"}', "genedge_queue_seconds_bucket", "genedge_load_seconds",
        'genedge_memory_megabytes{gpu="0",of="budget"} 4000.0', "genedge_out_of_memory_total",
    ):  # fmt: skip
        assert name in text


WORDS = ["model", "a", "zz", "n", "size", "1x1", "steps", "user", "prompt", "mask", "\\ud800", "../../etc/x"]
PICTURES = [png(), *BROKEN.values()]


def malformed(rng):
    """A body and its kind: JSON of any fields, cut and spoilt, or far too deep; or a form with any pictures."""
    values = [*WORDS, -1, 1e308, None, [], {}, True, base64.b64encode(rng.choice(PICTURES)).decode()]
    fields = {rng.choice([*WORDS, "image"]): rng.choice(values) for _ in range(rng.randint(0, 4))}
    if rng.random() < 0.2:
        body = rng.choice([b"[", b'{"model":']) * rng.choice([10, 10_000])
    elif rng.random() < 0.3:
        parts = {f'"{key}"': str(value).encode() for key, value in fields.items()}
        parts |= {f'"{key}"; filename="x"': rng.choice(PICTURES) for key in rng.sample(["image", "mask"], 2)}
        head = "B\r\nContent-Disposition: form-data; name="
        said = [f"{head}{key}\r\n\r\n".encode("utf-8", "replace") + part for key, part in parts.items()]
        body = b"--" + b"\r\n--".join([*said, b"B--\r\n"])
        return body if rng.random() < 0.8 else body[: rng.randrange(len(body))], "multipart/form-data; boundary=B"
    else:
        body = json.dumps(fields).encode()
    if rng.random() < 0.5:
        cut = rng.randrange(len(body) + 1)
        body = body[:cut] + bytes(rng.randrange(256) for _ in range(rng.randint(0, 5))) + body[cut + 1 :]
    return body, rng.choice(["application/json", "multipart/form-data", "text/plain; x=1", ""])


def test_malformed_requests_are_refused_and_no_more(box):
    """Ten thousand of them: never a 5xx, no answer that is no object, and a line of the access log for each."""
    rng = random.Random(1)
    paths = ["/", "/x", "/v1/models", "/v1/images/generations", "/v1/images/edits", "/sdapi/v1/txt2img", "/v1/box"]
    methods = ["GET", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"]
    assert box.ask("a").status_code == 200
    lines, found = len(box.said), Counter()
    for _ in range(10_000):
        body, kind = malformed(rng)
        # What has no length comes in chunks.
        content = body if rng.random() < 0.8 else iter([body])
        answer = box.client.request(
            rng.choice(methods), rng.choice(paths), content=content, headers={"content-type": kind}
        )
        assert answer.status_code < 500, (body, answer.text)
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"]
        found[answer.status_code] += 1
    assert found.keys() >= {200, 400, 404, 405}
    until(lambda: len(box.said) >= lines + 10_000)
    assert box.ask("a").status_code == 200


# --- With keys, and ends


def test_a_key_is_asked_for(tmp_path):
    with live(tmp_path, environment={"GENEDGE_KEY": "secret"}) as box:
        assert box.client.get("/healthz").status_code == 200
        refused = box.client.get("/v1/models")
        assert refused.status_code == 401
        assert "Authorization: Bearer" in refused.json()["error"]["message"]
        assert box.client.get("/v1/models", headers={"authorization": "Bearer secre"}).status_code == 401
        assert box.client.get("/v1/models", headers={"authorization": "Bearer secret"}).status_code == 200
        # The page may be looked at without it, and that is all.
        assert box.client.get("/").status_code == 200
        for path in ("/", "/healthz"):
            assert box.client.post(path, json={"model": "a"}).status_code == 401


def test_others_are_let_in_only_with_a_key(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "genedge", "live", "card-24gb", "--host", "0.0.0.0"], capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert "set GENEDGE_KEY" in ran.stderr


def test_it_drains_when_asked_to_end_and_nothing_is_left(tmp_path):
    with live(tmp_path, "--journal", str(tmp_path / "journal")) as box:
        pid = box.ask("a").json()["pid"]
        found = []
        thread = threading.Thread(target=lambda: found.append(box.ask("a", takes_s=1)))
        thread.start()
        until(lambda: box.box()["gpus"][0]["resident"][0]["state"] == "generating")
        box.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert box.ask("b").status_code in (429, 503)
        thread.join()
        assert found[0].status_code == 200
        assert box.process.wait(10) == 0
        assert not alive(pid)


def test_killed_it_takes_its_servers_along_and_the_journal_is_whole(tmp_path):
    from genedge.replay.journal import read_journal

    with live(tmp_path, "--journal", str(tmp_path / "journal"), ends_with=-9) as box:
        pids = [box.ask(model).json()["pid"] for model in "ab"]
        os.kill(box.process.pid, signal.SIGKILL)
        box.process.wait()
        until(lambda: not any(map(alive, pids)), within_s=3)
    events = [event["event"] for event in read_journal(tmp_path / "journal")]
    assert events.count("finished") == 2


def test_five_hundred_switches_keep_memory_flat(tmp_path):
    with live(tmp_path, "--quiet", "--shadow", "") as box:

        def held_kb():
            with open(f"/proc/{box.process.pid}/status") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

        for _ in range(50):
            assert box.ask("a").status_code == box.ask("c").status_code == 200
        before = held_kb()
        for _ in range(200):
            assert box.ask("a").status_code == box.ask("c").status_code == 200
        assert held_kb() < before + 3000
