"""How fast each way of deciding is, and how far from the best: python benchmarks/optimum.py

Prints, for 10, 18, 100 and 1,000 users, the time per slot on one core (compilation excluded) and the gap to
the certified bound of `optimal`. Up to 18 users the cell is the preset `paper`. With more, bandwidth and
steps grow with the users (times N/10), and at 1,000 there are 100 models and storage for about 20 of them.
`HiGHS alone` solves caching and steps as a mixed-integer program, with the bandwidth of `optimal`. `pymoo GA`
is pymoo's genetic algorithm on the flat action that HCRAS uses too, its cost compiled. Fewer slots stand for
the slow ones: see the column.
"""

# First, because it sets what libraries read when they start.
import one_core  # noqa: F401

# isort: split
import argparse
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import jax
import numpy as np
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.optimize import minimize

from genedge.cell.feasible import action_size, decode, in_float64
from genedge.cell.sampling import sample_episode
from genedge.cell.service import total_utility
from genedge.cell.types import Decision, Slot
from genedge.optimum import certify, solve_optimal, solve_priced
from genedge.optimum.certificate import objective, radio_cost
from genedge.optimum.milp import solve_milp
from genedge.policies import policy
from genedge.scenario import Scenario, load_scenario

# Population and generations of HCRAS.
BUDGETS = ((40, 25), (100, 50), (200, 150))

HIGHS_LIMIT_S = 60.0

T = TypeVar("T")


class Size(NamedTuple):
    """How many slots stand for a number of users, for each kind of policy."""

    fast: int
    hcras: int
    slow: int


SIZES = {10: Size(8192, 64, 20), 18: Size(8192, 64, 20), 100: Size(4096, 16, 5), 1000: Size(8, 4, 2)}


class Row(NamedTuple):
    """One line of the table; times in µs per slot, gaps in percent."""

    name: str
    slots: int
    micros: float
    mean_gap: float
    largest_gap: float
    mean_gap_without_radio: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", choices=SIZES, default=list(SIZES))
    chosen = parser.parse_args().users
    for users in chosen:
        scenario = scenario_of(users)
        p = scenario.params
        print(f"\n{users} users, {len(p.models.A1)} models, {float(p.C):g} GB, {float(p.S):g} steps")
        print(f"{'':28}{'slots':>7}{'µs per slot':>15}{'× priced':>12}{'gap %':>9}{'max %':>9}{'no radio %':>12}")
        base = None
        for row in rows(scenario, users):
            base = base or row.micros
            print(
                f"{row.name:28}{row.slots:7d}{row.micros:15,.1f}{row.micros / base:12,.1f}"
                f"{row.mean_gap:9.2g}{row.largest_gap:9.2g}{row.mean_gap_without_radio:12.2g}",
                flush=True,
            )
    if 1000 in chosen:
        print_harder()


def print_harder() -> None:
    """A thousand users where steps or floors bind; with the steps of above, nobody goes without."""
    print("\n1000 users, 100 models, 120 GB; mean and largest gap without the radio part, to each one's own bound")
    print(f"{'':44}{'slots':>7}{'ms per slot':>15}{'gap %':>9}{'max %':>9}")
    for more in (
        ("server.total_steps=20000",),
        ("server.quality_floor.largest_tv=best",),
        ("server.total_steps=20000", "server.quality_floor.least_steps=40"),
    ):
        params = scenario_of(1000, *more).params
        slots = jax.tree.map(np.asarray, sample_episode(params, jax.random.key(0), 1000, 1000, 16))
        for name, solve in (("priced", solve_priced), ("optimal", solve_optimal)):
            start = time.perf_counter()
            found = certify(params, slots, *(solved := solve(params, slots)))
            seconds = (time.perf_counter() - start) / 16
            radio = radio_cost(params, slots, solved.decision)
            gap = 100 * (found.objective - found.lower_bound) / (found.objective - radio)
            label = ", ".join([name, *(key.rpartition(".")[2] for key in more)])
            print(f"{label:44}{16:7d}{seconds * 1e3:15,.1f}{gap.mean():9.2g}{gap.max():9.2g}", flush=True)


def scenario_of(users: int, *more: str) -> Scenario:
    overrides = [f"cell.users={users}", f"cell.places={users}"]
    if users > 18:
        overrides += [
            f"server.total_steps={users * 100}",
            f"radio.uplink_bandwidth_mhz={users * 2}",
            f"radio.downlink_bandwidth_mhz={users * 4}",
        ]
    if users == 1000:
        overrides += ["models.count=100", "server.storage_gb=120"]
    return load_scenario("paper", [*overrides, *more])


