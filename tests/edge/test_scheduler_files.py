"""Schedulers from files: numbers with provenance, limits, and what is wrong in words."""

import pytest
from edge_boxes import box_of, models_of, run

from genedge.boxes.scheduler_file import load_scheduler, scheduler_presets
from genedge.boxes.schedulers import limited, scheduler_of, settings_of
from genedge.errors import InputError
from genedge.registry import named

MINE = """
name: mine
order: {name: dwell, kappa: {value: 8, provenance: measured, note: on last week's requests}}
eviction: {name: cost-aware}
keep_alive_s: 60
"""
MODELS = models_of(a=(1, 10, 1), b=(1, 10, 1))


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_a_file_says_numbers_and_the_rest_is_as_tuned(written):
    read = load_scheduler(written(MINE))
    assert (read.name, read.order.numbers) == ("mine", {"kappa": 8})
    told = read.as_json()
    assert told["order"]["kappa"] == {"value": 8, "provenance": "measured", "note": "on last week's requests"}
    assert told["eviction"]["kernels"]["provenance"] == "measured"
    assert told["keep_alive_s"] == {"value": 60, "provenance": "user"}
    assert read.eviction.numbers == load_scheduler("fifo+cost-aware").eviction.numbers


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in ("order", "eviction") for name in named(kind)])
def test_every_number_that_ships_says_where_it_comes_from(kind, name):
    read = load_scheduler(f"{name}+lru" if kind == "order" else f"fifo+{name}")
    told = {path: setting for path, setting in read.table.items() if path[0] == kind and path[1] != "name"}
    assert {path[1] for path in told} == set(getattr(read, kind).numbers)
    assert all(setting.provenance != "user" and setting.note for setting in told.values())


def test_numbers_count(written):
    """What a load must pay for is the file's."""
    rows = [(0, "a", "u", 1), (0, "b", "u", 1), *((float(t), "a", "u", 1) for t in range(1, 400))]

    def began(name):
        ran = run(rows, MODELS, box_of(1), scheduler=scheduler_of(name, box_of(1), MODELS))
        (b,) = (d for d in ran.done if d.request.model == "b")
        return b.began

    # From 10 s on it generates for a; after κ loads' time of that b is loaded.
    assert began("dwell+lru") == 10 + 16 * 10 + 10
    assert began(written("order: {name: dwell, kappa: 8}\neviction: {name: lru}")) == 10 + 8 * 10 + 10


def test_limits_are_the_tighter_ones(written):
    name = written(MINE + "most_models: 3\n")
    tight = box_of(1, most_models=3, keep_alive_s=60)
    assert limited(name, box_of(1)) == limited(name, box_of(1, most_models=5)) == tight
    both = box_of(1, most_models=2, keep_alive_s=9.0)
    assert limited(name, both) == both
    assert limited("fifo+lru", box_of(1, most_models=2)) == box_of(1, most_models=2)
    assert limited("mine.py:Mine", box_of(1)) == box_of(1)


@pytest.mark.parametrize("name", scheduler_presets())
def test_presets_say_where_their_numbers_come_from(name):
    read = settings_of(name)
    assert read.name == name
    assert all(setting.provenance != "user" and setting.note for setting in read.table.values())
    assert scheduler_of(name, box_of(1), MODELS).name == name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "a scheduler is a mapping of settings, such as 'order: {name: dwell}'"),
        ("name: 3", "name must be text, not 3"),
        ("order: {name: fifo}", "eviction must say its name, such as 'eviction: {name: lru}'"),
        ("order: fifo", "order must say its name, such as 'order: {name: fifo}'"),
        (MINE + "keepalive_s: 3", "there is no setting keepalive_s; did you mean keep_alive_s?"),
        (MINE + "most_models: 0", "most_models must be greater than 0, not 0"),
        ("order: {name: dwell, kapa: 3}\neviction: {name: lru}", "no setting order.kapa; did you mean kappa?"),
        ("order: {name: fifo, kappa: 3}\neviction: {name: lru}", "no setting order.kappa; there are name"),
        ("order: {name: dwell, kappa: x}\neviction: {name: lru}", "order.kappa must be a number, not 'x'"),
        (
            "order: {name: fifo}\neviction: {name: cost-aware, kernels: [{half_life_s: 60, weight: 1}]}",
            "eviction.kernels.0.of_users is missing",
        ),
        ("order: {name: dwel}\neviction: {name: lru}", "order 'dwel': no such order; did you mean dwell?"),
    ],
)
def test_what_is_wrong_is_said(written, text, told):
    with pytest.raises(InputError) as refused:
        load_scheduler(written(text))
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there():
    with pytest.raises(InputError, match=r"^scheduler 'none\.yaml': no such preset or file; the presets are "):
        load_scheduler("none.yaml")
