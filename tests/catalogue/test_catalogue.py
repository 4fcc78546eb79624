"""Catalogues: models by name, each number with where it comes from, the same wherever they are used."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genedge.boxes.load import load_box
from genedge.catalogue.load import Catalogue, catalogue_presets, load_catalogue
from genedge.catalogue.sections import KEYS
from genedge.edge.models import Model
from genedge.errors import InputError
from genedge.settings.provenance import Provenance, Setting
from genedge.settings.reading import write_yaml

MINE = """
name: mine
models:
  defaults: {memory_gb: 7, load_s: 9, B1_s_per_step: 0.15, B2_s: 1}
  "qwen2.5:7b": {memory_gb: {value: 5.5, provenance: measured, note: in use}, load_s: null}
  sd15: {memory_gb: 2.5, load_s: 6, working_gb: 1}
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE)
    return tmp_path


def test_a_file_is_a_catalogue(mine):
    read = load_catalogue("mine.yaml", mine)
    assert (read.name, read.named) == ("mine", ("qwen2.5:7b", "sd15"))
    assert read.setting("qwen2.5:7b", "memory_gb") == Setting(5.5, "measured", "in use")
    # What it does not say, or says as null, is as the defaults say; so is what it does not name.
    assert [read.value(model, "load_s") for model in ("qwen2.5:7b", "sd15", "x")] == [9, 6, 9]
    assert read.setting("sd15", "result_mb") is None
    assert read.value("sd15", "result_mb", 3) == 3
    with pytest.raises(
        InputError, match=r"mine\.yaml: models\.sd15\.A1_steps is missing, and models\.defaults has"
    ):
        read.value("sd15", "A1_steps")


def test_a_base_is_changed_number_by_number(tmp_path):
    (tmp_path / "mine.yaml").write_text("base: sdxl-24gb\nmodels: {defaults: {load_s: 4}, a: {B2_s: 2}}")
    read, base = load_catalogue("mine.yaml", tmp_path), load_catalogue("sdxl-24gb", tmp_path)
    assert read.named == ("a",)
    assert (
        read.setting("a", "memory_gb")
        == base.setting("a", "memory_gb")
        == Setting(7, "assumed", "about SDXL in half precision")
    )
    assert [read.value("a", key) for key in ("load_s", "B2_s")] == [4, 2]
    assert read.id != base.id == load_catalogue("sdxl-24gb", tmp_path).id


@pytest.mark.parametrize("name", catalogue_presets())
def test_presets_say_where_their_numbers_come_from(name, tmp_path):
    read = load_catalogue(name, tmp_path)
    assert read.name == name
    settings = [setting for entry in read.entries.values() for setting in entry.values()]
    assert all(setting.provenance != "user" and setting.note for setting in settings)


NUMBERS = st.one_of(st.none(), st.integers(1, 1000), st.floats(1e-3, 1e3))
SETTINGS = st.builds(Setting, NUMBERS, st.sampled_from(get_args(Provenance)), st.sampled_from(["", "by hand: 3"]))
NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20).filter(lambda n: n != "<<")
CURVES = st.floats(1, 100).map(lambda tv: {"steps": [0, 5, 9.5], "tv": [2 * tv, tv, tv]})
WORKERS = st.sampled_from([{"pipeline": "small:faces"}, {"command": "server --port {port}", "health": "/healthz"}])
PEAKS = st.lists(
    st.builds(lambda images, gb: {"images": images, "gb": gb}, st.integers(1, 9), st.floats(0, 9)), min_size=1
)
OTHERS = {"needs": st.lists(NAMES, max_size=3), "curve": CURVES, "worker": WORKERS, "peaks": PEAKS}
ENTRY = st.dictionaries(st.sampled_from([key for key in KEYS if key not in OTHERS]), SETTINGS)
ENTRY = st.one_of(
    ENTRY,
    *(
        st.fixed_dictionaries({key: st.builds(Setting, of, st.just("measured"), st.just(""))})
        for key, of in OTHERS.items()
    ),
)
ENTRIES = st.dictionaries(NAMES | st.just("defaults"), ENTRY, max_size=5)


@given(ENTRIES)
def test_what_is_written_is_read_as_the_same(tmp_path_factory, entries):
    written = Catalogue("mine", entries, "here")
    file = tmp_path_factory.getbasetemp() / "round.yaml"
    file.write_text(write_yaml({"name": "mine", "models": written.as_tree()}), encoding="utf-8")
    read = load_catalogue(str(file), file.parent)
    assert read.entries == entries
    assert (read.named, read.id) == (written.named, written.id)


