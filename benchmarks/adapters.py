"""Steps per second through the Gymnasium adapters: python benchmarks/adapters.py

One core, random actions, compilation excluded: the median of several runs of about a second of processor time, and
its ratio to the first row. A step of a vector environment counts once for each of its cells. `bare` is without the
wrappers that `gymnasium.make` adds. `plain NumPy` is the same cell (10 users, 18 places, the same observation,
action and costs) as one would write it by hand, without JAX; it is checked against the package before it is timed.
mobile-env is another model, of moving users who choose among base stations: its rows say how fast a well-known peer
is, not how fast it would be at this model.
"""

# First, because it sets what libraries read when they start.
import one_core  # noqa: F401

# isort: split
import os

os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"

import argparse
import importlib.metadata
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np
from gymnasium.vector import SyncVectorEnv

import genedge.gym
from genedge.cell.feasible import TEMPERATURE, decode
from genedge.cell.sampling import sample_episode
from genedge.cell.types import Decision, Slot
from genedge.env.observation import observe
from genedge.evaluation.scoring import score
from genedge.scenario import Scenario, load_scenario

RUNS = 7


class Row(NamedTuple):
    """One line of the table."""

    name: str
    steps_per_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long a run takes")
    seconds = parser.parse_args().seconds
    scenario = load_scenario("paper")
    check(scenario)
    base = None
    print(f"{'':44}{'steps/s':>12}{'× single':>10}")
    for row in rows(scenario, seconds):
        base = base or row.steps_per_s
        print(f"{row.name:44}{row.steps_per_s:12,.0f}{row.steps_per_s / base:10.2f}", flush=True)
    try:
        print(peer(seconds, base or 1.0))
    except ImportError as e:
        print(f"mobile-env is not measured ({e}): pip install mobile-env")


def rows(scenario: Scenario, seconds: float) -> Iterator[Row]:
    single = gymnasium.make("genedge/Cell-v0")
    yield Row("genedge/Cell-v0, single", speed(single, seconds))
    yield Row("genedge/Cell-v0, single, bare", speed(single.unwrapped, seconds))
    for cells in (1, 16, 256):
        envs = gymnasium.make_vec("genedge/Cell-v0", num_envs=cells)
        yield Row(f"genedge/Cell-v0, vector of {cells}", cells * speed(envs, seconds))
    yield Row("SyncVectorEnv of 16 single ones", 16 * speed(SyncVectorEnv([genedge.gym.CellEnv] * 16), seconds))
    yield Row("plain NumPy, single", speed(NumpyCell(scenario), seconds))


def peer(seconds: float, base: float) -> str:
    import mobile_env  # noqa: F401, registers its environments

    lines = []
    for name in ("small", "medium", "large"):
        env = gymnasium.make(f"mobile-{name}-central-v0")
        inside = env.unwrapped
        label = f"mobile-env {importlib.metadata.version('mobile-env')}, {name}: {inside.NUM_USERS} users"
        per_s = speed(env, seconds)
        lines.append(f"{label:44}{per_s:12,.0f}{per_s / base:10.2f}")
    return "\n".join(lines)


def speed(env: Any, seconds: float) -> float:
    """Steps of an environment in a second, episodes begun anew where they end."""
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(64)]
    vector = isinstance(env, gymnasium.vector.VectorEnv)

    def run(steps: int) -> float:
        env.reset(seed=0)
        start = time.process_time()
        for k in range(steps):
            _, _, terminated, truncated, _ = env.step(actions[k % 64])
            if not vector and (terminated or truncated):
                env.reset()
        return steps / (time.process_time() - start)

    steps = max(int(run(60) * seconds), 60)
    return float(np.median([run(steps) for _ in range(RUNS)]))


