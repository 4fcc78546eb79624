"""What holds of every channel and every mobility, shipped or from a reader's own file."""

from pathlib import Path

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genedge.gym
from genedge.cell.sampling import sample_episode, sample_slot
from genedge.cell.types import LastingChannel, lasts
from genedge.env.functional import reset, step
from genedge.registry import named
from genedge.scenario import load_scenario

KEY, USERS, PLACES, SLOTS = jax.random.key(5), 3, 4, 8
OWN = Path(__file__).parent / "own.py"
SMALL = ("cell.places=4", "cell.users=3", "cell.slots_per_episode=8")

# A number of each to change, and another value of it.
CHANGES = {
    "channel.log-distance": "radio.path_loss_db_at_1_km=120",
    "channel.two-slopes": "channel.near_db_per_decade=30",
    "channel.urban-micro": "channel.carrier_ghz=3.5",
    "channel.block-fading": "channel.doppler_hz=0.02",
    f"channel.{OWN}:OneGain": "channel.gain_db=-70",
    f"channel.{OWN}:Slow": "channel.memory_s=5",
    "mobility.uniform": "cell.area_m=[200, 200]",
    "mobility.random-waypoint": "mobility.speed_m_per_s=[1, 3]",
    "mobility.gauss-markov": "mobility.memory_s=30",
    "mobility.positions": f"mobility.file={Path(__file__).parent / 'other.csv'}",
    f"mobility.{OWN}:Corners": "mobility.part=0.5",
    f"mobility.{OWN}:Circle": "mobility.radius_m=30",
}
NAMES = [f"{kind}.{name}" for kind in ("channel", "mobility") for name in named(kind)]
ALL = list(CHANGES)


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory):
    """Positions of four users in eight slots, twice."""
    folder = tmp_path_factory.mktemp("positions")
    for number, name in enumerate(("walk.csv", "other.csv")):
        of_users_m = np.random.default_rng(number).uniform(-90, 90, (8, 4, 2))
        rows = [f"{t},{n},{x},{y}\n" for t in range(8) for n in range(4) for x, y in [of_users_m[t, n]]]
        (folder / name).write_text("slot,user,x_m,y_m\n" + "".join(rows))
    CHANGES["mobility.positions"] = f"mobility.file={folder / 'other.csv'}"
    return folder


@pytest.fixture
def scenario(request, files):
    return load_scenario("paper", [*SMALL, *choice(request.param, files)])


def choice(which, files):
    kind, _, model = which.partition(".")
    more = [f"mobility.file={files / 'walk.csv'}"] if model == "positions" else []
    return [f"{kind}.model={model}", *more]


# A name without the folder that this stands in.
IDS = [name.replace(str(OWN), OWN.name) for name in ALL]


def each(test):
    return pytest.mark.parametrize("scenario", ALL, indirect=True, ids=IDS)(test)


def drawn(scenario, users=USERS, places=PLACES, slots=SLOTS, key=KEY):
    return jax.tree.map(np.asarray, sample_episode(scenario.params, key, users, places, slots))


def test_all_are_tested_here():
    assert set(NAMES) <= set(ALL)


@each
def test_gains_are_positive_and_users_in_the_area(scenario):
    slots = drawn(scenario, slots=40)
    assert slots.gain.shape == (40, PLACES)
    assert slots.position_m.shape == (40, PLACES, 2)
    assert np.isfinite(slots.gain).all()
    assert (slots.gain > 0).all()
    assert (np.abs(slots.position_m) <= np.asarray(scenario.settings.cell.area_m) / 2).all()
    for x in jax.tree.leaves(scenario.params._replace(models=None)):
        assert isinstance(x, np.ndarray)


@each
def test_the_same_key_draws_the_same_slots(scenario):
    first, again = drawn(scenario), drawn(scenario)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    other = drawn(scenario, key=jax.random.key(6))
    assert not np.array_equal(first.requests, other.requests)


