"""The door of the cell's public functions: what people give is looked at, and an error names the argument.

Inside the package nobody pays for it. Shapes and types are known while a function is traced, so these work under
`jax.jit`, `jax.vmap` and `jax.grad` too; values are looked at where they are known. Whatever JAX is set to, and
whatever it is asked for in between, behind the door is single precision, see `genedge.xla`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from genedge.cell import sampling, service
from genedge.cell.feasible import breaches
from genedge.cell.types import (
    Decision,
    Memory,
    Outcome,
    Params,
    Slot,
)
from genedge.errors import InputError
from genedge.given import BOOLEANS, LARGEST, NUMBERS, WHOLE, array_of, check_params, check_values, shape_of
from genedge.given import what as what
from genedge.limits import BITS, GAIN, MOST_DRAWS
from genedge.xla import as_stated, at_once

_T = TypeVar("_T")
Decide = Callable[[Params, Slot, Array], Decision]


# --- The public functions ---------------------------------------------------------------------------------


def sample_episode(params: Params, key: Array, users: int, places: int, slots: int) -> Slot:
    """Draws the slots of one episode: the skew's Markov chain, users where the scenario's mobility has them, and
    all else fresh in every slot.

    Args:
        params: the scenario, `scenario.params`.
        key: a JAX random key, such as `jax.random.key(0)`; the same key draws the same slots.
        users: number of users, at most `places`; they take the first places. With more users, the first ones'
            draws stay as they were.
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
            return decide(*in_single((params, slots)), key)

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
            return decide(*in_double((params, slots)), key)

    return checked


def own_policy(decide: Decide) -> Decide:
    """A policy of the reader's own, which meets JAX as the reader has set it.

    Args:
        decide: the policy.
    """

    def checked(params: Params, slots: Slot, key: Array) -> Decision:
        check_asked(params, slots, key)
        return decide(params, slots, key)

    return checked


def in_single(tree: _T) -> _T:
    """Arrays in the precision that the cell computes in, and of the types that JAX knows.

    JAX remembers what it once made of a NumPy array inside `jit`, in the precision of that moment, and hands that
    back in another one. So it is given arrays that it has never seen, in a precision that needs no change.

    Args:
        tree: arrays, maybe traced.
    """
    single: _T = jax.tree.map(_single, tree)
    return single


def in_double(tree: _T) -> _T:
    """The same in NumPy and in double precision, for what computes in it.

    Args:
        tree: arrays, none of them traced.
    """
    double: _T = jax.tree.map(lambda x: _numpy(x, _DOUBLE), tree)
    return double


# By what NumPy calls a kind; short numbers of JAX's own are of none.
_SINGLE = {"b": np.dtype(bool), "i": np.dtype(np.int32), "u": np.dtype(np.int32), "f": np.dtype(np.float32)}
_DOUBLE = {"b": np.dtype(bool), "i": np.dtype(np.int64), "u": np.dtype(np.int64), "f": np.dtype(np.float64)}


def _single(x: Any) -> Any:
    if not isinstance(x, Array):
        return _numpy(x, _SINGLE)
    type_ = _SINGLE.get(x.dtype.kind, _SINGLE["f"])
    return x if x.dtype == type_ else jax.lax.convert_element_type(x, type_)


def _numpy(x: Any, types: Mapping[str, np.dtype]) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(types.get(x.dtype.kind, types["f"]))


# --- What they are given ----------------------------------------------------------------------------------


def refuse_traced(function: str, instead: str, **arguments: Any) -> None:
    """Refuses what is being traced, for a function that gives NumPy arrays.

    Args:
        function: what to call it.
        instead: what can be traced.
        **arguments: its arguments by name.

    Raises:
        InputError: one of them is traced.
    """
    for name, value in arguments.items():
        if _is_traced(value):
            raise InputError(
                f"{name} is traced, and {function} computes outside of JAX: call it outside of jax.jit, jax.vmap "
                f"and jax.grad, or use {instead}"
            )


