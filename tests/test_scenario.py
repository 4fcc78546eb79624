import json
import math
from pathlib import Path

import jax
import numpy as np
import pytest
import yaml

from genedge.errors import InputError
from genedge.scenario import load_scenario, presets
from genedge.scenario.sections import NUMBERS_OF_MODELS
from genedge.settings.words import unit_of

# --- The preset `paper`: every value the paper or this package states, with its unit and where it comes from

PAPER_TABLE = [
    ("cell.users", 10, "1", "paper"),
    ("cell.area_m", [250, 250], "m", "paper"),
    ("cell.slots_per_episode", 50, "1", "paper"),
    ("cell.slot_duration_s", 20, "s", "paper"),
    ("radio.uplink_bandwidth_mhz", 20, "MHz", "paper"),
    ("radio.downlink_bandwidth_mhz", 40, "MHz", "paper"),
    ("radio.user_power_dbm", 23, "dBm", "paper"),
    ("radio.bs_power_dbm", 43, "dBm", "paper"),
    ("radio.noise_dbm_per_hz", -176, "dBm/Hz", "paper"),
    ("radio.noise_bandwidth", "own", "1", "restored"),
    ("radio.path_loss_db_at_1_km", 128.1, "dB", "assumed"),
    ("radio.path_loss_db_per_decade", 37.6, "dB", "assumed"),
    ("radio.least_distance_m", 1, "m", "assumed"),
    ("radio.outage_gain_db", None, "dB", "restored"),
    ("radio.outage_delay_s", 20, "s", "assumed"),
    ("radio.transfer_overhead_s", 0, "s", "restored"),
    ("backhaul.transfer_overhead_s", 0, "s", "restored"),
    ("server.generates_at_once", None, "1", "restored"),
    ("server.generation_order", "as-they-arrive", "1", "assumed"),
    ("backhaul.to_cloud_mbit_per_s", 100, "Mbit/s", "paper"),
    ("backhaul.from_cloud_mbit_per_s", 100, "Mbit/s", "paper"),
    ("requests.input_size_mb", [5, 10], "MB", "paper"),
    ("requests.skew_states", [0.4, 0.8, 1.2], "1", "assumed"),
    ("requests.transition", [[0.6, 0.3, 0.1], [0.2, 0.6, 0.2], [0.1, 0.3, 0.6]], "1", "assumed"),
    ("requests.first_skew", "stationary", "1", "assumed"),
    ("server.total_steps", 1000, "steps", "paper"),
    ("server.storage_gb", 20, "GB", "paper"),
    ("server.quality_floor", None, "1", "restored"),
    ("server.pinned", [], "1", "restored"),
    ("server.cache_every_slots", None, "slots", "restored"),
    ("server.offload", False, "1", "restored"),
    ("backhaul.shared", False, "1", "restored"),
    ("backhaul.cloud_generators", None, "1", "restored"),
    ("requests.rank_drift", 0, "1", "restored"),
    ("models.working_gb", 0, "GB", "restored"),
    ("models.load_s", 0, "s", "restored"),
    ("observation.stale_slots", 0, "slots", "restored"),
    ("models.given", [], "1", "restored"),
    ("observation.gain_noise_db", 0, "dB", "restored"),
    ("objective.alpha", 0.7, "1", "paper"),
    ("objective.alpha_weighs", "delay", "1", "assumed"),
    ("objective.energy_per_step", 0, "1/step", "restored"),
    ("objective.deadline_s", None, "s", "restored"),
    ("objective.late_penalty", 10, "1", "assumed"),
    ("objective.fairness_per_s", 0, "1/s", "restored"),
    ("objective.function", None, "1", "restored"),
    ("models.count", 10, "1", "assumed"),
    ("models.storage_gb", [2, 10], "GB", "assumed"),
    ("models.output_size_mb", [5, 10], "MB", "paper"),
    ("models.A1_steps", [50, 100], "steps", "assumed"),
    ("models.A2_tv", [100, 150], "TV", "assumed"),
    ("models.A3_steps", [150, 200], "steps", "assumed"),
    ("models.A4_tv", [1, 50], "TV", "assumed"),
    ("models.B1_s_per_step", [0, 0.5], "s/step", "assumed"),
    ("models.B2_s", [0, 10], "s", "assumed"),
    ("ddpg.episodes", 500, "1", "paper"),
    ("ddpg.discount", 0.99, "1", "paper"),
    ("ddpg.target_rate", 0.005, "1", "paper"),
    ("ddpg.network", "mlp", "1", "assumed"),
    ("ddpg.critics", 1, "1", "assumed"),
    ("ddpg.credit", "total", "1", "assumed"),
    ("ddpg.learning_rate_last", 1, "1", "assumed"),
    ("ddpg.policy_delay", 1, "1", "assumed"),
    ("ddpg.target_noise", 0, "1", "assumed"),
    ("td3.critics", 2, "1", "assumed"),
    ("td3.policy_delay", 2, "1", "assumed"),
    ("td3.target_noise", 0.2, "1", "assumed"),
    ("td3.target_noise_limit", 0.5, "1", "assumed"),
    ("hcras.population", 100, "1", "assumed"),
    ("hcras.generations", 50, "1", "assumed"),
]
FREE = (
    "seed",
    "ddpg.actor_learning_rate",
    "ddpg.critic_learning_rate",
    "ddpg.hidden_layers",
    "ddpg.batch",
    "ddpg.replay_size",
    "ddpg.noise_first",
    "ddpg.noise_last",
    "hcras.crossover_probability",
    "hcras.crossover_index",
    "hcras.mutation_probability",
    "hcras.mutation_index",
)


@pytest.mark.parametrize(("key", "value", "unit", "provenance"), PAPER_TABLE)
def test_the_papers_setting(paper, key, value, unit, provenance):
    assert paper.table[key].value == value
    assert paper.table[key].provenance == provenance
    shown = paper.as_json()["settings"][key]
    assert (shown["value"], shown["unit"], shown["provenance"]) == (value, unit, provenance)


def test_what_is_free_is_marked_assumed_and_nothing_lacks_a_provenance(paper):
    for key in FREE:
        assert paper.table[key].provenance == "assumed"
    stated = {key for key, *_ in PAPER_TABLE}
    for key in paper.table.keys() - stated - {"cell.places"}:
        assert paper.table[key].provenance == "assumed", key


def test_a_cell_has_room_for_the_papers_18_users(paper):
    assert paper.settings.cell.places == 18
    assert load_scenario("paper", ["cell.users=18"]).settings.cell.users == 18