@each
def test_other_streams_stay_as_they_were(paper, scenario):
    ours, theirs = drawn(scenario), drawn(paper)
    for field in ("skew", "requests", "input_bits", "active"):
        np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field), err_msg=field)
    if "mobility" not in scenario.chosen:
        np.testing.assert_array_equal(ours.position_m, theirs.position_m)
    elif scenario.chosen["mobility"].model != "uniform":
        assert not np.allclose(ours.position_m, theirs.position_m)


@pytest.mark.heavy
@each
def test_with_more_users_or_places_the_first_users_stay_as_they_were(scenario):
    few, many = drawn(scenario, users=2), drawn(scenario, users=4, places=4)
    np.testing.assert_array_equal(few.gain, many.gain)
    narrow = drawn(scenario, users=2, places=2)
    np.testing.assert_allclose(narrow.gain, few.gain[:, :2], rtol=1e-5)
    np.testing.assert_allclose(narrow.position_m, few.position_m[:, :2], rtol=1e-5, atol=1e-4)
    short = drawn(scenario, slots=5)
    np.testing.assert_allclose(short.gain, drawn(scenario).gain[:5], rtol=1e-5)


@pytest.mark.heavy
@each
def test_blocks_do_not_show(scenario, monkeypatch):
    whole = drawn(scenario)
    monkeypatch.setattr("genedge.cell.sampling.USERS_AT_ONCE", 3 * PLACES)
    anew = jax.jit(lambda params, key: sample_episode.__wrapped__(params, key, USERS, PLACES, SLOTS))
    blocks = anew(scenario.params, KEY)
    np.testing.assert_allclose(blocks.gain, whole.gain, rtol=1e-4)
    np.testing.assert_allclose(blocks.position_m, whole.position_m, rtol=1e-5, atol=1e-4)


@pytest.mark.heavy
@each
def test_step_by_step_it_is_the_same_episode(scenario):
    whole = drawn(scenario)
    compiled = jax.jit(step, static_argnames="slots_per_episode")
    _, state = jax.jit(reset, static_argnames="places")(scenario.params, KEY, USERS, places=PLACES)
    action = np.zeros(len(scenario.models) + 2 * PLACES, np.float32)
    for t in range(SLOTS):
        np.testing.assert_allclose(state.slot.gain, whole.gain[t], rtol=1e-4)
        np.testing.assert_allclose(state.slot.position_m, whole.position_m[t], rtol=1e-5, atol=1e-4)
        state = compiled(scenario.params, state, action, slots_per_episode=SLOTS).state
    assert bool(jax.tree.leaves(state.lasting)) == lasts(scenario.params)


@pytest.mark.parametrize("which", ALL, ids=IDS)
def test_the_id_knows_it_and_each_of_its_numbers(paper, files, which):
    kind, _, model = which.partition(".")
    chosen = load_scenario("paper", [*SMALL, *choice(which, files)])
    small, changed = (
        load_scenario("paper", SMALL),
        load_scenario("paper", [*SMALL, *choice(which, files), CHANGES[which]]),
    )
    assert (chosen.id == small.id) == (model in ("log-distance", "uniform"))
    assert changed.id != chosen.id
    told = chosen.as_json()
    assert told["settings"][f"{kind}.model"]["provenance"] == "user"
    if model not in ("log-distance", "uniform"):
        assert told[kind]["model"] == model.rpartition(":")[2]
        assert set(told[kind]) - {"model", "sha256"} == {
            key.partition(".")[2] for key in told["settings"] if key.startswith(f"{kind}.")
        } - {"model"}
    slower = load_scenario("paper", [*SMALL, *choice(which, files), "cell.slot_duration_s=5"])
    assert (slower.id != chosen.id) == lasts(chosen.params)


@pytest.mark.parametrize("which", ALL, ids=IDS)
def test_a_scenario_that_is_written_out_is_the_same(files, which, tmp_path):
    chosen = load_scenario("paper", [*SMALL, *choice(which, files), CHANGES[which]])
    (tmp_path / "again.yaml").write_text(chosen.as_yaml())
    again = load_scenario(tmp_path / "again.yaml")
    assert again.id == chosen.id
    assert again.table == chosen.table


