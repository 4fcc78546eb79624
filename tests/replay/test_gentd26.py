"""The adapter, on made-up rows of the dataset's shape."""

from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genedge.boxes.load import load_box
from genedge.errors import InputError
from genedge.replay.convert import convert
from genedge.replay.gentd26 import gentd26_rows
from genedge.replay.requests import chunks
from genedge.replay.trace import Row, rows_in_order

HEADER = (
    "gmt_create,predict_type,predict_status,exec_time_seconds,groupId,prompt_length,negative_prompt_length,"
    "num_images_per_prompt,num_inference_steps,checkpoint_model_version_id,num_lora\n"
)
ROWS = """2024-01-01 00:01:00,TXT_2_IMG,SUCCEED,20.0,G1,50.0,,4.0,30.0,M1,0
2024-01-01 00:00:30,IMG_2_IMG,SUCCEED,21.0,,50.0,26.0,1.0,30.0,M2,1
2024-01-01 00:01:30,TXT_2_IMG,SUCCEED,,G1,50.0,,1.0,30.0,M1,
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
    assert converted.rows == 13
    assert converted.requests == 4
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
        "without a time of its own; generates as its model does": 1,
    }
    rows = [Row(*row) for row in rows_in_order(path)]
    assert [(row.generation_s, row.adapters) for row in rows] == [(21, 1), (20, 0), (None, None), (20, 0)]
    assert [row.time - rows[0].time for row in rows] == [0, 30, 60, 510]
    assert [row.model for row in rows] == ["M2", "M1", "M1", "M1"]
    assert [row.user for row in rows] == ["", "G1", "G1", "G2"]
    (chunk,) = chunks(path, load_box("gentd26", ["cloud.wait_s=0", "cloud.backhaul_mbit_per_s=100"]), {})
    assert chunk.own_s == pytest.approx([21, 20, 18 + 0.04 * 30, 20])


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
    found = {row[1]: row[0] for row in rows_in_order(folder / "trace.csv")}
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
        (HEADER + ROWS.splitlines()[3], "none of its 1 rows"),
    ):
        source.write_text(text)
        with pytest.raises(InputError, match=message):
            convert(source, path, gentd26_rows)
    assert not path.exists()
    with pytest.raises(InputError, match="cannot be read"):
        convert(tmp_path / "none.csv", path, gentd26_rows)
