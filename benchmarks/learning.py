"""How fast agents train: python benchmarks/learning.py [sb3] [compile] [sweep] [gap]

sb3      DDPG beside Stable-Baselines3's: the same cell, networks, batch and updates, one thread each; and how near
         our updates come to the machine's floating-point rate
compile  seconds to compile each agent, in a process of its own: with an empty cache, then with what that left there
sweep    seconds for ten short runs with a learning rate each, in one process with an empty cache, and how much of
         that the first of them took: the others compile nothing
gap      seconds until each agent is within 3 % and 1 % of the certified optimum at 10 users, from a cold start:
         the interpreter's start, imports and compilation with an empty cache included

Without a name, all four run. Everything is measured in processes of their own, one after the other. Beside the
time on the clock stands the processor's: on a machine with other work to do, the ratio of the latter tells more.
Stable-Baselines3 comes with the extra `bench`; without it, its part is left out.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from one_thread import ONE_THREAD

USERS = 10
T = 50
EPISODES = 500
INTERVAL = 10
AGENTS = ("ddpg", "ddpg:equivariant", "td3", "sac", "reinforce", "any-cell")

# Learning rates of a sweep.
SWEPT = 10

# Slots with random actions before the first update; the same for both sides.
WARMUP = 500
WHOLE_RUN = EPISODES * T
BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", help="sb3, compile, sweep, gap; all without a name")
    parser.add_argument("--widths", type=int, nargs="+", default=[256, 64])
    parser.add_argument("--slots", type=int, default=3000, help="slots that each side of sb3 trains (%(default)s)")
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=AGENTS)
    parser.add_argument("--episodes", type=int, default=EPISODES, help="of gap (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        given = json.loads(options.worker)
        print(json.dumps(WORKERS[given.pop("work")](**given)))
        return
    sections = {"sb3": print_sb3, "compile": print_compile, "sweep": print_sweep, "gap": print_gap}
    for name in options.sections or sections:
        if name not in sections:
            parser.error(f"section {name!r}: there are {', '.join(sections)}")
        print(f"\n{name}, load {os.getloadavg()[0]:.1f}")
        sections[name](options)


def worker(given: dict[str, Any], **environment: str) -> Any:
    """What a process of its own found out; its clock starts when it is started."""
    asked = json.dumps({**given, "started": time.time()})
    done = subprocess.run(
        [sys.executable, __file__, "--worker", asked],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


# --- DDPG beside Stable-Baselines3's


def print_sb3(options: argparse.Namespace) -> None:
    sides = ["ours"]
    if importlib.util.find_spec("stable_baselines3"):
        sides += ["SB3, compiled cell", "SB3, NumPy cell"]
    else:
        print("Stable-Baselines3 is not installed (extra `bench`): ours alone")
    print(f"{'':22}{'width':>6}{'ms per slot':>13}{'processor ms':>14}{'to compile s':>14}{'whole run s':>16}")
    for width in options.widths:
        found = {}
        for side in sides:
            given = {
                "work": "train_ddpg",
                "side": side,
                "width": width,
                "slots": options.slots,
                "seed": options.seed,
            }
            found[side] = f = worker(given, **ONE_THREAD)
            f["whole_s"] = f["compile_s"] + WHOLE_RUN * f["slot_s"]
            row = f"{f['slot_s'] * 1e3:13.2f}{f['busy_s'] * 1e3:14.2f}{f['compile_s']:14.1f}{f['whole_s']:16.1f}"
            print(f"{side:22}{width:6d}{row}", flush=True)
        if sides[1:]:
            slot, busy, whole = (
                min(found[side][what] for side in sides[1:]) / found["ours"][what]
                for what in ("slot_s", "busy_s", "whole_s")
            )
            print(
                f"width {width}: ours is {slot:.1f} times as fast as the better of SB3's ({busy:.1f} times by "
                f"processor time), {whole:.1f} times over a run of {WHOLE_RUN:,} slots with its compilation"
            )
        print_rates(found["ours"]["rates"], width)


def print_rates(rates: dict[str, float], width: int) -> None:
    reached, peak, shaped = rates["reached"], rates["peak"], rates["shaped"]
    print(
        f"width {width}: {rates['flop'] / 1e6:.0f} MFLOP an update, at {reached / 1e9:.1f} GFLOP/s with the cell "
        f"and the buffer in the time: {reached / peak:.0%} of what the core reaches for matrices of 1024³ "
        f"({peak / 1e9:.1f}), {reached / shaped:.0%} for those of the batch ({shaped / 1e9:.1f})"
    )


def settings_of_width(width: int, slots: int) -> list[str]:
    """The same on both sides. The cell has just as many places as users."""
    return [
        f"cell.users={USERS}",
        f"cell.places={USERS}",
        f"cell.slots_per_episode={T}",
        f"ddpg.hidden_layers=[{width}, {width}]",
        f"ddpg.batch={BATCH}",
        f"ddpg.warmup_slots={WARMUP}",
        # What Stable-Baselines3's does not do.
        "ddpg.critic_alone=0",
        "ddpg.weight_penalty=0",
        "ddpg.permute_users=false",
        "ddpg.network=mlp",
        "ddpg.layer_norm=false",
        "ddpg.policy_delay=1",
        f"ddpg.episodes={slots // T}",
    ]


def train_ddpg(side: str, width: int, slots: int, seed: int, started: float) -> dict[str, Any]:
    """Seconds per slot once updates have begun, and seconds to compile."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return train_ours(width, slots, seed) if side == "ours" else train_sb3(side, width, slots, seed)


