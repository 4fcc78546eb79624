"""Tables under anybody's column names, and what a trace holds."""

import csv

import numpy as np
import pytest

from genedge.errors import InputError
from genedge.replay.columns import columns_of, table_format
from genedge.replay.convert import convert
from genedge.replay.shown import in_words, show


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
        ("2024-11-15 08:57:50 UTC", "2024-11-15 03:27:40-0530"),
        ("1731661070000", "1731661060000"),
        ("1731661070000000", "1731661060000000.0"),
        ("1731661070000000000", "1731661060000"),
        ("1.73166107e9", '"1731661060"'),
    ],
)
def test_a_table_becomes_a_trace_sorted_by_time(tmp_path, separator, mark, times):
    lines = [("Steps", "when", "Model", "Who"), ("30", times[0], "sd xl", "a"), ("20", times[1], "sd15", "")]
    text = mark + "\r\n".join(separator.join(line) for line in lines) + "\r\n"
    done, rows = converted(tmp_path, text, "time=when, model=Model,user=Who,steps=Steps")
    assert rows == [[1731661060, "sd15", "", 20], [1731661070, "sd xl", "a", 30]]
    noted = {what: n for what, n in done.noted.items() if not what.startswith("a time ")}
    assert noted == {"earlier than the row before it; sorted": 1, "without a user; left empty": 1}


def test_what_was_made_of_times_is_told(tmp_path):
    text = "t,m\n1731661060000,a\n1731661061000,a\n1731661062000000,a\n1731661063000000000,a\n1731661064,a\n"
    done, rows = converted(tmp_path, text, "time=t,model=m")
    assert [row[0] for row in rows] == [1731661060 + i for i in range(5)]
    assert done.noted["a time in milliseconds since 1970"] == 2
    assert done.noted["a time in microseconds since 1970"] == done.noted["a time in nanoseconds since 1970"] == 1
    text = "t,m\n2024-11-15 08:57:40.25,a\n2024-11-15T08:57:41,a\n"
    done, rows = converted(tmp_path, text, "time=t,model=m")
    assert [row[0] for row in rows] == [1731661060.25, 1731661061]
    assert done.noted["a time without an offset from UTC; taken as UTC"] == 2


def test_cells_in_quotes_and_decimal_commas(tmp_path):
    text = '"When; then";Model;n\n"1,5";"sd;xl ""new""\nthree";30\n0,25;a;"12,5"\n7;b;1.000,5\n'
    done, rows = converted(tmp_path, text, "time=When; then,model=Model,steps=n")
    assert [row[:2] for row in rows] == [[0.25, "a"], [1.5, 'sd;xl "new"\nthree']]
    assert [row[3] for row in rows] == [12.5, 30]
    assert done.set_aside == {"steps no number from 0 to 1e+09": 1}
    assert done.noted["a number with a decimal comma, read as a point"] == 1
    # Where commas separate columns, 1,234 in quotes may be more than a thousand.
    assert (
        converted(tmp_path, 't,m,n\n1,a,"1,234"\n2,a,3\n', "time=t,model=m,steps=n")[0].set_aside == done.set_aside
    )


def test_images_multiply_steps_and_missing_steps_are_one(tmp_path):
    text = "t,m,s,i\n1,a,30,4\n2,a,20,\n"
    assert [row[3] for row in converted(tmp_path, text, "time=t,model=m,steps=s,images=i")[1]] == [120, 20]
    done, rows = converted(tmp_path, text, "time=t,model=m")
    assert [row[3] for row in rows] == [1, 1]
    assert done.noted["no column with steps; each has one"] == 2


def test_measured_times_and_adapters_are_kept(tmp_path):
    text = "t,m,took,loras\n1,a,12.25,2\n2,a,,\n"
    converted(tmp_path, text, "time=t,model=m,generation_s=took,adapters=loras")
    assert (tmp_path / "trace.csv").read_text().splitlines() == [
        "time,model,user,steps,generation_s,adapters",
        "1.000,a,,1,12.25,2",
        "2.000,a,,1,,",
    ]


def test_what_cannot_be_read_is_set_aside(tmp_path):
    text = "t,m,s\n1,a,30\n,a,30\nsoon,a,30\nnan,a,30\n2,,30\n3,a,\n4,a,-1\n5,a,x\n6,a\n"
    done, rows = converted(tmp_path, text, "time=t,model=m,steps=s")
    assert [row[0] for row in rows] == [1]
    assert done.set_aside == {
        "time empty": 1,
        "time neither a number nor ISO 8601": 2,
        "model empty": 1,
        "steps empty": 2,
        "steps no number from 0 to 1e+09": 2,
    }