def rows(scenario: Scenario, users: int) -> Iterator[Row]:
    params, size = scenario.params, SIZES[users]
    drawn = sample_episode(params, jax.random.key(0), users, users, size.fast)
    slots = jax.tree.map(np.asarray, drawn)
    optimal, optimal_s = timed(lambda: solve_optimal(params, slots), size.fast)
    radio = radio_cost(params, slots, optimal.decision)

    def row(name: str, count: int, seconds: float, decision: Decision) -> Row:
        cost = objective(params, take(slots, count), in_float64(decision))
        above = cost - optimal.lower_bound[:count]
        gap, without_radio = 100 * above / cost, 100 * above / (cost - radio[:count])
        return Row(name, count, seconds * 1e6, gap.mean(), gap.max(), without_radio.mean())

    priced, seconds = timed(lambda: solve_priced(params, slots), size.fast)
    yield row("priced", size.fast, seconds, priced.decision)
    yield row("optimal", size.fast, optimal_s, optimal.decision)

    start = time.perf_counter()
    found = [solve_milp(params, one(slots, k), 0.0, HIGHS_LIMIT_S) for k in range(size.slow)]
    seconds = (time.perf_counter() - start) / size.slow
    caches, steps = np.stack([f.cache for f in found]), np.stack([f.steps for f in found])
    yield row("HiGHS alone", size.slow, seconds, Decision(caches, optimal.decision.bandwidth[: size.slow], steps))

    for name in ("knapsack", "rcars"):
        decide = policy(name, scenario)
        decision, seconds = timed(lambda: decide(params, slots, jax.random.key(1)), size.fast)  # noqa: B023
        yield row(name, size.fast, seconds, decision)

    some = take(slots, size.hcras)
    for population, generations in BUDGETS:
        budget = scenario_with(scenario, population, generations)
        decide = policy("hcras", budget)
        decision, seconds = timed(lambda: decide(params, some, jax.random.key(1)), size.hcras, calls=1)  # noqa: B023
        yield row(f"HCRAS {population} × {generations}", size.hcras, seconds, decision)

    solve = genetic(scenario, slots)
    solve(0)
    start = time.perf_counter()
    decisions = [solve(k) for k in range(size.slow)]
    seconds = (time.perf_counter() - start) / size.slow
    decision = jax.tree.map(lambda *x: np.stack(x), *decisions)
    yield row("pymoo GA 100 × 50", size.slow, seconds, decision)


def scenario_with(scenario: Scenario, population: int, generations: int) -> Scenario:
    settings = scenario.settings
    hcras = settings.hcras.model_copy(update={"population": population, "generations": generations})
    return Scenario(settings.model_copy(update={"hcras": hcras}), scenario.table)


def genetic(scenario: Scenario, slots: Slot) -> Callable[[int], Decision]:
    """The genetic algorithm of pymoo for one slot: operators and budget of the scenario's `hcras`, 100 × 50."""
    params, s = scenario.params, scenario.hyperparameters("hcras")
    length = action_size(len(params.models.A1), slots.requests.shape[1])

    @jax.jit
    def costs(slot: Slot, actions: np.ndarray) -> jax.Array:
        many = jax.tree.map(lambda x: jax.numpy.broadcast_to(x, (len(actions), *x.shape)), slot)
        return total_utility(params, many, decode(params, many, actions))

    compiled_decode = jax.jit(decode)

    def solve(k: int) -> Decision:
        slot = one(slots, k)

        class Cost(Problem):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__(n_var=length, n_obj=1, xl=-1.0, xu=1.0)

            def _evaluate(self, x: np.ndarray, out: dict[str, np.ndarray], *args: object, **kwargs: object) -> None:
                out["F"] = np.asarray(costs(slot, x.astype(np.float32)))[:, None]

        algorithm = GA(
            pop_size=s.population,
            crossover=SBX(prob=s.crossover_probability, eta=s.crossover_index),
            mutation=PM(prob=1.0, prob_var=s.mutation_probability, eta=s.mutation_index),
        )
        best = minimize(Cost(), algorithm, ("n_gen", s.generations), seed=k).X
        return jax.tree.map(np.asarray, compiled_decode(params, slot, best.astype(np.float32)))

    return solve


def timed(call: Callable[[], T], slots: int, calls: int = 5) -> tuple[T, float]:
    """What a call returns, and the median of its seconds per slot over some calls after a first."""
    result = jax.block_until_ready(call())
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        result = jax.block_until_ready(call())
        seconds.append((time.perf_counter() - start) / slots)
    return result, float(np.median(seconds))


def take(slots: Slot, count: int) -> Slot:
    return jax.tree.map(lambda x: x[:count], slots)


def one(slots: Slot, k: int) -> Slot:
    return jax.tree.map(lambda x: x[k], slots)


if __name__ == "__main__":
    main()
