"""Reading and writing traces: what is wrong is named, what is right comes back."""

import json
from itertools import pairwise

import pytest

from genedge.errors import InputError
from genedge.replay.catalogue import TraceModels, load_catalogue
from genedge.replay.generate import generate
from genedge.replay.trace import CHUNK, MOST_LINE, Row, read_trace, write_trace


def read(path, catalogue="gentd26"):
    models, users = TraceModels(load_catalogue(catalogue)), {}
    return list(read_trace(path, models, users)), models, users


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "t.csv"
    rows = [Row(0.5, "a", "u", 30), Row(0.5, 'b,"x"', "", 60), Row(7.25, "a", "v", 0)]
    assert write_trace(path, rows) == 3
    (chunk,), models, users = read(path)
    assert chunk.time == [0.5, 0.5, 7.25]
    assert [models.names[m] for m in chunk.model] == ["a", 'b,"x"', "a"]
    assert chunk.user == [users["u"], -1, users["v"]]
    assert chunk.local_s == pytest.approx([18 + 0.04 * 30, 18 + 0.04 * 60, 18])
    assert chunk.saved_s == pytest.approx([1.2] * 3)  # 15 MB at 100 Mbit/s


def test_both_formats_and_sizes_say_the_same(tmp_path):
    csv, jsonl = tmp_path / "t.csv", tmp_path / "t.jsonl"
    csv.write_text("time,model,user,steps,result_mb\n1,a,u,30,10\n2,b,,60,\n")
    rows = [
        {"time": 1, "model": "a", "user": "u", "steps": 30, "result_mb": 10},
        {"time": 2, "model": "b", "steps": 60, "request_mb": None},
    ]
    jsonl.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    assert read(csv)[0] == read(jsonl)[0]
    assert read(csv)[0][0].saved_s == pytest.approx([(7.5 + 10) * 0.08, 1.2])


def test_long_traces_come_in_chunks(tmp_path):
    path = tmp_path / "t.csv"
    write_trace(path, generate(CHUNK + 5, models=3, users=4, rate_per_s=1, seed=0))
    chunks, models, users = read(path)
    assert [len(chunk.time) for chunk in chunks] == [CHUNK, 5]
    assert len(models.names) == 3
    assert set(users.values()) == {0, 1, 2, 3}


