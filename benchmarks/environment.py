"""How many slots a second the environment alone decides: python benchmarks/environment.py

A slot of 10 users counts once it has been drawn, an action decoded, its cost computed and its observation made.
All of it is summed up and the sums are printed, so that nothing can be left out. Beside it stands the same model in
plain vectorised NumPy, written from the equations alone; first the two are compared, slot by slot. On two cores, a
process runs on each, and both are timed over the same span. On a machine with other work to do, the rate per second
of processor time tells more than the rate per second.
"""

# First, because it sets what libraries read when they start.
import one_thread  # noqa: F401

# isort: split
import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genedge.cell.feasible import action_size, decode
from genedge.cell.sampling import draw, sample_episode
from genedge.cell.service import serve
from genedge.cell.types import Params
from genedge.env.functional import reset, step
from genedge.env.observation import observe
from genedge.scenario import load_scenario

USERS = 10
T = 50

# Cells side by side, a multiple of what a core's cache holds; and slots of each in one timed call.
CELLS = 1000
SLOTS_OF_EACH = 50


class NumpySlots(NamedTuple):
    """What the NumPy environment holds of slots, leading axes *batch."""

    skew: np.ndarray
    requests: np.ndarray
    input_bits: np.ndarray
    gain: np.ndarray


class NumpyCell:
    """The same cell in plain NumPy, all users active; nothing of the package but the params.

    Args:
        params: the scenario.
        users: number of users, and of places.
    """

    def __init__(self, params: Params, users: int) -> None:
        self.p = jax.tree.map(lambda x: np.asarray(x, np.float32), params)
        self.users, self.models = users, len(self.p.models.A1)
        # The last probability may round to just below 1, so it takes no part in a comparison.
        rank = np.arange(1, self.models + 1, dtype=np.float32)
        weight = rank ** -self.p.skews[:, None]
        self.popularity = np.cumsum(weight / weight.sum(-1, keepdims=True), -1)[:, :-1].astype(np.float32)
        self.first = np.cumsum(self.p.first_skew)[:-1]
        self.following = np.cumsum(self.p.transition, -1)[:, :-1]

    def next_skew(self, u: np.ndarray, before: np.ndarray | None) -> np.ndarray:
        """The skew's state, Eq. (23), from uniform numbers (*batch,)."""
        below = self.first if before is None else self.following[before]
        return (u[..., None] >= below).sum(-1)

    def slots(self, u: np.ndarray, state: np.ndarray) -> NumpySlots:
        """Slots from uniform numbers, (5, *batch, N): two for places, fading, requests, sizes."""
        p = self.p
        x, y = ((u[axis] - np.float32(0.5)) * p.area_m[axis] for axis in (0, 1))
        fading = np.maximum(-np.log1p(-u[2]), np.float32(2**-24))
        gain = 10 ** (-self.path_loss_db(np.hypot(x, y)) / 10) * fading
        requests = (u[3][..., None] >= self.popularity[state][..., None, :]).sum(-1)
        low, high = p.input_bits
        return NumpySlots(p.skews[state], requests, low + (high - low) * u[4], gain)

    def path_loss_db(self, distance_m: np.ndarray) -> np.ndarray:
        """Eq. (3)."""
        p = self.p
        counted_m = np.maximum(distance_m, p.channel.least_m)
        return p.channel.at_1_km_db + p.channel.per_decade_db * np.log10(counted_m / 1000)

    def cost(self, s: NumpySlots, action: np.ndarray) -> np.ndarray:
        """Σ_n U_n of an action: decoded, Eq. (17), then Eq. (2) to (14)."""
        p, m, M, N = self.p, self.p.models, self.models, self.users
        priority, bandwidth, steps = action[..., :M], action[..., M : M + N], action[..., M + N :]
        asked = [field[s.requests] for field in (m.output_bits, m.A1, m.A2, m.A3, m.A4, m.B1, m.B2, m.floor_steps)]
        output_bits, a1, a2, a3, a4, b1, b2, floor = asked

        owed = (s.requests[..., None] == np.arange(M)).sum(-2)
        owed = np.where(owed > 0, owed * m.floor_steps, 0)
        order = np.argsort(-priority, axis=-1, kind="stable")
        cache = np.zeros(priority.shape, bool)
        storage_left = np.full(priority.shape[:-1], p.C * (1 + 5e-7))
        steps_left = np.full(priority.shape[:-1], p.S * (1 + 5e-7))
        for k in range(M):
            at = order[..., k, None]
            need = np.take_along_axis(owed, at, -1)[..., 0]
            storage = m.storage_gb[at[..., 0]]
            wanted = np.take_along_axis(priority, at, -1)[..., 0] > 0
            fits = wanted & (storage <= storage_left) & (need <= steps_left)
            np.put_along_axis(cache, at, fits[..., None], -1)
            storage_left -= np.where(fits, storage, 0)
            steps_left -= np.where(fits, need, 0)

        weight = np.exp(2 * bandwidth)
        share = weight / weight.sum(-1, keepdims=True)
        hit = np.take_along_axis(cache, s.requests, -1)
        floor = np.where(hit, floor, 0)
        above = np.maximum(np.where(hit, (1 + steps) / 2 * a3, 0) - floor, 0)
        spare = np.maximum(p.S - floor.sum(-1, keepdims=True), 0)
        given = floor + above * np.minimum(1, spare / np.maximum(above.sum(-1, keepdims=True), 1e-9))

        def rate(band: np.ndarray, power: np.ndarray) -> np.ndarray:
            own = share * band
            noise = own if p.noise_over_own_band else band
            return own * np.log1p(power * s.gain / (p.N0 * noise)) / np.float32(np.log(2))

        delay = s.input_bits / rate(p.W_up, p.p_n) + output_bits / rate(p.W_dw, p.p_BS)
        delay += np.where(hit, 0, s.input_bits / p.R_bc + output_bits / p.R_cb)
        given = np.where(hit, given, a3)
        delay += b1 * given + b2
        tv = a2 + (a4 - a2) * np.clip((given - a1) / (a3 - a1), 0, 1)
        return (p.delay_weight * delay + p.tv_weight * tv).sum(-1)

    def observation(self, s: NumpySlots) -> np.ndarray:
        """What an agent sees, Eq. (16), all users active."""
        p, batch = self.p, s.requests.shape[:-1]

        def scaled(value: np.ndarray, values: np.ndarray) -> np.ndarray:
            low, high = values.min(), values.max()
            return (value - (low + high) / 2) / ((high - low) / 2) if high > low else np.zeros_like(value)

        typical_db = -self.path_loss_db(p.area_m.min() / 4)
        parts = [
            scaled(s.skew, p.skews)[..., None],
            (10 * np.log10(np.maximum(s.gain, 1e-30)) - typical_db) / 20,
            scaled(s.input_bits, p.input_bits),
            scaled(p.models.output_bits[s.requests], p.models.output_bits),
            np.ones(s.requests.shape, np.float32),
            (s.requests[..., None] == np.arange(self.models)).reshape(*batch, -1),
        ]
        return np.concatenate(parts, axis=-1, dtype=np.float32, casting="unsafe")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=CELLS, help="cells side by side (%(default)s)")
    parser.add_argument("--repetitions", type=int, default=15, help="timed calls, of which the median counts")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    agree()
    load = os.getloadavg()[0]
    print(
        f"\n{USERS} users, {options.cells} cells side by side, p50 of {options.repetitions} calls, load {load:.1f}"
    )
    print(f"{'':22}{'cores':>6}{'slots per s':>13}{'× NumPy':>9}{'slots per s of processor':>26}   checksum")
    for cores in options.cores:
        base = None
        for name in SIDES:
            rate, busy_rate, checksum = on_cores(name, cores, options.cells, options.repetitions)
            base = base or rate
            print(
                f"{name:22}{cores:6d}{rate:13,.0f}{rate / base:9.1f}{busy_rate:26,.0f}   {checksum:.6g}", flush=True
            )


