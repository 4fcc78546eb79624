"""One cell behind Gymnasium's interface: the package's own slots, decisions and costs, and Gymnasium's rules."""

import subprocess
import sys
import warnings

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils import seeding
from gymnasium.utils.env_checker import check_env
from hostile import NAMES, renamed, texts_of
from matplotlib.colors import to_rgb

import genedge.gym
from genedge.cell.feasible import breaches, decode, in_float64
from genedge.cell.sampling import sample_episode
from genedge.draw.canvas import in_figure
from genedge.draw.picture import HIT, MISS, WAITING
from genedge.draw.slot import draw_cell
from genedge.env.observation import observe
from genedge.errors import InputError
from genedge.evaluation.scoring import score
from genedge.gym.calls import advance, words
from genedge.optimum import solve_optimal

T, USERS, PLACES, MODELS = 5, 4, 6, 10
SMALL = (f"cell.users={USERS}", f"cell.places={PLACES}", f"cell.slots_per_episode={T}")
SIZE = MODELS + 2 * PLACES


def make(*overrides: str, **more) -> gymnasium.Env:
    return gymnasium.make("genedge/Cell-v0", overrides=(*SMALL, *overrides), **more)


def key_of(generator: np.random.Generator) -> jax.Array:
    """The key of the next episode, as documented: drawn from `np_random`."""
    return jax.random.wrap_key_data(words(generator), impl="threefry2x32")


def test_an_episode_is_sample_decode_and_serve():
    env = make(gap=True)
    params = env.unwrapped.scenario.params
    slots = sample_episode(params, key_of(seeding.np_random(7)[0]), USERS, PLACES, T + 1)
    actions = np.random.default_rng(0).uniform(-1, 1, (T, SIZE)).astype(np.float32)
    first, info = env.reset(seed=7)
    assert info == {}
    steps = [env.step(action) for action in actions]

    # The last observation, too, is of the true next slot: what an agent bootstraps from.
    seen = np.stack([first, *(step[0] for step in steps)])
    np.testing.assert_allclose(seen, observe(params, slots), rtol=1e-5, atol=1e-5)
    assert seen.dtype == np.float32

    decided = jax.tree.map(lambda x: np.asarray(x)[:T], slots)
    decision = in_float64(decode(params, decided, actions))
    assert not breaches(params, decided, decision)
    outcome = score(params, decided, decision)
    cost, active = outcome.utility.sum(axis=-1), np.arange(PLACES) < USERS
    optimum = solve_optimal(params, decided).lower_bound
    np.testing.assert_allclose([step[1] for step in steps], -cost, rtol=1e-5)
    assert [step[2:4] for step in steps] == [(False, False)] * (T - 1) + [(False, True)]
    for key, expected in {
        "delay_s": outcome.delay_s[:, active].mean(axis=1),
        "tv": outcome.tv[:, active].mean(axis=1),
        "hit_ratio": outcome.hit[:, active].mean(axis=1),
        "user_delay_s": outcome.delay_s,
        "user_tv": outcome.tv,
        "user_hit": outcome.hit,
        "user_utility": outcome.utility,
        "optimum": optimum,
        "gap": cost / optimum - 1,
    }.items():
        np.testing.assert_allclose([step[4][key] for step in steps], expected, rtol=1e-5)
    users = ["user_delay_s", "user_tv", "user_hit", "user_utility"]
    assert all(list(step[4]) == ["delay_s", "tv", "hit_ratio", *users, "optimum", "gap"] for step in steps)
    assert not outcome.delay_s[:, ~active].any()


def test_seeding():
    """A seed fixes this and all following episodes; without one, the random numbers go on."""
    env, again = make(), make()
    first = [env.reset(seed=3)[0], env.reset()[0], env.reset(seed=None)[0]]
    second = [again.reset(seed=3)[0], again.reset()[0], again.reset()[0]]
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first, axis=0)) == 3
    assert not np.array_equal(env.reset(seed=4)[0], first[0])

    generator, _ = seeding.np_random(3)
    params = env.unwrapped.scenario.params
    for seen in first:
        slot = jax.tree.map(lambda x: x[0], sample_episode(params, key_of(generator), USERS, PLACES, 1))
        np.testing.assert_allclose(seen, observe(params, slot), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        # Where a range has no width, nor have the numbers that are scaled by it.
        (
            "requests.input_size_mb=5",
            "requests.skew_states=[1]",
            "requests.transition=[[1]]",
            "models.output_size_mb=7",
            "cell.users=1",
            "cell.places=1",
        ),
    ],
)
def test_gymnasiums_checker_has_no_remarks(overrides):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make("genedge/Cell-v0", overrides=overrides, render_mode="rgb_array")
        check_env(env.unwrapped)


def test_made_from_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: paper\ncell: {users: 3, places: 4}\nmodels: {count: 5}\n")
    env = gymnasium.make("genedge/Cell-v0", scenario=path)
    assert env.observation_space.shape == (1 + 4 * (4 + 5),)
    assert env.action_space == gymnasium.spaces.Box(-1, 1, (5 + 2 * 4,), np.float32)


def test_what_is_wrong_is_said():
    with pytest.raises(InputError, match="did you mean paper"):
        gymnasium.make("genedge/Cell-v0", scenario="papre")
    with pytest.raises(InputError, match=r"cell\.users"):
        make("cell.users=none")
    env = make()
    env.reset(seed=0)
    with pytest.raises(InputError, match=rf"action has shape \(3,\); this environment takes \({SIZE},\)"):
        env.step(np.zeros(3, np.float32))


