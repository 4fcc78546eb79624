"""The cell behind RLlib's environment interface: python examples/rllib_interface.py

Needs `pip install "genedge[ray]"`. Collects episodes with the environment runner that RLlib's algorithms use, in
this process and without a cluster; `config.build_algo().train()` would train on them.
"""

import argparse

import gymnasium
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.env_context import EnvContext
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.tune.registry import register_env

import genedge.gym


def make_cell(context: EnvContext) -> gymnasium.Env:
    """RLlib calls this in every worker; what `env_config` says arrives as keyword arguments."""
    return genedge.gym.CellEnv(**context)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--episodes", type=int, default=20, help="episodes to collect")
args = parser.parse_args()

register_env("cell", make_cell)
config = (
    PPOConfig()
    .environment("cell", env_config={"scenario": "paper", "overrides": ["cell.users=12"]})
    .env_runners(num_env_runners=0, num_envs_per_env_runner=2)
)
runner = SingleAgentEnvRunner(config=config)
episodes = runner.sample(num_episodes=args.episodes, explore=True)
slots = sum(len(episode) for episode in episodes)
reward = sum(episode.get_return() for episode in episodes) / slots
truncated = sum(bool(episode.is_truncated) for episode in episodes)
print(f"{len(episodes)} episodes, {truncated} truncated, none terminated; mean reward of a slot {reward:.1f}")
runner.stop()
