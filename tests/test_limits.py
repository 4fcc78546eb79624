"""What a scenario accepts, every verb serves; what would not fit into memory is refused before it is asked for."""

import json

import jax
import numpy as np
import pytest
from command_line import call
from hypothesis import given, settings
from hypothesis import strategies as st

from genedge import cli
from genedge.cell.feasible import breaches, in_float64
from genedge.cell.sampling import sample_episode
from genedge.cli import commands
from genedge.cli.app import check_draws
from genedge.errors import InputError
from genedge.evaluation.cells import evaluate
from genedge.evaluation.scoring import score
from genedge.learn.runs import create_run
from genedge.policies import policy
from genedge.scenario import load_scenario
from genedge.scenario.lines import decision_line, read_decisions, read_slots, slot_lines

# --- Numbers

SHAPE = ["models.count=3", "cell.places=2", "cell.users=2", "cell.slots_per_episode=3"]
POLICIES = ("rcars", "knapsack", "cloud-only", "priced", "optimal")

# What single precision, or half of the numbers in the equations, make nothing or too much of.
BEYOND = (5e-324, 1e-300, 1e-39, 1e39, 1e300)


def up_to(least, usual, largest, *more):
    """Numbers at and near the limits of a setting, some of them outside."""
    inside = [least, least * 3, usual, largest / 3, largest, *more]
    return st.sampled_from([*inside * 6, least / 2, largest * 2, *BEYOND])


def between(*limits):
    """Ranges of such numbers; some so narrow that single precision sees one number."""
    one = up_to(*limits)
    narrow = st.sampled_from([1.0, 1 + 1e-12, 1 + 1e-6])
    return st.lists(one, min_size=2, max_size=2).map(sorted) | st.tuples(one, narrow).map(
        lambda x: [x[0], x[0] * x[1]]
    )


decibels = st.sampled_from([-300, -100, -50, 0, 50, 100, 200, 300])
powers = st.sampled_from([-300, -41, -40, -20, 10, 60, 100, 101])
bandwidths = up_to(1e-3, 20, 1e6)
rates = up_to(1e-6, 100, 1e9)

SETTINGS = {
    **dict.fromkeys(["radio.uplink_bandwidth_mhz", "radio.downlink_bandwidth_mhz"], bandwidths),
    **dict.fromkeys(["radio.user_power_dbm", "radio.bs_power_dbm"], powers),
    "radio.noise_dbm_per_hz": st.sampled_from([-300, -250, -200, -150, -100, -50, 0, 1]),
    **dict.fromkeys(["radio.path_loss_db_at_1_km", "radio.path_loss_db_per_decade"], decibels),
    "radio.least_distance_m": up_to(1e-3, 1, 1e6, 1e2),
    "cell.slot_duration_s": up_to(1e-9, 20, 1e9),
    **dict.fromkeys(["backhaul.to_cloud_mbit_per_s", "backhaul.from_cloud_mbit_per_s"], rates),
    "server.total_steps": up_to(1e-3, 1000, 1e9),
    "server.storage_gb": up_to(1e-6, 20, 1e9, 0),
    "cell.area_m": between(1e-3, 250, 1e6),
    "radio.noise_bandwidth": st.sampled_from(["own", "whole"]),
    "requests.input_size_mb": between(1e-6, 5, 1e8),
    "requests.skew_states": st.lists(up_to(1e-9, 1, 100, 0), min_size=3, max_size=3),
    "requests.first_skew": st.sampled_from([0, 2, "stationary"]),
    "objective.alpha": up_to(1e-6, 0.7, 1, 0, 1 - 1e-6, 1 - 1e-12),
    "objective.alpha_weighs": st.sampled_from(["delay", "tv"]),
    "server.quality_floor": st.one_of(
        st.just({"largest_tv": "best"}),
        st.fixed_dictionaries({"largest_tv": up_to(1e-6, 50, 1e9)}),
        st.fixed_dictionaries({"least_steps": up_to(1e-3, 100, 1e9, 0)}),
    ),
    "models.storage_gb": between(1e-6, 5, 1e9),
    "models.working_gb": between(1e-6, 1, 1e9, 0),
    "models.output_size_mb": between(1e-6, 5, 1e8),
    "models.B1_s_per_step": between(1e-9, 0.5, 1e6, 0),
    "models.B2_s": between(1e-9, 5, 1e6, 0),
}
# These only make sense together.
steps, tv = between(1e-3, 100, 1e9, 0), between(1e-6, 50, 1e9, 0)