def test_users_reward_scale_and_a_mapping_of_settings():
    env = gymnasium.make(
        "genedge/Cell-v0",
        users=3,
        reward_scale=0.01,
        overrides={"objective.alpha": 0.5, "cell.places": PLACES, "cell.slots_per_episode": np.int64(T)},
    )
    other = make("objective.alpha=0.5", "cell.users=3")
    assert env.unwrapped.scenario.settings == other.unwrapped.scenario.settings
    np.testing.assert_array_equal(env.reset(seed=1)[0], other.reset(seed=1)[0])
    action = np.linspace(-1, 1, SIZE, dtype=np.float32)
    assert env.step(action)[1] == other.step(action)[1] * 0.01
    for given, said in (
        ({"users": 19}, r"users \(19\) must not exceed places \(18\)"),
        (
            {"overrides": {"objective.alpha": object()}},
            r"overrides: objective\.alpha must be a value",
        ),
        ({"overrides": {7: 1}}, "overrides: a key must be text"),
        ({"overrides": {"objective.alhpa": 1}}, r"did you mean objective\.alpha"),
    ):
        with pytest.raises(InputError, match=said):
            gymnasium.make("genedge/Cell-v0", **given)


def test_an_episode_of_other_users():
    """They are those of a cell with so many; the next episode has the scenario's again."""
    env, few = make(), make("cell.users=2")
    np.testing.assert_array_equal(env.reset(seed=3, options={"users": 2})[0], few.reset(seed=3)[0])
    action = np.full(SIZE, 0.5, np.float32)
    np.testing.assert_array_equal(env.step(action)[4]["user_delay_s"], few.step(action)[4]["user_delay_s"])
    assert env.reset()[0][1 + 3 * PLACES :][:PLACES].sum() == USERS
    for options, said in (({"users": PLACES + 1}, "from 1 to 6"), ({"user": 2}, r"such as \{'users': 8\}")):
        with pytest.raises(InputError, match=rf"options.*{said}"):
            env.reset(options=options)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e300])
def test_an_action_that_is_no_number_is_refused(number):
    for env, at in ((make(), "1"), (gymnasium.make_vec("genedge/Cell-v0", num_envs=3, overrides=SMALL), "2, 1")):
        env.reset(seed=0)
        action = np.zeros(env.action_space.shape)
        action.flat[-SIZE + 1] = number
        with pytest.raises(InputError, match=rf"action has -?(nan|inf) at \[{at}\]; give numbers from -1 to 1"):
            env.step(action)


def test_actions_outside_the_box_are_clipped():
    env, action = make(), np.linspace(-3, 3, SIZE, dtype=np.float32)
    rewards = []
    for tried in (action, np.clip(action, -1, 1)):
        env.reset(seed=0)
        rewards.append(env.step(tried)[1])
    assert rewards[0] == rewards[1]


def test_cells_of_one_size_share_the_compiled_step():
    compiled = []
    for overrides in ((), ("seed=9", "objective.alpha=0.5", "cell.users=2")):
        env = make(*overrides)
        env.reset(seed=0)
        env.step(np.zeros(SIZE, np.float32))
        compiled.append(advance._cache_size())
    assert compiled[0] == compiled[1]


def painted(picture: np.ndarray, colour: str) -> int:
    """How many pixels have a colour, exactly."""
    return int((picture == np.round(np.array(to_rgb(colour)) * 255)).all(axis=-1).sum())


def test_picture():
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    assert (before.shape, before.dtype) == ((500, 1000, 3), np.uint8)
    assert painted(before, WAITING) > 100
    assert painted(before, HIT) == painted(before, MISS) == 0

    # Nothing is cached: all go to the cloud.
    env.step(np.full(SIZE, -1, np.float32))
    cloud = env.render()
    assert painted(cloud, MISS) > 100
    # Below stands the legend.
    assert painted(cloud[:450], HIT) == 0

    # The model that user 0 asks for comes first.
    observation = env.step(np.zeros(SIZE, np.float32))[0]
    wanted = np.argmax(observation[1 + 4 * PLACES :][:MODELS])
    env.step(np.where(np.arange(SIZE) == wanted, 1, -0.5).astype(np.float32))
    assert painted(env.render(), HIT) > 100


def test_a_picture_of_many_users():
    env = make("cell.users=200", "cell.places=200", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (500, 1000, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_holds_the_scenarios_name_as_it_is(name, paper, draw_slot, monkeypatch):
    kept = []
    monkeypatch.setattr("genedge.draw.slot.pixels", kept.append)
    slot = draw_slot(np.random.default_rng(0), places=2)
    draw_cell(renamed(paper, name), slot, None, 1)
    assert any(text.startswith(f"scenario {in_figure(name)}, slot 1 of ") for text in texts_of(kept[0]))


def test_without_a_render_mode_there_is_no_picture():
    env = genedge.gym.CellEnv(overrides=SMALL)
    env.reset(seed=0)
    assert env.render() is None


def test_importing_the_package_imports_neither_gymnasium_nor_jax():
    """And Gymnasium itself can import the environment, where only a name can be given."""
    program = """
import sys, genedge
assert not {"jax", "numpy", "gymnasium"} & set(sys.modules)
import gymnasium
assert gymnasium.make("genedge.gym:genedge/Cell-v0").action_space.shape == (46,)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
