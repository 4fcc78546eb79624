"""The adapter, on made-up rows of the dataset's shape."""

from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genedge.errors import InputError
from genedge.replay.catalogue import TraceModels, load_catalogue
from genedge.replay.convert import convert
from genedge.replay.gentd26 import gentd26_rows
from genedge.replay.trace import read_trace

HEADER = (
    "gmt_create,predict_type,predict_status,exec_time_seconds,groupId,prompt_length,negative_prompt_length,"
    "num_images_per_prompt,num_inference_steps,checkpoint_model_version_id,num_lora\n"
)
ROWS = """2024-01-01 00:01:00,TXT_2_IMG,SUCCEED,20.0,G1,50.0,,4.0,30.0,M1,0
2024-01-01 00:00:30,IMG_2_IMG,SUCCEED,21.0,,50.0,26.0,1.0,30.0,M2,1
2024-01-01 00:02:00,TXT_2_IMG,FAILED,,G1,50.0,26.0,1.0,30.0,M1,0
2024-01-01 00:03:00,TXT_2_IMG,PENDING,,G1,,,,,,0
2024-01-01 00:04:00,TXT_2_IMG,,,G1,,,,,,0
2024-01-01 00:05:00,TXT_2_IMG,SUCCEED,20.0,G1,50.0,26.0,1.0,30.0,,0
,TXT_2_IMG,SUCCEED,20.0,G1,50.0,26.0,1.0,30.0,M1,0
yesterday,TXT_2_IMG,SUCCEED,20.0,G1,50.0,26.0,1.0,30.0,M1,0
2024-01-01 00:06:00,TXT_2_IMG,SUCCEED,20.0,G1,50.0,26.0,,30.0,M1,0
2024-01-01 00:07:00,TXT_2_IMG,SUCCEED,20.0,G1,50.0,26.0,1.0,many,M1,0
2024-01-01 00:08:00,TXT_2_IMG,SUCCEED,20.0
2024-01-01 00:09:00,INPAINTING,SUCCEED,20.0,G2,50.0,26.0,1.0,40.0,M1,0
"""


def test_every_row_is_accounted_for(tmp_path):
    source, path = tmp_path / "requests.csv", tmp_path / "trace.csv"
    source.write_text(HEADER + ROWS)
    converted = convert(source, path, gentd26_rows)
    assert converted.rows == 12
    assert converted.requests == 3
    assert converted.set_aside == {
        "predict_status FAILED": 1,
        "predict_status PENDING": 1,
        "predict_status empty": 1,
        "checkpoint_model_version_id empty": 2,
        "gmt_create empty": 1,
        "gmt_create not a time": 1,
        "num_images_per_prompt empty": 1,
        "num_inference_steps no number": 1,
    }
    assert converted.requests + sum(converted.set_aside.values()) == converted.rows
    assert converted.noted == {
        "earlier than the row before it; sorted": 1,
        "without a user; left empty": 1,
    }
    models, users = TraceModels(load_catalogue("gentd26")), {}
    (chunk,) = read_trace(path, models, users)
    assert [time - chunk.time[0] for time in chunk.time] == [0, 30, 510]
    assert [models.names[m] for m in chunk.model] == ["M2", "M1", "M1"]
    assert chunk.user == [-1, users["G1"], users["G2"]]
    assert chunk.local_s == pytest.approx([18 + 0.04 * steps for steps in (30, 120, 40)])


SUCCEEDED = ",TXT_2_IMG,SUCCEED,20.0,G1,50.0,,1.0,30.0,{model},0\n"


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),
            st.none() | st.integers(-24 * 60 + 1, 24 * 60 - 1),
        ),
        min_size=1,
        max_size=4,
    )
)
@example([(datetime(2024, 11, 15, 16, 57, 50), 8 * 60), (datetime(2024, 11, 15, 9, 57, 50), None)])
def test_times_are_those_of_their_offsets(tmp_path_factory, times):
    folder = tmp_path_factory.mktemp("times")
    lines, expected = [], {}
    for i, (time, offset) in enumerate(times):
        told = time.isoformat()
        if offset is not None:
            hours, minutes = divmod(abs(offset), 60)
            told += f"{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"
        lines.append(told + SUCCEEDED.format(model=f"M{i}"))
        expected[f"M{i}"] = (time - timedelta(minutes=offset or 0) - datetime(1970, 1, 1)).total_seconds()
    (folder / "requests.csv").write_text(HEADER + "".join(lines))
    converted = convert(folder / "requests.csv", folder / "trace.csv", gentd26_rows)
    models = TraceModels(load_catalogue("gentd26"))
    (chunk,) = read_trace(folder / "trace.csv", models, {})
    found = dict(zip((models.names[m] for m in chunk.model), chunk.time, strict=True))
    assert found == pytest.approx(expected, abs=0.002)
    without = sum(offset is None for _, offset in times)
    told = converted.noted.get("without an offset from UTC, unlike others; taken as UTC", 0)
    assert told == (without if without < len(times) else 0)


def test_a_trace_of_another_name_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InputError, match=r"a name that ends in \.csv"):
        convert(tmp_path / "none.csv", tmp_path / "trace.jsonl", gentd26_rows)


def test_other_files_are_refused(tmp_path):
    source, path = tmp_path / "requests.csv", tmp_path / "trace.csv"
    for text, message in (
        ("a,b\n1,2\n", "the column gmt_create is missing"),
        ("", "the column gmt_create is missing"),
        (HEADER, "none of its 0 rows"),
        (HEADER + ROWS.splitlines()[2], "none of its 1 rows"),
    ):
        source.write_text(text)
        with pytest.raises(InputError, match=message):
            convert(source, path, gentd26_rows)
    assert not path.exists()
    with pytest.raises(InputError, match="cannot be read"):
        convert(tmp_path / "none.csv", path, gentd26_rows)