def _is_traced(tree: Any) -> bool:
    # What somebody gives may be an iterator, into which JAX shall not look.
    leaves = jax.tree.leaves(tree, is_leaf=lambda x: isinstance(x, Iterator))
    return any(isinstance(leaf, Tracer) for leaf in leaves)


def check_count(name: str, value: object) -> None:
    """Refuses what is no number of things to draw.

    Args:
        name: the argument.
        value: what was given.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 1 <= value <= MOST_DRAWS:
        raise InputError(f"{name} must be a whole number from 1 to {MOST_DRAWS}, not {what(value)}")


def check_seed(name: str, value: object) -> None:
    """Refuses what is no seed.

    Args:
        name: the argument.
        value: what was given.

    Raises:
        InputError: it is something else.
    """
    # Larger seeds would repeat smaller ones: JAX takes 32 bits of them.
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise InputError(f"{name} must be a whole number from 0 to {2**32 - 1}, not {what(value)}")


def check_key(key: object) -> None:
    """Refuses what is no random key of the kind that draws here.

    Args:
        key: what was given.

    Raises:
        InputError: it is something else.
    """
    must = "key must be a JAX random key, such as jax.random.key(0"
    if not isinstance(key, Array):
        raise InputError(f"{must}), not {what(key)}")
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        # What `jax.random.PRNGKey` makes.
        if key.shape != (2,) or key.dtype != np.uint32:
            raise InputError(f"{must}), not {what(key)}")
    elif key.shape != () or str(jax.random.key_impl(key)) != "threefry2x32":
        raise InputError(f"{must}, impl='threefry2x32'), not {what(key)} of {jax.random.key_impl(key)}")


def check_asked(params: Params, slots: Slot, key: Array) -> None:
    """Refuses what is no question to a policy.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        key: a JAX random key.

    Raises:
        InputError: one of them has another type, shape or value, or there are no slots.
    """
    check_slots(params, slots, "slots", batched=True)
    check_key(key)


def check_slots(params: Params, slots: Slot, name: str, batched: bool = False) -> None:
    """Refuses slots whose fields do not fit together, or hold what a slot of the scenario cannot.

    Args:
        params: the scenario.
        slots: slots, leading axes *batch.
        name: what the function calls them.
        batched: whether exactly one leading axis is needed, and one slot at least.

    Raises:
        InputError: it is something else, or a field has another type, shape or value.
    """
    check_params(params)
    if not isinstance(slots, Slot):
        raise InputError(f"{name} must be a genedge.Slot, not {what(slots)}")
    whole = shape_of(f"{name}.requests", slots.requests)
    if batched and len(whole) != 2:
        raise InputError(f"{name}.requests has shape {whole}; it must be (K, N), K slots of N places at a time")
    if not whole:
        raise InputError(f"{name}.requests has shape (); it must be (*batch, N)")
    if whole[-1] == 0 or (batched and whole[0] == 0):
        raise InputError(f"{name}.requests has shape {whole}; there must be a slot and a place at least")
    if slots.memory is not None and not isinstance(slots.memory, Memory):
        raise InputError(f"{name}.memory must be None or a memory, as decisions leave it, not {what(slots.memory)}")
    if params.box is not None and (slots.memory is None or slots.ranking is None):
        raise InputError(
            f"{name}: no memory or no ranking, but the scenario is of a box, whose slots only come one after the "
            f"other; genedge.evaluation.boxes.evaluate_box and genedge.env.episodes.follow decide whole episodes"
        )
    if params.box is None and slots.memory is not None:
        raise InputError(f"{name}: a memory, but the scenario is of no box; leave it out")

    models, because = np.shape(params.models.A1)[0], f"{name}.requests has {whole}"

    def look(field: str, value: object, shape: tuple[int, ...], kind: str) -> np.ndarray | None:
        return array_of(f"{name}.{field}", value, shape, kind, because)

    def check(
        field: str,
        value: np.ndarray | None,
        good: Callable[[np.ndarray], Any],
        must: str,
        free: np.ndarray | bool = False,
    ) -> None:
        if value is not None:
            check_values(f"{name}.{field}", value, good(value), must, free)

    active = look("active", slots.active, whole, BOOLEANS)
    requests = look("requests", slots.requests, whole, WHOLE)
    # Places without a user hold any numbers, and may ask for no model, which is -1.
    nobody = np.ones(whole, bool) if active is None else ~active
    no_model = nobody if requests is None else nobody & (requests == -1)
    index = f"a model's index, from 0 to {models - 1}"
    check("requests", requests, lambda x: (x >= 0) & (x < models), index, no_model)
    for field, value, (least, most) in (("input_bits", slots.input_bits, BITS), ("gain", slots.gain, GAIN)):
        numbers = look(field, value, whole, NUMBERS)
        check(field, numbers, lambda x: (x >= least) & (x <= most), f"from {least:g} to {most:g}", nobody)  # noqa: B023
    position_m = look("position_m", slots.position_m, (*whole, 2), NUMBERS)
    finite = "a finite number of single precision"
    check("position_m", position_m, lambda x: np.abs(x) <= LARGEST, finite, nobody[..., None])
    skew = look("skew", slots.skew, whole[:-1], NUMBERS)
    if not isinstance(params.skews, Tracer):
        states = np.asarray(params.skews)
        known = f"a state of params.skews, which are {', '.join(f'{state:g}' for state in states)}"
        near = 1e-8 + 1e-5 * np.abs(states)  # Slots are in single precision.
        check("skew", skew, lambda x: (np.abs(x[..., None] - states) <= near).any(axis=-1), known)
    if slots.ranking is not None:
        ranking = look("ranking", slots.ranking, (*whole[:-1], models), WHOLE)
        must = f"every index from 0 to {models - 1}, once each"
        check("ranking", ranking, lambda x: np.sort(x, axis=-1) == np.arange(models), must)
    if slots.memory is not None:
        look("memory.held", slots.memory.held, (*whole[:-1], models), BOOLEANS)
        for field, value, shape in (
            ("memory.wait", slots.memory.wait, (*whole[:-1], models)),
            ("memory.until", slots.memory.until, whole[:-1]),
        ):
            check(field, look(field, value, shape, WHOLE), lambda x: x >= 0, "a number of slots, from 0")


def check_decision(params: Params, slots: Slot, decision: Decision, name: str) -> None:
    """Refuses slots and decisions whose fields do not fit together.

    Args:
        params: the scenario.
        slots: slots, leading axes *batch.
        decision: a decision for each.
        name: what the function calls the slots.

    Raises:
        InputError: one of them is something else, or a field has another type or shape.
    """
    check_slots(params, slots, name)
    if not isinstance(decision, Decision):
        raise InputError(f"decision must be a genedge.Decision, not {what(decision)}")
    whole, models = np.shape(slots.requests), np.shape(params.models.A1)[0]
    because = f"{name}.requests has {whole}, and there are {models} models"
    array_of("decision.cache", decision.cache, (*whole[:-1], models), BOOLEANS, because)
    array_of("decision.bandwidth", decision.bandwidth, whole, NUMBERS, because)
    array_of("decision.steps", decision.steps, whole, NUMBERS, because)


def check_feasible(params: Params, slots: Slot, decision: Decision) -> None:
    """Refuses a decision that breaks a constraint, as `genedge score` does, where all values are known.

    Args:
        params: the scenario.
        slots: slots, leading axes *batch.
        decision: a decision for each.

    Raises:
        InputError: it breaks one.
    """
    if _is_traced((params, slots, decision)):
        return
    with at_once(), np.errstate(over="ignore"):  # Of shares beyond all reason, which are breaches.
        broken = breaches(*jax.tree.map(np.asarray, (params, slots, decision)))
    if broken:
        raise InputError(f"decision breaks {broken[0]}")
