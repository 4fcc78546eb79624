"""A grid of settings: all combinations, each in a folder of its own wherever the folders are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genedge.errors import InputError
from genedge.learn.grid import as_override, folder_name, grid, seeds_of
from genedge.scenario import load_scenario
from genedge.settings.reading import read_yaml

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=200),
    st.lists(st.one_of(st.integers(0, 100), st.floats(0, 1), st.text(max_size=5)), max_size=5),
    st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=2),
)


def test_all_combinations_the_last_fastest():
    assert grid(["ddpg.batch=64,128", "ddpg.hidden_layers=[8],[8, 9]"]) == [
        {"ddpg.batch": batch, "ddpg.hidden_layers": layers} for batch in (64, 128) for layers in ([8], [8, 9])
    ]
    assert grid(["a=1e-5"]) == [{"a": 1e-5}]
    assert grid(["server.quality_floor={largest_tv: best}, null"]) == [
        {"server.quality_floor": {"largest_tv": "best"}},
        {"server.quality_floor": None},
    ]


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (["ddpg.batch"], "--vary ddpg.batch: write key=value,value"),
        (["=1,2"], "write key=value,value"),
        (["ddpg.batch="], "write key=value,value"),
        (["a=1", "a=2"], "--vary a=2: a is there twice"),
        (["a=[1"], "--vary a=[1: not valid YAML"),
        (["a=1]"], "--vary a=1]: not valid YAML"),
    ],
)
def test_what_is_no_grid(vary, message):
    with pytest.raises(InputError, match=re.escape(message)):
        grid(vary)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"ddpg.actor_learning_rate": 1e-5, "ddpg.batch": 64}, "ddpg.actor_learning_rate=1e-05_ddpg.batch=64"),
        ({"ddpg.hidden_layers": [64, 64]}, "ddpg.hidden_layers=64-64"),
        ({"ddpg.hidden_layers": [64]}, "ddpg.hidden_layers=+64"),
        ({"ddpg.network": "mlp", "ddpg.layer_norm": True}, "ddpg.network=mlp_ddpg.layer_norm=true"),
        ({"objective.alpha": 0.7}, "objective.alpha=0.7"),
    ],
)
def test_names_can_be_read(changes, name):
    assert folder_name(changes) == name


# What Windows, macOS, FAT and shells take as it stands; `--policies` splits at commas.
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*[A-Za-z0-9]")


@given(values=st.lists(VALUES, min_size=1, max_size=3))
def test_names_are_safe_on_any_file_system(values):
    name = folder_name({f"section.key{i}": value for i, value in enumerate(values)})
    assert SAFE.fullmatch(name)
    assert len(name.encode()) < 128


@given(one=VALUES, other=VALUES)
def test_other_values_have_other_names(one, other):
    """Also where upper and lower case are the same."""
    names = [folder_name({"section.key": value}).casefold() for value in (one, other)]
    if names[0] == names[1]:
        assert (type(one), one) == (type(other), other)
    if repr(one) == repr(other):
        assert names[0] == names[1]


@given(value=st.one_of(st.none(), st.booleans(), st.integers(), st.floats(1e-9, 1e9), st.text(max_size=20)))
def test_values_come_through_as_they_are(value):
    key, _, text = as_override("a.b", value).partition("=")
    try:
        read = read_yaml(text, "it")
    except InputError:
        assert isinstance(value, str)  # Control characters are no YAML.
        assert not value.isprintable()
    else:
        assert (key, type(read), read) == ("a.b", type(value), value)


def test_values_of_lists_come_through():
    told = load_scenario("paper", [as_override("ddpg.hidden_layers", [8, 9]), as_override("objective.alpha", 0.5)])
    assert told.table["ddpg.hidden_layers"].value == [8, 9]
    assert told.table["objective.alpha"].value == 0.5


def test_seeds():
    assert seeds_of("2, 0,1") == [2, 0, 1]
    for text, message in (
        ("", "whole numbers"),
        ("1,,2", "whole"),
        ("-1", "whole"),
        ("a", "whole"),
        ("1,1", "twice"),
    ):
        with pytest.raises(InputError, match=message):
            seeds_of(text)
    with pytest.raises(InputError, match="whole numbers"):
        seeds_of(str(2**32))