def agree() -> None:
    """Stops unless both environments make the same slots, costs and observations of the same numbers."""
    params = load_scenario("paper").params
    cell, key = NumpyCell(params, USERS), jax.random.key(3)
    ours = jax.tree.map(np.asarray, sample_episode(params, key, USERS, USERS, T))
    u = jax.tree.map(lambda x: np.moveaxis(np.asarray(x), -1, 0), draw(key, jnp.arange(T), USERS))
    state = np.empty(T, int)
    for t in range(T):
        state[t] = cell.next_skew(u.popularity[t, 0, 0], state[t - 1] if t else None)
    numbers = np.stack([u.places[..., 0], u.places[..., 1], u.fading[..., 0], u.requests[..., 0], u.sizes[..., 0]])
    slots = cell.slots(numbers, state)
    length = action_size(len(params.models.A1), USERS)
    action = np.random.default_rng(0).uniform(-1, 1, (T, length)).astype(np.float32)
    decided = jax.jit(decode)(params, ours, action)
    for name, theirs, mine in (
        *((name, getattr(slots, name), getattr(ours, name)) for name in NumpySlots._fields),
        ("cost", cell.cost(slots, action), jax.jit(serve)(params, ours, decided).utility.sum(axis=-1)),
        ("observation", cell.observation(slots), jax.jit(observe)(params, ours)),
    ):
        np.testing.assert_allclose(theirs, mine, rtol=1e-4, atol=1e-4 * np.abs(mine).mean(), err_msg=name)
    print(f"NumPy's slots, costs and observations agree with ours to 1e-4, {T} slots")