def test_the_presets():
    assert presets() == ("companion", "edge-box", "measured", "measured-box", "paper", "paper-attainable")
    for name in presets():
        assert load_scenario(name).name == name


@pytest.mark.parametrize(
    ("preset", "differences"),
    [
        ("paper-attainable", {"requests.skew_states": [0.8, 1.2, 1.6], "models.B1_s_per_step": [0, 0.8]}),
        (
            "companion",
            {
                "models.A1_steps": 60,
                "models.A2_tv": 110,
                "models.A3_steps": 170,
                "models.A4_tv": 28,
                "models.B1_s_per_step": 0.18,
                "models.B2_s": 5.74,
            },
        ),
    ],
)
def test_the_other_presets_differ_from_the_paper_in_assumed_values_only(paper, preset, differences):
    table = load_scenario(preset).table
    assert table.keys() == paper.table.keys()
    changed = {key for key in table if table[key] != paper.table[key]}
    assert {key: table[key].value for key in changed} == differences
    assert {table[key].provenance for key in changed} == {"assumed"}


def test_the_edge_box_states_its_values_as_assumed(paper):
    table = load_scenario("edge-box").table
    assert table.keys() == paper.table.keys()
    changed = {key for key in table if table[key] != paper.table[key]}
    assert {"server.cache_every_slots", "models.load_s", "requests.rank_drift"} <= changed
    assert {table[key].provenance for key in changed} == {"assumed"}


# --- Units


def test_everything_is_in_si_units(paper):
    parameters = paper.as_json()["parameters"]
    assert list(parameters) == ["W_up", "W_dw", "p_n", "p_BS", "N0", "R_bc", "R_cb", "S", "C", "alpha"]
    expected = {
        "W_up": 20e6,
        "W_dw": 40e6,
        "p_n": 0.19952623149688797,
        "p_BS": 19.952623149688797,
        "N0": 2.5118864315095823e-21,
        "R_bc": 1e8,
        "R_cb": 1e8,
        "S": 1000,
        "C": 20,
        "alpha": 0.7,
    }
    for symbol, value in expected.items():
        assert parameters[symbol] == pytest.approx(value, rel=1e-14)
        if symbol != "alpha":
            assert float(getattr(paper.params, symbol)) == parameters[symbol]
    assert paper.params.input_bits.tolist() == [40e6, 80e6]
    assert paper.params.area_m.tolist() == [250, 250]
    assert [float(x) for x in paper.params.channel] == [128.1, 37.6, 1.0]


def test_what_alpha_weighs(paper):
    other = load_scenario("paper", ["objective.alpha_weighs=tv"]).params
    assert (paper.params.delay_weight, paper.params.tv_weight) == (0.7, pytest.approx(0.3))
    assert (other.delay_weight, other.tv_weight) == (pytest.approx(0.3), 0.7)


def test_over_which_band_the_noise_is_taken(paper):
    assert paper.params.noise_over_own_band
    assert not load_scenario("paper", ["radio.noise_bandwidth=whole"]).params.noise_over_own_band


def test_json_holds_what_params_hold_and_survives_the_wire(paper):
    told = paper.as_json()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    p = paper.params
    for m, model in enumerate(told["models"]):
        assert list(model) == ["storage_gb", "output_bits", "A1", "A2", "A3", "A4", "B1", "B2"]
        for key, value in model.items():
            assert getattr(p.models, key)[m] == value
    assert told["skew_states"] == p.skews.tolist()
    assert told["transition"] == p.transition.tolist()
    np.testing.assert_allclose(told["first_skew"], p.first_skew, atol=1e-12)
    assert told["input_bits"] == p.input_bits.tolist()
    assert told["area_m"] == p.area_m.tolist()
    assert told["path_loss"] == {"db_at_1_km": 128.1, "db_per_decade": 37.6, "least_distance_m": 1.0}
    assert (told["noise_bandwidth"], told["alpha_weighs"], told["quality_floor"]) == ("own", "delay", None)
    assert (told["slots_per_episode"], told["scenario_id"]) == (50, paper.id)
    assert p.box is None
    for leaf in jax.tree.leaves(p):
        assert isinstance(leaf, np.ndarray)
        assert leaf.dtype in (np.float64, bool)


def test_a_box_in_params_and_json(paper):
    assert "box" not in paper.as_json()
    overrides = [
        "server.pinned=[3, 1, 3]",
        "models.load_s=[19, 41]",
        "backhaul.shared=true",
        "cell.slot_duration_s=10",
    ]
    scenario = load_scenario("paper", overrides)
    box, told = scenario.params.box, scenario.as_json()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    for m, model in enumerate(scenario.models):
        assert box.load_s[m] == told["box"]["load_s"][m] == model.load_s
        assert box.weights_gb[m] == told["box"]["weights_gb"][m] == model.storage_gb
        assert (box.load_slots[m] - 1) * 10 < box.load_s[m] <= box.load_slots[m] * 10
    assert set(box.load_slots.tolist()) == {3, 4, 5}
    assert np.flatnonzero(box.pinned).tolist() == told["box"]["pinned"] == [1, 3]
    assert (box.every, told["box"]["cache_every_slots"]) == (None, None)
    assert (box.generators, told["box"]["cloud_generators"]) == (math.inf, None)
    assert (bool(box.shared), told["box"]["shared_backhaul"]) == (True, True)
    assert (bool(box.offload), told["box"]["offload"]) == (False, False)
    assert (box.rank_drift, told["box"]["rank_drift"]) == (0, 0)
    edge = load_scenario("edge-box").params.box
    assert (edge.every, edge.generators, edge.rank_drift) == (3, 2, 0.2)
    assert edge.offload
    assert edge.shared
    assert not edge.pinned.any()


@pytest.mark.parametrize(
    ("load_s", "slots"), [(0, 0), (1e-3, 1), (19.9, 1), (20, 1), (20.1, 2), (40, 2), (60, 3), (60.001, 4)]
)
def test_slots_that_a_load_takes(load_s, slots):
    box = load_scenario("paper", [f"models.load_s={load_s}", "backhaul.shared=true"]).params.box
    assert (box.load_slots == slots).all()


@pytest.mark.parametrize(
    "on",
    [
        "server.pinned=[0]",
        "server.cache_every_slots=1",
        "server.offload=true",
        "backhaul.shared=true",
        "backhaul.cloud_generators=100",
        "requests.rank_drift=0.01",
        "models.load_s=1",
    ],
)
def test_each_of_these_makes_a_cell_a_box(on):
    assert load_scenario("paper", [on]).params.box is not None


