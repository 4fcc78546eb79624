"""Train an agent of Stable-Baselines3 and compare it with the package's policies: python examples/sb3.py

Needs `pip install "genedge[bench]"`. The saved file is a policy wherever one is named:
genedge evaluate --policies sb3:sb3.zip,rcars
"""

import argparse

import gymnasium
import stable_baselines3
from stable_baselines3.common.noise import NormalActionNoise

import genedge
import genedge.gym

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--algorithm", choices=("DDPG", "TD3", "SAC"), default="DDPG")
parser.add_argument("--steps", type=int, default=5_000, help="slots to train for")
parser.add_argument("--out", default="sb3.zip", help="where to save the model")
args = parser.parse_args()

env = gymnasium.make("genedge/Cell-v0", scenario="paper")
# Costs of hundreds are brought to order one. No action changes what comes next, so that the best decision of a slot
# is best for good: looking ahead would only add noise.
env = gymnasium.wrappers.TransformReward(env, lambda reward: reward / 100)
settings = {"gamma": 0.0, "learning_starts": min(500, args.steps // 2), "seed": 1}
if args.algorithm != "SAC":
    settings["action_noise"] = NormalActionNoise(
        [0.0] * env.action_space.shape[0], [0.3] * env.action_space.shape[0]
    )
model = getattr(stable_baselines3, args.algorithm)("MlpPolicy", env, **settings)
model.learn(args.steps)
model.save(args.out)

scenario = genedge.load_scenario("paper")
policies = {name: genedge.policy(name, scenario) for name in (f"sb3:{args.out}", "rcars", "knapsack")}
results = genedge.evaluate(scenario, policies, users=[10], episodes=5, seed=0, report=lambda text: None)
for name in policies:
    gap = results.gaps(name, users=10)["of_optimum"].mean
    print(f"{name}: utility {results.value(name, 10, 'utility').mean:.1f}, gap to the optimum {gap:.1%}")
