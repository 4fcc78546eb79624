"""A whole study at once on JAX's device, a GPU where there is one: python benchmarks/gpu.py

A study trains an agent on several catalogues, with several seeds on each, for 500 episodes, and evaluates all runs
every 10. Here its runs are vmapped: one compiled call trains them all. Printed are slots per second, beside those
of one run alone on the same device, and how many such studies fit into an hour, compilation apart; and the
environment alone, vmapped over as many cells as asked for. A few intervals, after one to compile, stand for a
study.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

# First, because it sets what XLA reads when it starts.
from environment import SLOTS_OF_EACH, stepped

# isort: split
import jax
import jax.numpy as jnp
import numpy as np

from genedge.cell.sampling import sample_episode
from genedge.cell.types import Params, Slot
from genedge.learn import off_policy as loop
from genedge.learn import reinforce
from genedge.learn.agent import EVALUATION_EPISODES
from genedge.learn.agents import load_agent
from genedge.learn.off_policy_agent import OffPolicyAgent
from genedge.scenario import Scenario, load_scenario

USERS = 10
EPISODES = 500
INTERVAL = 10


class Study(NamedTuple):
    """What every run of a study does; runs differ in their params, slots and keys.

    Attributes:
        init: (params, slots, key) -> learner.
        train: (params, learner) -> learner and metrics, an interval later.
        evaluate: (params, slots, learner) -> learner and utility.
    """

    init: Callable[[Params, Slot, Any], Any]
    train: Callable[[Params, Any], Any]
    evaluate: Callable[[Params, Slot, Any], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--agents", nargs="+", choices=["ddpg", "td3", "sac", "reinforce"], default=["reinforce", "ddpg"]
    )
    parser.add_argument("--catalogues", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--intervals", type=int, default=3, help="timed, of 10 episodes each (%(default)s)")
    parser.add_argument("--cells", type=int, default=10_000, help="of the environment alone (%(default)s)")
    parser.add_argument("--set", nargs="*", default=[], help="changes to the scenario, such as reinforce.width=8")
    options = parser.parse_args()
    device = jax.devices()[0]
    print(f"{device.platform}: {device.device_kind}")

    call = stepped(options.cells)
    call()
    start = time.perf_counter()
    checksum = sum(call() for _ in range(3))
    rate = 3 * options.cells * SLOTS_OF_EACH / (time.perf_counter() - start)
    print(f"environment alone, {options.cells:,} cells: {rate:,.0f} slots per second (checksum {checksum:.6g})")

    scenarios = [
        load_scenario("paper", [f"seed={catalogue}", f"cell.users={USERS}", *options.set])
        for catalogue in range(options.catalogues)
    ]
    T = scenarios[0].settings.cell.slots_per_episode
    runs = options.catalogues * options.seeds
    print(f"\na study: {options.catalogues} catalogues × {options.seeds} seeds × {EPISODES} episodes of {T} slots")
    print(f"{'':12}{'runs':>6}{'to compile s':>14}{'slots per s':>13}{'× one alone':>13}{'studies per hour':>18}")
    for agent in options.agents:
        study = study_of(agent, scenarios[0])
        slots_per_s, one_alone = {}, None
        for count in (1, runs):
            compile_s, interval_s = timed(study, agent, scenarios, options.seeds, count, options.intervals)
            slots_per_s[count] = count * INTERVAL * T / interval_s
            one_alone = one_alone or slots_per_s[count]
            # A study of runs one after the other, or of all at once.
            hours = EPISODES / INTERVAL * interval_s * (runs / count) / 3600
            print(
                f"{agent:12}{count:6d}{compile_s:14.1f}{slots_per_s[count]:13,.0f}"
                f"{slots_per_s[count] / one_alone:13.1f}{1 / hours:18.2f}",
                flush=True,
            )


def study_of(agent: str, scenario: Scenario) -> Study:
    """An agent's functions, to be vmapped."""
    made, T, models = load_agent(agent, scenario), scenario.settings.cell.slots_per_episode, len(scenario.models)
    if not isinstance(made, OffPolicyAgent):
        plan = reinforce.ReinforcePlan(made.settings, USERS, models, T, EPISODES)
        return Study(
            init=lambda params, slots, key: reinforce.init(plan, key),
            train=lambda params, learner: reinforce.train(plan, params, learner, INTERVAL),
            evaluate=lambda params, slots, learner: reinforce.evaluate_actor(plan, params, learner, slots),
        )
    algorithm, whole = made.algorithm, made.plan(USERS, EPISODES)
    return Study(
        init=lambda params, slots, key: loop.init(
            algorithm, whole, params, key, jax.tree.map(lambda x: x[None], slots)
        ),
        train=lambda params, learner: loop.train(algorithm, whole, params, learner, INTERVAL),
        evaluate=lambda params, slots, learner: loop.evaluate_actor(algorithm, params, learner, slots),
    )


def timed(
    study: Study, agent: str, scenarios: list[Scenario], seeds: int, count: int, intervals: int
) -> tuple[float, float]:
    """Seconds to compile, and then per interval of all runs together, the median."""
    of_runs = [(scenario, seed) for scenario in scenarios for seed in range(seeds)][:count]
    params = jax.tree.map(lambda *x: jnp.stack(x), *(scenario.params for scenario, _ in of_runs))
    keys = jnp.stack([jax.random.key(seed) for _, seed in of_runs])
    T = scenarios[0].settings.cell.slots_per_episode
    draw = partial(
        sample_episode,
        users=USERS,
        places=load_agent(agent, scenarios[0]).places(USERS),
        slots=EVALUATION_EPISODES * T,
    )
    slots = jax.vmap(lambda params: draw(params, jax.random.key(1)))(params)

    start = time.perf_counter()
    learners = jax.vmap(study.init)(params, slots, keys)
    learners = one_interval(study, params, slots, learners)
    first = time.perf_counter() - start
    seconds = []
    for _ in range(intervals):
        start = time.perf_counter()
        learners = one_interval(study, params, slots, learners)
        seconds.append(time.perf_counter() - start)
    interval_s = float(np.median(seconds))
    return first - interval_s, interval_s


def one_interval(study: Study, params: Params, slots: Slot, learners: Any) -> Any:
    """Ten episodes and an evaluation of all runs."""
    learners, _ = jax.vmap(study.train)(params, learners)
    learners, utility = jax.vmap(study.evaluate)(params, slots, learners)
    return jax.block_until_ready((learners, utility))[0]


if __name__ == "__main__":
    main()