# --- In boxes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "model", "sizes", "gpus", "box_id"),
    [
        ("card-24gb", Model("x", 7000, 9, 0.15, 1), (0, 0), (23000,), "8674436b4488"),
        ("card-with-ram", Model("x", 7000, 9, 0.15, 1), (0, 0), (23000,), "2b7965c167ff"),
        ("two-cards", Model("x", 7000, 9, 0.15, 1), (0, 0), (23000, 23000), "3c63c7d7ffe4"),
        ("gentd26", Model("x", 4000, 22.5, 0.04, 18, 0, 15), (7.5, 7.5), (12000,), "ead937dea6fa"),
    ],
)
def test_boxes_have_the_numbers_that_they_had(preset, model, sizes, gpus, box_id):
    """Of when their models stood in their own files."""
    read = load_box(preset)
    assert (read.models["x"], read.models.sizes("x"), read.box.gpus, read.id) == (model, sizes, gpus, box_id)


def test_a_box_whose_models_are_a_file_is_the_box_that_writes_them_out(mine):
    """The file is looked for beside the box, wherever one is, and `--set` changes both alike."""
    (mine / "by-file.yaml").write_text("name: b\ngpus: [{memory_gb: 24}]\nmodels: mine.yaml")
    inline = MINE.replace("name: mine", "name: b\ngpus: [{memory_gb: 24}]")
    (mine / "inline.yaml").write_text(inline)
    for overrides in ([], ["models.qwen2.5:7b.load_s=3", "models.new.memory_gb=1"]):
        by_file, written = (load_box(str(mine / f"{name}.yaml"), overrides) for name in ("by-file", "inline"))
        assert by_file.as_json() == written.as_json()
        assert dict(by_file.models) == dict(written.models)
        assert by_file.id == written.id
    assert by_file.models["qwen2.5:7b"] == Model("qwen2.5:7b", 5500, 3, 0.15, 1)


def test_another_catalogue_takes_the_place_of_all_models(mine, monkeypatch):
    (mine / "box.yaml").write_text("base: card-24gb\nmodels: {a: {load_s: 3}}")
    monkeypatch.chdir(mine)
    # What is said of a model is added to what the base's catalogue says.
    assert load_box("box.yaml").models["a"] == Model("a", 7000, 3, 0.15, 1)
    changed = load_box("box.yaml", ["models=mine.yaml", "models.sd15.load_s=2"])
    assert changed.models.named == ("qwen2.5:7b", "sd15")
    assert changed.models["sd15"] == Model("sd15", 2500, 2, 0.15, 1, 1000)
    assert load_box("box.yaml", ["models=gentd26"]).models["a"].load_s == 22.5


def test_a_home_may_be_named(mine, monkeypatch):
    monkeypatch.setenv("HOME", str(mine))
    assert load_catalogue("~/mine.yaml", mine / "elsewhere").name == "mine"
    assert load_box("card-24gb", ["models=~/mine.yaml"]).models["sd15"].load_s == 6


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            "sdxl-24g",
            "catalogue 'sdxl-24g': no such preset or file in {} (did you mean sdxl-24gb?); the ",
        ),
        ("none/at-all.yaml", "catalogue 'none/at-all.yaml': no such preset or file in {}; the presets are gentd26"),
        ("mine.yaml/below", "catalogue 'mine.yaml/below': no such preset or file"),
        (".", "catalogue '.': cannot be read: Is a directory"),
        ("~nobody-of-this-name/x", "catalogue '~nobody-of-this-name/x': cannot be read: "),
        ("a\0b", "catalogue 'a\\x00b': cannot be read: "),
    ],
)
def test_what_is_not_there_is_said(mine, given, told):
    with pytest.raises(InputError) as refused:
        load_catalogue(given, mine)
    assert str(refused.value).startswith(told.format(mine))
    (mine / "box.yaml").write_text("gpus: [{memory_gb: 1}]")
    with pytest.raises(InputError, match="models: catalogue"):
        load_box(str(mine / "box.yaml"), [f"models={given}"] if "\0" not in given else ["models=none"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "a catalogue is a mapping of name, base, models"),
        ("alpha: 1", "there is no 'alpha'; a catalogue has name, base, models"),
        ("name: 3\nmodels: {}", "name must be text, not 3"),
        ("name: a", "models must be a mapping of names, not None"),
        (
            "base: none\nmodels: {}",
            "base: 'none' is no preset; the presets are gentd26, load-free, measured, measured-cell, sdxl-24gb",
        ),
        ("models: {a: {load: 3}}", "there is no setting models.a.load; did you mean load_s?"),
        ("models: {a: {load_s: 3, load_s: 4}}", "not valid YAML: 'load_s' is given twice"),
        ("models: {a: 3}", "models.a must be a mapping of settings, not 3"),
        ("models: {'': {}}", "models: a name has 1 to 255 characters, not 0"),
        ("models: {a: {load_s: -1}}", "models.a.load_s must be greater than or equal to 0 s, not -1"),
        ("models: {a: {load_s: soon}}", "models.a.load_s must be a number in s, not 'soon'"),
        ("models: {a: {load_s: {value: 3, provenance: hearsay}}}", "models.a.load_s: a setting is a value or"),
        ("models: {a: {A3_steps: 0}}", "models.a.A3_steps must be greater than 0 steps, not 0"),
        ("models: {", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, told):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError) as refused:
        load_catalogue("mine.yaml", tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / 'mine.yaml'}: {told}")
    assert "\n" not in str(refused.value)
