"""Caches by a price on the steps: a bound on what each could save, and a good decision, batched and compiled.

A multiplier λ on (11f), the price of a step, leaves independent choices: a request takes all its useful steps
if they save more than they cost. For a given cache the best price is the density gain / extra of the model at
which the steps run out, and the bound at that price is the fractional filling of the steps by descending
density. Where the feasible caches can be listed, every one gets its own price. Where they are too many, one
price serves all of them, and what is left at that price is a 0/1 knapsack over models.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from genedge.optimum.pieces import wanted
from genedge.optimum.savings import SLACK, Savings, python_loop


def list_caches(
    storage_gb: Float[np.ndarray, "M"], capacity_gb: float, most: int
) -> Bool[np.ndarray, "P M"] | None:
    """All sets of models that fit into the storage together; None if they are too many.

    Args:
        storage_gb: storage of each model.
        capacity_gb: C.
        most: how many there may be.
    """
    limit = capacity_gb * (1 + SLACK)
    caches, used = np.zeros((1, 0), bool), np.zeros(1)
    for storage in storage_gb:
        fits = used + storage <= limit
        without = np.concatenate([caches, np.zeros((len(caches), 1), bool)], axis=1)
        with_it = np.concatenate([caches[fits], np.ones((fits.sum(), 1), bool)], axis=1)
        caches, used = np.concatenate([without, with_it]), np.concatenate([used, used[fits] + storage])
        if len(caches) > most:
            return None
    return caches


class Priced(NamedTuple):
    """What pricing every listed cache gives.

    Attributes:
        best: index of the cache whose filling, request by request, saves most.
        saved: what it saves.
        bound: what each cache saves at most; −∞ if its floors do not fit, or if it has what nobody asks for.
    """

    best: Int[np.ndarray, "K"]
    saved: Float[np.ndarray, "K"]
    bound: Float[np.ndarray, "K P"]


def price_caches(problem: Savings, caches: Bool[np.ndarray, "P M"], compiled: bool) -> Priced:
    """Prices every listed cache in every slot.

    Args:
        problem: K slots.
        caches: the caches.
        compiled: whether to run compiled; compiling takes as long as some 20,000 slots take without.
    """
    useful = list(problem.useful)
    chosen = caches.astype(np.float64).T
    left = problem.steps - (problem.requests * problem.floor) @ chosen
    usable = ((~problem.cacheable).astype(np.float64) @ chosen == 0) & (left >= -SLACK * problem.steps)
    basis = np.where(problem.cacheable, problem.at_floor, 0.0) @ chosen
    spending = (
        np.maximum(left, 0.0),
        wanted(problem.of, problem.requests)[:, useful].T,
        (chosen if problem.of is None else chosen[problem.of])[useful],
        None if problem.before is None else problem.before[useful] >= 0,
        np.stack([problem.extra, problem.gain, problem.slope, problem.dead])[:, useful],
    )
    if compiled:
        with jax.enable_x64(True):
            best, bound = (np.asarray(x) for x in _spend_compiled(*spending))
    else:
        best, bound = _spend(np, python_loop, *spending)
    saved = np.where(usable, basis + best, -np.inf)
    return Priced(np.argmax(saved, axis=-1), np.max(saved, axis=-1), np.where(usable, basis + bound, -np.inf))


def _spend(xp: Any, loop: Any, left: Any, requests: Any, chosen: Any, follows: Any, pieces: Any) -> tuple[Any, Any]:
    """What the steps of every slot and cache save: request by request, and at most."""
    extra, gain, slope, dead = pieces

    def serve(m: Any, carry: tuple[Any, ...]) -> tuple[Any, ...]:
        """Spends steps on the piece next in density: greedily, request by request, and fractionally."""
        left, saved, best, left_fractional, bound, short = carry
        most = wanting = requests[m][:, None] * chosen[m]
        if follows is not None:
            # Once a piece was short, pieces that others must come before are left out.
            wanting = xp.where(short & follows[m], 0.0, most)
        full = xp.minimum(wanting, xp.floor(left / extra[m]))
        left = left - full * extra[m]
        saved = saved + full * gain[m]
        # The request after the last full one may take what is left, if that helps it; then all is spent.
        partial = xp.maximum(slope[m] * (xp.minimum(left, extra[m]) - dead[m]), 0.0)
        best = xp.maximum(best, saved + xp.where(full < wanting, partial, 0.0))
        spent = xp.minimum(left_fractional, most * extra[m])
        short = short if follows is None else short | (full < wanting)
        return left, saved, best, left_fractional - spent, bound + spent * (gain[m] / extra[m]), short

    nothing = xp.zeros_like(left)
    short = None if follows is None else nothing > 0
    _, _, best, _, bound, _ = loop(0, extra.shape[0], serve, (left, nothing, nothing, left, nothing, short))
    return best, bound


@jax.jit
def _spend_compiled(
    left: Array, requests: Array, chosen: Array, follows: Array | None, pieces: Array
) -> tuple[Array, Array]:
    return _spend(jnp, jax.lax.fori_loop, left, requests, chosen, follows, pieces)
