"""Many cells that step together do what single ones do."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import genedge.gym
from genedge.errors import InputError
from genedge.gym import calls, vector

T, E = 4, 3
SMALL = ("cell.users=4", "cell.places=6", f"cell.slots_per_episode={T}")


def make(**more) -> gymnasium.vector.VectorEnv:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return gymnasium.make_vec("genedge/Cell-v0", num_envs=E, overrides=SMALL, **more)


def equal(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal but for rounding: XLA may order the sums of a batch otherwise than those of a single cell."""
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", [5, [11, 3, 8]])
def test_equal_to_single_cells(seed):
    """Over more than two episodes, with Gymnasium's own vector environment around single cells."""
    ours = make(gap=True)
    theirs = SyncVectorEnv([lambda: genedge.gym.CellEnv(overrides=SMALL, gap=True)] * E)
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    (seen, info), (expected, expected_info) = ours.reset(seed=seed), theirs.reset(seed=seed)
    equal(seen, expected)
    assert info == expected_info == {}
    assert ours.np_random_seed == theirs.np_random_seed
    rng, truncated = np.random.default_rng(0), []
    for _ in range(2 * (T + 1) + 2):
        actions = rng.uniform(-1, 1, ours.action_space.shape).astype(np.float32)
        (*values, info), (*expected, expected_info) = ours.step(actions), theirs.step(actions)
        for value, other in zip(values, expected, strict=True):
            equal(value, other)
        assert set(info) == set(expected_info)
        for key in info:
            equal(info[key], expected_info[key])
        truncated.append(values[3].all())
    assert np.flatnonzero(truncated).tolist() == [T - 1, 2 * T]


def test_seeding():
    """A seed fixes all that follows; without one, each cell's random numbers go on."""
    envs = make()
    first, following = envs.reset(seed=5)[0], envs.reset()[0]
    assert len(np.unique([*first, *following], axis=0)) == 2 * E
    np.testing.assert_array_equal(envs.reset(seed=[5, 6, 7])[0], first)
    np.testing.assert_array_equal(envs.reset(seed=[None, 6, None])[0], [following[0], first[1], following[2]])
    with pytest.raises(InputError, match="seed has 2 entries; there are 3 cells"):
        envs.reset(seed=[1, 2])


def test_episodes_of_other_users():
    """As single cells have them: the episodes that begin by themselves have the scenario's again."""
    ours, theirs = make(reward_scale=0.5), SyncVectorEnv([lambda: genedge.gym.CellEnv(overrides=SMALL)] * E)
    for envs in (ours, theirs):
        envs.reset(seed=2, options={"users": 2})
    actions = np.full(ours.action_space.shape, 0.5, np.float32)
    for t in range(T + 2):
        (seen, rewards, *_, info), (expected, costs, *_, expected_info) = ours.step(actions), theirs.step(actions)
        equal(seen, expected)
        equal(rewards, 0.5 * costs)
        assert info.keys() == expected_info.keys()
        if info:
            users = (info["user_delay_s"] > 0).sum(axis=1)
            assert users.tolist() == [2 if t < T else 4] * E
            equal(info["user_utility"], expected_info["user_utility"])
    with pytest.raises(InputError, match=r"options\['users'\] must be a whole number from 1 to 6"):
        ours.reset(options={"users": 7})


def test_the_whole_batch_takes_one_compiled_call(monkeypatch):
    envs, made = make(), []
    envs.reset(seed=0)
    monkeypatch.setattr(vector, "advance_all", lambda *a: made.append(1) or calls.advance_all(*a))
    envs.step(envs.action_space.sample())
    assert len(made) == 1


def test_actions_of_another_shape_are_refused():
    envs = make()
    envs.reset(seed=0)
    with pytest.raises(InputError, match=r"action has shape \(22,\); this environment takes \(3, 22\)"):
        envs.step(np.zeros(22, np.float32))


def test_observations_are_within_their_space():
    """Many slots, small areas and large ones."""
    for area in (1, 250, 10_000):
        envs = gymnasium.make_vec(
            "genedge/Cell-v0", num_envs=512, overrides=[*SMALL, f"cell.area_m=[{area}, {area}]"]
        )
        seen, _ = envs.reset(seed=1)
        for _ in range(T):
            assert seen in envs.observation_space
            seen = envs.step(np.zeros(envs.action_space.shape, np.float32))[0]


def test_pictures():
    envs = make(render_mode="rgb_array")
    envs.reset(seed=0)
    before = envs.render()
    envs.step(np.zeros(envs.action_space.shape, np.float32))
    after = envs.render()
    assert [picture.shape for picture in before + after] == [(500, 1000, 3)] * 2 * E
    alone = gymnasium.make("genedge/Cell-v0", overrides=SMALL, render_mode="rgb_array")
    alone.reset(seed=1)
    np.testing.assert_array_equal(alone.render(), before[1])
    alone.step(np.zeros(alone.action_space.shape, np.float32))
    np.testing.assert_array_equal(alone.render(), after[1])
    assert make().render() is None
