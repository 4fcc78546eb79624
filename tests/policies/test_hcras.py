"""The genetic algorithm's operators against their definitions, the whole against pymoo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.optimize import minimize

from genedge.cell.feasible import action_size, decode
from genedge.cell.sampling import sample_episode
from genedge.cell.service import total_utility
from genedge.policies import policy
from genedge.policies.hcras import crossover, mutation
from genedge.scenario import load_scenario

KEY = jax.random.key(0)


def test_crossover_keeps_the_parents_mean_and_spreads_as_its_index_says():
    """Far from the bounds, SBX children are symmetric about their parents' mean, with P(β ≤ 1) = 1/2."""
    mothers, fathers = jnp.full((20_000, 1), -0.01), jnp.full((20_000, 1), 0.01)
    for index in (2.0, 15.0):
        children = np.asarray(crossover(KEY, mothers, fathers, 1.0, index))
        first, second = children[:20_000, 0], children[20_000:, 0]
        np.testing.assert_allclose(first + second, 0, atol=1e-6)
        spread = np.abs(first - second) / 0.02
        crossed = np.abs(spread - 1) > 1e-5
        assert crossed.mean() == pytest.approx(0.5, abs=0.02)  # each gene crosses with probability one half
        # The density (η + 1)/2 β^η below 1 gives E[β | β ≤ 1] = (η + 1)/(η + 2).
        below = spread[crossed & (spread <= 1)]
        assert below.size / crossed.sum() == pytest.approx(0.5, abs=0.02)
        assert below.mean() == pytest.approx((index + 1) / (index + 2), abs=0.01)


def test_crossover_swaps_which_child_is_which():
    mothers, fathers = jnp.full((5000, 1), -0.5), jnp.full((5000, 1), 0.5)
    children = np.asarray(crossover(KEY, mothers, fathers, 1.0, 15.0))[:5000, 0]
    assert (children > 0).mean() == pytest.approx(0.25, abs=0.03)  # half cross, half of these swap


def test_crossover_without_probability_copies():
    parents = jax.random.uniform(KEY, (10, 4), minval=-1)
    np.testing.assert_array_equal(crossover(KEY, parents[:5], parents[5:], 0.0, 15.0), parents)


def test_mutation_moves_as_many_genes_as_asked_and_as_far_as_its_index_says():
    genes = jnp.zeros((400, 100))
    for index in (5.0, 20.0):
        mutants = np.asarray(mutation(KEY, genes, 0.1, index))
        moved = mutants != 0
        assert moved.mean() == pytest.approx(0.1, abs=0.01)
        # Unbounded polynomial mutation has E|δ| = 1/(η + 2); genes span 2. The bounds cut off next to nothing.
        assert np.abs(mutants[moved]).mean() / 2 == pytest.approx(1 / (index + 2), rel=0.1)
        assert (mutants[moved] > 0).mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("value", [-1.0, 0.97, 1.0])
def test_operators_stay_in_bounds(value):
    genes = jnp.full((200, 20), value)
    others = jax.random.uniform(KEY, genes.shape, minval=-1)
    for result in (mutation(KEY, genes, 1.0, 1.0), crossover(KEY, genes, others, 1.0, 1.0)):
        assert np.isfinite(result).all()
        assert (np.abs(result) <= 1).all()


@pytest.mark.heavy
def test_more_generations_find_better_decisions():
    scenario = load_scenario("paper")
    slots = sample_episode(scenario.params, KEY, 10, 10, 12)

    def found(generations):
        small = load_scenario("paper", ["hcras.population=20", f"hcras.generations={generations}"])
        decision = policy("hcras", small)(scenario.params, slots, KEY)
        return float(total_utility(scenario.params, slots, decision).mean())

    one, ten, forty = found(1), found(10), found(40)
    assert one > 1.02 * ten
    assert ten > 1.005 * forty


@pytest.mark.heavy
def test_as_good_as_pymoo_at_equal_budget():
    """The same operators, encoding and 40 × 25 evaluations: as good on average, within 2 %."""
    population, generations, count, users = 40, 25, 24, 10
    scenario = load_scenario("paper", [f"hcras.population={population}", f"hcras.generations={generations}"])
    params, s = scenario.params, scenario.hyperparameters("hcras")
    slots = sample_episode(params, jax.random.key(1), users, users, count)
    ours = total_utility(params, slots, policy("hcras", scenario)(params, slots, KEY))
    genes = action_size(len(scenario.models), users)

    @jax.jit
    def cost(slot, chromosomes):
        many = jax.tree.map(lambda x: jnp.broadcast_to(x, (population, *x.shape)), slot)
        return total_utility(params, many, decode(params, many, chromosomes))

    class OneSlot(Problem):
        def __init__(self, slot):
            super().__init__(n_var=genes, n_obj=1, xl=-1.0, xu=1.0)
            self.slot, self.evaluations = slot, 0

        def _evaluate(self, x, out, *args, **kwargs):
            self.evaluations += len(x)
            padded = np.zeros((population, genes), np.float32)
            padded[: len(x)] = x
            out["F"] = np.asarray(cost(self.slot, padded))[: len(x), None]

    theirs = []
    for k in range(count):
        problem = OneSlot(jax.tree.map(lambda x, k=k: x[k], slots))
        algorithm = GA(
            pop_size=population,
            crossover=SBX(prob=s.crossover_probability, eta=s.crossover_index),
            mutation=PM(prob=1.0, prob_var=s.mutation_probability, eta=s.mutation_index),
            eliminate_duplicates=False,
        )
        found = minimize(problem, algorithm, ("n_gen", generations), seed=k)
        assert problem.evaluations == population * generations
        theirs.append(found.F[0])
    assert float(ours.mean()) == pytest.approx(np.mean(theirs), rel=0.02)
