"""Boxes from files, and schedulers by name."""

import pytest
from edge_boxes import box_of, models_of, whole_of

from genedge.boxes.load import box_presets, load_box
from genedge.boxes.schedulers import scheduler_of
from genedge.edge.box import Box, Cloud, Ram
from genedge.edge.models import Model
from genedge.errors import InputError
from genedge.registry import named

P40 = """
name: p40
gpus: [{memory_gb: 9}]
cloud: null
models:
  defaults: {memory_gb: 5, load_s: 30, B1_s_per_step: 1, B2_s: 0}
  "qwen2.5:7b": {memory_gb: {value: 5.5, provenance: measured, note: in use}}
  "qwen2.5:14b": {memory_gb: 9, working_gb: 0.5}
"""


@pytest.fixture
def p40(tmp_path):
    path = tmp_path / "p40.yaml"
    path.write_text(P40)
    return str(path)


def test_a_file_is_a_box(p40):
    read = load_box(p40)
    assert (read.name, read.box, read.think_s) == ("p40", Box((9000,)), None)
    assert dict(read.models) == {
        "qwen2.5:7b": Model("qwen2.5:7b", 5500, 30, 1, 0),
        "qwen2.5:14b": Model("qwen2.5:14b", 9000, 30, 1, 0, 500),
    }
    # What it does not name is as its defaults say.
    assert read.models["other"] == Model("other", 5000, 30, 1, 0)
    assert read.models.named == ("qwen2.5:7b", "qwen2.5:14b")
    told = read.as_json()["models"]["qwen2.5:7b"]["memory_gb"]
    assert told == {"value": 5.5, "provenance": "measured", "note": "in use"}


def test_overrides_change_a_setting_and_the_id(p40):
    plain = load_box(p40)
    changed = load_box(
        p40,
        [
            "gpus=[{memory_gb: 24}, {memory_gb: 12}]",
            "reserve_gb=1.5",
            "cloud.wait_s=2",
            "cloud.backhaul_mbit_per_s=100",
            "cloud.generators=4",
            "ram.memory_gb=64",
            "ram.load_share=0.25",
            "models.qwen2.5:7b.load_s=3",
            "models.new one.memory_gb=1",
            "pins=[qwen2.5:7b]",
            "most_models=3",
            "think_s=0",
            "overlap=1.2",
        ],
    )
    assert changed.box == Box(
        (22500, 10500), Cloud(2, 0.08, 4), Ram(64000, 0.25), ("qwen2.5:7b",), (), most_models=3, overlap=1.2
    )
    assert (changed.models["qwen2.5:7b"].load_s, changed.models["new one"].memory_mb) == (3, 1000)
    assert changed.think_s == 0
    assert len({plain.id, changed.id, load_box(p40, ["reserve_gb=1"]).id}) == 3
    assert load_box(p40, ["gpus=[{memory_gb: 9}]"]).id == plain.id
    assert load_box(p40, ["cloud.wait_s=2", "cloud=null"]).id == plain.id
    assert load_box(p40, memory_gb=12).box.gpus == (12000,)


@pytest.mark.parametrize("name", box_presets())
def test_presets_say_where_their_numbers_come_from(name):
    read = load_box(name)
    assert read.name == name
    assert all(setting.provenance != "user" and setting.note for setting in read.table.values())
    assert (read.models["anything"].load_s > 0) == (name != "load-free")


@pytest.mark.parametrize(
    "section", ["cloud={wait_s: 2, backhaul_mbit_per_s: 100}", "ram={memory_gb: 9, load_share: 0.1}"]
)
def test_a_section_is_set_as_in_a_file(tmp_path, section):
    key, _, mapping = section.partition("=")
    plain, inside = tmp_path / "plain.yaml", tmp_path / "inside.yaml"
    plain.write_text(P40)
    inside.write_text(
        "".join(line for line in P40.splitlines(True) if not line.startswith(f"{key}:")) + f"{key}: {mapping}\n"
    )
    assert load_box(str(plain), [section]).box == load_box(str(inside)).box != load_box(str(plain)).box


@pytest.mark.parametrize(
    ("text", "override", "told"),
    [
        ("gpus: [{memory_gb: 9}]", None, "models.x.memory_gb is missing, and models.defaults has none"),
        ("models: {}", None, "gpus is missing"),
        ("[]", None, "a box is a mapping of settings"),
        ("name: 3", None, "name must be text, not 3"),
        ("base: none", None, "base: 'none' is no preset; the presets are card-24gb, "),
        ("models: 3", None, "models must be a mapping of names, not 3"),
        ("models: {a: 3}", None, "models.a must be a mapping of settings, not 3"),
        (P40, "gpu=3", "--set gpu=3: there is no setting gpu; did you mean gpus?"),
        (P40, "gpus", "--set gpus: write key=value"),
        (P40, "gpus=3", "gpus must be a list, not 3"),
        (P40, "gpus=[]", "gpus must be a list of at least 1"),
        (P40, "gpus=[{memory_gb: -1}]", "gpus.0.memory_gb must be greater than or equal to 0 GB, not -1"),
        (P40, "ram=3", "--set ram=3: ram is null, or has memory_gb, load_share; not 3"),
        (P40, "ram={memory_gb: 3, load: 1}", "--set ram={memory_gb: 3, load: 1}: there is no setting ram.load"),
        (P40, "ram.memory_gb=3", "ram.load_share is missing"),
        (P40, "cloud.wait=3", "there is no setting cloud.wait; did you mean wait_s?"),
        (P40, "models.load_s=3", "write models.NAME.KEY, for example models.defaults.load_s"),
        (P40, "models.a.load=3", "there is no setting models.a.load; did you mean load_s?"),
        (P40, "models.a.load_s=x", "models.a.load_s must be a number in s, not 'x'"),
        (P40, "pins=[qwen2.5:7]", "pins: qwen2.5:7 is no model of this box (did you mean qwen2.5:7b?)"),
        (P40, "warm=[qwen2.5:7b, qwen2.5:7b]", "warm: qwen2.5:7b stands there twice"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, override, told):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        load_box(str(path), [] if override is None else [override]).models["x"]
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_no_preset():
    with pytest.raises(InputError, match=r"^box 'card-24g': no such preset or file \(did you mean card-24gb\?\); "):
        load_box("card-24g")


MODELS = models_of(a=(1, 1, 1))


@pytest.mark.parametrize("order", named("order"))
@pytest.mark.parametrize("eviction", named("eviction"))
def test_any_order_goes_with_any_eviction(order, eviction):
    whole = whole_of([(0, "a", "u", 1)], MODELS)
    assert scheduler_of(f"{order}+{eviction}", box_of(1), MODELS, whole).name == f"{order}+{eviction}"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dwell", "scheduler 'dwell': write ORDER+EVICTION, such as dwell+cost-aware, FILE.yaml, FILE.py:CLASS"),
        ("dwel+lru", "order 'dwel': no such order; did you mean dwell?; there are fifo, "),
        ("dwell+lr", "eviction 'lr': no such eviction"),
        ("none.py:Mine", "none.py: no such file"),
    ],
)
def test_an_unknown_scheduler_is_refused(name, told):
    with pytest.raises(InputError) as refused:
        scheduler_of(name, box_of(1), MODELS)
    assert str(refused.value).startswith(told)
