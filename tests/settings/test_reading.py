"""What people write is read as what it says, or refused in one line, whatever it is."""

import itertools
import json
import math
import tracemalloc
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from genedge.catalogue import load as catalogues
from genedge.errors import InputError
from genedge.paper.plan import FULL, changed
from genedge.scenario import load_scenario
from genedge.scenario.lines import read_decisions, read_slots
from genedge.settings.reading import (
    MOST_BYTES,
    MOST_DIGITS,
    MOST_LEVELS,
    read_json,
    read_yaml,
    text_of_file,
    write_yaml,
)
from genedge.text import in_brief, shortened

# --- What is refused, at every door


def by_file(load):
    def at(value, folder):
        file = folder / "mine.yaml"
        file.write_text(load[1].format(value), encoding="utf-8")
        return load[0](str(file))

    return at


CATALOGUE = """name: mine
models: {{defaults: {{memory_gb: 4, load_s: 0, B1_s_per_step: 0}}, a: {{load_s: {}
  }}}}"""


def load_catalogue(path):
    return catalogues.load_catalogue(path, Path())


DOORS = {
    "a scenario": by_file((load_scenario, "cell: {{users: {}\n  }}")),
    "its note": by_file((load_scenario, "cell: {{users: {{value: 3, note: {}\n  }}}}")),
    "its base": by_file((load_scenario, "base: {}")),
    "a catalogue": by_file((load_catalogue, CATALOGUE)),
    "--set": lambda value, _: load_scenario("paper", [f"cell.users={value}"]),
    "--plan": lambda value, _: changed(FULL, [f"episodes={value}"]),
}


def bomb(levels):
    """Text that stands for 10 to the power of `levels` words."""
    names = "abcdefghijklmnop"[:levels]
    lists = [f"&{a} [{', '.join(['*' + b] * 10)}]" for b, a in itertools.pairwise(names)]
    return f"[&a [x, x, x], {', '.join(lists)}]"


