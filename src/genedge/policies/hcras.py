"""HCRAS, the paper's genetic algorithm (Section V-B), compiled and batched over slots.

Real-valued encoding, binary tournaments, simulated binary crossover (SBX), polynomial mutation, and survival of the
best among parents and children; the chromosome with the lowest Eq. (15) wins. A chromosome is the flat action that
learners use too, so that every one is feasible and the comparison is between searches, not between encodings.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float
from pydantic import Field

from genedge.cell.feasible import action_size, decode
from genedge.cell.service import total_utility
from genedge.cell.types import Decision, Params, Slot
from genedge.limits import decided, refuse_large
from genedge.scenario import Scenario
from genedge.settings.fields import Count, NotNegative, Section, Share
from genedge.settings.provenance import assumed


class Hcras(Section):
    """Settings of the genetic algorithm, in a scenario under `hcras`."""

    population: Annotated[Count, Field(ge=2, multiple_of=2)] = assumed(100)
    generations: Count = assumed(50)
    crossover_probability: Share = assumed(0.9)
    crossover_index: NotNegative = assumed(2, "tuned at 10 and 18 users")
    mutation_probability: Share = assumed(0.05, "per gene, tuned")
    mutation_index: NotNegative = assumed(5, "tuned")


def hcras_of(scenario: Scenario) -> Callable[[Params, Slot, Array], Decision]:
    """The policy with a scenario's settings.

    Args:
        scenario: the scenario.

    Raises:
        InputError: a generation would not fit into memory.
    """
    settings: Hcras = scenario.hyperparameters("hcras")
    models, places = len(scenario.models), scenario.settings.cell.places
    refuse_large("hcras.population, the numbers of models and places", decided(settings.population, models, places))
    return partial(hcras, settings)


def hcras(settings: Hcras, params: Params, slots: Slot, key: Array) -> Decision:
    """Searches each slot's decision with a genetic algorithm; spends population × generations evaluations.

    Args:
        settings: population, generations, and the operators' probabilities and indices.
        params: the scenario.
        slots: K slots, leading axis K.
        key: a JAX random key.

    Returns:
        The best decision found for each slot.
    """
    operators = jnp.array(
        [
            settings.crossover_probability,
            settings.crossover_index,
            settings.mutation_probability,
            settings.mutation_index,
        ]
    )
    return _search(params, slots, key, operators, settings.population, settings.generations)


@partial(jax.jit, static_argnames=("population", "generations"))
def _search(
    params: Params, slots: Slot, key: Array, operators: Array, population: int, generations: int
) -> Decision:
    genes = action_size(params.models.A1.shape[0], slots.requests.shape[-1])
    crossover_probability, crossover_index, mutation_probability, mutation_index = operators

    def search_slot(args: tuple[Slot, Array]) -> Array:
        slot, slot_key = args
        many = jax.tree.map(lambda x: jnp.broadcast_to(x, (population, *x.shape)), slot)

        def cost(chromosomes: Array) -> Array:
            return total_utility(params, many, decode(params, many, chromosomes))

        def generation(g: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            parents, parent_cost = carry
            choose, cross, mutate = jax.random.split(jax.random.fold_in(slot_key, g + 1), 3)
            rivals = jax.random.randint(choose, (2, population), 0, population)
            first, second = parent_cost[rivals]
            chosen = parents[jnp.where(first <= second, rivals[0], rivals[1])]
            mothers, fathers = jnp.split(chosen, 2)
            children = crossover(cross, mothers, fathers, crossover_probability, crossover_index)
            children = mutation(mutate, children, mutation_probability, mutation_index)
            # The first generation is the random start itself, not yet evaluated.
            children = jnp.where(g == 0, start, children)
            everyone = jnp.concatenate([parents, children])
            everyones_cost = jnp.concatenate([parent_cost, cost(children)])
            _, best = jax.lax.top_k(-everyones_cost, population)
            return everyone[best], everyones_cost[best]

        start = jax.random.uniform(jax.random.fold_in(slot_key, 0), (population, genes), minval=-1, maxval=1)
        unknown = jnp.full(population, jnp.inf)
        chromosomes, _ = jax.lax.fori_loop(0, generations, generation, (start, unknown))
        return chromosomes[0]

    keys = jax.vmap(lambda k: jax.random.fold_in(key, k))(jnp.arange(slots.requests.shape[0]))
    return decode(params, slots, jax.lax.map(search_slot, (slots, keys)))


def crossover(
    key: Array,
    mothers: Float[Array, "P genes"],
    fathers: Float[Array, "P genes"],
    probability: Array | float,
    index: Array | float,
) -> Float[Array, "2*P genes"]:
    """Simulated binary crossover, bounded to [−1, 1]: children spread around their parents as in binary crossover.

    Args:
        key: a JAX random key.
        mothers: one parent of each pair.
        fathers: the other.
        probability: that a pair crosses at all; then each gene does with probability one half.
        index: distribution index; larger keeps children nearer to their parents.

    Returns:
        Two children of each pair.
    """
    low, high = jnp.minimum(mothers, fathers), jnp.maximum(mothers, fathers)
    distance = jnp.maximum(high - low, 1e-9)
    # One draw serves all: its integer part says whether the gene crosses and which child gets which value, its
    # fraction how far the children spread. Random numbers are half of the work of a generation.
    pair, gene = jnp.split(jax.random.uniform(key, (mothers.shape[0], mothers.shape[1] + 1)), [1], axis=1)
    choice, u = jnp.divmod(4 * gene, 1)

    def reach(room: Array) -> Array:
        # β of the bounded operator: the density's tail beyond the bound is cut off and given to the rest.
        alpha = 2 - (1 + 2 * room / distance) ** -(index + 1)
        drawn = u * alpha
        return jnp.where(drawn <= 1, drawn, 1 / jnp.maximum(2 - drawn, 1e-9)) ** (1 / (index + 1))

    middle = (low + high) / 2
    lower = jnp.clip(middle - reach(low + 1) * distance / 2, -1, 1)
    upper = jnp.clip(middle + reach(1 - high) * distance / 2, -1, 1)
    crossed, swapped = (pair < probability) & (choice < 2), choice == 1
    first, second = jnp.where(swapped, upper, lower), jnp.where(swapped, lower, upper)
    return jnp.concatenate([jnp.where(crossed, first, mothers), jnp.where(crossed, second, fathers)])


def mutation(
    key: Array, children: Float[Array, "P genes"], probability: Array | float, index: Array | float
) -> Float[Array, "P genes"]:
    """Polynomial mutation, bounded to [−1, 1].

    Args:
        key: a JAX random key.
        children: chromosomes.
        probability: that a gene mutates.
        index: distribution index; larger keeps mutants nearer.

    Returns:
        The mutated chromosomes.
    """
    drawn = jax.random.uniform(key, children.shape)
    mutates, u = drawn < probability, drawn / jnp.maximum(probability, 1e-9)
    # Steps down and up mirror each other; `side` points to the bound that this one moves towards.
    side = jnp.where(u < 0.5, -1, 1)
    tail = jnp.maximum(2 * jnp.minimum(u, 1 - u), 0)
    away = (1 + side * children) / 2
    step = 1 - (tail + (1 - tail) * away ** (index + 1)) ** (1 / (index + 1))
    mutant = jnp.clip(children + 2 * side * step, -1, 1)
    return jnp.where(mutates, mutant, children)
