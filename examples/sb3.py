"""Train an agent of Stable-Baselines3 by a recipe, beside the package's policies: python examples/sb3.py

Needs `pip install "genedge[bench]"`. The saved file is a policy wherever one is named:
genedge evaluate --policies sb3:sb3.zip,rcars
"""

import argparse
import time

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise

import genedge
import genedge.gym

# What all have in common: rewards in hundreds; many cells side by side; and, as no action changes what comes next
# and the best decision of a slot is best for good, no discounted future, which would only add noise.
CELLS, REWARD_SCALE = 16, 0.01
COMMON = {"gamma": 0.0, "learning_rate": 1e-3, "batch_size": 256}
# PPO draws actions from a Gaussian that knows no bounds, of standard deviation 1: most would be clipped, and say
# nothing about what was decided. So it begins with e^-1.
PPO = {"gae_lambda": 0.0, "n_steps": 64, "policy_kwargs": {"net_arch": [256, 256], "log_std_init": -1.0}}
# From a buffer: four updates for each slot of all the cells.
OFF_POLICY = {"gradient_steps": 4, "learning_starts": 1_000, "policy_kwargs": {"net_arch": [256, 256]}}
RECIPES = {"PPO": PPO, "DDPG": OFF_POLICY, "TD3": OFF_POLICY, "SAC": OFF_POLICY}
SLOTS = {"PPO": 50_000, "DDPG": 20_000, "TD3": 20_000, "SAC": 20_000}
NOISE = 0.3  # of those that explore by noise

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--algorithm", choices=RECIPES, default="PPO")
parser.add_argument("--steps", type=int, help="slots to train for, of all cells together; else the recipe's")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--out", default="sb3.zip", help="where to save the model")
args = parser.parse_args()

torch.set_num_threads(1)
scenario = genedge.load_scenario("paper")
env = make_vec_env(
    "genedge/Cell-v0", CELLS, seed=args.seed, env_kwargs={"scenario": "paper", "reward_scale": REWARD_SCALE}
)
settings = COMMON | RECIPES[args.algorithm] | {"seed": args.seed, "device": "cpu"}
if args.algorithm in ("DDPG", "TD3"):
    (actions,) = env.action_space.shape
    noise = NormalActionNoise(np.zeros(actions), np.full(actions, NOISE))
    settings["action_noise"] = VectorizedActionNoise(noise, CELLS)
model = getattr(stable_baselines3, args.algorithm)("MlpPolicy", env, **settings)


def tell(when, names):
    """Prints how far policies are from the certified optimum, on slots by which no recipe was chosen."""
    genedge.gym.save_sb3(model, args.out)
    policies = {name: genedge.policy(name, scenario) for name in names}
    results = genedge.evaluate(scenario, policies, users=[10], episodes=5, seed=1000, report=lambda text: None)
    for name in names:
        gap = results.gaps(name, users=10)["of_optimum"].mean
        utility = results.value(name, 10, "utility").mean
        print(f"{when} {name}: utility {utility:.1f}, gap to the optimum {gap:.1%}", flush=True)


steps = args.steps or SLOTS[args.algorithm]
print(f"{args.algorithm}, seed {args.seed}, {steps} slots of {CELLS} cells", flush=True)
tell("before", [f"sb3:{args.out}"])
started = time.process_time()
model.learn(steps)
print(f"trained for {time.process_time() - started:.0f} s of processor time")
tell("after", [f"sb3:{args.out}", "rcars", "knapsack"])
