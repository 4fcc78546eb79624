"""What people give to the public functions is looked at, and an error names the argument.

Shapes and types are known while a function is traced; values are looked at where they are known.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any, Literal, get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.tree_util import Partial

from genedge.cell.feasible import breaches
from genedge.cell.station import Station
from genedge.cell.types import (
    Box,
    Channel,
    Costs,
    Curve,
    Decision,
    LastingChannel,
    LastingMobility,
    Memory,
    Mobility,
    Models,
    Observation,
    Outage,
    Params,
    Slot,
)
from genedge.errors import InputError
from genedge.limits import BITS, GAIN, MOST_DRAWS
from genedge.text import shortened
from genedge.xla import at_once, require_device

# Of a training run: the actor with the best evaluation, or the one at the end.
Weights = Literal["best", "last"]

LARGEST = float(np.finfo(np.float32).max)

# What an array may hold, and how NumPy calls it.
NUMBERS, WHOLE, BOOLEANS = "numbers", "whole numbers", "booleans"
KINDS = {NUMBERS: "fiu", WHOLE: "iu", BOOLEANS: "b"}

# The only fields of params that may be infinite (without a limit), and the only ones that may be negative.
INFINITE = ("C", "R_bc", "R_cb", "models.storage_gb", "models.floor_steps", "box.generators")
NEGATIVE = ("channel.", "mobility.")
# Costs are divided by these.
POSITIVE = ("W_up", "W_dw", "p_n", "p_BS", "N0", "R_bc", "R_cb", "S", "station.generators")


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


def check_weights(value: object) -> None:
    """Refuses what tells no actor of a training run.

    Args:
        value: what was given.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(value, str) or value not in get_args(Weights):
        raise InputError(f"weights must be 'best' or 'last', not {what(value)}")


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


def check_params(params: Params) -> None:
    """Refuses what is not the arrays of a scenario.

    Args:
        params: what was given.

    Raises:
        InputError: it is something else, a field has another type, shape or value, or JAX has nothing to compute
            on.
    """
    require_device()
    if not isinstance(params, Params):
        raise InputError(f"params must be a genedge.Params, such as scenario.params, not {what(params)}")
    if not (isinstance(params.models, Models) and isinstance(params.models.curve, Curve | None)):
        raise InputError(f"params.models must be such as scenario.params.models, not {what(params.models)}")
    for name, of in _OPTIONAL_PARTS.items():
        if not ((optional := getattr(params, name)) is None or isinstance(optional, of)):
            raise InputError(f"params.{name} must be None or such as scenario.params.{name}, not {what(optional)}")
    recorded = params.recorded
    if not (recorded is None or (isinstance(recorded, Slot) and np.ndim(recorded.requests) == 3)):
        raise InputError(f"params.recorded must be None or slots with axes (E, T, N), not {what(recorded)}")
    models, states = _shape("params.models.A1", params.models.A1), _shape("params.skews", params.skews)
    for name, value, shape in (("models.A1", params.models.A1, models), ("skews", params.skews, states)):
        if len(shape) != 1 or shape == (0,):
            raise InputError(f"params.{name} has shape {shape}; it must be a number for each model, or each state")
        _array(f"params.{name}", value, shape, NUMBERS, "")
    curve = params.models.curve
    shapes = {"": (), "2": (2,), "M": models, "K": states, "K K": (*states, *states)}
    tables = [getattr(table, "shape", ()) for table in curve or ()]
    shapes["M J"] = next((shape for shape in tables if len(shape) == 2 and shape[:1] == models), models)
    why = dict.fromkeys(("K", "K K"), "params.skews has one for each state")
    why["M"] = "params.models.A1 has one for each model"
    known: dict[str, np.ndarray] = {}
    for part, given, kinds in (
        ("channel", params.channel, (Channel, LastingChannel)),
        ("mobility", params.mobility, (Mobility, LastingMobility)),
    ):
        if not _is_one_of(type(given), kinds):
            raise InputError(f"params.{part} must be such as scenario.params.{part}, not {what(given)}")
        known |= _parts(part, given)
    known |= {} if params.observation is None else _parts("observation", params.observation)
    parts: dict[str, tuple[Any, ...] | None] = {
        **{"": params[: len(_PLAIN)], "models": params.models[:-1], "models.curve": curve},
        **{"box": params.box, "outage": params.outage, "station": params.station},
        "costs": None if params.costs is None else _numbers_of(params.costs),
    }
    there = [zip(_PARAMS[name], values, strict=True) for name, values in parts.items() if values is not None]
    for (name, kind, axes), value in chain.from_iterable(there):
        if value is None and name in _OPTIONAL:
            continue
        # What a scenario gives; a hot loop has no time for more.
        if kind == NUMBERS and type(value) is np.ndarray and value.shape == shapes[axes] and value.dtype == float:
            known[name] = value
        else:
            looked = _array(f"params.{name}", value, shapes[axes], kind, why.get(axes, ""))
            if looked is not None and kind != BOOLEANS:
                known[name] = looked
    _check_numbers(known)


