"""PettingZoo's view of the cell: its own checker has no remarks, and together the agents decide as one would."""

import warnings

import gymnasium
import numpy as np
import pytest

import genedge.gym
from genedge.errors import InputError

pettingzoo_test = pytest.importorskip("pettingzoo.test")

T, USERS, PLACES, MODELS = 4, 4, 6, 10
SMALL = (f"cell.users={USERS}", f"cell.places={PLACES}", f"cell.slots_per_episode={T}")


def make(**more):
    return genedge.gym.CellParallelEnv("paper", SMALL, **more)


@pytest.mark.parametrize("shared", [False, True])
def test_its_own_checker_has_no_remarks(shared):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pettingzoo_test.parallel_api_test(make(shared=shared), num_cycles=20)


def test_together_they_decide_as_one():
    env, alone = make(reward_scale=0.01), gymnasium.make("genedge/Cell-v0", overrides=SMALL)
    (observations, _), (seen, _) = env.reset(seed=3), alone.reset(seed=3)
    assert env.agents == ["cache", *(f"user_{n}" for n in range(USERS))]
    rng = np.random.default_rng(0)
    for t in range(T):
        np.testing.assert_array_equal(observations["cache"], seen)
        for n in range(USERS):
            own = [seen[1 + i * PLACES + n] for i in range(3)]
            asked = seen[1 + 4 * PLACES :].reshape(PLACES, MODELS)[n]
            np.testing.assert_allclose(
                observations[f"user_{n}"], [seen[0], USERS / PLACES, *own, *asked], rtol=1e-6
            )
        actions = {agent: rng.uniform(-1, 1, env.action_space(agent).shape) for agent in env.agents}
        claims = np.array([actions[f"user_{n}"] for n in range(USERS)] + [[0, 0]] * (PLACES - USERS))
        observations, rewards, terminations, truncations, infos = env.step(actions)
        seen, reward, _, _, info = alone.step(np.concatenate([actions["cache"], *claims.T]))
        assert rewards["cache"] == reward * 0.01
        for n in range(USERS):
            assert rewards[f"user_{n}"] == pytest.approx(-info["user_utility"][n] * 0.01)
            assert infos[f"user_{n}"]["delay_s"] == info["user_delay_s"][n]
        assert sum(rewards[f"user_{n}"] for n in range(USERS)) == pytest.approx(rewards["cache"], rel=1e-5)
        assert not any(terminations.values())
        assert set(truncations.values()) == {t == T - 1}
    assert env.agents == []


def test_with_a_shared_reward_all_earn_the_same():
    env = make(shared=True)
    env.reset(seed=1, options={"users": 2})
    assert len(env.agents) == 3
    rewards = env.step({agent: env.action_space(agent).sample() for agent in env.agents})[1]
    assert len(set(rewards.values())) == 1


def test_what_is_wrong_is_said():
    env = make()
    with pytest.raises(InputError, match="actions must be of nobody: call reset"):
        env.step({"cache": np.zeros(MODELS)})
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"options\['users'\] is 5; there are agents for 4: make it with users=5"):
        env.reset(options={"users": 5})
    env.reset(seed=0)
    right = {agent: np.zeros(env.action_space(agent).shape) for agent in env.agents}
    for wrong, said in (
        (right | {"user_1": np.zeros(3)}, r"action has shape \(3,\)"),
        (right | {"user_1": np.array([0, np.nan])}, r"action has nan at \[1\]"),
        ({"cache": right["cache"]}, "actions must be of cache, user_0, user_1, user_2, user_3; not "),
        (7, "actions must be of cache"),
    ):
        with pytest.raises(InputError, match=said):
            env.step(wrong)
    with pytest.raises(InputError, match="shared must be True or False"):
        make(shared="yes")


@pytest.mark.parametrize("options", [3, "x", [("users", 2)]])
def test_options_that_are_none_are_refused_and_change_nothing(options):
    env = make()
    observations, _ = env.reset(seed=1)
    for wrong in (options, {"users": 5}):
        with pytest.raises(InputError, match="options"):
            env.reset(options=wrong)
    np.testing.assert_array_equal(env.state(), observations["cache"])
