"""The door of the cell's public functions: what people give is looked at, and an error names the argument.

Inside the package nobody pays for it. Shapes and types are known while a function is traced, so these work under
`jax.jit`, `jax.vmap` and `jax.grad` too; values are looked at where they are known. Whatever JAX is set to, and
whatever it is asked for in between, behind the door is single precision, see `genedge.xla`.
"""

from collections.abc import Callable

import numpy as np
from jax import Array

from genedge.cell import sampling, service
from genedge.cell.types import (
    Decision,
    Outcome,
    Params,
    Slot,
    as_seen,
)
from genedge.errors import InputError
from genedge.given import (
    check_asked,
    check_count,
    check_decision,
    check_feasible,
    check_key,
    check_params,
    refuse_traced,
)
from genedge.limits import MOST_DRAWS
from genedge.precision import in_double, in_single
from genedge.xla import as_stated, at_once

Decide = Callable[[Params, Slot, Array], Decision]


def sample_episode(params: Params, key: Array, users: int, places: int, slots: int) -> Slot:
    """Draws the slots of one episode: the skew's Markov chain, users where the scenario's mobility has them, and
    all else fresh in every slot.

    Args:
        params: the scenario, `scenario.params`.
        key: a JAX random key, such as `jax.random.key(0)`; the same key draws the same slots.
        users: number of users, at most `places`; they take the first places. With more users, the first ones'
            draws stay as they were. Slots of a file have their own.
        places: N, number of places.
        slots: T, number of slots.

    Returns:
        The slots, in SI units: `skew` (T,); `requests`, `input_bits` [bit], `gain` (linear) and `active` (T, N);
        `position_m` [m] (T, N, 2). Those of a box also have `ranking` (T, M); their memories follow from decisions.

    Raises:
        InputError: an argument has another type, shape or value, or there are more users than places.
    """
    check_params(params)
    check_key(key)
    for name, value in (("users", users), ("places", places), ("slots", slots)):
        check_count(name, value)
    if users > places:
        raise InputError(f"users is {users}, more than the {places} places")
    if params.recorded is not None:
        recorded = np.shape(params.recorded.requests)
        if places < recorded[-1] or slots > recorded[-2]:
            raise InputError(
                f"places is {places} and slots is {slots}; the episodes of params.recorded have {recorded[-1]} "
                f"places and {recorded[-2]} slots"
            )
    if places * slots > MOST_DRAWS:
        raise InputError(
            f"places and slots: {slots} slots of {places} places are too many at once; their product may be "
            f"{MOST_DRAWS}"
        )
    with as_stated():
        # NumPy's whole numbers may be short, or have no sign.
        drawn: Slot = sampling.sample_episode(in_single(params), key, int(users), int(places), int(slots))
        return drawn


def serve(params: Params, slot: Slot, decision: Decision) -> Outcome:
    """Delays, quality and utility of every user, Eq. (4), (6), (10) to (14), in single precision.

    Works under `jax.jit`, `jax.vmap` and `jax.grad`; values are then not checked where they are not known.

    Args:
        params: the scenario, `scenario.params`.
        slot: slots, leading axes *batch: `skew` (*batch); `requests`, `input_bits` [bit], `gain`, `active`
            (*batch, N); `position_m` [m] (*batch, N, 2); of a box also `ranking` (*batch, M) and `memory`.
        decision: a decision for each: `cache`, booleans (*batch, M); `bandwidth` and `steps`, shares from 0 to 1,
            (*batch, N). An active user's bandwidth must be positive.

    Returns:
        The outcome, every field (*batch, N), times in seconds; zero at inactive places.

    Raises:
        InputError: an argument has another type, shape or value, or a decision breaks a constraint.
    """
    check_decision(params, slot, decision, "slot")
    check_feasible(params, slot, decision)
    with as_stated():
        return service.serve(*in_single((params, slot, decision)))


def compiled_policy(decide: Decide) -> Decide:
    """A policy for everybody, of one that computes in JAX; it can be traced.

    Args:
        decide: the policy.
    """

    def checked(params: Params, slots: Slot, key: Array) -> Decision:
        check_asked(params, slots, key)
        with as_stated():
            return decide(*in_single((params, as_seen(slots))), key)

    return checked


def host_policy(decide: Decide, name: str) -> Decide:
    """A policy for everybody, of one that computes outside of JAX and cannot be traced.

    Args:
        decide: the policy.
        name: its name.
    """

    def checked(params: Params, slots: Slot, key: Array) -> Decision:
        instead = "policy 'knapsack' or 'learned', which can be traced"
        refuse_traced(f"policy {name!r}", instead, params=params, slots=slots, key=key)
        check_asked(params, slots, key)
        with at_once():
            return decide(*in_double((params, as_seen(slots))), key)

    return checked


def own_policy(decide: Decide) -> Decide:
    """A policy of the reader's own, which meets JAX as the reader has set it.

    Args:
        decide: the policy.
    """

    def checked(params: Params, slots: Slot, key: Array) -> Decision:
        check_asked(params, slots, key)
        return decide(params, as_seen(slots), key)

    return checked
