"""A stranger's channel and a stranger's mobility, each from one file, through every door."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import genedge.gym
from genedge.cell.sampling import sample_episode
from genedge.env.functional import reset, step
from genedge.errors import InputError
from genedge.scenario import load_scenario

OWN = Path(__file__).parents[1] / "cell" / "own.py"
SMALL = ("--set", "cell.slots_per_episode=6", "--set", "cell.places=4", "--set", "cell.users=3")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A scenario file beside the stranger's file; the working folder is another one."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own.py").write_text(OWN.read_text())
    (tmp_path / "mine" / "mine.yaml").write_text(
        "cell: {users: 3, places: 4, slots_per_episode: 6}\n"
        "channel: {model: 'own.py:OneGain', gain_db: {value: -75, provenance: measured, note: in the yard}}\n"
        "mobility: {model: 'own.py:Circle'}\n"
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "mine"


def test_slots(genedge, folder):
    rows = genedge("slots", "--scenario", folder / "mine.yaml", "--count", 3).rows
    np.testing.assert_allclose([row["channel_gain"] for row in rows], 10**-7.5, rtol=1e-5)
    position_m = np.array([row["position_m"] for row in rows])
    np.testing.assert_allclose(np.hypot(*position_m.T), 60, rtol=1e-5)
    # 20 s at 1 m/s.
    turn = np.angle((position_m[1:] @ [1, 1j]) / (position_m[:-1] @ [1, 1j]))
    np.testing.assert_allclose(turn, 20 / 60, rtol=1e-4)


def test_a_path_on_the_command_line_is_relative_to_the_working_folder(genedge, folder):
    answer = genedge("slots", "--count", 1, *SMALL, "--set", "channel.model=../mine/own.py:OneGain")
    np.testing.assert_allclose(answer.rows[0]["channel_gain"], 1e-8, rtol=1e-5)
    answer = genedge("slots", "--count", 1, *SMALL, "--set", "channel.model=own.py:OneGain")
    assert answer.status == 2
    assert "own.py: no such file" in answer.err


def test_scenario_show_tells_the_numbers_and_where_they_come_from(genedge, folder):
    told = json.loads(genedge("scenario", "show", folder / "mine.yaml", "--json").out)
    assert told["settings"]["channel.gain_db"] == {
        "value": -75,
        "unit": "dB",
        "provenance": "measured",
        "note": "in the yard",
    }
    assert told["settings"]["mobility.radius_m"] == {"value": 60.0, "unit": "m", "provenance": "assumed"}
    assert told["channel"]["model"] == "OneGain"
    assert told["channel"]["gain_db"] == -75
    before = told["scenario_id"]
    (folder / "own.py").write_text(OWN.read_text() + "# Changed.\n")
    assert json.loads(genedge("scenario", "show", folder / "mine.yaml", "--json").out)["scenario_id"] != before


def test_evaluate(genedge, folder):
    evaluate = "evaluate", "--scenario", folder / "mine.yaml", "--policies", "knapsack,learned", "--episodes", 2
    told = json.loads(genedge(*evaluate, "--json", "--seed", 1).out)
    weak = json.loads(genedge(*evaluate, "--json", "--seed", 1, "--set", "channel.gain_db=-120").out)
    assert told["scenario_id"] != weak["scenario_id"]
    delays = [
        next(row for row in results["results"] if row["policy"] == "knapsack")["delay_s"]
        for results in (told, weak)
    ]
    assert delays[0]["mean"] < delays[1]["mean"]


def test_gymnasium(folder):
    env = genedge.gym.CellEnv(folder / "mine.yaml")
    observation, _ = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    # A constant gain is the typical one.
    np.testing.assert_allclose(observation[1:4], 0, atol=1e-4)


def test_training_and_what_is_trained(genedge, folder):
    settings = ("episodes=3", "batch=8", "warmup_slots=10", "replay_size=64", "hidden_layers=[8]")
    sets = [part for setting in settings for part in ("--set", f"ddpg.{setting}")]
    run = folder / "run"
    assert genedge("train", "--scenario", folder / "mine.yaml", "--agent", "ddpg", "--out", run, *sets).status == 0
    # Another working folder, and the run still finds its channel.
    told = json.loads(
        genedge("evaluate", "--scenario", run / "scenario.yaml", "--policies", run, "--episodes", 1, "--json").out
    )
    assert told["results"]


def test_a_box_with_what_lasts(genedge):
    """Slot by slot, as an agent meets it, and as a whole."""
    chosen = ["channel.model=urban-micro", "mobility.model=random-waypoint", "cell.slots_per_episode=6"]
    box = load_scenario("edge-box", chosen)
    key, actions = jax.random.key(3), len(box.models) + 2 * 3
    whole = sample_episode(box.params, key, 3, 3, 6)
    state = jax.jit(reset, static_argnames="places")(box.params, key, 3, places=3)[1]
    one_step = jax.jit(step, static_argnames="slots_per_episode")
    for t in range(6):
        np.testing.assert_allclose(state.slot.gain, whole.gain[t], rtol=1e-4)
        np.testing.assert_array_equal(state.slot.requests, whole.requests[t])
        state = one_step(box.params, state, np.zeros(actions, np.float32), slots_per_episode=6).state
    sets = [part for setting in chosen for part in ("--set", setting)]
    answer = genedge("evaluate", "--scenario", "edge-box", "--policies", "lru", "--episodes", 1, "--json", *sets)
    assert json.loads(answer.out)["scenario_id"] == box.id


# --- What is wrong is said

WRONG = {
    "fails": ("            return 1 / 0\n", r"own\.py line \d+: \w+ fails: ZeroDivisionError: division by zero"),
    "shape": ("            return u\n", r"own\.py:Mine: gain of two users has shape \(2, 2\); it must be \(2,\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_channel_that_draws_nothing(tmp_path, case):
    body, said = WRONG[case]
    (tmp_path / "own.py").write_text(
        "from typing import NamedTuple\nfrom genedge import Section\n\n\n"
        "class Mine(Section):\n    def arrays(self, log_distance):\n"
        "        class Made(NamedTuple):\n            x: float\n"
        "            def typical_db(self, area_m): return -90.0\n"
        "            def bounds(self, area_m): return 1e-12, 1e-6\n"
        "            def gain(self, position_m, u):\n    " + body + "        return Made(1.0)\n"
    )
    with pytest.raises(InputError, match=said):
        load_scenario("paper", [f"channel.model={tmp_path}/own.py:Mine"])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("Mine", "Mine = 1", r"own\.py:Mine: is no channel; it must be a class of settings, derived from genedge"),
        ("Mine", "from genedge import Section\nclass Mine(Section): pass", r"with a method arrays"),
        (
            "Mine",
            "from genedge import Section\nclass Mine(Section):\n    def arrays(self, x): return (1.0,)",
            r"own\.py:Mine: arrays must give a named tuple .* methods of genedge\.cell\.types\.Channel",
        ),
        ("Mine", "import nothing_of_that_name", r"own\.py: does not run: ModuleNotFoundError"),
        ("Other", "x = 1", r"own\.py: there is no 'Other' in it"),
    ],
)
def test_what_is_no_channel(tmp_path, name, text, said):
    (tmp_path / "own.py").write_text(text + "\n")
    with pytest.raises(InputError, match=said):
        load_scenario("paper", [f"channel.model={tmp_path}/own.py:{name}"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["channel.model=two-slope"], r"no such channel; did you mean two-slopes\?"),
        (["mobility.model=brownian"], r"no such mobility; there are uniform, .* FILE\.py:CLASS"),
        (["channel.model=two-slopes", "channel.near_db=3"], r"did you mean channel\.near_db_per_decade\?"),
        (
            ["channel.model=two-slopes", "channel.near_db_per_decade=x"],
            r"must be a number in dB",
        ),
        (
            ["channel.near_db_per_decade=20", "channel.model=two-slopes"],
            r"there is no setting 'channel\.near_db_per_decade'; .* channel\.model, which must be set before",
        ),
        (["chanel.model=two-slopes"], r"did you mean channel\.model\?"),
        (["mobility.model=random-waypoint", "mobility.speed_m_per_s=[2, 1]"], r"a range is \[least, largest\]"),
        (["mobility.model=gauss-markov", "mobility.speed_m_per_s=0"], r"speed_m_per_s"),
        (["channel.model=urban-micro", "cell.area_m=[1e6, 1e6]"], r"channel gains would go from|would take|take"),
        (["mobility.model=positions"], r"mobility\.file is missing"),
    ],
)
def test_wrong_settings_are_refused_in_words(settings, said):
    with pytest.raises(InputError, match=said):
        load_scenario("paper", settings)


# What a stranger's channel may say wrong of itself, by method.
SAYS = {
    "gain": "return 1e-9 + 0 * u[..., 0]",
    "typical_db": "return -90.0",
    "bounds": "return 1e-9, 1e-9",
}
NONSENSE = [
    ("gain", "return float('nan') * u[..., 0]", "a gain is nan, and its bounds are 1e-09 to 1e-09"),
    ("gain", "return -u[..., 0]", "a gain is -"),
    ("gain", "return 1e9 + u[..., 0]", "a gain is 1e\\+09, and its bounds are 1e-09 to 1e-09"),
    ("gain", "return u[..., 0] > 0", "gain must be real numbers, and is bool"),
    ("typical_db", "return float('nan')", "typical_db must give a finite number"),
    ("typical_db", "return None", r"own\.py: \w+ fails: TypeError"),
    ("typical_db", "raise KeyError(3)", r"own\.py line \d+: \w+ fails: KeyError: 3"),
    ("bounds", "return 1e-9", r"own\.py: \w+ fails: TypeError"),
    ("bounds", "return 'a', 'b'", r"own\.py: \w+ fails: ValueError"),
    ("bounds", "return 1 / 0", r"own\.py line \d+: \w+ fails: ZeroDivisionError"),
    ("bounds", "return 1e-6, 1e-9", "bounds must give the least and the largest gain, from above 0, not 1e-06 and"),
    ("bounds", "raise SystemExit(3)", r"own\.py line \d+: \w+ fails: SystemExit: 3"),
]


@pytest.mark.parametrize(("method", "body", "said"), NONSENSE)
def test_a_channel_that_speaks_nonsense_is_refused_before_anything_is_drawn(tmp_path, method, body, said):
    says = SAYS | {method: body}
    (tmp_path / "own.py").write_text(
        "from typing import NamedTuple\nfrom genedge import Section\n\n\n"
        "class Made(NamedTuple):\n"
        "    x: float\n"
        f"    def gain(self, position_m, u):\n        {says['gain']}\n"
        f"    def typical_db(self, area_m):\n        {says['typical_db']}\n"
        f"    def bounds(self, area_m):\n        {says['bounds']}\n\n\n"
        "class Mine(Section):\n    def arrays(self, log_distance):\n        return Made(1.0)\n"
    )
    with pytest.raises(InputError, match=said):
        load_scenario("paper", [f"channel.model={tmp_path}/own.py:Mine"])


def test_a_mobility_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / "own.py").write_text(
        "from typing import NamedTuple\nfrom genedge import Section\n\n\n"
        "class Made(NamedTuple):\n    x: float\n"
        "    def place(self, area_m, u):\n        return u / 0.0\n\n\n"
        "class Mine(Section):\n    def arrays(self):\n        return Made(1.0)\n"
    )
    with pytest.raises(InputError, match=r"own\.py:Mine: position_m must be finite numbers"):
        load_scenario("paper", [f"mobility.model={tmp_path}/own.py:Mine"])


@pytest.mark.parametrize(
    ("field", "value"),
    [("when: date = date(2020, 1, 2)", None), ("file: float = 3.0", 3.0), ("table: list[float] = [1, 2]", [1, 2])],
)
def test_what_a_scenario_file_cannot_say_is_no_default(tmp_path, field, value):
    """The id, JSON and YAML are made of the settings."""
    name = field.partition(":")[0]
    (tmp_path / "own.py").write_text(
        OWN.read_text() + "\n\nfrom datetime import date\n\n\nclass Mine(OneGain):\n    " + field + "\n"
    )
    if value is None:
        with pytest.raises(InputError, match=f"Mine.{name}: its default must be what a scenario file can say"):
            load_scenario("paper", [f"channel.model={tmp_path}/own.py:Mine"])
        return
    scenario = load_scenario("paper", [f"channel.model={tmp_path}/own.py:Mine"])
    assert json.loads(json.dumps(scenario.as_json()))["channel"][name] == value
    (tmp_path / "again.yaml").write_text(scenario.as_yaml())
    assert load_scenario(tmp_path / "again.yaml").id == scenario.id


def test_a_date_that_is_told_is_a_part_of_the_id(tmp_path):
    (tmp_path / "own.py").write_text(
        OWN.read_text() + "\n\nfrom datetime import date\n\n\nclass Mine(OneGain):\n    when: date\n"
    )
    ids = {
        load_scenario("paper", [f"channel.model={tmp_path}/own.py:Mine", f"channel.when={day}"]).id
        for day in ("2020-01-02", "2020-01-03")
    }
    assert len(ids) == 2


def test_a_run_whose_channel_was_changed_says_so(genedge, folder):
    settings = ("episodes=1", "batch=8", "warmup_slots=10", "replay_size=64", "hidden_layers=[8]")
    sets = [part for setting in settings for part in ("--set", f"ddpg.{setting}")]
    run = folder / "run"
    assert genedge("train", "--scenario", folder / "mine.yaml", "--agent", "ddpg", "--out", run, *sets).status == 0
    (folder / "own.py").write_text(OWN.read_text() + "# Changed.\n")
    for asked in (("train", "--resume", run), ("evaluate", "--policies", run), ("runs", run)):
        answer = genedge(*asked)
        assert answer.status == 2
        assert f"{folder / 'own.py'} has changed since the run was made" in answer.err
    (folder / "own.py").unlink()
    assert f"{run / 'scenario.yaml'}: {folder / 'own.py'}: no such file" in genedge("runs", run).err