@st.composite
def qualities(draw):
    (a1, a3), (a4, a2) = draw(steps), draw(tv)
    width = draw(st.sampled_from([1, 1 + 1e-7, 1.5]))
    return {
        "models.A1_steps": a1,
        "models.A3_steps": [a3, a3 * width],
        "models.A4_tv": a4,
        "models.A2_tv": [a2, a2 * width],
    }


some = st.lists(st.sampled_from(list(SETTINGS)), max_size=3, unique=True).flatmap(
    lambda keys: st.fixed_dictionaries({key: SETTINGS[key] for key in keys})
)


def served(changes):
    """Whether the scenario is accepted; then it is taken from slots to an evaluation, as the verbs do."""
    try:
        scenario = load_scenario(
            "paper", [*SHAPE, *(f"{key}={json.dumps(value)}" for key, value in changes.items())]
        )
    except InputError as e:
        return str(e)
    params, key = scenario.params, jax.random.key(1)
    drawn = jax.tree.map(np.asarray, sample_episode(params, key, 2, 2, 3))
    slots, widths = read_slots(slot_lines(scenario, drawn), "slots", scenario)
    for name in POLICIES:
        decision = in_float64(policy(name, scenario)(params, slots, key))
        lines = [decision_line(decision, k, places, {}) for k, places in enumerate(widths)]
        decision = read_decisions(lines, "decisions", 3, widths, "slots")
        assert breaches(params, slots, decision) == [], name
        outcome = score(params, slots, decision)
        assert all(np.isfinite(field).all() for field in outcome if field is not None), name
        assert (outcome.delay_s > 0).all()
    told = evaluate(scenario, {name: policy(name, scenario) for name in POLICIES}, [2], 2, 0, lambda _: None)
    optimum = told.levels[0].quantity.samples[0]
    for row in told.rows:
        for metric in ("utility", "delay_s", "delay_p95_s", "late_ratio", "tv", "hit_ratio"):
            assert np.isfinite(row.samples[metric]).all(), (row.policy, metric)
        assert (optimum <= row.samples["utility"] * (1 + 1e-6)).all(), row.policy
    assert np.isfinite(optimum).all()
    return None


OF_CHANNELS = {
    "two-slopes": {
        "near_db_per_decade": st.sampled_from([0, 20, 100, 300]),
        "break_distance_m": up_to(1e-3, 50, 1e6),
    },
    "urban-micro": {
        "carrier_ghz": up_to(0.5, 2, 100),
        "station_height_m": up_to(1.1, 10, 1000),
        "user_height_m": up_to(1.1, 1.5, 1000),
        "shadowing_db": st.sampled_from([[0, 0], [4, 7.82], [20, 20]]),
        "shadowing_distance_m": st.sampled_from([[1e-3, 1e6], [10, 13]]),
        "sight_distance_m": up_to(1e-3, 50, 1e6),
    },
    "block-fading": {"doppler_hz": up_to(1e-9, 0.01, 1e6, 0)},
}
OF_MOBILITIES = {
    "uniform": {},
    "random-waypoint": {
        "speed_m_per_s": st.sampled_from([[1e-6, 1e-6], [1e4, 1e4], [1e-6, 1e4]]),
        "rest_s": st.sampled_from([0, 1e-9, 1e6]),
    },
    "gauss-markov": {"speed_m_per_s": up_to(1e-6, 1, 1e4), "memory_s": up_to(1e-9, 60, 1e15)},
}


def chosen(section, models):
    """A model with settings at and near their limits, by dotted key."""
    return st.sampled_from(sorted(models)).flatmap(
        lambda name: st.fixed_dictionaries(
            {f"{section}.model": st.just(name)},
            optional={f"{section}.{key}": values for key, values in models[name].items()},
        )
    )


shared = ("radio.path_loss_db_at_1_km", "radio.path_loss_db_per_decade", "radio.least_distance_m")
around = st.fixed_dictionaries(
    {}, optional={key: SETTINGS[key] for key in (*shared, "cell.area_m", "cell.slot_duration_s")}
)


