"""A cell whose models are a catalogue is the cell whose models are listed, with names."""

import json

import jax
import numpy as np
import pytest
from command_line import call
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge.boxes.load import load_box
from genedge.errors import InputError
from genedge.learn.runs import create_run, open_run
from genedge.scenario import load_scenario
from genedge.settings.reading import read_yaml, write_yaml

MODELS = """
name: mine
models:
  defaults: {load_s: 9, A1_steps: 55, A2_tv: 120, A3_steps: 160, A4_tv: 20, B1_s_per_step: 0.05, B2_s: 1}
  sd15:
    memory_gb: {value: 2.5, provenance: measured, note: in half precision}
    result_mb: 4
  "qwen2.5:7b": {memory_gb: 5.5, working_gb: 1, load_s: 0.1, result_mb: 6, B2_s: 0.3}
"""
OF_EACH = {"A1_steps": 55, "A2_tv": 120, "A3_steps": 160, "A4_tv": 20, "B1_s_per_step": 0.05}
LISTED = [
    {"storage_gb": 2.5, "output_size_mb": 4, "B2_s": 1, "load_s": 9, **OF_EACH},
    {"storage_gb": 5.5, "output_size_mb": 6, "B2_s": 0.3, "load_s": 0.1, "working_gb": 1, **OF_EACH},
]


@pytest.fixture
def here(tmp_path):
    (tmp_path / "models.yaml").write_text(MODELS)
    (tmp_path / "cell.yaml").write_text("models: {catalogue: models.yaml}")
    return tmp_path


def same_to_the_last_bit(one, other):
    ours, theirs = (jax.tree.leaves_with_path(each.params) for each in (one, other))
    assert [path for path, _ in ours] == [path for path, _ in theirs]
    for (path, a), (_, b) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=jax.tree_util.keystr(path), strict=True)
    assert one.id == other.id


def test_it_is_the_cell_whose_models_are_listed(here):
    by_catalogue = load_scenario(here / "cell.yaml")
    same_to_the_last_bit(by_catalogue, load_scenario("paper", {"models": LISTED}))
    assert by_catalogue.model_names == ("sd15", "qwen2.5:7b")
    assert load_scenario("paper", {"models": LISTED}).model_names == ("0", "1")
    # The seed has nothing left to draw; any number of any model is another cell.
    assert load_scenario(here / "cell.yaml", ["seed=77"]).id == by_catalogue.id
    changed = load_scenario(here / "cell.yaml", ["models.catalogue.qwen2.5:7b.load_s=0.2"])
    listed = [LISTED[0], LISTED[1] | {"load_s": 0.2}]
    same_to_the_last_bit(changed, load_scenario("paper", {"models": listed}))
    assert changed.id != by_catalogue.id


def number(least, most):
    return st.floats(least, most, allow_subnormal=False) | st.integers(int(least) + 1, int(most))


LIMITS = {
    **{"memory_gb": (1e-3, 1e3), "result_mb": (1e-3, 100), "A1_steps": (0.01, 90), "A3_steps": (100, 300)},
    **{"A2_tv": (50, 150), "A4_tv": (0.01, 50), "B1_s_per_step": (1e-6, 2), "B2_s": (1e-6, 20)},
    **{"load_s": (1e-3, 1e3), "working_gb": (1e-3, 9)},
}
ENTRY = st.fixed_dictionaries({key: number(*limits) for key, limits in LIMITS.items()})
IN_A_CELL = {"memory_gb": "storage_gb", "result_mb": "output_size_mb"}


@settings(max_examples=20)
@given(st.lists(ENTRY, min_size=1, max_size=4), ENTRY, st.randoms(use_true_random=False))
def test_so_is_any_other(models, defaults, random):
    """Also where models leave to the defaults what these say."""
    said = [{key: value for key, value in model.items() if random.random() < 0.7} for model in models]
    named = {f"m.{i}": entry for i, entry in enumerate(said)}
    listed = [
        {IN_A_CELL.get(key, key): value for key, value in (defaults | entry).items()} for entry in named.values()
    ]
    by_catalogue = load_scenario("paper", {"models.catalogue": {"defaults": defaults} | named})
    same_to_the_last_bit(by_catalogue, load_scenario("paper", {"models": listed}))


def test_what_is_recorded_holds_the_values(here):
    """Moved or changed, the file is of no account to what was made with it."""
    no_box = ("models.catalogue.defaults.load_s=0", "models.catalogue.qwen2.5:7b.load_s=0")
    scenario = load_scenario(here / "cell.yaml", ["cell.users=3", "cell.places=4", *no_box])
    create_run(here / "run", scenario, None, "ddpg", 30, 1)
    (here / "written.yaml").write_text(scenario.as_yaml())
    (here / "models.yaml").unlink()
    for again in (load_scenario(here / "written.yaml"), open_run(here / "run").scenario):
        same_to_the_last_bit(again, scenario)
        assert again.model_names == scenario.model_names
        assert again.catalogue.entries == scenario.catalogue.entries
        assert again.as_yaml() == scenario.as_yaml()


