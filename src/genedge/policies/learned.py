"""One trained policy for cells of any size, shipped with the package: no training needed.

`learned` decides in one pass of its network. `learned-search` climbs from there: it tries changes of one model at
a time on the cell's own cost, Eq. (15), and knows nothing of the optimum either. How the network was trained, on
what, and how far both are from the optimum stands in `learned.md` beside the weights.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import Array

from genedge.cell.feasible import decode
from genedge.cell.service import total_utility
from genedge.cell.types import Decision, Params, Slot
from genedge.learn.actor import Network, act, decide
from genedge.learn.agents import load_agent
from genedge.learn.arrays import restore_actor
from genedge.learn.sizes import refuse_no_storage
from genedge.scenario import Scenario, load_scenario

AGENT = "any-cell"
WEIGHTS = Path(__file__).with_name("learned.npz")
WEIGHTS_ID = "genedge learned"
ROUNDS = 3


def shipped_actor() -> Network:
    """The actor that ships with the package.

    Raises:
        InputError: its file is missing or damaged.
    """
    like: Network = load_agent(AGENT, load_scenario("paper")).actor_like(places=1)
    return restore_actor(WEIGHTS, like, WEIGHTS_ID, "it is a part of genedge; install genedge anew")


def learned_of(scenario: Scenario) -> Callable[[Params, Slot, Array], Decision]:
    """The policy `learned`.

    Args:
        scenario: the scenario that it will serve.

    Raises:
        InputError: it has no storage.
    """
    refuse_no_storage(scenario)
    return partial(one_pass, shipped_actor())


def learned_search_of(scenario: Scenario) -> Callable[[Params, Slot, Array], Decision]:
    """The policy `learned-search`.

    Args:
        scenario: the scenario that it will serve.

    Raises:
        InputError: it has no storage.
    """
    refuse_no_storage(scenario)
    return partial(searched, shipped_actor())


@jax.jit
def one_pass(actor: Network, params: Params, slots: Slot, key: Array) -> Decision:
    """What the network decides.

    Args:
        actor: the network.
        params: the scenario.
        slots: K slots, leading axis K.
        key: unused; all policies are called alike.
    """
    return decide(actor, params, slots)


@jax.jit
def searched(actor: Network, params: Params, slots: Slot, key: Array) -> Decision:
    """The best decision by Eq. (15) that a short climb from the network's own finds.

    Each of ROUNDS rounds tries, model after model, to cache it first (with the steps as they are, with A3 for all
    who ask for it, or with none) or not at all, and keeps the cheapest.

    Args:
        actor: the network.
        params: the scenario.
        slots: K slots, leading axis K.
        key: unused.
    """
    models, places = params.models.A1.shape[0], slots.requests.shape[-1]

    def cost(action: Array) -> Array:
        return total_utility(params, slots, decode(params, slots, action))

    def one_try(best: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], None]:
        model, change = i % models, i // models
        action, least = best
        priority, bandwidth, steps = jnp.split(action, [models, models + places], axis=-1)
        priority = priority.at[..., model].set(jnp.where(change < 3, 1.0, -1.0))
        asks = (slots.requests == model) & ((change == 1) | (change == 2))
        steps = jnp.where(asks, jnp.where(change == 1, 1.0, -1.0), steps)
        tried = jnp.concatenate([priority, bandwidth, steps], axis=-1)
        costs = cost(tried)
        return (jnp.where((costs < least)[:, None], tried, action), jnp.minimum(costs, least)), None

    action = act(actor, params, slots)
    tries = jnp.tile(jnp.arange(4 * models), ROUNDS)
    return decode(params, slots, jax.lax.scan(one_try, (action, cost(action)), tries)[0][0])
