"""Others' text: harmless wherever it is shown, and hints name only what is near."""

import csv
import io
import unicodedata
from xml.etree import ElementTree

import pytest
from hostile import NAMES
from hypothesis import example, given
from hypothesis import strategies as st

from genedge.text import html_table, in_cell, nearest, shown

ANY = st.text(st.characters(exclude_categories=()))


@given(ANY)
@example("\ud800")
def test_what_is_shown_is_one_line_that_steers_nothing(text):
    line = shown(text)
    # Nothing but letters, marks, numbers, signs and the plain space.
    assert all(c == " " or unicodedata.category(c)[0] in "LMNPS" for c in line)
    line.encode()
    assert len(line.splitlines()) <= 1
    assert shown(line) == line


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_harmless_text_is_left_as_it_is(text):
    assert shown(text) == text


def test_what_is_not_seen_is_written_as_python_writes_it():
    assert shown("a\x1b[31m\n\u202e\udc80$_\\") == "a\\x1b[31m\\n\\u202e\\udc80$_\\"


# --- Cells of tables ----------------------------------------------------------------------------------------


@given(st.one_of(ANY, st.sampled_from(NAMES), st.sampled_from("=+-@\t\r").flatmap(lambda c: ANY.map(c.__add__))))
def test_no_cell_is_a_formula(text):
    cell = str(in_cell(text))
    assert cell in (text, f"'{text}")
    if cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        float(cell)


@given(st.one_of(st.integers(), st.floats(), st.none()))
def test_numbers_stay_numbers(value):
    assert in_cell(value) is value
    assert in_cell(str(value)) == str(value)


def test_a_table_of_cells_is_read_back():
    file = io.StringIO(newline="")
    csv.writer(file).writerow(map(in_cell, NAMES))
    (row,) = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert [
        cell.removeprefix("'") if cell[1:] == name else cell for cell, name in zip(row, NAMES, strict=True)
    ] == [*NAMES]


@given(ANY, ANY, ANY)
@example("<b>", "a & b", '"')
def test_a_table_in_a_notebook_shows_text_as_it_stands(title, column, value):
    table = ElementTree.fromstring(html_table(title, ("policy", column), [("name", value), ("other", 1.5)]))
    assert [cell.text or "" for cell in table.iter("th")] == ["policy", shown(column), "name", "other"]
    assert [cell.text or "" for cell in table.iter("td")] == [shown(value), "1.5"]
    assert [caption.text for caption in table.iter("caption")] == [shown(title)] * bool(title)


# --- Hints --------------------------------------------------------------------------------------------------

POLICIES = ("rcars", "hcras", "cloud-only", "greedy", "knapsack", "learned", "learned-search", "priced", "optimal")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("rcasr", "rcars"),
        ("knapsak", "knapsack"),
        ("RCARS", "rcars"),
        ("cloud_only", "cloud-only"),
        ("optimum", "optimal"),
        ("greddy", "greedy"),
        # A reader who wrote these did not mean the name that looks most like them.
        ("pinned", None),
        ("trained", None),
        ("random", None),
        ("lru", None),
        ("", None),
        ("x", None),
        ("x" * 100_000, None),
    ],
)
def test_the_nearest_policy(word, meant):
    assert nearest(word, POLICIES) == meant


def test_the_parts_of_a_name_are_near_it():
    assert nearest("bandwidth", ("uplink_bandwidth_mhz", "users")) == "uplink_bandwidth_mhz"
    assert nearest("sdxl-base", ("sd15", "sdxl")) == "sdxl"
    assert nearest("s", ("load_s", "wait_s")) is None


@given(st.text("abc_", max_size=9), st.lists(st.text("abc_", min_size=1, max_size=9), max_size=5))
def test_only_what_is_near_is_named(word, words):
    """By the plain definition of edits, computed another way."""

    def edits(a, b):
        if not a or not b:
            return len(a) + len(b)
        ways = [edits(a[1:], b) + 1, edits(a, b[1:]) + 1, edits(a[1:], b[1:]) + (a[0] != b[0])]
        if len(a) > 1 and len(b) > 1 and (a[0], a[1]) == (b[1], b[0]):
            ways.append(edits(a[2:], b[2:]) + 1)
        return min(ways)

    word, words = word[:5], [other[:5] for other in words]
    near = nearest(word, words)
    distances = {other: edits(word, other) for other in words}
    if near is None:
        assert all(distance > len(word) // 3 for distance in distances.values())
    else:
        parts, others = ({part for part in text.split("_") if part} for text in (word, near))
        contained = min(len(word), len(near)) > 2 and (parts <= others or others <= parts)
        assert distances[near] <= len(word) // 3 or contained
        assert distances[near] == min(distances.values()) or contained
