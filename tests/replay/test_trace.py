"""Reading and writing traces: what is wrong is named, what is right comes back."""

import json
from itertools import pairwise

import pytest

from genedge.boxes.load import load_box
from genedge.errors import InputError
from genedge.replay.generate import generate
from genedge.replay.requests import CHUNK, chunks
from genedge.replay.trace import MOST_LINE, Row, rows_in_order, write_trace

BOX = load_box("cloud-no-queue")


def read(path):
    """In chunks, as a box of GenTD26's models beside a cloud meets them."""
    return list(chunks(path, BOX, {}))


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "t.csv"
    rows = [Row(0.5, "a", "u", 30), Row(0.5, 'b,"x"', "", 60), Row(7.25, "a", "v", 0)]
    assert write_trace(path, rows) == 3
    (chunk,) = read(path)
    assert chunk.time.tolist() == [0.5, 0.5, 7.25]
    assert [r.model for r in chunk.requests] == ["a", 'b,"x"', "a"]
    assert chunk.model.tolist() == [0, 1, 0]
    assert [r.user for r in chunk.requests] == ["u", "", "v"]
    assert chunk.own_s == pytest.approx([18 + 0.04 * 30, 18 + 0.04 * 60, 18])
    assert chunk.saved_s == pytest.approx([1.2] * 3)  # 15 MB at 100 Mbit/s


def test_both_formats_and_sizes_say_the_same(tmp_path):
    csv, jsonl = tmp_path / "t.csv", tmp_path / "t.jsonl"
    csv.write_text("time,model,user,steps,result_mb\n1,a,u,30,10\n2,b,,60,\n")
    rows = [
        {"time": 1, "model": "a", "user": "u", "steps": 30, "result_mb": 10},
        {"time": 2, "model": "b", "steps": 60, "request_mb": None},
    ]
    jsonl.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    assert list(rows_in_order(csv)) == list(rows_in_order(jsonl))
    assert read(csv)[0].saved_s == pytest.approx([(7.5 + 10) * 0.08, 1.2])


def test_what_was_measured_is_read_and_wins(tmp_path):
    """Any column or key may be there, in any order, also row by row."""
    csv, jsonl = tmp_path / "t.csv", tmp_path / "t.jsonl"
    csv.write_text("time,model,user,steps,adapters,generation_s\n1,a,u,30,2,70.5\n2,b,,60,,\n3,b,,60,0,0\n")
    rows = [
        {"time": 1, "model": "a", "user": "u", "steps": 30, "generation_s": 70.5, "adapters": 2},
        {"time": 2, "model": "b", "steps": 60, "generation_s": None},
        {"time": 3, "model": "b", "steps": 60, "generation_s": 0, "adapters": 0},
    ]
    jsonl.write_text("\n".join(map(json.dumps, rows)))
    expected = [
        Row(1, "a", "u", 30, None, None, 70.5, 2),
        Row(2, "b", "", 60),
        Row(3, "b", "", 60, None, None, 0, 0),
    ]
    assert [Row(*row) for row in rows_in_order(csv)] == expected
    assert [Row(*row) for row in rows_in_order(jsonl)] == expected
    assert read(csv)[0].own_s == pytest.approx([70.5, 18 + 0.04 * 60, 0])
    again = tmp_path / "again.csv"
    write_trace(again, expected, ["generation_s", "adapters"])
    assert [Row(*row) for row in rows_in_order(again)] == expected


def test_long_traces_come_in_chunks(tmp_path):
    path = tmp_path / "t.csv"
    write_trace(path, generate(CHUNK + 5, models=3, users=4, rate_per_s=1, seed=0))
    models = {}
    found = list(chunks(path, BOX, models))
    assert [len(chunk.requests) for chunk in found] == [CHUNK, 5]
    assert [chunk.time.size for chunk in found] == [CHUNK, 5]
    assert sorted(models) == ["M0000", "M0001", "M0002"]
    assert found[1].requests[-1].number == CHUNK + 4


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
        ("t.csv", HEADER[:-1] + ",generation_s\n1,a,u,30,-1\n", "line 2, generation_s: '-1' is no number from 0"),
        ("t.csv", HEADER[:-1] + ",adapters\n1,a,u,30,some\n", "line 2, adapters: 'some' is no number from 0"),
        ("t.csv", "when,what\n1,a\n", "genedge trace convert --columns makes a trace of another table"),
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
    assert read(tmp_path / name)[0].time == [1]


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
