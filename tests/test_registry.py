"""Everything that can be named is there, and what the docs, the help and the errors say of it comes from here."""

import pickle
import re
import sys
from pathlib import Path
from typing import get_args

import pytest

from genedge.errors import InputError
from genedge.own import from_file
from genedge.registry import Kind, entries, listed, named, unknown
from genedge.settings.fields import Section
from genedge.settings.provenance import defaults

DOCS = Path(__file__).parents[1] / "docs"
ALL = [pytest.param(entry, id=f"{kind} {entry.name}") for kind, entry in entries()]


@pytest.mark.parametrize("entry", ALL)
def test_every_entry_is_where_it_says(entry):
    assert entry.load() is not None
    assert entry.what
    assert "\n" not in entry.what
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry.name)


@pytest.mark.parametrize("entry", [param for param in ALL if param.values[0].settings])
def test_every_default_says_where_it_comes_from_and_is_valid(entry):
    kind = entry.load_settings()
    assert issubclass(kind, Section)
    for key, field in kind.model_fields.items():
        assert field.is_required() or "origin" in (field.json_schema_extra or {}), key
    if len(defaults(kind)) == len(kind.model_fields):
        kind.model_validate({key: setting.value for key, setting in defaults(kind).items()})


def test_no_name_stands_twice_in_a_kind():
    seen = [(kind, entry.name) for kind, entry in entries()]
    assert len(seen) == len(set(seen))


def test_a_sentence_of_names():
    assert listed(["a"]) == "a"
    assert listed(["a", "b"], "or") == "a or b"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_an_unknown_name_hints_at_what_is_near_and_at_nothing_else():
    known = named("eviction")
    assert "did you mean gdsf?; there are lru, " in str(unknown("eviction", "gdfs", known))
    assert "mean" not in str(unknown("eviction", "xxxxxxxx", known))


@pytest.mark.parametrize(
    "page", [path for path in sorted(DOCS.rglob("*.md")) if "<!-- names: " in path.read_text()]
)
def test_tables_of_names_are_the_registrys(page, monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import make_tables

    text = page.read_text(encoding="utf-8")
    assert make_tables.with_tables(text) == text, "python docs/make_tables.py writes them anew"


def test_every_kind_has_its_table():
    page = (DOCS / "reference" / "names.md").read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- names: ([a-z ]+) -->", page)) == set(get_args(Kind))


# --- Files of a reader's own --------------------------------------------------------------------------------


def test_a_file_is_run_once_as_long_as_it_holds_the_same(tmp_path):
    """Scenarios that name one class have the very same, or what is compiled for one would not serve another."""
    file = tmp_path / "mine.py"
    file.write_text("class Mine: pass\n")
    first = from_file(f"{file}:Mine")
    assert from_file(f"{file}:Mine") is first
    file.write_text("class Mine: changed = True\n")
    assert from_file(f"{file}:Mine").changed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("class Other: pass\n", "there is no 'Mine' in it"),
        ("raise ValueError('broken')\n", "does not run: ValueError: broken"),
        ("import sys; sys.exit(3)\n", "does not run: SystemExit: 3"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, message):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError) as refused:
        from_file(f"{file}:Mine")
    assert str(refused.value).startswith(str(file))
    assert message in str(refused.value)


def test_a_file_may_pickle_what_it_defines(tmp_path):
    file = tmp_path / "shapes.py"
    file.write_text("class Shape: pass\n")
    assert sys.modules[from_file(f"{file}:Shape").__module__].Shape is from_file(f"{file}:Shape")


def test_files_of_one_name_do_not_hide_each_other_from_pickle(tmp_path):
    """Nor does a file that has changed hide what it was."""
    found = []
    for folder, content in (("a", "first = 1"), ("b", "first = 2"), ("a", "first = 3")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "mine.py").write_text(f"class Mine:\n    {content}\n")
        found.append(from_file(f"{tmp_path / folder / 'mine.py'}:Mine"))
    assert [pickle.loads(pickle.dumps(each)).first for each in found] == [1, 2, 3]


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(InputError, match="cannot be read: File name too long"):
        from_file("a" * 5000 + ".py:Mine")