def test_working_memory_alone_makes_models_larger_but_no_box(paper):
    larger = load_scenario("paper", ["models.working_gb=1.5"]).params
    assert larger.box is None
    np.testing.assert_array_equal(larger.models.storage_gb, paper.params.models.storage_gb + 1.5)


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("models.3.output_size_mb", "MB"),
        ("models.working_gb", "GB"),
        ("models.load_s", "s"),
        ("server.cache_every_slots", "slots"),
        ("models.B1_s_per_step.1", "s/step"),
        ("server.quality_floor.largest_tv", "TV"),
        ("server.quality_floor.least_steps", "steps"),
        ("ddpg.hidden_layers", "1"),
        ("ddpg.warmup_slots", "slots"),
    ],
)
def test_units_are_read_off_the_names(key, unit):
    assert unit_of(key) == unit


# --- The first state of the skew


@pytest.mark.parametrize(
    ("transition", "stationary"),
    [
        ([[0.6, 0.3, 0.1], [0.2, 0.6, 0.2], [0.1, 0.3, 0.6]], [2 / 7, 3 / 7, 2 / 7]),
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], [1 / 3, 1 / 3, 1 / 3]),
        ([[0.5, 0.5, 0], [0, 1, 0], [0, 1, 0]], [0, 1, 0]),
    ],
)
def test_the_stationary_start(transition, stationary):
    params = load_scenario("paper", [f"requests.transition={transition}"]).params
    np.testing.assert_allclose(params.first_skew, stationary, atol=1e-12)


def test_a_chain_with_many_stationary_distributions_starts_in_one_of_them():
    params = load_scenario("paper", ["requests.transition=[[1, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]]"]).params
    assert (params.first_skew >= 0).all()
    np.testing.assert_allclose(params.first_skew @ params.transition, params.first_skew, atol=1e-12)
    assert params.first_skew.sum() == pytest.approx(1)


def test_a_given_start_and_a_single_state():
    assert load_scenario("paper", ["requests.first_skew=2"]).params.first_skew.tolist() == [0, 0, 1]
    single = load_scenario("paper", ["requests.skew_states=[1.0]", "requests.transition=[[1]]"]).params
    np.testing.assert_allclose(single.first_skew, [1.0])


# --- The catalogue

PROPERTIES = {
    "storage_gb": "storage_gb",
    "output_size_mb": "output_bits",
    "A1_steps": "A1",
    "A2_tv": "A2",
    "A3_steps": "A3",
    "A4_tv": "A4",
    "B1_s_per_step": "B1",
    "B2_s": "B2",
}


def catalogue(*overrides, scenario="paper"):
    models = load_scenario(scenario, overrides).params.models
    return {key: getattr(models, field).copy() for key, field in PROPERTIES.items()}


def differing(a, b):
    return {key for key in a if not np.array_equal(a[key], b[key])}


def test_the_seed_draws_the_catalogue_and_nothing_else_does():
    assert differing(catalogue(), catalogue()) == set()
    assert differing(catalogue(), catalogue("seed=2")) == set(PROPERTIES)
    others = ["cell.users=18", "radio.noise_bandwidth=whole", "server.storage_gb=5", "ddpg.batch=64"]
    assert differing(catalogue(), catalogue(*others)) == set()


@pytest.mark.parametrize("key", PROPERTIES)
def test_a_changed_range_leaves_the_other_properties_alone(key):
    assert differing(catalogue(), catalogue(f"models.{key}=[99.5, 99.75]")) == {key}


def test_what_models_of_a_box_need_leaves_the_other_properties_alone():
    assert differing(catalogue(), catalogue("models.load_s=[10, 20]")) == set()
    assert differing(catalogue(), catalogue("models.working_gb=[1, 2]")) == {"storage_gb"}
    drawn = load_scenario("paper", ["models.count=5000", "models.load_s=[10, 20]", "models.working_gb=[1, 2]"])
    columns = np.array([[model.working_gb - 1, model.load_s / 10 - 1, model.storage_gb] for model in drawn.models])
    for u in columns[:, :2].T:
        assert u.min() >= 0
        assert u.max() <= 1
        assert np.abs(np.sort(u) - (np.arange(5000) + 0.5) / 5000).max() < 0.03
    assert np.abs(np.corrcoef(columns.T) - np.eye(3)).max() < 4 / math.sqrt(5000)
    np.testing.assert_allclose(drawn.params.models.storage_gb, columns[:, 0] + 1 + columns[:, 2])


def test_a_larger_catalogue_begins_with_the_smaller_one():
    small, large = catalogue("models.count=4"), catalogue("models.count=12")
    for key in PROPERTIES:
        assert len(large[key]) == 12
        np.testing.assert_array_equal(small[key], large[key][:4])


def test_draws_are_uniform_in_their_ranges_and_independent():
    drawn = load_scenario("paper", ["models.count=5000"])
    columns = catalogue("models.count=5000")
    unit = []
    for key, values in columns.items():
        low, high = drawn.table[f"models.{key}"].value
        scale = 8e6 if key == "output_size_mb" else 1
        u = (values / scale - low) / (high - low)
        assert u.min() >= 0
        assert u.max() <= 1
        # 5000 uniform draws stray further than this from their distribution once in 4000 times.
        assert np.abs(np.sort(u) - (np.arange(5000) + 0.5) / 5000).max() < 0.03
        unit.append(u)
    correlation = np.corrcoef(unit) - np.eye(len(unit))
    assert np.abs(correlation).max() < 4 / math.sqrt(5000)


def test_result_sizes_are_whole_bits(paper):
    assert (paper.params.models.output_bits % 1 == 0).all()


MODEL = {
    "storage_gb": 4,
    "output_size_mb": 6.5,
    "A1_steps": 60,
    "A2_tv": 110,
    "A3_steps": 170,
    "A4_tv": 28,
    "B1_s_per_step": 0.18,
    "B2_s": 5.74,
}


def test_models_given_one_by_one(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"models": [MODEL, MODEL | {"A4_tv": 1e1, "storage_gb": 2.5}]}))
    scenario = load_scenario(file)
    assert scenario.name == "mine"
    assert len(scenario.models) == 2
    models = scenario.params.models
    assert models.storage_gb.tolist() == [4, 2.5]
    assert models.output_bits.tolist() == [52e6, 52e6]
    assert models.A4.tolist() == [28, 10]
    assert [k for k in scenario.table if k.startswith("models")] == ["models"]
    # The seed has nothing left to draw.
    assert load_scenario(file, ["seed=77"]).id == scenario.id


