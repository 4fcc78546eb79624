"""Ten lines to begin with: what a good decision saves in every slot. A script, or a cell of a notebook."""

import jax
import matplotlib.pyplot as plt

import genedge

scenario = genedge.load_scenario("paper", ["objective.alpha=0.5"])
slots = genedge.sample_episode(scenario.params, jax.random.key(0), users=10, places=10, slots=50)
for name in ("rcars", "knapsack", "optimal"):
    decide = genedge.policy(name, scenario)
    decision = decide(scenario.params, slots, jax.random.key(1))
    plt.plot(genedge.score(scenario.params, slots, decision).utility.sum(axis=-1), label=name)
plt.xlabel("slot")
plt.ylabel("utility of the slot, lower is better")
plt.legend()
plt.show()
