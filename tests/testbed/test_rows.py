"""What is measured is read as it was written."""

import pytest

from genedge.errors import InputError
from genedge.testbed.rows import MEASURED, Row, read_rows, write_rows

ROW = Row(
    slot=3,
    policy="mine, with a comma",
    user=2,
    model="faces",
    picture=7,
    steps=25,
    repeated=1,
    predicted_hit=True,
    measured_hit=False,
    predicted={key: i / 8 for i, key in enumerate(MEASURED)},
    measured={key: i / 4 for i, key in enumerate(MEASURED)},
)


def test_rows_come_back(tmp_path):
    rows = [ROW, ROW._replace(user=1, predicted_hit=False, measured_hit=True)]
    write_rows(tmp_path / "rows.csv", rows)
    assert read_rows(tmp_path / "rows.csv") == rows


def test_nothing_is_nothing(tmp_path):
    assert read_rows(tmp_path / "rows.csv") == []


def test_what_is_damaged_is_refused_with_its_line(tmp_path):
    path = tmp_path / "rows.csv"
    write_rows(path, [ROW, ROW])
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match="line 3: damaged"):
        read_rows(path)


def test_something_else_is_refused(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not what genedge testbed writes"):
        read_rows(tmp_path / "rows.csv")
