"""What llama-swap's API and Ollama's log tell, in their exact formats, with made-up requests."""

import csv
import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genedge.errors import InputError
from genedge.replay.convert import convert, format_named


def converted(folder, text, name):
    source, out = folder / "log.txt", folder / "trace.csv"
    source.write_bytes(text.encode())
    done = convert(source, out, format_named(name))
    with out.open() as file:
        return done, list(csv.DictReader(file))


def at(text):
    return datetime.fromisoformat(text).timestamp()


# --- llama-swap


def entry(id_, ended, model, duration_ms, input_=0, output=0, prompt_speed=-1, speed=-1, **more):
    """As v209 and later write it."""
    return {
        "id": id_,
        "timestamp": ended,
        "model": model,
        "req_path": "/v1/chat/completions",
        "resp_content_type": "application/json; charset=utf-8",
        "resp_status_code": 200,
        "tokens": {
            "cache_tokens": -1,
            "draft_tokens": -1,
            "draft_acc_tokens": -1,
            "input_tokens": input_,
            "output_tokens": output,
            "prompt_per_second": prompt_speed,
            "tokens_per_second": speed,
        },
        "duration_ms": duration_ms,
        "has_capture": False,
    } | more


PAGE = {
    "data": [
        entry(3, "2026-08-14T10:00:40.123456789+02:00", "qwen3-8b", 9500, 1000, 200, 500.0, 40.0),
        entry(2, "2026-08-14T10:00:20Z", "flux", 20_000),
        entry(
            1, "2026-08-14T08:00:05Z", "gemma", 4000, 0, 0, -1, -1, resp_status_code=502, error_msg="Bad Gateway"
        ),
    ],
    "page": 1,
    "limit": 999,
    "total": 3,
    "total_pages": 1,
}


def test_llama_swaps_activity_becomes_a_trace(tmp_path):
    """A request came as long before its entry as it took; its own time is that of its tokens."""
    again = {"data": [PAGE["data"][0], entry(4, "2026-08-14T10:01:00+02:00", "", 10)], "page": 2}
    done, rows = converted(tmp_path, json.dumps(PAGE) + "\n" + json.dumps(again, indent=1) + "\n", "llama-swap")
    assert [(row["model"], row["user"], row["steps"], row["generation_s"]) for row in rows] == [
        ("qwen3-8b", "", "200", "7"),
        ("flux", "", "0", ""),
    ]
    assert [float(row["time"]) for row in rows] == pytest.approx(
        [at("2026-08-14T10:00:40.123456+02:00") - 9.5, at("2026-08-14T10:00:20Z") - 20], abs=0.001
    )
    assert (done.rows, done.requests) == (5, 2)
    assert done.set_aside == {"status 502": 1, "the same entry again": 1, "model empty": 1}
    assert done.noted["without speeds, so without a time of its own; generates as its model does"] == 1


def test_what_llama_swap_answered_before_v209_becomes_a_trace(tmp_path):
    """Tokens stand beside the rest, and there is no status."""
    old = [
        {
            "id": 0,
            "timestamp": "2025-08-08T10:11:12.5-07:00",
            "model": "qwen",
            "cache_tokens": 0,
            "input_tokens": 10,
            "output_tokens": 30,
            "prompt_per_second": 20.0,
            "tokens_per_second": 10.0,
            "duration_ms": 3000,
        }
    ]
    _, (row,) = converted(tmp_path, json.dumps(old), "llama-swap")
    assert float(row["time"]) == at("2025-08-08T10:11:09.5-07:00")
    # 3.5 s of tokens, of which it took 3.
    assert (row["steps"], row["generation_s"]) == ("30", "3")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timestamp": "soon"}, "timestamp empty or no time"),
        ({"timestamp": None}, "timestamp empty or no time"),
        ({"timestamp": 7}, "timestamp empty or no time"),
        ({"timestamp": "2026-08-14T10:00:40"}, "timestamp without an offset from UTC"),
        ({"duration_ms": "1 s"}, "duration_ms empty or no number"),
        ({"duration_ms": -1}, "duration_ms empty or no number"),
        ({"model": ["m"]}, "model empty"),
        ({"tokens": [1]}, "tokens no object"),
    ],
)
def test_entries_that_cannot_be_read_are_set_aside(tmp_path, change, reason):
    entries = [entry(1, "2026-08-14T08:00:05Z", "m", 10) | change, entry(2, "2026-08-14T08:00:05Z", "m", 10)]
    assert converted(tmp_path, json.dumps(entries), "llama-swap")[0].set_aside == {reason: 1}


