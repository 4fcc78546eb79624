"""A box behind Gymnasium's interface: its rules kept, its observation within bounds, its memory as it should be."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import genedge.gym  # noqa: F401, it registers the environments
from genedge.env.observation import observation_size
from genedge.errors import InputError

T, USERS, PLACES, MODELS = 12, 3, 4, 5
SMALL = (f"cell.users={USERS}", f"cell.places={PLACES}", f"cell.slots_per_episode={T}")


def make(*overrides, **more):
    return gymnasium.make("genedge/Cell-v0", scenario="edge-box", overrides=(*SMALL, *overrides), **more)


def test_gymnasiums_own_check_finds_nothing():
    check_env(make().unwrapped, skip_render_check=True)


@pytest.mark.parametrize("every", ["1", "3", "null"])
def test_random_episodes_stay_within_the_space(every):
    env = make(f"server.cache_every_slots={every}", "requests.rank_drift=0.8")
    env.action_space.seed(1)
    observation, _ = env.reset(seed=2)
    seen = [observation]
    for _ in range(3 * T):
        observation, reward, _, truncated, _ = env.step(env.action_space.sample())
        assert np.isfinite(reward)
        seen.append(observation)
        if truncated:
            seen.append(env.reset()[0])
    assert all(env.observation_space.contains(x) for x in seen)
    box = np.stack(seen)[:, -(1 + 4 * MODELS) :]
    assert observation.shape == (observation_size(MODELS, PLACES, box=True),)
    # Every number moves that can: the next decision (with K > 1), what is held, what serves, loads, popularity.
    parts = {
        "until": box[:, :1],
        "held": box[:, 1:6],
        "serves": box[:, 6:11],
        "loads": box[:, 11:16],
        "popular": box[:, 16:],
    }
    assert {name for name, part in parts.items() if part.std(axis=0).max() == 0} == (
        {"until"} if every != "3" else set()
    )


def test_the_picture_shows_what_serves():
    env = make(render_mode="rgb_array")
    env.reset(seed=1)
    env.step(env.action_space.sample())
    assert env.render().shape == (500, 1000, 3)


@pytest.mark.parametrize(
    "how", [make, lambda **more: gymnasium.make_vec("genedge/Cell-v0", 2, scenario="edge-box", **more)]
)
def test_there_is_no_gap_of_a_slot(how):
    with pytest.raises(InputError, match=r"gap: .*edge-box.*genedge evaluate"):
        how(gap=True)


def test_cells_side_by_side_are_each_a_box():
    envs = gymnasium.make_vec("genedge/Cell-v0", 3, scenario="edge-box", overrides=SMALL)
    envs.action_space.seed(1)
    observations, _ = envs.reset(seed=4)
    for _ in range(T + 3):
        assert envs.observation_space.contains(observations)
        observations, rewards, _, _, _ = envs.step(envs.action_space.sample())
        assert np.isfinite(rewards).all()