def test_what_is_known_of_some_models_shifts_nothing_that_is_drawn():
    given = [{"storage_gb": 6.9, "B1_s_per_step": 0.05}, {}, {"A4_tv": 0}]
    plain = load_scenario("paper")
    told = load_scenario("paper", [f"models.given={json.dumps(given)}"])
    for m, (drawn, model) in enumerate(zip(plain.models, told.models, strict=True)):
        known = given[m] if m < len(given) else {}
        assert model.model_dump() == drawn.model_dump() | known
        for key in NUMBERS_OF_MODELS:
            origin = "user" if key in known else plain.of_cell[f"models.{key}"].provenance
            assert told.provenance_of(m, key) == origin
    assert told.id != plain.id == load_scenario("paper", ["models.given=[{}, {}]"]).id
    assert told.params.models.storage_gb[0] == 6.9


def test_given_models_need_not_say_what_only_a_box_asks():
    plain, loading = MODEL, MODEL | {"load_s": 25, "working_gb": 0.5}
    for models, load_s in (([plain], [0]), ([plain, loading], [0, 25])):
        scenario = load_scenario("paper", [f"models={json.dumps(models)}", "backhaul.shared=true"])
        assert scenario.params.box.load_s.tolist() == load_s
    assert scenario.params.models.storage_gb.tolist() == [4, 4.5]
    assert scenario.params.box.weights_gb.tolist() == [4, 4]
    assert scenario.params.box.load_slots.tolist() == [0, 2]
    assert load_scenario("paper", [f"models={json.dumps([plain])}"]).params.box is None


def test_models_given_on_the_command_line():
    scenario = load_scenario("paper-attainable", [f"models={json.dumps([MODEL])}"])
    assert len(scenario.models) == 1
    assert scenario.table["models"].provenance == "user"


# --- The quality floor


@pytest.mark.parametrize(
    ("floor", "steps"),
    [
        # The model's TV falls from 110 at 60 steps to 28 at 170.
        (None, 0),
        ({"least_steps": 90}, 90),
        ({"least_steps": 0}, 0),
        ({"least_steps": 5000}, 5000),
        ({"largest_tv": 110}, 0),
        ({"largest_tv": 200}, 0),
        ({"largest_tv": 69}, 115),
        ({"largest_tv": 28}, 170),
        ({"largest_tv": 27.999}, math.inf),
        ({"largest_tv": "best"}, 170),
    ],
)
def test_steps_that_the_floor_asks_for(floor, steps):
    scenario = load_scenario(
        "paper", [f"models={json.dumps([MODEL])}", f"server.quality_floor={json.dumps(floor)}"]
    )
    assert scenario.params.models.floor_steps.tolist() == [pytest.approx(steps)]
    assert scenario.as_json()["quality_floor"] == floor
    json.dumps(scenario.as_json(), allow_nan=False)


def test_a_model_that_nothing_improves_owes_no_steps():
    flat = json.dumps([MODEL | {"A4_tv": 110}])
    for floor, steps in (("best", 0), (110, 0), (109, math.inf)):
        scenario = load_scenario("paper", [f"models={flat}", f"server.quality_floor={{largest_tv: {floor}}}"])
        assert scenario.params.models.floor_steps.tolist() == [steps]


def test_the_floor_by_dotted_key():
    assert load_scenario("paper", ["server.quality_floor.least_steps=90"]).as_json()["quality_floor"] == {
        "least_steps": 90
    }


# --- Files, overrides and provenance


def write(folder, text, name="mine.yaml"):
    file = folder / name
    file.write_text(text)
    return file


def test_a_file_inherits_from_its_base(tmp_path):
    file = write(tmp_path, "base: paper-attainable\ncell:\n  users: 12\n")
    scenario, base = load_scenario(file), load_scenario("paper-attainable")
    assert scenario.name == "mine"
    assert scenario.table["cell.users"] == (12, "user", "")
    assert {key for key in base.table if base.table[key] != scenario.table[key]} == {"cell.users"}


@pytest.mark.parametrize("name", ["name: paper\n", ""])
def test_a_file_of_the_name_paper_inherits_like_any_other(tmp_path, paper, name):
    file = write(tmp_path, name + "cell: {users: 12}\n", "paper.yaml")
    scenario = load_scenario(file)
    assert (scenario.name, scenario.settings.cell.users) == ("paper", 12)
    assert scenario.id == paper.id


def test_a_setting_with_provenance_and_note(tmp_path):
    file = write(
        tmp_path,
        "seed: {value: 3, note: }\nradio:\n  user_power_dbm: {value: 20, provenance: assumed, note: ours}\n",
    )
    table = load_scenario(file).table
    assert table["radio.user_power_dbm"] == (20, "assumed", "ours")
    assert table["seed"] == (3, "user", "")


def test_overrides_are_applied_in_order_and_marked():
    scenario = load_scenario("paper", ["cell.users=12", "cell.users=14", "objective.alpha=5e-1"])
    assert scenario.settings.cell.users == 14
    assert scenario.settings.objective.alpha == 0.5
    assert scenario.table["cell.users"].provenance == "user"
    assert scenario.table["cell.places"].provenance == "paper"


@pytest.mark.parametrize("text", ["1e-3", "1.e-3", ".1e-2", "1E-3", "0.001", "+1e-03"])
def test_numbers_as_people_write_them(text):
    ddpg = load_scenario("paper", [f"ddpg.critic_learning_rate={text}"]).hyperparameters("ddpg")
    assert ddpg.critic_learning_rate == 0.001


def test_a_range_of_one_value():
    assert (load_scenario("paper", ["models.B2_s=3"]).params.models.B2 == 3).all()
    any_cell = load_scenario("paper", ["any_cell.users=7", "any_cell.delay_weight=0.7"]).hyperparameters("any_cell")
    assert (any_cell.users, any_cell.delay_weight) == ((7, 7), (0.7, 0.7))


@pytest.mark.parametrize(
    ("credit", "network", "per_user"),
    [
        ("per_user", "equivariant", True),
        ("per_user", "mlp", False),
        ("total", "equivariant", False),
        ("total", "mlp", False),
    ],
)
def test_only_networks_over_users_can_value_each_user(credit, network, per_user):
    scenario = load_scenario("paper", [f"td3.credit={credit}", f"td3.network={network}"])
    assert scenario.hyperparameters("td3").per_user == per_user