def test_every_number_says_where_it_comes_from(here):
    scenario = load_scenario(here / "cell.yaml", ["models.catalogue.sd15.load_s=3"])
    origins = {key: scenario.provenance_of(0, key) for key in ("storage_gb", "A1_steps", "working_gb")}
    assert origins == {"storage_gb": "measured", "A1_steps": "user", "working_gb": "assumed"}
    assert scenario.of_cell["models.catalogue"].note.startswith("mine, ")
    assert scenario.of_cell["models.catalogue"].note.endswith(", changed")
    shown = call("scenario", "show", here / "cell.yaml").out
    assert "│ 0 sd15       │ 2.5 (measured) │ 4 (user)" in shown
    assert "│ 1 qwen2.5:7b │ 5.5 (user)" in shown
    told = json.loads(call("scenario", "show", here / "cell.yaml", "--json").out)
    assert [model["name"] for model in told["models"]] == ["sd15", "qwen2.5:7b"]
    of_sd15 = told["settings"]["models.catalogue"]["value"]["sd15"]
    assert of_sd15["memory_gb"] == {"value": 2.5, "provenance": "measured", "note": "in half precision"}


def test_one_file_is_in_a_cell_and_in_a_box(here):
    (here / "box.yaml").write_text("gpus: [{memory_gb: 24}]\nmodels: models.yaml")
    box, cell = load_box(str(here / "box.yaml")), load_scenario(here / "cell.yaml")
    for name, model in zip(cell.model_names, cell.models, strict=True):
        takes = box.models[name]
        assert (takes.memory_mb, takes.working_mb) == (model.storage_gb * 1000, model.working_gb * 1000)
        assert (takes.load_s, takes.s_per_step, takes.s_fixed) == (model.load_s, model.B1_s_per_step, model.B2_s)


def test_a_file_is_looked_for_beside_the_scenario_or_where_one_is(here, monkeypatch):
    of_file = load_scenario(here / "cell.yaml").id
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here))
    for path in ("models.yaml", "~/models.yaml", str(here / "models.yaml")):
        assert load_scenario("paper", {"models.catalogue": path}).id == of_file
    # What comes last holds: a list in its place, and it in that of a list or of ranges.
    assert load_scenario("cell.yaml", {"models": LISTED[:1]}).model_names == ("0",)
    assert load_scenario("paper", {"models": LISTED[:1], "models.catalogue": "models.yaml"}).id == of_file


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "models.catalogue=none.yaml",
            "models.catalogue: catalogue 'none.yaml': no such preset or file; the presets",
        ),
        ("models.catalogue=.", "models.catalogue: catalogue '.': cannot be read: Is a directory"),
        ("models.catalogue=~nobody-at-all/x", "models.catalogue: catalogue '~nobody-at-all/x': cannot be read"),
        ("models.catalogue=3", "models must be a mapping of names, not 3"),
        ("models.catalogue=gentd26", "models.catalogue: it names no model; in a cell each has an entry"),
        ("models.catalogue={a: {memory_gb: 3}}", "models.a.result_mb is missing, and models.defaults has none"),
        ("models.catalogue.sd15.A1_steps=200", "model sd15: A1 (200 steps) must be below A3 (160 steps)"),
        ("models.catalogue.sd15.A4_tv=130", "model sd15: A4 (130, the best TV) must not exceed A2 (120)"),
        ("models.catalogue.sd15.memory_gb=0", "models.sd15.storage_gb must be greater than 0 GB, not 0.0"),
        ("models.catalogue.sd15.load=0", "there is no setting models.sd15.load; did you mean load_s?"),
        ("models.catalogue.sd1.load_s=0", "models.catalogue has no model 'sd1' (did you mean sd15?)"),
        ("models.catalogue.load_s=0", "models.catalogue has no model ''; write models.catalogue.NAME.KEY"),
        ("models.count=3", "models.count: this scenario has a catalogue; set it as a whole"),
    ],
)
def test_what_is_wrong_is_said(here, override, told):
    with pytest.raises(InputError) as refused:
        load_scenario(here / "cell.yaml", [override])
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("key", ["memory_gb", "result_mb", *OF_EACH, "B2_s"])
def test_what_a_cell_needs_is_asked_for_by_model_and_key(here, key):
    """`load_s` and `working_gb` are of real boxes, and need not be said."""
    tree = read_yaml(MODELS, "models")
    for entry in tree["models"].values():
        entry.pop(key, None)
    (here / "models.yaml").write_text(write_yaml(tree))
    with pytest.raises(InputError, match=rf"models\.(sd15|qwen2\.5:7b)\.{key} is missing, and models\.defaults"):
        load_scenario(here / "cell.yaml")
    (here / "models.yaml").write_text(MODELS.replace("load_s: 9, ", ""))
    assert load_scenario(here / "cell.yaml").models[0].load_s == 0


def test_a_catalogue_comes_before_whatever_else_is_said_of_models(here):
    (here / "cell.yaml").write_text("models: {count: 3, catalogue: models.yaml}")
    with pytest.raises(InputError, match=r"models\.count: this scenario has a catalogue"):
        load_scenario(here / "cell.yaml")
