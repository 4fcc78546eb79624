"""Names of models, users, files and catalogues: kept by traces, and shown as they are."""

from dataclasses import replace

import pytest
from hostile import NAMES, PAIRS, texts_of
from hypothesis import example, given
from hypothesis import strategies as st

from genedge.boxes.load import load_box
from genedge.draw.canvas import in_figure
from genedge.draw.replay import replay_figure
from genedge.errors import InputError
from genedge.replay.generate import generate
from genedge.replay.trace import Row, rows_in_order, write_trace
from genedge.replay.unqueued import replay_unqueued

BOX = load_box("cloud-no-queue", [], 8)
# What a text file in UTF-8 can hold.
TEXT = st.text(st.characters(exclude_categories=("Cs",)))
WRITTEN = [name for name in NAMES if not any("\ud800" <= c <= "\udfff" for c in name)]


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT), min_size=1, max_size=5))
@example([(name, name) for name in WRITTEN])
def test_a_trace_keeps_every_name(tmp_path_factory, names):
    """Also those that a spreadsheet would run: they are written for this program, and its catalogues know them."""
    path = tmp_path_factory.mktemp("names") / "trace.csv"
    write_trace(path, [Row(float(i), model, user, 30) for i, (model, user) in enumerate(names)])
    assert [row[1:3] for row in rows_in_order(path)] == names


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_names_stand_in_the_figure_as_they_are(first, second, tmp_path):
    path = tmp_path / f"{first[:40]}.csv".replace("\ud800", "").replace("/", "")
    write_trace(path, generate(20, 3, 2, 0.1, 0))
    box = replace(BOX, name=second)
    result = replay_unqueued(path, box, ["lru"], "lru", False, lambda *told: None)
    (title,) = (text for text in texts_of(replay_figure(result)) if "requests for" in text)
    assert title.startswith(f"{in_figure(path.name)}: 20 requests")
    assert title.endswith(f"box {in_figure(second)}")


def test_a_time_that_is_no_number_is_no_time(tmp_path):
    """None that says an offset is read as if it had said another."""
    (tmp_path / "t.csv").write_text("time,model,user,steps\n2024-11-15T16:57:50+08:00,a,b,30\n")
    with pytest.raises(InputError, match=r"line 2, time: '2024-11-15T16:57:50\+08:00' is no number"):
        list(rows_in_order(tmp_path / "t.csv"))