LINE = '[INFO] Request 127.0.0.1 "POST /v1/chat/completions HTTP/1.1" 200 1234 "curl/8.5.0" 1.5s\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LINE, "log.txt, line 1: not llama-swap's activity in JSON; give what curl"),
        ("[]\n{", "line 2: not llama-swap's activity"),
        ("[" * 100_000, "line 1: not llama-swap's activity"),
        ("[1]", "entry 1 is no JSON object; give what curl"),
        ("[]", "none of its 0 rows is a request"),
    ],
)
def test_what_is_not_llama_swaps_is_refused(tmp_path, text, told):
    with pytest.raises(InputError) as refused:
        converted(tmp_path, text, "llama-swap")
    assert told in str(refused.value)
    assert not (tmp_path / "trace.csv").exists()


# --- Ollama

LLAMA, QWEN = "6a0746a1ec1a" + "0" * 52, "2bada8a74506" + "1" * 52
CONFIG = (
    'time=2025-07-01T17:59:58.101-07:00 level=INFO source=routes.go:1235 msg="server config" env="map[HTTPS_PROXY: '
    'OLLAMA_DEBUG:INFO OLLAMA_KEEP_ALIVE:5m0s OLLAMA_MAX_LOADED_MODELS:{limit} OLLAMA_MAX_QUEUE:512]"\n'
    'time=2025-07-01T17:59:58.102-07:00 level=INFO source=images.go:476 msg="total blobs: 12"\n'
    "[GIN-debug] POST   /api/chat                 --> github.com/ollama/ollama/server.(*Server).ChatHandler-fm\n"
)
BLOBS = "/root/.ollama/models/blobs/sha256-"
LOADS = {
    "v0.9.6": 'msg="starting llama server" cmd="/usr/bin/ollama runner --model {blob} --ctx-size 8192 --port 4286"',
    "v0.13.0": 'msg="starting runner" cmd="/usr/bin/ollama runner --ollama-engine --model {blob} --port 42861"',
    "v0.30.0": 'msg="using llama-server for model" model={blob}',
}


def load(blob, time="18:00:01.5", version="v0.9.6"):
    what = LOADS[version].format(blob=BLOBS + blob)
    return (
        f"time=2025-07-01T{time}-07:00 level=INFO source=server.go:438 {what}\n"
        f'time=2025-07-01T{time}-07:00 level=INFO source=server.go:637 msg="llama runner started in 1.26 seconds"\n'
    )


def gin(ended, took, path="/api/chat", status=200, user="192.168.0.7", method="POST"):
    return f'[GIN] 2025/07/01 - {ended} | {status} | {took:>13} | {user:>15} | {method:<8} "{path}"\n'


def finished(time, name, version="v0.9.6"):
    runner = f"runner.name=registry.ollama.ai/library/{name} runner.inference=cuda runner.devices=1 runner.pid=77"
    if version == "v0.5.7":
        runner = f"modelPath={BLOBS}{name}"
    return (
        f"time=2025-07-01T{time}-07:00 level=DEBUG source=sched.go:361 "
        f'msg="after processing request finished event" {runner} refCount=0\n'
    )


@pytest.mark.parametrize("version", LOADS)
@pytest.mark.parametrize("before", ["", "Jul 01 18:00:00 box ollama[25973]: ", "ollama  | ", "\x1b[97;42m\x1b[0m"])
def test_with_one_model_in_memory_it_is_the_one_that_was_loaded_last(tmp_path, version, before):
    text = (
        CONFIG.format(limit=1)
        + gin("18:00:00", "50.263µs", "/", method="HEAD")
        + load(LLAMA, version=version)
        + gin("18:00:09", "8.123456789s")
        + gin("18:00:10", "123.4ms", "/api/embed", user="::1")
        + gin("18:00:11", "1.2ms", "/api/tags", method="GET")
        + gin("18:00:12", "1.2ms", "/api/show")
        + gin("18:00:12", "2.5µs", "/api/chat", 404)
        + load(QWEN, "18:00:13.25", version)
        + gin("18:02:40", "2m27s", "/v1/messages?beta=true")
    )
    lines = text.splitlines(keepends=True)
    done, rows = converted(tmp_path, "".join(before + line for line in lines), "ollama")
    assert [(float(row["time"]), row["model"], row["user"], row["steps"]) for row in rows] == [
        (
            pytest.approx(at("2025-07-01T18:00:09-07:00") - 8.123, abs=0.001),
            "sha256-6a0746a1ec1a",
            "192.168.0.7",
            "1",
        ),
        (pytest.approx(at("2025-07-01T18:00:10-07:00") - 0.123, abs=0.001), "sha256-6a0746a1ec1a", "::1", "1"),
        (at("2025-07-01T18:00:13-07:00"), "sha256-2bada8a74506", "192.168.0.7", "1"),
    ]
    assert done.set_aside == {"status 404": 1}
    assert done.noted["for a model named by its weights' blob, as ollama show --modelfile NAME names it"] == 3


