"""A cost of a slot that a reader's own file gives: `objective.function`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from genedge.errors import InputError
from genedge.own import failure, from_file

# Users of the slots on which it is tried.
TRIED = (1, 7)


@dataclass(frozen=True)
class OwnCost:
    """The function, whose errors name its line; two of the same are equal: nothing is compiled anew.

    Attributes:
        name: `FILE.py:FUNCTION`.
        function: of one slot's users, see `docs/howto/objective.md`.
    """

    name: str
    function: Callable[..., Any]

    def __call__(self, delay_s: Array, tv: Array, hit: Array, steps: Array, active: Array) -> Array:
        """The cost of each user, or of the slot; each argument has an entry for each place."""
        try:
            # Whatever JAX is set to, booleans may be counted and whole numbers divided by.
            with jax.numpy_dtype_promotion("standard"):
                cost = jnp.asarray(self.function(delay_s=delay_s, tv=tv, hit=hit, steps=steps, active=active))
        except (Exception, SystemExit) as e:
            raise failure(self.name, e) from e
        if cost.shape not in ((), delay_s.shape):
            raise InputError(
                f"{self.name} gives an array of shape {cost.shape} for a slot of {delay_s.shape[0]} places; it "
                f"must give the cost of each, {delay_s.shape}, or one number, of the slot"
            )
        if not jnp.issubdtype(cost.dtype, jnp.floating):
            raise InputError(f"{self.name} gives {cost.dtype}; a cost must be a real number")
        return cost.astype(delay_s.dtype)


def cost_of_file(name: str) -> Partial:
    """The cost that a function of a Python file is.

    Args:
        name: `FILE.py:FUNCTION`; the file is run.

    Raises:
        InputError: the file is missing or does not run, or has no such function.
    """
    function = from_file(name)
    if not callable(function):
        raise InputError(f"{name} is no function; it must be one of (delay_s, tv, hit, steps, active)")
    return Partial(OwnCost(name, function))


def try_cost(function: Partial) -> None:
    """Refuses a cost that fails, or gives what is no cost, for some users.

    Args:
        function: as `cost_of_file` gives it.

    Raises:
        InputError: with what is wrong.
    """
    rng = np.random.default_rng(0)
    # Compiled, as everything that learns or evaluates compiles it.
    compiled = jax.jit(function)
    for users in TRIED:
        there = jnp.arange(users) != users - 2
        delay_s, tv = jnp.where(there, jnp.asarray(rng.uniform(1, 100, (2, users)), jnp.float32), 0.0)
        hit = there & (jnp.arange(users) % 2 == 0)
        cost = np.asarray(compiled(delay_s, tv, hit, jnp.where(hit, 100.0, 0.0), there))
        if not np.isfinite(cost).all():
            own: Any = function.func
            raise InputError(
                f"{own.name} gives {cost[~np.isfinite(cost)].flat[0]} for some users; it must be finite"
            )