@settings(max_examples=100)
@given(chosen("channel", OF_CHANNELS), chosen("mobility", OF_MOBILITIES), around)
def test_slots_of_any_channel_and_mobility_are_computed_or_refused(channel, mobility, others):
    changes = others | channel | mobility
    try:
        scenario = load_scenario(
            "paper", [*SHAPE, *(f"{key}={json.dumps(value)}" for key, value in changes.items())]
        )
    except InputError:
        return
    drawn = jax.tree.map(np.asarray, sample_episode(scenario.params, jax.random.key(1), 2, 2, 3))
    low, high = scenario.params.channel.bounds(scenario.params.area_m)
    assert (drawn.gain >= low * (1 - 1e-4)).all()
    assert (drawn.gain <= high * (1 + 1e-4)).all()
    assert (np.abs(drawn.position_m) <= scenario.params.area_m / 2 * (1 + 1e-6)).all()
    slots, widths = read_slots(slot_lines(scenario, drawn), "slots", scenario)
    decision = in_float64(policy("knapsack", scenario)(scenario.params, slots, jax.random.key(2)))
    assert breaches(scenario.params, slots, decision) == []
    outcome = score(scenario.params, slots, decision)
    assert all(np.isfinite(field).all() for field in outcome if field is not None)
    assert widths == [2, 2, 2]


@settings(max_examples=120)
@given(some, st.none() | qualities())
def test_any_scenario_is_served_or_refused(some, quality):
    refused = served(some | (quality or {}))
    if refused is not None:
        assert refused.isprintable()
        assert len(refused) < 500


@pytest.mark.parametrize(
    "change",
    [
        "models.A3_steps=5e-324",
        "models.A1_steps=5e-324",
        "server.total_steps=1e-300",
        "server.storage_gb=1e-300",
        "models.storage_gb=[1e-300, 5]",
        "models.B2_s=1e-320",
        "models.A4_tv=1e-50",
        "objective.alpha=5e-324",
        "radio.least_distance_m=1e15",
        "cell.area_m=[1e-300, 250]",
        "radio.uplink_bandwidth_mhz=1e-30",
        "radio.user_power_dbm=-300",
        "radio.noise_dbm_per_hz=-300",
        "backhaul.from_cloud_mbit_per_s=1e-38",
        "requests.input_size_mb=[5, 1e9]",
        "models.output_size_mb=1e12",
        "requests.skew_states=[0.4, 0.8, 1e9]",
        "cell.slot_duration_s=1e-200",
        "server.quality_floor={least_steps: 1e-200}",
        "server.quality_floor={largest_tv: 1e-200}",
        "reinforce.noise_last=1e-300",
        "sac.first_temperature=1e-300",
    ],
)
def test_what_single_precision_does_not_carry_is_refused_by_its_key(change):
    with pytest.raises(InputError) as refused:
        load_scenario("paper", [change])
    assert change.partition("=")[0] in str(refused.value)
    assert "which can be computed with" in str(refused.value) or "less than or equal to" in str(refused.value)


def test_channels_and_delays_that_several_settings_make_are_refused_together():
    with pytest.raises(InputError, match=r"radio: channel gains would go from .* and slots hold 1e-34 to 1e\+06"):
        load_scenario("paper", ["radio.path_loss_db_at_1_km=300"])
    with pytest.raises(InputError, match=r"channel gains would go from .* to 6\.04e\+28"):
        load_scenario("paper", ["radio.path_loss_db_at_1_km=-50", "radio.least_distance_m=1e-3"])
    slow = ["radio.user_power_dbm=-40", "radio.path_loss_db_at_1_km=180", "radio.noise_dbm_per_hz=-90"]
    with pytest.raises(InputError, match=r"radio: the uplink's .* and a request take"):
        load_scenario("paper", slow)
    for fine in slow:
        load_scenario("paper", [fine])
    with pytest.raises(InputError, match=r"model 0: A1 \(100 steps\) must be below A3 \(100 steps\)"):
        load_scenario("paper", ["models.A1_steps=100", "models.A3_steps=100.0000001"])


# --- Sizes

AGENTS = ("ddpg", "td3", "sac", "reinforce", "any-cell", "two-timescale")
LARGE = [
    ("models.count=1000000", "models.count must be less than or equal to 10000"),
    ("models.count=10000", "take 20 GB of memory, more than 8"),
    ("cell.places=1000000", "cell.places must be less than or equal to 100000"),
    ("cell.slots_per_episode=100000000", "cell.places (18) must be at most 100000000"),
    ("cell.slots_per_episode=10000000000", "cell.slots_per_episode must be less than or equal to 1000000000"),
    (f"requests.skew_states={[1] * 101}", "requests.skew_states must be a list of at most 100"),
    (f"td3.hidden_layers={[1] * 33}", "td3.hidden_layers must be a list of at most 32"),
    ("td3.width=10000000000", "td3.width must be less than or equal to 1000000000"),
]


@pytest.mark.parametrize(("change", "message"), LARGE, ids=lambda text: text[:40])
def test_a_cell_that_does_not_fit_into_memory_is_refused(change, message):
    with pytest.raises(InputError) as refused:
        load_scenario("paper", [change])
    assert message in str(refused.value)
    assert len(str(refused.value)) < 500