@pytest.mark.parametrize(
    ("times", "without", "certain"),
    [
        (("2024-11-15T08:57:40Z", "2024-11-15T08:57:41", "2024-11-15T08:57:42"), 3, 2),
        (("2024-11-15T08:57:40", "2024-11-15T08:57:41", "2024-11-15T08:57:42+01:00"), 2, 4),
        (("2024-11-15T08:57:40", "1731661060"), 2, 3),
    ],
)
def test_zones_that_cannot_be_told_are_refused(tmp_path, times, without, certain):
    with pytest.raises(InputError) as refused:
        converted(tmp_path, "t,m\n" + "".join(f"{time},a\n" for time in times), "time=t,model=m")
    assert f"line {without} has a time without an offset from UTC, line {certain} one that needs none" in str(
        refused.value
    )
    assert not (tmp_path / "trace.csv").exists()


@pytest.mark.parametrize("time", ["1e21", "-1e16", "inf", "12:30", "15.11.2024", "2024-13-01"])
def test_what_is_no_time(tmp_path, time):
    done, rows = converted(tmp_path, f"t,m\n{time},a\n5,a\n", "time=t,model=m")
    assert ([row[0] for row in rows], done.set_aside) == ([5], {"time neither a number nor ISO 8601": 1})


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("time", "write FIELD=COLUMN each, of the fields time, model, "),
        ("when=t,model=m", "write FIELD=COLUMN each"),
        ("time=t", "model is missing, for example model=COLUMN"),
        ("time=t,model=m,time=t", "time stands there twice"),
        ("time=t,model=two", "log.csv, line 1: the column 'two' stands there twice"),
        ("time=t,model=mod", "log.csv, line 1: no column 'mod' for model; there are t, m, two, two"),
    ],
)
def test_wrong_columns_are_refused(tmp_path, columns, told):
    with pytest.raises(InputError) as refused:
        converted(tmp_path, "t, m ,two,two\n1,a,b,c\n", columns)
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
    assert shown.by_hour == [5, 1] + [0] * 22
    path.write_text("time,model,user,steps\n0,a,,5\n")
    alone = show(path)
    assert (alone.gaps_variation, alone.same_again, alone.sessions) == (None, None, 0)


def test_the_rhythm_of_days_and_what_was_measured(tmp_path):
    path = tmp_path / "trace.csv"
    took = np.random.default_rng(1).lognormal(3, 0.7, 5000).round(3)
    # From 20 to 23 o'clock of each day, two days before 1970 and on.
    times = sorted((i % 7 - 2) * 86400 + (20 + i % 3) * 3600 + i * 0.5 for i in range(5000))
    with path.open("w") as file:
        file.write("time,model,user,steps,generation_s,adapters\n")
        for i, time in enumerate(times):
            file.write(f"{time},a,,5,{took[i]},{i % 4 if i % 2 else ''}\n")
        file.write(f"{times[-1]},a,,5,,\n")
    shown = show(path)
    assert sum(shown.by_hour[20:23]) == sum(shown.by_hour) == shown.requests == 5001
    assert shown.by_hour[20] == pytest.approx(5000 / 3, rel=0.01)
    assert shown.generation_s["requests"] == 5000
    assert shown.generation_s["mean"] == pytest.approx(took.mean())
    for q in (50, 95, 99):
        assert shown.generation_s[f"p{q}"] == pytest.approx(np.percentile(took, q, method="inverted_cdf"), rel=0.01)
    assert shown.with_adapters == 1
    words = " ".join(in_words(shown))
    assert f"mean {took.mean():.1f} s" in words
    assert "·" * 20 + "█" * 3 + "·" in words
    assert "With adapters: 100%." in words


def test_gaps_at_random_have_a_variation_of_one(tmp_path):
    path = tmp_path / "trace.csv"
    times = np.cumsum(np.random.default_rng(0).exponential(1, 20000))
    path.write_text("time,model,user,steps\n" + "".join(f"{t},a,u,5\n" for t in times))
    assert show(path).gaps_variation == pytest.approx(1, abs=0.03)