@pytest.mark.parametrize(
    ("scenario", "overrides"),
    [
        *[(name, []) for name in presets()],
        ("paper", ["seed=123456789", "objective.alpha=0.1", "radio.user_power_dbm=-1e-7"]),
        ("paper", ["server.quality_floor={largest_tv: best}", "requests.first_skew=0"]),
        ("companion", [f"models={json.dumps([MODEL, MODEL])}", "server.quality_floor.least_steps=12.5"]),
    ],
)
def test_a_scenario_written_out_loads_as_the_same_scenario(tmp_path, scenario, overrides):
    before = load_scenario(scenario, overrides)
    after = load_scenario(write(tmp_path, before.as_yaml()))
    assert after.id == before.id
    assert after.settings == before.settings
    assert dict(after.table) == dict(before.table)
    assert after.as_json() == before.as_json()
    assert after.as_yaml() == before.as_yaml()


# --- The id

PHYSICAL = [
    "seed=2",
    "cell.area_m=[250, 251]",
    "cell.slots_per_episode=49",
    "radio.uplink_bandwidth_mhz=21",
    "radio.downlink_bandwidth_mhz=41",
    "radio.user_power_dbm=22",
    "radio.bs_power_dbm=42",
    "radio.noise_dbm_per_hz=-175",
    "radio.noise_bandwidth=whole",
    "radio.path_loss_db_at_1_km=128",
    "radio.path_loss_db_per_decade=37",
    "radio.least_distance_m=2",
    "backhaul.to_cloud_mbit_per_s=101",
    "backhaul.from_cloud_mbit_per_s=101",
    "requests.input_size_mb=[5, 11]",
    "requests.skew_states=[0.4, 0.8, 1.3]",
    "requests.transition=[[0.6, 0.3, 0.1], [0.2, 0.6, 0.2], [0.1, 0.2, 0.7]]",
    "requests.first_skew=0",
    "server.total_steps=1001",
    "server.storage_gb=21",
    "server.quality_floor={largest_tv: best}",
    "server.quality_floor={largest_tv: 60}",
    "server.quality_floor={least_steps: 60}",
    "objective.alpha=0.6",
    "objective.alpha_weighs=tv",
    "models.count=9",
    *[f"models.{key}=[100, 100.5]" for key in PROPERTIES],
    "objective.energy_per_step=0.1",
    "objective.deadline_s=20",
    "objective.deadline_s=21",
    "objective.fairness_per_s=1",
    "radio.outage_gain_db=-100",
    "radio.outage_gain_db=-101",
    "observation.stale_slots=1",
    "radio.transfer_overhead_s=0.1",
    "backhaul.transfer_overhead_s=0.1",
    "server.generates_at_once=1",
    "server.generates_at_once=2",
    "models.given=[{storage_gb: 3}]",
    "models.given=[{}, {storage_gb: 3}]",
    "observation.stale_slots=2",
    "observation.gain_noise_db=3",
    # Of a box
    "server.pinned=[0]",
    "server.pinned=[1]",
    "server.cache_every_slots=1",
    "server.cache_every_slots=2",
    "server.offload=true",
    "backhaul.shared=true",
    "backhaul.cloud_generators=1",
    "backhaul.cloud_generators=2",
    "requests.rank_drift=0.1",
    "models.working_gb=[1, 2]",
    "models.load_s=[10, 20]",
]


def test_each_physical_setting_changes_the_id(paper):
    ids = [load_scenario("paper", [override]).id for override in PHYSICAL]
    assert len({*ids, paper.id}) == len(PHYSICAL) + 1


def test_every_setting_either_changes_the_id_or_is_known_not_to(paper):
    tested = {override.partition("=")[0] for override in PHYSICAL}
    immaterial = {"cell.users", "cell.places", "cell.slot_duration_s", "radio.outage_delay_s"}
    # Of account with another setting; and of a file, see `test_own_cost`.
    immaterial |= {"objective.late_penalty", "objective.function", "server.generation_order"}
    algorithms = ("ddpg.", "td3.", "sac.", "reinforce.", "any_cell.", "two_timescale.", "hcras.")
    immaterial |= {key for key in paper.table if key.startswith(algorithms)}
    assert all(any(key.startswith(algorithm) for key in immaterial) for algorithm in algorithms)
    assert tested | immaterial == paper.table.keys()


def test_the_id_is_of_what_matters_only(paper, tmp_path):
    same = [
        "cell.users=18",
        "cell.places=30",
        "cell.slot_duration_s=10",
        "ddpg.batch=32",
        "ddpg.discount=0",
        "td3.discount=0.5",
        "sac.first_temperature=1",
        "reinforce.limit=3",
        "any_cell.users=[2, 3]",
        "hcras.population=10",
        "two_timescale.discount=0.5",
        "server.pinned=[]",
        "server.generation_order=shortest-first",
        "server.total_steps=1000.0",
        "radio.uplink_bandwidth_mhz=2e1",
    ]
    for override in same:
        assert load_scenario("paper", [override]).id == paper.id, override
    assert load_scenario(write(tmp_path, "name: another name\n")).id == paper.id
    assert len(paper.id) == 16


@pytest.mark.parametrize(
    "override",
    [
        "cell.slot_duration_s=10",
        "server.pinned=[1]",
        "server.cache_every_slots=2",
        "server.offload=false",
        "backhaul.shared=false",
        "backhaul.cloud_generators=null",
        "requests.rank_drift=0",
        "models.working_gb=1",
        "models.load_s=1",
    ],
)
def test_in_a_box_each_of_these_changes_the_id(override):
    base = ["server.quality_floor=null"]
    before, after = (load_scenario("edge-box", [*base, *more]).id for more in ([], [override]))
    assert before != after


def test_the_order_of_pinned_models_does_not_change_the_id():
    ids = {
        load_scenario("edge-box", [f"server.pinned={pinned}"]).id for pinned in ("[1, 0]", "[0, 1]", "[0, 1, 0]")
    }
    assert len(ids) == 1


def test_the_id_does_not_hang_on_the_last_digits_of_the_stationary_distribution(paper, monkeypatch):
    solve = np.linalg.lstsq

    def solve_elsewhere(*arguments, **options):
        solution, *rest = solve(*arguments, **options)
        return solution * np.array([1 + 4e-16, 1 - 3e-16, 1]), *rest

    monkeypatch.setattr(np.linalg, "lstsq", solve_elsewhere)
    elsewhere = load_scenario("paper")
    assert elsewhere.params.first_skew.tolist() != paper.params.first_skew.tolist()
    assert elsewhere.id == paper.id


# --- Bad input: each is refused, naming the place and what would be right

