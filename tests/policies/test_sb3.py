"""Agents of Stable-Baselines3, unmodified: they train in the environment, and what they save is a policy."""

import json
import sys
import warnings
import zipfile

import gymnasium
import jax
import numpy as np
import pytest
from command_line import call

import genedge.gym
from genedge.cell.feasible import breaches, decode, in_float64
from genedge.cell.sampling import sample_episode
from genedge.env.observation import observe
from genedge.errors import InputError, Told
from genedge.evaluation.cells import evaluate
from genedge.paper.evidence import benchmarks
from genedge.paper.plan import QUICK, changed
from genedge.paper.sections import SECTIONS
from genedge.paper.study import study_of
from genedge.policies import policy
from genedge.scenario import load_scenario

PLACES = 6
SMALL = ("cell.users=4", f"cell.places={PLACES}", "cell.slots_per_episode=10")
ALGORITHMS = ("A2C", "DDPG", "PPO", "SAC", "TD3")

heavy = pytest.mark.heavy("stable_baselines3", "torch")


@pytest.fixture(scope="module")
def small():
    return load_scenario("paper", SMALL)


@pytest.fixture(scope="module")
def slots(small):
    return jax.tree.map(np.asarray, sample_episode(small.params, jax.random.key(0), 4, 4, 8))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A function that trains an agent for a moment and returns its file and the agent."""
    folder, made = tmp_path_factory.mktemp("sb3"), {}

    def train(name: str):
        import stable_baselines3
        import torch

        # Tests run side by side, and torch's threads would wait for one another.
        torch.set_num_threads(1)
        if name not in made:
            more = {"n_steps": 20} if name in ("A2C", "PPO") else {"learning_starts": 20, "buffer_size": 1000}
            more |= {"batch_size": 20} if name != "A2C" else {}
            agent = getattr(stable_baselines3, name)(
                "MlpPolicy",
                gymnasium.make("genedge/Cell-v0", overrides=SMALL),
                seed=0,
                policy_kwargs={"net_arch": [16]},
                device="cpu",
                **more,
            )
            before = [p.detach().clone() for p in agent.policy.parameters()]
            agent.learn(60)
            assert any((a != b).any() for a, b in zip(agent.policy.parameters(), before, strict=True))
            genedge.gym.save_sb3(agent, folder / name)
            made[name] = folder / f"{name}.zip", agent
        return made[name]

    return train


@heavy
@pytest.mark.parametrize("more", [{}, {"gap": True}])
def test_their_checker_has_no_remarks(more):
    from stable_baselines3.common.env_checker import check_env

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make("genedge/Cell-v0", overrides=SMALL, render_mode="rgb_array", **more))
        check_env(genedge.gym.CellEnv())


@heavy
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_trained_agent_is_a_policy(name, saved, small, slots):
    """It decides what the agent predicts, for fewer users than places too."""
    file, agent = saved(name)
    decide = policy(f"sb3:{file}", small)
    decision = in_float64(decide(small.params, slots, jax.random.key(1)))
    assert not breaches(small.params, slots, decision)
    wide = jax.tree.map(lambda x: np.pad(x, [(0, 0), (0, 2), (0, 0)][: x.ndim]) if x.ndim > 1 else x, slots)
    action, _ = agent.predict(np.asarray(observe(small.params, wide)), deterministic=True)
    expected = in_float64(decode(small.params, wide, action))
    np.testing.assert_array_equal(decision.cache, expected.cache)
    np.testing.assert_allclose(decision.bandwidth, expected.bandwidth[:, :4], rtol=1e-5)
    np.testing.assert_allclose(decision.steps, expected.steps[:, :4], rtol=1e-5, atol=1e-9)


@heavy
def test_evaluated_beside_the_others(saved, small):
    name = f"sb3:{saved('DDPG')[0]}"
    found = evaluate(
        small, {key: policy(key, small) for key in (name, "rcars")}, [4], 2, 0, report=lambda text: None
    )
    assert found.value(name, 4, "utility").mean > 0
    with pytest.raises(InputError, match=rf"serves up to {PLACES} users, not 8; train it with cell\.places=8"):
        evaluate(small, {name: policy(name, small)}, [8], 1, 0, report=lambda text: None)


@heavy
def test_what_is_wrong_with_a_file_is_said(saved, small, tmp_path):
    file, _ = saved("DDPG")
    with pytest.raises(
        InputError, match="sees 85 numbers and answers with 22, which fits no cell with the 5 models"
    ):
        policy(f"sb3:{file}", load_scenario("paper", [*SMALL, "models.count=5"]))
    with pytest.raises(InputError, match=r"none\.zip: no such file"):
        policy("sb3:none.zip", small)
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"damaged\.zip: not a whole model"):
        policy(f"sb3:{damaged}", small)
    for name, content in {"data": "{}", "other": "{}"}.items():
        with zipfile.ZipFile(damaged, "w") as archive:
            archive.writestr(name, content)
        with pytest.raises(InputError, match=r"damaged\.zip: not a (whole )?model of"):
            policy(f"sb3:{damaged}", small)


class Upside(gymnasium.ObservationWrapper):
    """Of the same shape, and another observation."""

    def observation(self, observation):
        return -observation


class Cheaper(gymnasium.RewardWrapper):
    """Rewards are met in training only."""

    def reward(self, reward):
        return reward / 100


def ppo(env):
    """An agent that has learnt a few steps."""
    import stable_baselines3
    import torch

    torch.set_num_threads(1)
    more = {"n_steps": 20, "batch_size": 20, "policy_kwargs": {"net_arch": [16]}, "device": "cpu"}
    return stable_baselines3.PPO("MlpPolicy", env, seed=0, **more).learn(40)


def cells(*around, **more):
    from stable_baselines3.common.env_util import make_vec_env

    def wrapped(env):
        for wrapper in around:
            env = wrapper(env)
        return env

    return make_vec_env("genedge/Cell-v0", 2, seed=0, wrapper_class=wrapped, env_kwargs={"overrides": SMALL} | more)


@heavy
def test_trained_behind_a_wrapper_of_the_observation_it_is_refused(small, tmp_path):
    genedge.gym.save_sb3(ppo(cells(Cheaper, Upside)), tmp_path / "mine")
    with pytest.raises(
        InputError, match=r"mine\.zip: trained behind Upside, which may change what is seen or done"
    ):
        policy(f"sb3:{tmp_path / 'mine.zip'}", small)
    # Its own `save` says nothing of it; but the file holds what was seen last.
    ppo(cells(Upside)).save(tmp_path / "mine")
    with pytest.raises(InputError, match="what it saw last is no observation of this scenario's cell"):
        policy(f"sb3:{tmp_path / 'mine.zip'}", small)


@heavy
def test_trained_behind_wrappers_of_rewards_it_decides_as_in_the_bare_cell(small, slots, tmp_path):
    agent = ppo(cells(Cheaper, lambda env: gymnasium.wrappers.TimeLimit(env, 5), reward_scale=0.01))
    genedge.gym.save_sb3(agent, tmp_path / "mine.zip")
    decide = policy(f"sb3:{tmp_path / 'mine.zip'}", small)
    assert not breaches(small.params, slots, in_float64(decide(small.params, slots, jax.random.key(0))))


@heavy
def test_with_vec_normalize_it_decides_as_in_training(small, tmp_path):
    from stable_baselines3.common.vec_env import VecNormalize

    env = VecNormalize(cells(), clip_obs=2.0)
    agent = ppo(env)
    env.training = False
    file = tmp_path / "mine.zip"
    genedge.gym.save_sb3(agent, file)
    cell = env.venv.envs[0].unwrapped
    slot = jax.tree.map(lambda x: np.asarray(x)[None], cell._state.slot)
    shown = np.asarray(observe(small.params, slot), np.float32)
    assert np.abs(env.normalize_obs(shown) - shown).max() > 0.5
    action, _ = agent.predict(env.normalize_obs(shown), deterministic=True)
    expected = in_float64(decode(small.params, slot, action))
    decision = in_float64(policy(f"sb3:{file}", small)(small.params, slot, jax.random.key(0)))
    np.testing.assert_array_equal(decision.cache, expected.cache)
    np.testing.assert_allclose(decision.bandwidth, expected.bandwidth, rtol=1e-6)
    # A file of its own `save` has no statistics, and shows that there were some.
    agent.save(file)
    with pytest.raises(InputError, match=r"VecNormalize, whose statistics are not in the file; genedge\.gym\.save"):
        policy(f"sb3:{file}", small)


@heavy
def test_what_a_file_does_not_say_is_told(saved, small, tmp_path):
    file, agent = saved("PPO")
    agent.save(tmp_path / "plain.zip")
    with pytest.warns(Told, match=r"plain\.zip: does not say what it saw .*save_sb3"):
        policy(f"sb3:{tmp_path / 'plain.zip'}", small)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        answer = call(
            *("evaluate", "--policies", f"sb3:{tmp_path / 'plain.zip'}", "--users", 4, "--episodes", 1),
            *(f"--set={setting}" for setting in SMALL),
        )
    assert answer.status == 0
    lines = [line for line in answer.err.splitlines() if "does not say" in line]
    assert len(lines) == 1
    assert lines[0].startswith("genedge: sb3:")
    with pytest.warns(Told, match=r"trained on scenario paper \(.*\), evaluated on paper \("):
        policy(f"sb3:{file}", load_scenario("paper", [*SMALL, "seed=2"]))
    with pytest.raises(InputError, match=r"'stale_slots': 0.*'stale_slots': 2.*evaluate it as it was trained"):
        policy(f"sb3:{file}", load_scenario("paper", [*SMALL, "observation.stale_slots=2"]))


@heavy
def test_what_cannot_be_described_is_not_saved(saved, tmp_path):
    import stable_baselines3

    other = stable_baselines3.PPO("MlpPolicy", gymnasium.make("Pendulum-v1"), n_steps=20, batch_size=20)
    for model, said in ((other, "no cell of genedge"), (7, "model must be one of Stable-Baselines3")):
        with pytest.raises(InputError, match=said):
            genedge.gym.save_sb3(model, tmp_path / "mine.zip")
    with pytest.raises(InputError, match="file must be the path of a file"):
        genedge.gym.save_sb3(saved("PPO")[1], 7)
    assert not (tmp_path / "mine.zip").exists()


def test_without_stable_baselines3_the_extra_is_named(monkeypatch, small):
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(InputError, match=r'pip install "genedge\[bench\]"'):
        policy("sb3:model.zip", small)


@heavy
def test_in_the_papers_figures(tmp_path):
    """`paper` measures a saved model beside the others, wherever there are as many models as it knows."""
    import stable_baselines3
    import torch

    torch.set_num_threads(1)
    agent = stable_baselines3.DDPG(
        "MlpPolicy",
        gymnasium.make("genedge/Cell-v0"),
        seed=0,
        learning_starts=20,
        buffer_size=100,
        policy_kwargs={"net_arch": [8]},
    )
    agent.learn(30)
    genedge.gym.save_sb3(agent, tmp_path / "mine.zip")
    name = f"sb3:{tmp_path / 'mine.zip'}"
    study = study_of(changed(QUICK, ["catalogues=1", "users=10", "test_episodes=1"]), {name: name})
    found = {}
    for users in (10, 18):
        task = benchmarks(study, "paper", users, 1, "mine")
        found |= task.run(tmp_path).numbers["policies"][study.own["mine"]]
    assert 300 < np.mean(found["10"]["utility"]) < np.mean(found["18"]["utility"])
    asked = [t for t in SECTIONS["sensitivity"].tasks(study) if study.own["mine"] in t.policies]
    assert asked
    assert not any("models.count" in change for t in asked for change in t.changes)


@heavy
def test_slots_of_a_file_and_cells_that_see_differently(saved, small, tmp_path):
    """A file of slots has bounds of its own, and is no wrapper; cells that see differently are no one cell."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    lines = [{"requests": [0], "input_bits": [5e7], "channel_gain": [1e-9]}] * 10
    file = tmp_path / "slots.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    saved("PPO")[1].save(tmp_path / "plain.zip")
    with pytest.warns(Told, match="does not say what it saw"):
        policy(f"sb3:{tmp_path / 'plain.zip'}", load_scenario("paper", SMALL, slots=file))
    late = (*SMALL, "observation.stale_slots=1")
    cells = DummyVecEnv([lambda more=more: genedge.gym.CellEnv("paper", more) for more in (SMALL, late)])
    genedge.gym.save_sb3(PPO("MlpPolicy", cells, n_steps=8, batch_size=16, device="cpu"), tmp_path / "mixed.zip")
    with pytest.raises(InputError, match="trained behind cells that see their channels differently"):
        policy(f"sb3:{tmp_path / 'mixed.zip'}", small)
