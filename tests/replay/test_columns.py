"""Tables under anybody's column names, and what a trace holds."""

import csv

import numpy as np
import pytest

from genedge.errors import InputError
from genedge.replay.columns import columns_of, table_format
from genedge.replay.convert import convert
from genedge.replay.shown import show


def converted(tmp_path, text, columns):
    source, out = tmp_path / "log.csv", tmp_path / "trace.csv"
    source.write_bytes(text.encode())
    done = convert(source, out, table_format(columns_of(columns)))
    with out.open() as file:
        return done, [[float(r["time"]), r["model"], r["user"], float(r["steps"])] for r in csv.DictReader(file)]


# The same two requests, 10 s apart.
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    "times",
    [
        ("1731661070", "1731661060"),
        ("2024-11-15T16:57:50+08:00", "2024-11-15T08:57:40Z"),
        ("2024-11-15 08:57:50", "2024-11-15 08:57:40"),
        ("2024-11-15T08:57:50.000+00:00", "1731661060.0"),
    ],
)
def test_a_table_becomes_a_trace_sorted_by_time(tmp_path, separator, mark, times):
    lines = [("Steps", "when", "Model", "Who"), ("30", times[0], "sd xl", "a"), ("20", times[1], "sd15", "")]
    text = mark + "\r\n".join(separator.join(line) for line in lines) + "\r\n"
    done, rows = converted(tmp_path, text, "time=when, model=Model,user=Who,steps=Steps")
    assert rows == [[1731661060, "sd15", "", 20], [1731661070, "sd xl", "a", 30]]
    assert done.noted == {"earlier than the row before it; sorted": 1, "without a user; left empty": 1}


def test_images_multiply_steps_and_missing_steps_are_one(tmp_path):
    text = "t,m,s,i\n1,a,30,4\n2,a,20,\n"
    assert [row[3] for row in converted(tmp_path, text, "time=t,model=m,steps=s,images=i")[1]] == [120, 20]
    done, rows = converted(tmp_path, text, "time=t,model=m")
    assert [row[3] for row in rows] == [1, 1]
    assert done.noted["no column with steps; each has one"] == 2


def test_what_cannot_be_read_is_set_aside(tmp_path):
    text = "t,m,s\n1,a,30\n,a,30\nsoon,a,30\nnan,a,30\n2,,30\n3,a,\n4,a,-1\n5,a,x\n6,a\n"
    done, rows = converted(tmp_path, text, "time=t,model=m,steps=s")
    assert [row[0] for row in rows] == [1]
    assert done.set_aside == {
        "time empty": 1,
        "time neither seconds nor ISO 8601": 2,
        "model empty": 1,
        "steps empty": 2,
        "steps no number from 0 to 1e+09": 2,
    }


def test_times_of_both_kinds_are_told(tmp_path):
    text = "t,m\n2024-11-15T08:57:40Z,a\n2024-11-15T08:57:41,a\n2024-11-15T08:57:42,a\n"
    assert (
        converted(tmp_path, text, "time=t,model=m")[0].noted[
            "without an offset from UTC, unlike others; taken as UTC"
        ]
        == 2
    )


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("time", "write FIELD=COLUMN each, of the fields time, model, "),
        ("when=t,model=m", "write FIELD=COLUMN each"),
        ("time=t", "model is missing, for example model=COLUMN"),
        ("time=t,model=m,time=t", "time stands there twice"),
        ("time=t,model=mod", "log.csv, line 1: no column 'mod' for model; there are t, m"),
    ],
)
def test_wrong_columns_are_refused(tmp_path, columns, told):
    with pytest.raises(InputError) as refused:
        converted(tmp_path, "t,m\n1,a\n", columns)
    assert told in str(refused.value)


def test_what_a_trace_holds(tmp_path):
    path = tmp_path / "trace.csv"
    rows = [(0, "a", "u"), (1, "b", "v"), (2, "a", "u"), (700, "b", "u"), (701, "a", ""), (4000, "a", "v")]
    path.write_text("time,model,user,steps\n" + "".join(f"{t},{m},{u},5\n" for t, m, u in rows))
    shown = show(path)
    assert (shown.requests, shown.begin, shown.end, shown.hours) == (6, 0, 4000, pytest.approx(4000 / 3600))
    assert (shown.models, shown.users, shown.steps) == ({"a": 4, "b": 2}, 2, 30)
    # u comes back after 698 s, v after 3999 s; of three that come back one asks for the same.
    assert (shown.sessions, shown.same_again) == (4, pytest.approx(1 / 3))
    gaps = np.diff([t for t, *_ in rows])
    assert shown.gaps_variation == pytest.approx(gaps.std() / gaps.mean())
    assert shown.busiest_hour == 5
    path.write_text("time,model,user,steps\n0,a,,5\n")
    alone = show(path)
    assert (alone.gaps_variation, alone.same_again, alone.sessions) == (None, None, 0)


def test_gaps_at_random_have_a_variation_of_one(tmp_path):
    path = tmp_path / "trace.csv"
    times = np.cumsum(np.random.default_rng(0).exponential(1, 20000))
    path.write_text("time,model,user,steps\n" + "".join(f"{t},a,u,5\n" for t in times))
    assert show(path).gaps_variation == pytest.approx(1, abs=0.03)