BAD_OVERRIDES = [
    # The form of an override, and keys that no scenario has
    ("cell.users", "--set cell.users: write key=value"),
    ("cell.user=12", "no setting 'cell.user'; did you mean cell.users?"),
    ("users=12", "no setting 'users'; did you mean cell.users?"),
    ("radio.uplink_bandwidth_hz=2e7", "did you mean radio.uplink_bandwidth_mhz?"),
    ("alpha=0.5", "did you mean objective.alpha?"),
    ("flux.capacitor=1", "no setting 'flux.capacitor'; 'genedge scenario show paper --all' lists all keys"),
    ("=3", "no setting ''"),
    ("name=x", "the name belongs to the file"),
    ("cell=3", "cell is a section; set its keys one by one, such as cell.users"),
    ("cell={users: 3}", "cell is a section"),
    (
        "server.quality_floor.largest_tvs=3",
        "no setting 'server.quality_floor.largest_tvs' (did you mean largest_tv?)",
    ),
    # Values that are no YAML
    ("cell.users=[1", "--set cell.users=[1: not valid YAML"),
    ("cell.users=" + "[" * 3000, "not valid YAML"),
    # Numbers
    ("radio.uplink_bandwidth_mhz=20 MHz", "radio.uplink_bandwidth_mhz must be a number in MHz, not '20 MHz'"),
    ("server.storage_gb=20GB", "server.storage_gb must be a number in GB, not '20GB'"),
    ("radio.uplink_bandwidth_mhz=-20", "radio.uplink_bandwidth_mhz must be greater than 0 MHz, not -20"),
    ("radio.uplink_bandwidth_mhz=0", "radio.uplink_bandwidth_mhz must be greater than 0 MHz, not 0"),
    ("radio.uplink_bandwidth_mhz=.nan", "radio.uplink_bandwidth_mhz must be a finite number in MHz, not nan"),
    ("radio.user_power_dbm=-.inf", "radio.user_power_dbm must be a finite number in dBm, not -inf"),
    ("radio.user_power_dbm=1e5", "radio.user_power_dbm must be less than or equal to 300 dBm"),
    ("radio.uplink_bandwidth_mhz=1e305", "radio.uplink_bandwidth_mhz must be less than or equal to"),
    ("radio.uplink_bandwidth_mhz=1" + "0" * 400, "not valid YAML: a number of 401 characters"),
    ("radio.uplink_bandwidth_mhz=1" + "0" * 99, "radio.uplink_bandwidth_mhz must be"),
    ("radio.uplink_bandwidth_mhz=true", "radio.uplink_bandwidth_mhz must be a number in MHz, not True"),
    ("radio.uplink_bandwidth_mhz=", "radio.uplink_bandwidth_mhz must be a number in MHz, not None"),
    ("radio.uplink_bandwidth_mhz=[20]", "radio.uplink_bandwidth_mhz must be a number in MHz, not [20]"),
    ("radio.uplink_bandwidth_mhz='20'", "radio.uplink_bandwidth_mhz must be a number in MHz, not '20'"),
    ("objective.alpha=1.2", "objective.alpha must be less than or equal to 1, not 1.2"),
    ("seed=-1", "seed must be greater than or equal to 0, not -1"),
    ("seed=1.5", "seed must be a whole number, not 1.5"),
    ("cell.users=true", "cell.users must be a whole number, not True"),
    ("cell.users=3.0", "cell.users must be a whole number, not 3.0"),
    ("cell.users=2024-01-01", "cell.users must be a whole number, not '2024-01-01'"),
    ("cell.users=2024-13-45", "cell.users must be a whole number, not '2024-13-45'"),
    ("cell.users=010", "cell.users must be a whole number, not '010'"),
    ("cell.users=1:30", "cell.users must be a whole number, not '1:30'"),
    ("cell.users=30", "users (30) must not exceed places (18)"),
    ("hcras.population=3", "hcras.population must be a multiple of 2, not 3"),
    ("ddpg.discount=1", "ddpg.discount must be less than 1, not 1"),
    # Words
    ("radio.noise_bandwidth=half", "radio.noise_bandwidth must be 'own' or 'whole', not 'half'"),
    ("objective.alpha_weighs=no", "objective.alpha_weighs must be 'delay' or 'tv', not False"),
    ("requests.first_skew=first", "requests.first_skew must be 'stationary' or a whole number, not 'first'"),
    ("requests.first_skew=true", "requests.first_skew must be 'stationary' or a whole number, not True"),
    ("requests.first_skew=3", "first_skew must be stationary or a state from 0 to 2"),
    # Lists and ranges
    ("models.A1_steps=[60, 50]", "models.A1_steps: a range is [least, largest], not [60, 50]"),
    ("models.A1_steps=[50, 60, 70]", "models.A1_steps must be a list of at most 2, not [50, 60, 70]"),
    ("models.A1_steps=[50]", "models.A1_steps.1 is missing"),
    ("models.A1_steps=[-1, 50]", "models.A1_steps.0 must be greater than or equal to 0 steps, not -1"),
    ("models.A1_steps={value: 3}", "models.A1_steps.0 must be a number in steps"),
    ("requests.input_size_mb=[.nan, 3]", "requests.input_size_mb.0 must be a finite number in MB"),
    ("cell.area_m=250", "cell.area_m must be a list in m, not 250"),
    ("cell.area_m={x: 250, y: 250}", "cell.area_m must be a list in m"),
    ("cell.area_m.0=5", "cell.area_m must be a list in m"),
    ("cell.area_m=[250, 0]", "cell.area_m.1 must be greater than 0 m, not 0"),
    ("requests.skew_states=[]", "requests.skew_states must be a list of at least 1, not []"),
    ("requests.skew_states=[0.4, 0.8]", "transition must have 2 rows of 2 numbers"),
    ("requests.transition=[[1, 0], [0, 1]]", "transition must have 3 rows of 3 numbers"),
    (
        "requests.transition=[[.6,.3,.1],[.2,.6,.2],[.1,.3,.7]]",
        "row 2 of transition must sum to 1, sums to 1.1",
    ),
    (
        "requests.transition=[[.6,.3,.1],[.2,.6,.2],[1.1,-.1,0]]",
        "requests.transition.2.0 must be less than or equal",
    ),
    ("ddpg.hidden_layers=[64, 0]", "ddpg.hidden_layers.1 must be greater than 0, not 0"),
    # Agents
    ("ddpg.network=cnn", "ddpg.network must be 'mlp' or 'equivariant', not 'cnn'"),
    ("ddpg.hidden_layers=[]", "ddpg.hidden_layers must be a list of at least 1, not []"),
    ("ddpg.layer_norm=1", "ddpg.layer_norm must be true or false, not 1"),
    ("ddpg.policy_delay=0", "ddpg.policy_delay must be greater than 0, not 0"),
    ("ddpg.entropy=1", "no setting 'ddpg.entropy'"),
    ("td3.critics=0", "td3.critics must be greater than 0, not 0"),
    ("td3.critics=9", "td3.critics must be less than or equal to 8, not 9"),
    ("td3.credit=user", "td3.credit must be 'total' or 'per_user', not 'user'"),
    ("td3.target_noise=-0.1", "td3.target_noise must be greater than or equal to 0, not -0.1"),
    ("td3.target_rate=0", "td3.target_rate must be greater than 0, not 0"),
    ("td3.target_rate=1.1", "td3.target_rate must be less than or equal to 1, not 1.1"),
    ("td3.learning_rate_last=2", "td3.learning_rate_last must be less than or equal to 1, not 2"),
    ("td3.learning_rate_last=-1", "td3.learning_rate_last must be greater than or equal to 0, not -1"),
    ("td3.replay_size=1e9", "td3.replay_size must be a whole number, not 1000000000.0"),
    ("td3.replay_size=10000001", "td3.replay_size must be less than or equal to 10000000, not 10000001"),
    ("td3.warmup_slots=0", "td3.warmup_slots must be greater than 0 slots, not 0"),
    ("td3.width=1.5", "td3.width must be a whole number, not 1.5"),
    ("sac.discount=-0.1", "sac.discount must be greater than or equal to 0, not -0.1"),
    ("sac.discount=1", "sac.discount must be less than 1, not 1"),
    ("sac.first_temperature=0", "sac.first_temperature must be greater than 0, not 0"),
    ("sac.temperature_learning_rate=-1", "sac.temperature_learning_rate must be greater than or equal to 0"),
    ("sac.target_entropy=auto", "sac.target_entropy must be a number, not 'auto'"),
    ("sac.policy_delay=2", "no setting 'sac.policy_delay'; did you mean"),
    ("reinforce.decisions_per_slot=1", "reinforce.decisions_per_slot must be greater than or equal to 2, not 1"),
    ("reinforce.updates_per_episode=0", "reinforce.updates_per_episode must be greater than 0, not 0"),
    ("reinforce.noise_first=0", "reinforce.noise_first must be greater than 0, not 0"),
    ("reinforce.noise_last=0", "reinforce.noise_last must be greater than 0, not 0"),
    ("reinforce.limit=.inf", "reinforce.limit must be a finite number, not inf"),
    ("reinforce.learning_rate=fast", "reinforce.learning_rate must be a number, not 'fast'"),
    ("reinforce.discount=0", "no setting 'reinforce.discount'; did you mean"),
    ("any_cell.users=[9, 5]", "any_cell.users: a range is [least, largest], not [9, 5]"),
    ("any_cell.users=[0, 5]", "any_cell.users.0 must be greater than 0, not 0"),
    ("any_cell.users=[5, 5.5]", "any_cell.users.1 must be a whole number, not 5.5"),
    ("any_cell.models=[1, 2, 3]", "any_cell.models must be a list of at most 2, not [1, 2, 3]"),
    ("any_cell.floor=1.1", "any_cell.floor must be less than or equal to 1, not 1.1"),
    ("any_cell.total_steps=0", "any_cell.total_steps.0 must be greater than 0 steps, not 0"),
    ("any_cell.storage_gb=[40, 10]", "any_cell.storage_gb: a range is [least, largest], not [40, 10]"),
    ("any_cell.delay_weight=[0.5, 1.5]", "any_cell.delay_weight.1 must be less than or equal to 1, not 1.5"),
    ("any_cell.network=mlp", "no setting 'any_cell.network'"),
    ("any_cell=3", "any_cell is a section; set its keys one by one, such as any_cell.episodes"),
    ("any-cell.floor=0", "no setting 'any-cell.floor'; did you mean any_cell.floor?"),
    # A box
    ("server.pinned=[10]", "server.pinned: there is no model 10; models are numbered 0 to 9"),
    ("server.pinned=[0, -1]", "server.pinned.1 must be greater than or equal to 0, not -1"),
    ("server.pinned=[1.5]", "server.pinned.0 must be a whole number, not 1.5"),
    ("server.pinned=3", "server.pinned must be a list, not 3"),
    ("server.pinned=[0,1,2,3,4,5,6,7,8,9]", "more than server.storage_gb (20)"),
    ("server.cache_every_slots=0", "server.cache_every_slots must be greater than 0 slots, not 0"),
    ("server.cache_every_slots=1.5", "server.cache_every_slots must be a whole number"),
    ("server.offload=1", "server.offload must be true or false, not 1"),
    ("backhaul.shared=some", "backhaul.shared must be true or false, not 'some'"),
    ("backhaul.cloud_generators=0", "backhaul.cloud_generators must be greater than 0, not 0"),
    ("requests.rank_drift=1.1", "requests.rank_drift must be less than or equal to 1, not 1.1"),
    ("models.load_s=-1", "models.load_s.0 must be greater than or equal to 0 s, not -1"),
    ("models.working_gb=[3, 2]", "models.working_gb: a range is [least, largest], not [3, 2]"),
    # Models and the floor
    ("models=3", "models must be ranges (models.count, ...) or a list of models"),
    ("models=[]", "models: the list is empty"),
    ("models=[7]", "models.0 must be a mapping of settings, not 7"),
    ("models.given=[7]", "models.given.0 must be a mapping of settings, not 7"),
    ("models.given=[{storage_gb: x}]", "models.given.0.storage_gb must be a number in GB, not 'x'"),
    ("models.given=[{storage: 5}]", "there is no setting 'models.given.0.storage' (did you mean storage_gb?)"),
    ("models.given=" + "[" + "{}, " * 11 + "]", "models: given has 11 models, and count is 10; raise the count"),
    ("models=[{storage_gb: 1}]", "models.0.output_size_mb is missing"),
    (
        f"models={json.dumps([MODEL | {'storage': 3}])}",
        "no setting 'models.0.storage' (did you mean storage_gb?)",
    ),
    (
        f"models={json.dumps([MODEL, MODEL | {'B2_s': -3}])}",
        "models.1.B2_s must be greater than or equal to 0 s",
    ),
    (
        f"models={json.dumps([MODEL | {'A1_steps': 170}])}",
        "model 0: A1 (170 steps) must be below A3 (170 steps)",
    ),
    (
        f"models={json.dumps([MODEL | {'A4_tv': 111}])}",
        "model 0: A4 (111, the best TV) must not exceed A2 (110)",
    ),
    ("models.A1_steps=[200, 300]", "must be below A3"),
    ("models.0.A1_steps=3", "no setting 'models.0.A1_steps'"),
    ("server.quality_floor=best", "server.quality_floor must be a mapping of settings, not 'best'"),
    ("server.quality_floor={}", "server.quality_floor: give either largest_tv or least_steps"),
    ("server.quality_floor={largest_tv: 5, least_steps: 5}", "give either largest_tv or least_steps"),
    ("server.quality_floor={largest_tv: worst}", "largest_tv must be a number in TV or 'best', not 'worst'"),
    (
        "server.quality_floor.largest_tv=-3",
        "server.quality_floor.largest_tv must be greater than 0 TV or 'best'",
    ),
]