def _parts(name: str, whole: Any) -> dict[str, np.ndarray]:
    """The numbers of a channel or a mobility by name, where they are known."""
    known: dict[str, np.ndarray] = {}
    kind: type = type(whole)
    single = _single_numbers(kind)
    for field, part in zip(whole._fields, whole, strict=True):
        if hasattr(part, "_fields"):
            known |= _parts(f"{name}.{field}", part)
            continue
        shape = () if field in single else _shape(f"params.{name}.{field}", part)
        if type(part) is np.ndarray and part.shape == shape and part.dtype == float:
            known[f"{name}.{field}"] = part
        elif (looked := _array(f"params.{name}.{field}", part, shape, NUMBERS, "")) is not None:
            known[f"{name}.{field}"] = looked
    return known


@cache
def _is_one_of(kind: type, protocols: tuple[type, ...]) -> bool:
    """Whether a class is a named tuple with the methods of a channel, or of a mobility."""
    return hasattr(kind, "_fields") and any(issubclass(kind, protocol) for protocol in protocols)


@cache
def _single_numbers(kind: type) -> frozenset[str]:
    """The fields of a named tuple that are single numbers, as it says itself."""
    forms = {field: get_args(hint) for field, hint in get_type_hints(kind).items()}
    return frozenset(field for field, form in forms.items() if form and getattr(form[0], "dim_str", None) == "")


_OPTIONAL_PARTS = {"box": Box, "outage": Outage, "costs": Costs, "observation": Observation, "station": Station}
# The fields of params that are arrays; those after them are named tuples.
_PLAIN = Params._fields[: Params._fields.index("channel")]


def _table_of_params() -> Mapping[str, tuple[tuple[str, str, str], ...]]:
    """Each field of the parts of params in their order: its name, what it holds, and its axes."""
    parts = {"": _PLAIN, "costs": tuple(f"costs.{field}" for field in Costs._fields[:-1])}
    named: dict[str, Any] = {"models": Models, "models.curve": Curve, **_OPTIONAL_PARTS}
    for part in ("models", "models.curve", "box", "outage", "station"):
        parts[part] = tuple(f"{part}.{field}" for field in named[part]._fields if field != "curve")
    axes = {"area_m": "2", "input_bits": "2", "skews": "K", "transition": "K K", "first_skew": "K"}
    axes |= dict.fromkeys((f"models.{f}" for f in Models._fields), "M")
    axes |= dict.fromkeys(("models.curve.steps", "models.curve.tv"), "M J")
    axes |= dict.fromkeys(("box.weights_gb", "box.load_s", "box.load_slots", "box.pinned"), "M")
    kinds = {"box.load_slots": WHOLE, "box.every": WHOLE}
    yes_or_no = ("noise_over_own_band", "box.pinned", "box.offload", "box.shared", "station.shortest_first")
    kinds |= dict.fromkeys(yes_or_no, BOOLEANS)
    return {
        part: tuple((name, kinds.get(name, NUMBERS), axes.get(name, "")) for name in names)
        for part, names in parts.items()
    }


_PARAMS = _table_of_params()
_OPTIONAL = ("box.every", "station.generators", *(name for name, *_ in _PARAMS["costs"]))


def _numbers_of(costs: Costs) -> tuple[Any, ...]:
    """The costs that are numbers; refuses a function that is none, and a deadline that costs nothing."""
    if not (costs.function is None or isinstance(costs.function, Partial)):
        must = "None or such as scenario.params.costs.function, a jax.tree_util.Partial"
        raise InputError(f"params.costs.function must be {must}, not {what(costs.function)}")
    if (costs.deadline_s is None) != (costs.late is None):
        raise InputError("params.costs: deadline_s and late go together; give both, or neither")
    return costs[:-1]


def _check_numbers(known: dict[str, np.ndarray]) -> None:
    """Refuses params that are NaN, and what is infinite or negative and may not be."""
    # All at once, as a hot loop has no time; which one it was is looked for only where one is wrong.
    everything = np.concatenate([np.ravel(value) for value in known.values()] or [np.zeros(0)])
    positive = [known[field].item() for field in POSITIVE if field in known]
    if ((everything >= 0) & (everything <= LARGEST)).all() and all(value > 0 for value in positive):
        return
    for field, value in known.items():
        good, must = ~np.isnan(value), "a number"
        if field not in INFINITE:
            good, must = np.abs(value) <= LARGEST, "a finite number of single precision"
        if not field.startswith(NEGATIVE):
            above = value > 0 if field in POSITIVE else value >= 0
            good, must = good & above, f"{must} {'above 0' if field in POSITIVE else 'from 0'}"
        _check_values(f"params.{field}", value, good, must)


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
    whole = _shape_of_slots(params, slots, name, batched)
    models, because = np.shape(params.models.A1)[0], f"{name}.requests has {whole}"

    def look(field: str, value: object, shape: tuple[int, ...], kind: str) -> np.ndarray | None:
        return _array(f"{name}.{field}", value, shape, kind, because)

    def check(
        field: str,
        value: np.ndarray | None,
        good: Callable[[np.ndarray], Any],
        must: str,
        free: np.ndarray | bool = False,
    ) -> None:
        if value is not None:
            _check_values(f"{name}.{field}", value, good(value), must, free)

    active = look("active", slots.active, whole, BOOLEANS)
    if active is not None:
        _check_outage(params, slots, name, active, look)
    requests = look("requests", slots.requests, whole, WHOLE)
    # Places without a user hold any numbers, and may ask for no model, which is -1.
    nobody = np.ones(whole, bool) if active is None else ~active
    no_model = nobody if requests is None else nobody & (requests == -1)
    index = f"a model's index, from 0 to {models - 1}"
    check("requests", requests, lambda x: (x >= 0) & (x < models), index, no_model)
    seen = () if slots.seen_gain is None else (("seen_gain", slots.seen_gain, GAIN),)
    for field, value, (least, most) in (
        ("input_bits", slots.input_bits, BITS),
        ("gain", slots.gain, GAIN),
        *seen,
    ):
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