def train_ours(width: int, slots: int, seed: int) -> dict[str, Any]:
    import jax
    import numpy as np

    from genedge.learn.agents import load_agent
    from genedge.scenario import load_scenario

    scenario = load_scenario("paper", settings_of_width(width, slots))
    start = time.perf_counter()
    steps = load_agent("ddpg", scenario).training(USERS, slots // T, seed)
    # The first ten episodes hold no update and take some hundredths of a second: the rest is compilation.
    learner, _ = jax.block_until_ready(steps.train(steps.init(), WARMUP // T))
    compile_s = time.perf_counter() - start

    at = [clocks()]
    while int(learner.episodes) < slots // T:
        learner, _ = jax.block_until_ready(steps.train(learner, WARMUP // T))
        at.append(clocks())
    slot_s, busy_s = np.median(np.diff(at, axis=0), axis=0) / WARMUP
    return {
        "slot_s": slot_s,
        "busy_s": busy_s,
        "compile_s": compile_s,
        "rates": floating_point(scenario, width, busy_s),
    }


def clocks() -> tuple[float, float]:
    """Seconds on the clock, and of the processor."""
    return time.perf_counter(), time.process_time()


def train_sb3(side: str, width: int, slots: int, seed: int) -> dict[str, Any]:
    import gymnasium
    import numpy as np
    import torch
    from stable_baselines3 import DDPG
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.noise import NormalActionNoise

    from genedge.cell.feasible import action_size
    from genedge.env.observation import observation_size
    from genedge.scenario import load_scenario

    torch.set_num_threads(1)
    scenario = load_scenario("paper", settings_of_width(width, slots))
    s, models = scenario.hyperparameters("ddpg"), len(scenario.models)
    start = time.perf_counter()
    restart, move = (compiled_cell if side == "SB3, compiled cell" else numpy_cell)(scenario.params, seed)

    class Cell(gymnasium.Env):  # type: ignore[misc]
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (observation_size(models, USERS),))
        action_space = gymnasium.spaces.Box(-1, 1, (action_size(models, USERS),))

        def reset(
            self, seed: int | None = None, options: dict[str, Any] | None = None
        ) -> tuple[Any, dict[str, Any]]:
            self.t = 0
            return restart(), {}

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            self.t += 1
            observation, reward = move(action)
            return observation, reward, False, self.t >= T, {}

    class Clock(BaseCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.at: list[tuple[float, float]] = []

        def _on_step(self) -> bool:
            self.at.append(clocks())
            return True

    length = action_size(models, USERS)
    agent = DDPG(
        "MlpPolicy",
        Cell(),
        learning_rate=s.critic_learning_rate,
        buffer_size=s.replay_size,
        learning_starts=WARMUP,
        batch_size=BATCH,
        tau=s.target_rate,
        gamma=s.discount,
        train_freq=1,
        gradient_steps=1,
        action_noise=NormalActionNoise(np.zeros(length), np.full(length, s.noise_first)),
        policy_kwargs={"net_arch": [width, width]},
        seed=seed,
        device="cpu",
    )
    made_s = time.perf_counter() - start
    clock = Clock()
    agent.learn(slots, callback=clock)
    slot_s, busy_s = np.median(np.diff(clock.at[WARMUP - 1 :: WARMUP], axis=0), axis=0) / WARMUP
    return {"slot_s": slot_s, "busy_s": busy_s, "compile_s": made_s}


def compiled_cell(params: Any, seed: int) -> tuple[Callable[[], Any], Callable[[Any], tuple[Any, float]]]:
    """Our cell, one compiled call a step: how to start an episode, and how to take a step."""
    import jax
    import numpy as np

    from genedge.env.functional import reset, step

    start = jax.jit(lambda key: reset(params, key, USERS, USERS))

    @jax.jit
    def move(state: Any, action: Any) -> Any:
        after = step(params, state, action, T)
        return after.state, after.observation, after.reward

    key, episodes, states = jax.random.key(seed), iter(range(10**9)), [None]

    def restarted() -> Any:
        observation, states[0] = start(jax.random.fold_in(key, next(episodes)))
        return np.asarray(observation)

    def moved(action: Any) -> tuple[Any, float]:
        states[0], observation, reward = move(states[0], action)
        return np.asarray(observation), float(reward)

    restarted()
    moved(np.zeros(len(params.models.A1) + 2 * USERS, np.float32))
    return restarted, moved


def numpy_cell(params: Any, seed: int) -> tuple[Callable[[], Any], Callable[[Any], tuple[Any, float]]]:
    """The same in plain NumPy, an episode's slots drawn at once."""
    import jax
    import numpy as np
    from environment import NumpyCell

    cell, rng = NumpyCell(params, USERS), np.random.default_rng(seed)
    now: dict[str, Any] = {}

    def restarted() -> Any:
        state = [cell.next_skew(rng.random((), np.float32), None)]
        for _ in range(T):
            state.append(cell.next_skew(rng.random((), np.float32), state[-1]))
        slots = cell.slots(rng.random((5, T + 1, USERS), np.float32), np.array(state))
        now.update(t=0, slots=slots, observations=cell.observation(slots))
        return now["observations"][0]

    def moved(action: Any) -> tuple[Any, float]:
        slot = jax.tree.map(lambda x: x[now["t"]], now["slots"])
        now["t"] += 1
        return now["observations"][now["t"]], -float(cell.cost(slot, action))

    return restarted, moved


def floating_point(scenario: Any, width: int, busy_s: float) -> dict[str, float]:
    """Floating-point operations of an update, the rate that training reaches, and the machine's."""
    import numpy as np

    from genedge.cell.feasible import action_size
    from genedge.env.observation import observation_size

    models = len(scenario.models)
    seen, said = observation_size(models, USERS), action_size(models, USERS)
    actor = seen * width + width**2 + width * said
    critic = (seen + said) * width + width**2 + width
    # Without what an update can do without: the gradients of inputs that nothing was learned from.
    targets = actor + critic
    critic_loss = 2 * critic + (critic - (seen + said) * width)
    actor_loss = actor + critic + (critic - seen * width) + actor + (actor - seen * width)
    flop = 2 * BATCH * (targets + critic_loss + actor_loss)
    rng = np.random.default_rng(0)

    def rate(rows: int, inner: int, columns: int) -> float:
        a, b = (rng.normal(size=shape).astype(np.float32) for shape in ((rows, inner), (inner, columns)))
        calls = max(1, 2**29 // (rows * inner * columns))
        return max(per_second(multiply, a, b, calls) for multiply in multipliers()) * 2 * rows * inner * columns

    return {
        "flop": flop,
        "reached": flop / busy_s,
        "peak": rate(1024, 1024, 1024),
        "shaped": rate(BATCH, width, width),
    }


def multipliers() -> Iterator[Callable[[Any, Any], Any]]:
    """The ways to multiply matrices that are at hand: the machine's rate is that of the fastest."""
    import jax
    import numpy as np

    compiled = jax.jit(lambda a, b: a @ b)
    yield np.matmul
    yield lambda a, b: compiled(a, b).block_until_ready()


def per_second(multiply: Callable[[Any, Any], Any], a: Any, b: Any, calls: int) -> float:
    """Products per second of processor time, the best of five rounds."""
    multiply(a, b)
    best = 0.0
    for _ in range(5):
        start = time.process_time()
        for _ in range(calls):
            multiply(a, b)
        best = max(best, calls / (time.process_time() - start))
    return best


# --- Compilation


def print_compile(options: argparse.Namespace) -> None:
    print("seconds, and of the processor, that the first use of all that a run needs takes over the second")
    print(f"{'':18}{'imports':>9}{'empty cache':>13}{'processor':>11}{'next process':>14}{'processor':>11}")
    for name in options.agents:
        given = {"work": "compile_agent", "name": name, "seed": options.seed}
        with tempfile.TemporaryDirectory() as cache:
            cold, warm = (worker(given, XDG_CACHE_HOME=cache) for _ in range(2))
        row = "".join(f"{f['compile_s']:{width}.1f}{f['busy_s']:11.1f}" for f, width in ((cold, 13), (warm, 14)))
        print(f"{name:18}{cold['import_s']:9.1f}{row}", flush=True)


def compile_agent(name: str, seed: int, started: float) -> dict[str, float]:
    """Seconds from the process's start until all is imported, and from then until all is compiled."""
    agent, scenario, users = prepared(name)

    import jax
    import numpy as np

    from genedge.learn.agents import load_agent

    import_s, at = time.time() - started, [clocks()]
    for _ in range(2):
        steps = load_agent(agent, scenario).training(users, EPISODES, seed)
        learner = steps.init()
        # Twice, because what comes back may be of other types than what went in, and then compiles anew.
        for _ in range(2):
            learner, _ = steps.train(learner, INTERVAL)
            learner, _ = jax.block_until_ready(steps.evaluate(learner))
        at.append(clocks())
    first, second = np.diff(at, axis=0)
    compile_s, busy_s = first - second
    return {"import_s": import_s, "compile_s": compile_s, "busy_s": busy_s}


def print_sweep(options: argparse.Namespace) -> None:
    print(f"{'':18}{'first run s':>12}{'each other':>12}{'all ten':>10}{'ten apart':>11}{'ratio':>8}")
    for name in options.agents:
        with tempfile.TemporaryDirectory() as cache:
            first, *others = worker({"work": "sweep", "name": name, "seed": options.seed}, XDG_CACHE_HOME=cache)
        each, together, apart = sum(others) / len(others), first + sum(others), first * (1 + len(others))
        print(f"{name:18}{first:12.1f}{each:12.2f}{together:10.1f}{apart:11.1f}{apart / together:8.1f}", flush=True)


def sweep(name: str, seed: int, started: float) -> list[float]:
    """Seconds of short runs, each with a learning rate of its own."""
    import jax

    from genedge.learn.agents import load_agent

    taken = []
    for i in range(SWEPT):
        agent, _, _ = name.partition(":")
        rate = "actor_learning_rate" if agent in ("ddpg", "td3", "sac") else "learning_rate"
        agent, scenario, users = prepared(name, f"{agent.replace('-', '_')}.{rate}={1e-4 * (1 + i)}")
        start = time.perf_counter()
        steps = load_agent(agent, scenario).training(users, 2 * INTERVAL, seed)
        learner = steps.init()
        for _ in range(2):
            learner, _ = steps.train(learner, INTERVAL)
            learner, _ = jax.block_until_ready(steps.evaluate(learner))
        taken.append(time.perf_counter() - start)
    return taken


def prepared(name: str, *further: str) -> tuple[str, Any, int]:
    """An agent's name, its scenario and number of users, the cache of compiled code in use."""
    from genedge.scenario import load_scenario
    from genedge.xla import set_up_jax

    set_up_jax()
    agent, _, network = name.partition(":")
    changes = [f"{agent}.network={network}"] if network else []
    scenario = load_scenario("paper", [f"cell.users={USERS}", *changes, *further])
    users = scenario.hyperparameters("any_cell").users[1] if agent == "any-cell" else USERS
    return agent, scenario, users


# --- Time to a gap


def print_gap(options: argparse.Namespace) -> None:
    print(f"{USERS} users; gap of the best actor so far on held-out slots, looked at every {INTERVAL} episodes")
    print(f"{'':18}{'to 3 %':>26}{'to 1 %':>26}{'best gap':>10}{'episodes':>10}{'seconds':>9}")
    for name in options.agents:
        given = {"work": "reach", "name": name, "episodes": options.episodes, "seed": options.seed}
        with tempfile.TemporaryDirectory() as cache:
            curve = worker(given, XDG_CACHE_HOME=cache)
        marks = []
        for least in (0.03, 0.01):
            reached = next(((seconds, episode) for episode, seconds, gap in curve if gap <= least), None)
            never = f"not in {options.episodes} episodes"
            marks.append(f"{reached[0]:.1f} s, episode {reached[1]}" if reached else never)
        episode, seconds, gap = curve[-1]
        print(f"{name:18}{marks[0]:>26}{marks[1]:>26}{gap:10.2%}{episode:10d}{seconds:9.1f}", flush=True)


def reach(name: str, episodes: int, seed: int, started: float) -> list[tuple[int, float, float]]:
    """Episode, seconds since the process's start and gap, up to a gap of 1 %; measuring the gap takes no time."""
    agent, scenario, users = prepared(name)

    from genedge.learn.agents import load_agent

    steps = load_agent(agent, scenario).training(users, episodes, seed)
    learner, best, gap, curve, measuring = steps.init(), float("inf"), float("inf"), [], 0.0
    gap_of = None
    while int(learner.episodes) < episodes and gap > 0.01:
        learner, _ = steps.train(learner, min(INTERVAL, episodes - int(learner.episodes)))
        learner, _ = steps.evaluate(learner)
        utility = float(learner.best_utility)
        seconds = time.time() - started - measuring
        if utility < best:
            start = time.time()
            gap_of = gap_of or gaps(agent, scenario)
            best, gap = utility, gap_of(learner.best_actor)
            measuring += time.time() - start
        curve.append((int(learner.episodes), seconds, gap))
    return curve


def gaps(agent: str, scenario: Any) -> Callable[[Any], float]:
    """The gap of an actor to the certified optimum, on slots that it never met."""
    import jax
    import numpy as np

    from genedge.cell.feasible import in_float64
    from genedge.cell.sampling import sample_episodes
    from genedge.learn.actor import decide
    from genedge.learn.agents import load_agent
    from genedge.optimum import solve_optimal
    from genedge.optimum.certificate import objective

    params, places = scenario.params, max(USERS, load_agent(agent, scenario).places(USERS))
    drawn = sample_episodes(params, jax.random.key(1000), USERS, places, T, 20)
    slots = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), drawn)
    optimum = solve_optimal(params, slots).lower_bound.mean()
    compiled = jax.jit(decide)

    def gap(actor: Any) -> float:
        decision = in_float64(compiled(actor, params, slots))
        return float(objective(params, slots, decision).mean() / optimum - 1)

    return gap


WORKERS: dict[str, Callable[..., Any]] = {
    "train_ddpg": train_ddpg,
    "compile_agent": compile_agent,
    "sweep": sweep,
    "reach": reach,
}


if __name__ == "__main__":
    main()