@pytest.mark.parametrize(("override", "message"), BAD_OVERRIDES, ids=lambda text: text[:50])
def test_a_bad_override_is_refused(override, message):
    with pytest.raises(InputError) as refused:
        load_scenario("paper", [override])
    told = str(refused.value)
    assert message in told
    assert "--set" in told
    assert "\n" not in told
    # The words of the library that validates are not the user's.
    assert not any(word in told for word in ("Input should", "Tuple", "constrained-", "literal[", "GivenModel"))


@pytest.mark.parametrize("lasting", ["models.load_s=[0, 30]", "server.cache_every_slots=1", "server.pinned=[0]"])
def test_a_floor_that_a_lasting_cache_cannot_keep_is_refused(lasting):
    floor = "server.quality_floor={largest_tv: best}"
    with pytest.raises(InputError, match=r"server\.quality_floor: .* set server\.offload to true") as refused:
        load_scenario("paper", [floor, lasting])
    assert "\n" not in str(refused.value)
    assert load_scenario("paper", [floor, lasting, "server.offload=true"]).params.box.offload
    # A cache that is decided anew in every slot can keep it.
    assert load_scenario("paper", [floor, "backhaul.shared=true"]).params.box is not None


def test_pinned_models_take_their_working_memory_too():
    alone = load_scenario("paper", ["server.pinned=[0]"]).models[0].storage_gb
    fits = ["server.pinned=[0]", "models.working_gb=1", f"server.storage_gb={alone + 1.001}"]
    assert load_scenario("paper", fits).params.box.pinned[0]
    with pytest.raises(InputError, match=rf"server.pinned: these models take {alone + 1:g} GB, more than"):
        load_scenario("paper", [*fits[:2], f"server.storage_gb={alone + 0.999}"])