HEADER = "time,model,user,steps\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "", "line 1: the header must be time,model,user,steps"),
        ("t.csv", "gmt_create,x\n", "genedge trace convert"),
        ("t.csv", "time,model,user,steps,color\n", "line 1: the header"),
        ("t.csv", "time,model,user,steps,request_mb,request_mb\n", "line 1: a column stands there twice"),
        ("t.csv", HEADER, "there is no request in it"),
        ("t.csv", HEADER + "1,a,u\n", "line 2: 3 fields, the header has 4"),
        ("t.csv", HEADER + "1,a,u,30\nx,a,u,30\n", "line 3, time: 'x' is no number"),
        ("t.csv", HEADER + "nan,a,u,30\n", "line 2, time: 'nan' is no number"),
        ("t.csv", HEADER + "1,a,u,-1\n", "line 2, steps: '-1' is no number from 0"),
        ("t.csv", HEADER + "1,,u,30\n", "line 2, model: missing"),
        ("t.csv", HEADER + "2,a,u,30\n1,a,u,30\n", "line 3, time: 1 is earlier than the line before (2)"),
        ("t.csv", HEADER[:-1] + ",request_mb\n1,a,u,30,big\n", "line 2, request_mb: 'big' is no number"),
        ("t.jsonl", "{\n", "line 1, column 1: not valid JSON"),
        (
            "t.jsonl",
            '{"time": 1, "model": "a", "steps": 3, "model": "b"}\n',
            "line 1: not valid JSON: 'model' is given",
        ),
        ("t.jsonl", "[1]\n", "line 1: not a JSON object"),
        ("t.jsonl", '{"time": 1, "model": "a", "steps": 3, "colour": 1}\n', "line 1: 'colour' is no key"),
        ("t.jsonl", '{"time": 1, "model": "a"}\n', "line 1, steps: missing"),
        ("t.jsonl", '{"time": true, "model": "a", "steps": 3}\n', "line 1, time: True is no number"),
        ("t.jsonl", '{"time": 1, "model": 7, "steps": 3}\n', "line 1, model: 7 is no name"),
        ("t.txt", "", "is named .csv, or .jsonl"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_missing_or_binary_file_is_no_traceback(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.csv")
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read(path)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_byte_order_mark_is_dropped(tmp_path, name):
    text = HEADER + "1,a,u,30\n" if name == "t.csv" else '{"time": 1, "model": "a", "steps": 3}\n'
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert read(tmp_path / name)[0][0].time == [1]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_file_without_ends_of_lines_is_refused_before_it_fills_the_memory(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**40)  # Takes no room on the disk.
    with pytest.raises(InputError, match=f"a line of {MOST_LINE} characters or more"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", HEADER + "x" * 10**5 + ",a,u,30\n"),
        ("t.jsonl", '{"time": "' + "x" * 10**5 + '", "model": "a", "steps": 3}\n'),
        ("t.jsonl", '{"' + "x" * 10**5 + '": 1}\n'),
        ("t.jsonl", '{"time": 1, "model": ["' + "x" * 10**5 + '"], "steps": 3}\n'),
        ("t.jsonl", "[" * 10**5 + "\n"),
        ("t.jsonl", '{"time": ' + "1" * 10**5 + "}\n"),
    ],
)
def test_what_is_quoted_is_short(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read(tmp_path / name)
    assert len(str(caught.value)) < len(str(tmp_path)) + 300


def test_generated_users_return_to_their_model():
    rows = list(generate(20_000, models=20, users=200, rate_per_s=0.5, seed=3))
    assert rows == list(generate(20_000, models=20, users=200, rate_per_s=0.5, seed=3))
    assert rows != list(generate(20_000, models=20, users=200, rate_per_s=0.5, seed=4))
    assert all(a.time <= b.time for a, b in pairwise(rows))
    assert len(rows) / rows[-1].time == pytest.approx(0.5, rel=0.03)
    last, same = {}, []
    for row in rows:
        if row.user in last:
            same.append(last[row.user] == row.model)
        last[row.user] = row.model
    assert 0.72 < sum(same) / len(same) < 0.85  # Zipf's law gives some of them their model by chance.
    counts = [sum(row.model == f"M{m:04d}" for row in rows) for m in (0, 5, 19)]
    assert counts[0] > counts[1] > counts[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is a mapping"),
        ("name: [", "not valid YAML"),
        ("FULL\nmodels: {a: {load_s: 1}, a: {load_s: 2}}", "'a' is given twice"),
        ("FULL\nmodels: {a: {load_s: 2024-13-45}}", "models.a.load_s.value: Input should be a valid number"),
        ("name: x", "Field required"),
        ("FULL\ncolour: 3", "colour: Extra inputs"),
        ("FULL\nmodels: {a: {memory_gb: 0}}", "models.a.memory_gb: must be at least 0.001"),
        ("FULL\nmodels: {a: {load_s: -1}}", "models.a.load_s.value"),
        ("FULL\nalpha: 1.5", "alpha: a weight from 0 to 1"),
    ],
)
def test_a_wrong_catalogue_is_refused(tmp_path, text, message):
    full = """name: x
alpha: 0.7
cloud: {backhaul_mbit_per_s: 100, wait_s: 0}
defaults: {memory_gb: 4, load_s: 0, s_per_step: 0, s_fixed: 0, request_mb: 1, result_mb: 1, tv: 0}
models: {}"""
    if text.startswith("FULL"):
        key = text.splitlines()[1].split(":")[0]
        full = "\n".join(line for line in full.splitlines() if not line.startswith(key))
    path = tmp_path / "c.yaml"
    path.write_text(text.replace("FULL", full))
    with pytest.raises(InputError) as caught:
        load_catalogue(str(path))
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    with pytest.raises(InputError, match="no such catalogue; give a file, or one of gentd26, load-free"):
        load_catalogue("nothing")


def test_a_model_of_its_own_size():
    catalogue = load_catalogue("gentd26")
    own = catalogue.model_validate(catalogue.model_dump() | {"models": {"big": {"memory_gb": 12, "load_s": 60}}})
    models = TraceModels(own)
    assert [models.number(name) for name in ("small", "big", "small")] == [0, 1, 0]
    assert models.memory_mb == [4000, 12000]
    assert models.load_s == [22.5, 60]
    assert all("provenance" in setting for setting in catalogue.as_json()["defaults"].values())