def stepped(cells: int) -> Callable[[], float]:
    """Cells side by side, step by step: what a vectorised environment does."""
    params = load_scenario("paper").params
    keys = jax.random.split(jax.random.key(0), cells)
    start = jax.jit(jax.vmap(lambda key: reset(params, key, USERS, USERS)[1]))(keys)
    length = action_size(len(params.models.A1), USERS)
    actions = jax.random.uniform(jax.random.key(1), (cells, length), minval=-1, maxval=1)

    @jax.jit
    def roll(state, actions):  # type: ignore[no-untyped-def]
        def one_step(state, _):  # type: ignore[no-untyped-def]
            after = jax.vmap(step, in_axes=(None, 0, 0, None))(params, state, actions, T)
            return after.state, after.reward.sum() + after.observation.sum()

        state, sums = jax.lax.scan(one_step, state, None, length=SLOTS_OF_EACH)
        return state, sums.sum()

    holder = [start]

    def call() -> float:
        holder[0], total = roll(holder[0], actions)
        return float(total)

    return call


def whole_episodes(cells: int) -> Callable[[], float]:
    """As many slots, each cell's whole episode as one array: what a study does."""
    params = load_scenario("paper").params
    length = action_size(len(params.models.A1), USERS)
    actions = jax.random.uniform(jax.random.key(1), (SLOTS_OF_EACH, length), minval=-1, maxval=1)

    @jax.jit
    def episodes(key, actions):  # type: ignore[no-untyped-def]
        def one(key):  # type: ignore[no-untyped-def]
            slots = sample_episode(params, key, USERS, USERS, SLOTS_OF_EACH)
            outcome = serve(params, slots, decode(params, slots, actions))
            return outcome.utility.sum() + observe(params, slots).sum()

        # A core's cache holds some cells at a time.
        return jax.lax.map(one, jax.random.split(key, cells), batch_size=100).sum()

    count = iter(range(10**9))
    return lambda: float(episodes(jax.random.key(next(count)), actions))


def numpy_stepped(cells: int) -> Callable[[], float]:
    """The NumPy environment, step by step."""
    params = load_scenario("paper").params
    cell, rng = NumpyCell(params, USERS), np.random.default_rng(0)
    length = action_size(len(params.models.A1), USERS)
    actions = rng.uniform(-1, 1, (cells, length)).astype(np.float32)
    state = [cell.next_skew(rng.random(cells, np.float32), None)]

    def call() -> float:
        total = 0.0
        for _ in range(SLOTS_OF_EACH):
            slots = cell.slots(rng.random((5, cells, USERS), np.float32), state[0])
            total += float(cell.cost(slots, actions).sum() + cell.observation(slots).sum())
            state[0] = cell.next_skew(rng.random(cells, np.float32), state[0])
        return total

    return call


# NumPy first: the others are printed as multiples of it.
SIDES = {
    "NumPy, step by step": numpy_stepped,
    "ours, step by step": stepped,
    "ours, whole episodes": whole_episodes,
}


def on_cores(name: str, cores: int, cells: int, repetitions: int) -> tuple[float, float, float]:
    """Of as many processes as cores, together: slots per second, per second of processor time, and a checksum."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(cores), context.Queue()
    workers = [
        context.Process(target=work, args=(name, core, cells, repetitions, barrier, results))
        for core in range(cores)
    ]
    for worker in workers:
        worker.start()
    found = sorted(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    return sum(rate for _, rate, _, _ in found), sum(rate for _, _, rate, _ in found), found[0][3]


def work(name: str, core: int, cells: int, repetitions: int, barrier, results) -> None:  # type: ignore[no-untyped-def]
    """One process: pins itself to a core, compiles, waits for the others, and measures."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[core % len(allowed)]})
    call = SIDES[name](cells)
    checksum = call()
    barrier.wait()
    seconds, busy = [], []
    for _ in range(repetitions):
        start, start_busy = time.perf_counter(), time.process_time()
        call()
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - start_busy)
    slots = cells * SLOTS_OF_EACH
    results.put((core, slots / float(np.median(seconds)), slots / float(np.median(busy)), checksum))


if __name__ == "__main__":
    main()