def _check_outage(params: Params, slots: Slot, name: str, active: np.ndarray, look: Callable[..., Any]) -> None:
    """Refuses slots in which those are served whose channels are too weak, or others are not."""
    outage = None if slots.outage is None else look("outage", slots.outage, np.shape(slots.requests), BOOLEANS)
    # Gains that are seen otherwise than they are tell nothing.
    as_it_is = params.observation is None and not _is_traced((params.outage, slots.gain))
    if outage is None or params.outage is None or not as_it_is:
        return
    _check_values(f"{name}.outage", outage, ~(outage & active), "False where a user is active")
    least, gain = float(params.outage.least_gain), np.asarray(slots.gain, np.float64)
    # Slots are in single precision.
    served, weak = gain >= least * (1 - 1e-6), gain <= least * (1 + 1e-6)
    must = f"False where the gain is below {least:g}, which is an outage"
    _check_values(f"{name}.active", active, served | ~active, must)
    _check_values(f"{name}.outage", outage, weak | ~outage, f"False where the gain is at least {least:g}")


def _shape_of_slots(params: Params, slots: Slot, name: str, batched: bool) -> tuple[int, ...]:
    """The shape of requests, (*batch, N); refuses what is no slots, or not those of the scenario's kind."""
    check_params(params)
    if not isinstance(slots, Slot):
        raise InputError(f"{name} must be a genedge.Slot, not {what(slots)}")
    whole = _shape(f"{name}.requests", slots.requests)
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
    if params.outage is not None and slots.outage is None:
        raise InputError(
            f"{name}.outage is None, but the scenario has an outage: it must be True where a user is there whose "
            f"gain is below params.outage.least_gain, and active False there"
        )
    if params.outage is None and slots.outage is not None:
        raise InputError(f"{name}.outage is given, but the scenario has no outage; leave it out")
    return whole


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
    _array("decision.cache", decision.cache, (*whole[:-1], models), BOOLEANS, because)
    _array("decision.bandwidth", decision.bandwidth, whole, NUMBERS, because)
    _array("decision.steps", decision.steps, whole, NUMBERS, because)


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


def _array(name: str, value: Any, shape: tuple[int, ...], kind: str, because: str) -> np.ndarray | None:
    """The values of an array of this shape and kind; None while they are traced."""
    if (given := _shape(name, value)) != shape:
        raise InputError(f"{name} has shape {given}; it must be {shape}" + (f", as {because}" if because else ""))
    dtype = value.dtype if isinstance(value, Array | np.ndarray | np.generic) else np.asarray(value).dtype
    # Short numbers, such as bfloat16, are not NumPy's own.
    if getattr(dtype, "kind", "key") not in KINDS[kind] and not (
        kind == NUMBERS and jnp.issubdtype(dtype, jnp.floating)
    ):
        raise InputError(f"{name} must be an array of {kind}, not of {dtype}")
    return None if isinstance(value, Tracer) else np.asarray(value)


def _shape(name: str, value: Any) -> tuple[int, ...]:
    if type(value) is np.ndarray or isinstance(value, np.ndarray | Array | np.generic):
        return value.shape
    if isinstance(value, int | float):
        return ()
    raise InputError(f"{name} must be an array, not {what(value)}")


def _check_values(
    name: str, value: np.ndarray, good: np.ndarray, must: str, free: np.ndarray | bool = False
) -> None:
    if not good.all() and not (good := good | free).all():
        at = tuple(int(i) for i in np.argwhere(~good)[0])
        entry = f"[{', '.join(map(str, at))}]" if at else ""
        raise InputError(f"{name}{entry} is {value[at]}; it must be {must}")


def what(value: object) -> str:
    """What was given, for a message of one line.

    Args:
        value: anything.
    """
    kind, shape = type(value).__name__, getattr(value, "shape", None)
    if shape is not None:
        return f"{'traced array' if isinstance(value, Tracer) else kind} of shape {shape}"
    if value is None or isinstance(value, str | bytes | int | float | complex):
        return shortened(value)
    return kind