def test_a_single_property_of_given_models_cannot_be_set():
    with pytest.raises(InputError, match="gives its models one by one; set 'models' as a whole"):
        load_scenario("paper", [f"models={json.dumps([MODEL])}", "models.A1_steps=50"])


BAD_FILES = [
    ("", "a scenario is a mapping of settings"),
    ("# only a comment\n", "a scenario is a mapping of settings"),
    ("- a\n- b\n", "a scenario is a mapping of settings"),
    ("just words", "a scenario is a mapping of settings"),
    ("cell: [1, 2]\n", "cell is a section; set its keys one by one, such as cell.users"),
    ("cell:\n", "cell is a section"),
    ("cell: {value: 3}\n", "cell is a section"),
    ("models:\n", "models must be ranges"),
    ("cell: {user: 3}\n", "no setting 'cell.user'; did you mean cell.users?"),
    ("sell: {users: 3}\n", "no setting 'sell'"),
    ("cell:\n  users: 12\n  users: 13\n", "'users' is given twice"),
    ("seed: 1\nseed: 2\n", "'seed' is given twice"),
    ("1: 2\n", "a setting's name must be text, not 1"),
    ("cell: {true: 2}\n", "a setting's name must be text, not True"),
    ("? [a, b]\n: 2\n", "a setting's name must be text"),
    ("cell: {users: 12\n", "not valid YAML"),
    ("cell:\n\tusers: 12\n", "not valid YAML"),
    ("seed: 1\n---\nseed: 2\n", "not valid YAML"),
    ("seed: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
    ("seed: \x00\n", "not valid YAML"),
    (
        "base: papers\n",
        "base: 'papers' is no preset; the presets are companion, edge-box, measured, measured-box, paper",
    ),
    ("base: [paper]\n", "base: ['paper'] is no preset"),
    ("base: null\ncell: {users: 3}\n", "seed is missing"),
    ("name: 7\n", "name must be text, not 7"),
    ("name: ''\n", "name must be a text of 1 to 255 characters, not ''"),
    (f"name: {'x' * 256}\n", "name must be a text of 1 to 255 characters, not 'xxxxx"),
    ("seed: {value: 3, note: [a]}\n", "its note a text"),
    ("seed: {value: 3, provenance: rumour}\n", "provenance one of paper, restored, measured, assumed, user"),
    ("seed: {value: 3, unit: GB}\n", "a setting is a value or {value, provenance, note}"),
    ("seed: {valu: 3}\n", "seed must be a whole number"),
    ("cell: {users: 12 users}\n", "cell.users must be a whole number, not '12 users'"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_a_bad_file_is_refused_by_its_name(tmp_path, text, message):
    file = write(tmp_path, text)
    with pytest.raises(InputError) as refused:
        load_scenario(file)
    assert str(refused.value).startswith(str(file))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(
        InputError,
        match="no such preset or file; the presets are companion, edge-box, measured, measured-box, paper",
    ):
        load_scenario(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="did you mean paper-attainable"):
        load_scenario("paper-attainible")
    with pytest.raises(InputError, match="no such preset or file"):
        load_scenario(write(tmp_path, "seed: 1\n") / "below-a-file.yaml")


def test_things_that_are_no_text_files(tmp_path):
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(bytes(range(256)))
    for thing in (tmp_path, binary, Path("x" * 5000)):
        with pytest.raises(InputError, match="cannot be read as a text file"):
            load_scenario(thing)


@pytest.mark.parametrize(
    "change",
    [
        "server.cache_every_slots=3000000000",
        pytest.param(f"backhaul.cloud_generators=1{'0' * 400}", id="a very finite cloud"),
        "models.load_s=1e12",
    ],
)
def test_numbers_beyond_all_machines_are_refused(change):
    with pytest.raises(InputError, match=change.partition("=")[0]):
        load_scenario("edge-box", [change])


def test_a_load_of_very_many_slots_is_still_a_number_of_slots():
    assert (load_scenario("edge-box", ["cell.slot_duration_s=1e-9"]).params.box.load_slots > 10**8).all()