class NumpyCell(gymnasium.Env[np.ndarray, np.ndarray]):
    """The same cell in plain NumPy."""

    def __init__(self, scenario: Scenario) -> None:
        self.p = scenario.params
        self.cell = scenario.settings.cell
        models, places = len(self.p.models.A1), self.cell.places
        self.action_space = gymnasium.spaces.Box(-1, 1, (models + 2 * places,), np.float32)
        rank = np.arange(1, models + 1)
        weights = rank ** -np.asarray(self.p.skews)[:, None]
        self.popularity = weights / weights.sum(axis=1, keepdims=True)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode."""
        super().reset(seed=seed)
        self.t = 0
        self.state = self.np_random.choice(len(self.p.skews), p=self.p.first_skew)
        self.slot = self.draw()
        return self.observe(self.slot), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Decides a slot and draws the next."""
        cost, info = self.cost(self.slot, self.decode(self.slot, action))
        self.t += 1
        self.state = self.np_random.choice(len(self.p.skews), p=self.p.transition[self.state])
        self.slot = self.draw()
        return self.observe(self.slot), -cost, False, self.t >= self.cell.slots_per_episode, info

    def draw(self) -> Slot:
        """Draws a slot."""
        p, rng, places = self.p, self.np_random, self.cell.places
        position_m = (rng.random((places, 2)) - 0.5) * p.area_m
        distance_m = np.maximum(np.hypot(*position_m.T), p.channel.least_m)
        loss_db = p.channel.at_1_km_db + p.channel.per_decade_db * np.log10(distance_m / 1000)
        return Slot(
            skew=p.skews[self.state],
            requests=rng.choice(len(p.models.A1), places, p=self.popularity[self.state]),
            input_bits=rng.uniform(*p.input_bits, places),
            gain=10 ** (-loss_db / 10) * rng.exponential(size=places),
            position_m=position_m,
            active=np.arange(places) < self.cell.users,
        )

    def observe(self, slot: Slot) -> np.ndarray:
        """Eq. (16), as the package's `observe`."""
        p, output_bits = self.p, self.p.models.output_bits
        typical_db = -(p.channel.at_1_km_db + p.channel.per_decade_db * np.log10(p.area_m.min() / 4000))
        per_user = [
            (10 * np.log10(slot.gain) - typical_db) / 20,
            scaled(slot.input_bits, p.input_bits),
            scaled(output_bits[slot.requests], output_bits),
            np.ones(len(slot.gain)),
        ]
        asks = np.zeros((len(slot.gain), len(output_bits)))
        asks[np.arange(len(slot.gain)), slot.requests] = slot.active
        parts = [[scaled(slot.skew, p.skews)], *(slot.active * values for values in per_user), asks.ravel()]
        return np.concatenate(parts).astype(np.float32)

    def decode(self, slot: Slot, action: np.ndarray) -> Decision:
        """Eq. (17), as the package's `decode`, without a quality floor."""
        p = self.p
        models, places = len(p.models.A1), len(slot.gain)
        priority, bandwidth, steps = np.split(action, [models, models + places])
        cache, left_gb = np.zeros(models, bool), float(p.C)
        for m in np.argsort(-priority, kind="stable"):
            if priority[m] > 0 and p.models.storage_gb[m] <= left_gb:
                cache[m] = True
                left_gb -= p.models.storage_gb[m]
        weight = np.exp(TEMPERATURE * bandwidth) * slot.active
        hit = cache[slot.requests] & slot.active
        wanted = np.where(hit, (1 + steps) / 2 * p.models.A3[slot.requests], 0)
        return Decision(cache, weight / weight.sum(), wanted / max(float(p.S), wanted.sum()))

    def cost(self, slot: Slot, decision: Decision) -> tuple[float, dict[str, Any]]:
        """Eq. (15), with noise over a user's own band, and the means of `info`."""
        p, active = self.p, slot.active
        _, output_bits, A1, A2, A3, A4, B1, B2, _ = (column[slot.requests] for column in p.models)
        hit = decision.cache[slot.requests] & active
        share = np.where(active, decision.bandwidth, 1)
        delay_s = np.where(hit, 0, slot.input_bits / p.R_bc + output_bits / p.R_cb)
        for bits, band_hz, power_w in ((slot.input_bits, p.W_up, p.p_n), (output_bits, p.W_dw, p.p_BS)):
            own_hz = share * band_hz
            delay_s = delay_s + bits / (own_hz * np.log2(1 + power_w * slot.gain / (p.N0 * own_hz)))
        steps = np.where(hit, decision.steps * p.S, A3)
        delay_s = delay_s + B1 * steps + B2
        tv = A2 + (A4 - A2) * np.clip((steps - A1) / (A3 - A1), 0, 1)
        users = active.sum()
        means = {"delay_s": delay_s, "tv": tv, "hit_ratio": hit}
        info = {name: float((active * values).sum() / users) for name, values in means.items()}
        return float((active * (p.delay_weight * delay_s + p.tv_weight * tv)).sum()), info


def check(scenario: Scenario) -> None:
    """Makes sure that the environment in NumPy is the same cell."""
    params, cell = scenario.params, scenario.settings.cell
    plain = NumpyCell(scenario)
    slots = jax.tree.map(np.asarray, sample_episode(params, jax.random.key(0), cell.users, cell.places, 50))
    actions = np.random.default_rng(0).uniform(-1, 1, (50, *plain.action_space.shape))
    decided = decode(params, slots, actions)
    costs, seen = score(params, slots, decided).utility.sum(axis=-1), observe(params, slots)
    for k in range(50):
        slot = jax.tree.map(lambda x, k=k: x[k], slots)
        np.testing.assert_allclose(plain.cost(slot, plain.decode(slot, actions[k]))[0], costs[k], rtol=1e-5)
        np.testing.assert_allclose(plain.observe(slot), seen[k], rtol=1e-4, atol=1e-5)


def scaled(value: Any, values: np.ndarray) -> Any:
    """Maps the range of `values` to [−1, 1]."""
    low, high = values.min(), values.max()
    return (2 * value - low - high) / (high - low)


if __name__ == "__main__":
    main()