@pytest.mark.parametrize("limit", [0, 3])
def test_at_debug_level_each_request_is_named(tmp_path, limit):
    """Two models at once; one request is answered without a model, one whose client has left is not named."""
    text = (
        CONFIG.format(limit=limit)
        + load(LLAMA)
        + load(QWEN, "18:00:03.5")
        + gin("18:00:09", "8s")
        + finished("18:00:09.700", "llama3.2:3b")
        + gin("18:00:20", "8s")
        + gin("18:00:20", "10s", user="::1")
        + gin("18:00:20", "1s", status=404)
        + finished("18:00:20.900", "qwen3:8b")
        + finished("18:00:21.001", "llama3.2:3b")
        + gin("18:00:30", "8s", user="left")
        + finished("18:00:35.5", "qwen3:8b")
        + gin("18:00:40", "1s")
        + finished("18:00:40.1", "llama3.2:3b")
    )
    done, rows = converted(tmp_path, text, "ollama")
    assert [(row["model"], row["user"]) for row in rows] == [
        ("llama3.2:3b", "192.168.0.7"),
        ("llama3.2:3b", "::1"),
        ("qwen3:8b", "192.168.0.7"),
        ("llama3.2:3b", "192.168.0.7"),
    ]
    assert done.set_aside == {"status 404": 1, "its model is not certain": 1}
    text = load(LLAMA) + load(QWEN) + gin("18:00:09", "8s") + finished("18:00:09.7", QWEN, "v0.5.7")
    assert [row["model"] for row in converted(tmp_path, text, "ollama")[1]] == ["sha256-2bada8a74506"]


def test_where_one_model_alone_is_ever_loaded_it_is_that_one(tmp_path):
    text = CONFIG.format(limit=0) + gin("18:00:00", "1s") + load(LLAMA) + gin("18:00:09", "8s") + load(LLAMA)
    done, rows = converted(tmp_path, text, "ollama")
    assert [row["model"] for row in rows] == ["sha256-6a0746a1ec1a"]
    assert done.set_aside == {"its model is not certain": 1}
    # After a start nothing is in memory.
    text += CONFIG.format(limit=0) + gin("18:10:00", "1s")
    assert converted(tmp_path, text, "ollama")[0].set_aside == {"its model is not certain": 2}


def test_a_clock_without_a_zone_is_told(tmp_path):
    text = (load(LLAMA) + gin("18:00:09", "8s")).replace("time=2025-07-01T18:00:01.5-07:00 ", "")
    done, rows = converted(tmp_path, text, "ollama")
    assert float(rows[0]["time"]) == at("2025-07-01T18:00:01+00:00")
    assert done.noted["on a clock whose offset from UTC the log does not tell; taken as UTC"] == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no line of a request in it, such as [GIN] 2025/07/01"),
        (gin("18:00:00", "1s", "/api/tags"), "no line of a request in it"),
        (gin("18:00:00", "1s"), "no line says that a model was loaded; the log must reach back to where one was"),
        (
            CONFIG.format(limit=0) + load(LLAMA) + load(QWEN) + gin("18:00:09", "8s") * 2,
            "it loads 2 models, and several may be in memory at once, so that nobody can tell which model its 2 "
            "requests are for. Record anew with OLLAMA_DEBUG=1",
        ),
        (gin("18:00:00", "1s") + finished("18:00:09", "a"), "its lines that name a model follow no request"),
        (gin("18:00:00", "1s", status=500), "none of its 1 rows is a request"),
        (gin("18:00:00", "soon"), "none of its 1 rows is a request"),
        (gin("18:00:00", "9" * 400 + "s"), "none of its 1 rows is a request"),
        (gin("18:00:61", "1s"), "none of its 1 rows is a request"),
    ],
)
def test_where_no_model_is_certain_it_says_what_to_record(tmp_path, text, told):
    with pytest.raises(InputError) as refused:
        converted(tmp_path, text, "ollama")
    assert told in str(refused.value)
    assert not (tmp_path / "trace.csv").exists()


PIECES = (
    load(LLAMA),
    load(QWEN),
    CONFIG,
    gin("18:00:09", "8s"),
    finished("18:00:09.5", "a"),
    json.dumps(PAGE),
    LINE,
)


@given(
    st.sampled_from(["ollama", "llama-swap"]), st.lists(st.sampled_from(PIECES) | st.text(), max_size=6), st.data()
)
def test_whatever_is_read_there_is_a_trace_or_an_error_in_words(tmp_path_factory, name, pieces, data):
    text = "".join(pieces)
    cut = data.draw(st.integers(0, len(text)))
    text = text[:cut] + data.draw(st.text(max_size=3)) + text[cut + data.draw(st.integers(0, 5)) :]
    folder = tmp_path_factory.mktemp("logs")
    try:
        done, rows = converted(folder, text, name)
    except InputError:
        assert not (folder / "trace.csv").exists()
    else:
        assert done.requests == len(rows) > 0
        assert all(row["model"] for row in rows)
