"""Measurements are read as they were written, and what is none is told in one line."""

import pytest

from genedge.calibrate.measurements import Measurement, read_measurements, write_measurements
from genedge.errors import InputError

HEADER = "image,steps,evaluations,quality,seconds"
ROWS = [Measurement("a", 1, 1, 0.1 + 0.2, 1 / 3), Measurement('b, "c"', 20, 40, -2.5, 0.0)]


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "folder" / "m.csv"
    write_measurements(path, ROWS)
    assert path.read_text().splitlines()[0] == HEADER
    assert read_measurements(path) == ROWS


def test_columns_stand_in_any_order_beside_others(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(b"\xef\xbb\xbfseconds, quality,seed,evaluations,steps,image\r\n2,3.5,9,4,2,x\r\n\r\n")
    assert read_measurements(path) == [Measurement("x", 2, 4, 3.5, 2.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column image; the header must be image,steps,evaluations,quality,seconds"),
        (HEADER, "there is no measurement in it"),
        ("image,steps,evaluation,quality,seconds\n", r"no column evaluations \(is it 'evaluation'\?\)"),
        (f"{HEADER},steps\n", "line 1: the column steps stands there twice"),
        (f"{HEADER}\na,1,1,1\n", "line 2: 4 fields, the header has 5"),
        (f"{HEADER}\n,1,1,1,1\n", "line 2, image: it is empty"),
        (f"{HEADER}\na,1,1,1,1\na,0,1,1,1\n", "line 3, steps: must be a number from 1 to 1e.09, not '0'"),
        (f"{HEADER}\na,1.5,1,1,1\n", "line 2, steps: must be a whole number, not '1.5'"),
        (f"{HEADER}\na,1,-1,1,1\n", "line 2, evaluations: must be a number from 1"),
        (f"{HEADER}\na,1,1,nan,1\n", "line 2, quality: must be a number from -1e.09 to 1e.09, not 'nan'"),
        (f"{HEADER}\na,1,1,,1\n", "line 2, quality: must be a number"),
        (f"{HEADER}\na,1,1,inf,1\n", "line 2, quality: must be a number"),
        (f"{HEADER}\na,1,1,1,-0.5\n", "line 2, seconds: must be a number from 0 to 1e.09, not '-0.5'"),
        (f"{HEADER}\n{'x' * 200_000},1,1,1,1\n", "not CSV"),
    ],
)
def test_what_is_no_measurement_is_told(text, message, tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as told:
        read_measurements(path)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), (b"\xff\xfe", "not text in UTF-8")])
def test_a_file_that_cannot_be_read_is_told(content, message, tmp_path):
    path = tmp_path / "m.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_measurements(path)