REFUSED = {
    '!!int ""': "tags",
    "!!bool x": "tags",
    "!!timestamp x": "tags",
    "!!float x": "tags",
    "!!null x": "tags",
    "!!binary x": "tags",
    "!!set {x}": "tags",
    "!!omap [x]": "tags",
    "!!str x": "tags",
    "!x 3": "tags",
    "! 3": "tags",
    "!!python/object/apply:os.getcwd []": "tags",
    "&a 3": "anchors",
    "&a [*a]": "anchors",
    "*a": "anchors",
    bomb(12): "anchors",
    "[" * 3000: "deep",
    "{a: " * 3000: "deep",
    "- " * 3000: "not valid YAML",
    "1" + "0" * 5000: "a number of 5001 characters",
    "0x" + "f" * 5000: "a number of 5002 characters",
    "1." + "0" * 5000: "a number of 5002 characters",
    "{a: 1, a: 2}": "'a' is given twice",
    "{a: {b: 1, 'b': 2}}": "'b' is given twice",
    "{<<: {a: 1}}": "merge keys",
    "{? [a] : 1}": "must be text, not []",
    "{1: 2}": "must be text, not 1",
    "{null: 2}": "must be text, not None",
    '"\\0"': "control character",
    '"\\e[31m"': "control character",
    '"\\ud800"': "control character",
    '"\\UFFFFFFFF"': "no character",
    "\x00": "special characters",
    "\x1b": "special characters",
    "3\n---\n4": "not valid YAML",
    "[1": "not valid YAML",
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("value", REFUSED, ids=lambda value: ascii(value[:20]))
def test_what_settings_do_not_need_is_refused_at_every_door_in_one_short_line(tmp_path, door, value):
    tracemalloc.start()
    with pytest.raises(InputError) as refused:
        DOORS[door](value, tmp_path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    told = str(refused.value)
    assert "not valid YAML" in told
    if value.startswith(("3\n", "- ")):  # In braces these break off elsewhere.
        assert told
    else:
        assert REFUSED[value] in told
    assert told.isprintable()
    assert len(told) < 500 + len(str(tmp_path))
    assert most < 5e6


# Dates and times are text, and so are numbers of base 8 and 60, which nobody means.
TEXTS = (
    "2024-01-01",
    "2024-13-45",
    "2024-01-01 25:61:00Z",
    "010",
    "1:30",
    "1" + ":1" * 3000,
    "0b1",
    "1__0",
    "½",
    "٣",
)


@pytest.mark.parametrize("door", ["a scenario", "a catalogue", "--set", "--plan"])
@pytest.mark.parametrize("value", TEXTS, ids=lambda value: value[:10])
def test_where_a_number_is_wanted_a_date_is_none(tmp_path, door, value):
    with pytest.raises(InputError) as refused:
        DOORS[door](f"'{value}'" if ": " in value else value, tmp_path)
    told = str(refused.value)
    assert "number" in told or "integer" in told
    assert told.isprintable()
    assert len(told) < 500 + len(str(tmp_path))


@pytest.mark.parametrize("where", ["base: {}", "seed: {{value: 3, provenance: {}}}", "{}: 3", "cell: {{{}: 3}}"])
@pytest.mark.parametrize("value", ["x" * 10**6, "[" + "x, " * 10**4 + "]"], ids=["text", "list"])
def test_what_is_long_is_not_repeated(tmp_path, where, value):
    file = tmp_path / "mine.yaml"
    file.write_text(where.format(value))
    with pytest.raises(InputError) as refused:
        load_scenario(file)
    assert len(str(refused.value)) < 600 + len(str(tmp_path))


@pytest.mark.parametrize("load", [load_scenario, load_catalogue])
def test_files_that_are_too_large_or_no_utf8_text(tmp_path, load):
    file = tmp_path / "mine.yaml"
    for content, message in (
        (b"# " + b"x" * MOST_BYTES, "too large; it may have 1 MiB"),
        ("name: größe".encode("utf-16"), "line 1 cannot be read as a text file; save it as UTF-8"),
        ("name: größe".encode("utf-32"), "line 1 cannot be read as a text file"),
        ("# x\nname: größe".encode("latin-1"), "line 2 cannot be read as a text file"),
    ):
        file.write_bytes(content)
        with pytest.raises(InputError, match=message) as refused:
            load(str(file))
        assert str(file) in str(refused.value)


def test_a_byte_order_mark_is_nothing(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_bytes("name: größe\n".encode("utf-8-sig"))
    assert text_of_file(file) == "name: größe\n"
    assert load_scenario(file).name == "größe"


# --- What is read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing", None),
        ("~", None),
        ("12", 12),
        ("+1_000", 1000),
        ("0xC0FFEE", 0xC0FFEE),
        ("-0x10", -16),
        ("1e3", 1000.0),
        ("1.e-3", 0.001),
        (".5E+2", 50.0),
        ("-.inf", -math.inf),
        ("yes", True),
        ("Off", False),
        ("'12'", "12"),
        ("x y", "x y"),
        ("[1, {a: [b, 2.5]}, null]", [1, {"a": ["b", 2.5]}, None]),
        ("a:\n- 1\n- b: 2\n  c:\n", {"a": [1, {"b": 2, "c": None}]}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("1" * MOST_DIGITS, int("1" * MOST_DIGITS)),
        ("[" * MOST_LEVELS + "]" * MOST_LEVELS, "deep"),
    ],
)
def test_what_a_text_stands_for(text, value):
    if value == "deep":
        with pytest.raises(InputError, match="nested more than"):
            read_yaml(text, "x")
        text = text[1:-1]
        value = json.loads(text)
    read = read_yaml(text, "x")
    assert read == value
    assert type(read) is type(value)


printable = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | printable,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(printable.filter(lambda k: k != "<<"), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(printable.filter(lambda k: k != "<<"), values, max_size=4))
@example(
    {"a": ["1e6", ".5e3", "1.e2", "010", "0x1f", "1:30", "2024-01-01", "<<", "=", "no", "~", "", "-.inf", "0b1"]}
)
@example({"twice": [[1, 2]] * 2})
def test_what_is_written_is_read_as_the_same(tree):
    assert read_yaml(write_yaml(tree), "x") == tree


marks = st.sampled_from(
    ["[", "]", "{", "}", ": ", "- ", ", ", "&a ", "*a", "!!int ", "'", '"', "|", ">", "\n", " ", "#"]
)
pieces = st.lists(
    marks | st.sampled_from(["1e3", "0x", "1", "a", "<<", "%TAG ! x", "---", "...", "\\x", "?"]) | st.text()
)


@given(pieces.map("".join))
def test_any_text_is_read_or_refused(text):
    try:
        told = json.dumps(read_yaml(text, "x"))
    except InputError as e:
        told = str(e)
    assert told.isprintable()


@given(pieces.map("".join))
def test_what_is_read_is_what_yaml_means_but_for_what_people_mean_otherwise(text):
    try:
        theirs = yaml.load(text, yaml.BaseLoader)
        read = read_yaml(text, "x")
    except (yaml.YAMLError, InputError, ValueError, OverflowError):
        return

    def as_text(value):
        """Shapes, and the texts that no rule makes something else of."""
        if isinstance(value, dict):
            return {key: as_text(v) for key, v in value.items()}
        return [as_text(v) for v in value] if isinstance(value, list) else None

    assert as_text(read) == as_text(theirs)


# --- JSON


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 10**5, "nested too deeply"),
        ('{"a": ' * 10**5, "nested too deeply"),
        ("1" + "0" * 5000, "too many digits"),
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ('[{"b": {"' + "c" * 10**5 + '": 1, "' + "c" * 10**5 + '": 1}}]', "given twice"),
        ("{", "column 2: not valid JSON"),
        ("\ufeff1", "not valid JSON"),
        ("", "column 1: not valid JSON"),
    ],
    ids=range(8),
)
def test_bad_json_is_refused_in_one_short_line(text, message):
    with pytest.raises(InputError) as refused:
        read_json(text, "line 3")
    told = str(refused.value)
    assert told.startswith("line 3")
    assert message in told
    assert told.isprintable()
    assert len(told) < 200


@pytest.mark.parametrize(
    "read",
    [
        lambda line: read_slots([line], "slots", load_scenario("paper")),
        lambda line: read_decisions([line], "slots", 10, [1], "slots"),
    ],
    ids=["slots", "decisions"],
)
@pytest.mark.parametrize(
    "line", ['{"cache": [1], "cache": [0]}', "[" * 10**5, "1" + "0" * 5000, "NaN", "[Infinity]"]
)
def test_lines_are_read_as_carefully(read, line):
    with pytest.raises(InputError, match=r"^slots line 1"):
        read(line)


# --- What messages quote


@given(values | st.binary() | st.integers().map(lambda n: n * 10**6000))
def test_a_quoted_value_is_one_short_line(value):
    assert len(shortened(value)) <= 103
    assert shortened(value).isprintable()


@given(st.text(min_size=1))
def test_a_quoted_text_is_one_short_line(text):
    assert len(in_brief(text, 20)) <= 23
    assert in_brief(text, 20).isprintable()
    if text.isprintable() and len(text) <= 20 and text == " ".join(text.split()):
        assert in_brief(text, 20) == text