def test_too_many_models_in_a_list_are_refused():
    with pytest.raises(InputError, match="models: 10001 of them; at most 10000"):
        load_scenario("paper", [f"models=[{'0, ' * 10001}]"])


@pytest.mark.parametrize(
    ("agent", "changes", "keys"),
    [
        ("ddpg", ["ddpg.hidden_layers=[100000, 100000]"], "ddpg.hidden_layers"),
        ("td3", ["td3.width=1000000"], "td3.width"),
        ("td3", ["td3.batch=100000000"], "td3.batch"),
        ("td3", ["td3.width=10000", "td3.batch=100000"], "td3.width, the slots of a batch"),
        ("sac", ["sac.replay_size=10000000"], "sac.replay_size"),
        (
            "sac",
            ["sac.network=mlp", "sac.hidden_layers=[100000]", "sac.batch=100000"],
            "sac.hidden_layers, the slots",
        ),
        ("reinforce", ["reinforce.decisions_per_slot=1000000"], "reinforce.decisions_per_slot"),
        ("reinforce", ["reinforce.updates_per_episode=1000000000"], "reinforce.updates_per_episode"),
        ("any-cell", ["any_cell.models=[1, 100000]"], "any_cell.decisions_per_slot"),
        ("any-cell", ["any_cell.width=100000"], "any_cell.width"),
        ("two-timescale", ["two_timescale.cache_width=1000000"], "two_timescale.cache_"),
        ("two-timescale", ["two_timescale.cache_batch=10000000"], "two_timescale.cache_batch"),
        (
            "two-timescale",
            ["two_timescale.cache_replay_size=10000000", "models.count=9"],
            "two_timescale.cache_replay_size",
        ),
    ],
)
def test_an_agent_that_does_not_fit_into_memory_is_refused_where_it_is_to_train(tmp_path, agent, changes, keys):
    scenario = load_scenario("edge-box" if agent == "two-timescale" else "paper", changes)
    with pytest.raises(InputError, match=r"they would take .* GB of memory, more than 8") as refused:
        create_run(tmp_path / "run", scenario, None, agent, 1, 0)
    assert str(refused.value).startswith(keys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("agent", AGENTS)
def test_the_presets_agents_are_far_from_the_limit(tmp_path, monkeypatch, agent):
    monkeypatch.setattr("genedge.limits.MOST_BYTES", 2e8)
    scenario = load_scenario("edge-box" if agent == "two-timescale" else "paper")
    create_run(tmp_path / "run", scenario, None, agent, 1, 0)


def test_a_population_that_does_not_fit_is_refused_where_it_is_to_search():
    scenario = load_scenario("paper", ["hcras.population=100000000"])
    with pytest.raises(InputError, match=r"hcras\.population, .* would take 112 GB"):
        policy("hcras", scenario)
    assert policy("rcars", scenario)


@pytest.mark.parametrize(("users", "slots"), [(100_001, 1), (10**30, 1), (1, 10**8 + 1), (10_001, 10_000)])
def test_more_draws_than_fit_are_refused(users, slots):
    with pytest.raises(InputError, match="too many"):
        check_draws(users, 10, slots, 1)


@pytest.mark.parametrize("command", ["evaluate --policies rcars --episodes 1", "watch --policy rcars --slots 1"])
def test_more_users_than_places_are_counted_too(command, tmp_path, monkeypatch):
    """The cell itself fits, which has fewer places."""
    monkeypatch.chdir(tmp_path)
    answer = call(*command.split(), "--users", 100_000, "--set", "models.count=1000")
    assert (answer.status, answer.out) == (2, "")
    assert "the numbers of users, of models and of slots decided at once: they would take 20.2 GB" in answer.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")]
)
def test_a_machine_without_memory_says_so_in_one_line(monkeypatch, capsys, error):
    def fails():
        raise error

    monkeypatch.setattr(commands, "app", fails)
    assert cli.run() == 2
    assert capsys.readouterr().err.startswith("genedge: out of memory; ask for fewer")


def test_what_jax_says_of_a_machine_without_memory():
    with pytest.raises(RuntimeError, match=r"^RESOURCE_EXHAUSTED"):
        jax.numpy.zeros((10**7, 10**6)).block_until_ready()


def test_other_errors_are_not_taken_for_a_want_of_memory(monkeypatch):
    def fails():
        raise RuntimeError("something else")

    monkeypatch.setattr(commands, "app", fails)
    with pytest.raises(RuntimeError, match="something else"):
        cli.run()