@pytest.mark.heavy
@pytest.mark.parametrize("which", ALL, ids=IDS)
def test_another_number_compiles_nothing(files, which):
    traced = []

    @jax.jit
    def slot(params):
        traced.append(None)
        return sample_slot(params, KEY, jnp.array(0), jnp.array(0), 2, 2)[1]

    for more in ([], [CHANGES[which]]):
        slot(load_scenario("paper", [*SMALL, *choice(which, files), *more]).params)
    assert len(traced) == 1


@pytest.mark.heavy
@each
def test_gymnasium_meets_the_same_slots_within_its_bounds(scenario, files):
    told = {key: setting for key, setting in scenario.of_cell.items() if key.partition(".")[0] in scenario.chosen}
    overrides = [*SMALL, *(f"{key}={setting.value}" for key, setting in told.items())]
    env, envs = genedge.gym.CellEnv("paper", overrides), genedge.gym.CellVectorEnv(2, "paper", overrides)
    (seen, _), (all_seen, _) = env.reset(seed=3), envs.reset(seed=3)
    for _ in range(2 * SLOTS):
        assert env.observation_space.contains(seen)
        assert envs.observation_space.contains(all_seen)
        np.testing.assert_allclose(all_seen[0], seen, atol=1e-3)
        action = env.action_space.sample()
        seen, _, _, over, _ = env.step(action)
        all_seen = envs.step(np.stack([action, action]))[0]
        if over:
            seen, _ = env.reset()
            all_seen = envs.step(np.stack([action, action]))[0]
    assert isinstance(env, gymnasium.Env)


some_areas = st.sampled_from([1e-3, 1.0, 30.0, 250.0, 2000.0])


@pytest.mark.parametrize(
    "channel", [pytest.param(name, id=i) for name, i in zip(ALL, IDS, strict=True) if name.startswith("channel.")]
)
@settings(max_examples=25)
@given(sides=st.tuples(some_areas, some_areas), seed=st.integers(0, 2**31), at=st.floats(0, 1), number=st.data())
def test_no_gain_is_beyond_its_bounds(channel, sides, seed, at, number):
    """Wherever users are, in the very corner or at the base station too, and whatever is drawn."""
    least = number.draw(st.sampled_from([1e-3, 1.0, 1000.0]))
    params = load_scenario("paper", [f"channel.model={channel.partition('.')[2]}"]).params
    ours, area_m = params.channel, np.array(sides)
    if hasattr(ours, "least_m"):
        ours = ours._replace(least_m=np.array(least))
    elif hasattr(ours, "log_distance"):
        ours = ours._replace(log_distance=ours.log_distance._replace(least_m=np.array(least)))
    rng = np.random.default_rng(seed)
    u = np.floor(rng.uniform(0, 1, (4, 50, 4)) * 2**24).astype(np.float32) / 2**24
    u[:, 0], u[:, 1] = 0, 1 - 2.0**-24
    u[:, 2, 0] = 2.0**-37
    here_m = rng.uniform(-0.5, 0.5, (4, 50, 2)) * area_m
    here_m[:, :2], here_m[:, 2:4], here_m[:, 4] = 0, area_m / 2, at * area_m / 2
    here_m = here_m.astype(np.float32)
    if isinstance(ours, LastingChannel):
        state = ours.first(here_m[0], u[0])
        gains = [state.gain]
        for t in range(1, 4):
            state = ours.move(state, here_m[t], np.array(20.0), u[t])
            gains.append(state.gain)
    else:
        gains = [ours.gain(here_m[0], u[0, :, :2])]
    low, high = ours.bounds(area_m)
    assert (np.asarray(gains) >= low * (1 - 1e-4)).all()
    assert (np.asarray(gains) <= high * (1 + 1e-4)).all()
    assert low <= 10 ** (float(ours.typical_db(area_m)) / 10) <= high
