"""The arrays of a scenario, looked at: what people give, and an error that names the field."""

from functools import cache
from typing import Any, get_args, get_type_hints

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from genedge.cell.types import Box, Channel, LastingChannel, LastingMobility, Mobility, Models, Params
from genedge.errors import InputError
from genedge.text import shortened
from genedge.xla import require_device

LARGEST = float(np.finfo(np.float32).max)

# What an array may hold, and how NumPy calls it.
NUMBERS, WHOLE, BOOLEANS = "numbers", "whole numbers", "booleans"
KINDS = {NUMBERS: "fiu", WHOLE: "iu", BOOLEANS: "b"}

# The only fields of params that may be infinite (without a limit), and the only ones that may be negative.
INFINITE = ("C", "R_bc", "R_cb", "models.storage_gb", "models.floor_steps", "box.generators")
NEGATIVE = ("channel.", "mobility.")
# Costs are divided by these.
POSITIVE = ("W_up", "W_dw", "p_n", "p_BS", "N0", "R_bc", "R_cb", "S")


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
    if not isinstance(params.models, Models):
        raise InputError(f"params.models must be such as scenario.params.models, not {what(params.models)}")
    if not (params.box is None or isinstance(params.box, Box)):
        raise InputError(f"params.box must be None or such as scenario.params.box, not {what(params.box)}")
    models, states = shape_of("params.models.A1", params.models.A1), shape_of("params.skews", params.skews)
    for name, value, shape in (("models.A1", params.models.A1, models), ("skews", params.skews, states)):
        if len(shape) != 1 or shape == (0,):
            raise InputError(f"params.{name} has shape {shape}; it must be a number for each model, or each state")
        array_of(f"params.{name}", value, shape, NUMBERS, "")
    shapes = {"": (), "2": (2,), "M": models, "K": states, "K K": (*states, *states)}
    why = {"M": "params.models.A1 has one for each model", "K": "params.skews has one for each state"}
    why["K K"] = why["K"]
    known: dict[str, np.ndarray] = {}
    for part, given, kinds in (
        ("channel", params.channel, (Channel, LastingChannel)),
        ("mobility", params.mobility, (Mobility, LastingMobility)),
    ):
        if not _is_one_of(type(given), kinds):
            raise InputError(f"params.{part} must be such as scenario.params.{part}, not {what(given)}")
        known |= _parts(part, given)
    for (name, kind, axes), value in zip(
        _PARAMS, (*params[:-4], *params.models, *(params.box or ())), strict=False
    ):
        if value is None and name == "box.every":
            continue
        # What a scenario gives; a hot loop has no time for more.
        if kind == NUMBERS and type(value) is np.ndarray and value.shape == shapes[axes] and value.dtype == float:
            known[name] = value
        else:
            looked = array_of(f"params.{name}", value, shapes[axes], kind, why.get(axes, ""))
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
        shape = () if field in single else shape_of(f"params.{name}.{field}", part)
        if type(part) is np.ndarray and part.shape == shape and part.dtype == float:
            known[f"{name}.{field}"] = part
        elif (looked := array_of(f"params.{name}.{field}", part, shape, NUMBERS, "")) is not None:
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


def _table_of_params() -> tuple[tuple[str, str, str], ...]:
    """Each field of params in their order: its name, what it holds, and its axes."""
    names = [*Params._fields[:-4], *(f"models.{f}" for f in Models._fields), *(f"box.{f}" for f in Box._fields)]
    axes = {
        "area_m": "2",
        "input_bits": "2",
        "skews": "K",
        "transition": "K K",
        "first_skew": "K",
    }
    axes |= dict.fromkeys((f"models.{f}" for f in Models._fields), "M")
    axes |= dict.fromkeys(("box.weights_gb", "box.load_s", "box.load_slots", "box.pinned"), "M")
    kinds = {"box.load_slots": WHOLE, "box.every": WHOLE}
    kinds |= dict.fromkeys(("noise_over_own_band", "box.pinned", "box.offload", "box.shared"), BOOLEANS)
    return tuple((name, kinds.get(name, NUMBERS), axes.get(name, "")) for name in names)


_PARAMS = _table_of_params()


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
        check_values(f"params.{field}", value, good, must)


def array_of(name: str, value: Any, shape: tuple[int, ...], kind: str, because: str) -> np.ndarray | None:
    """The values of an array of this shape and kind; None while they are traced.

    Args:
        name: what to call it.
        value: what was given.
        shape: that it must have.
        kind: of NUMBERS, WHOLE, BOOLEANS.
        because: why that shape; may be empty.

    Raises:
        InputError: it has another shape, or holds something else.
    """
    if (given := shape_of(name, value)) != shape:
        raise InputError(f"{name} has shape {given}; it must be {shape}" + (f", as {because}" if because else ""))
    dtype = value.dtype if isinstance(value, Array | np.ndarray | np.generic) else np.asarray(value).dtype
    # Short numbers, such as bfloat16, are not NumPy's own.
    if getattr(dtype, "kind", "key") not in KINDS[kind] and not (
        kind == NUMBERS and jnp.issubdtype(dtype, jnp.floating)
    ):
        raise InputError(f"{name} must be an array of {kind}, not of {dtype}")
    return None if isinstance(value, Tracer) else np.asarray(value)


def shape_of(name: str, value: Any) -> tuple[int, ...]:
    """The shape of an array or a number.

    Args:
        name: what to call it.
        value: what was given.

    Raises:
        InputError: it is neither.
    """
    if type(value) is np.ndarray or isinstance(value, np.ndarray | Array | np.generic):
        return value.shape
    if isinstance(value, int | float):
        return ()
    raise InputError(f"{name} must be an array, not {what(value)}")


def check_values(
    name: str, value: np.ndarray, good: np.ndarray, must: str, free: np.ndarray | bool = False
) -> None:
    """Refuses values that are not as they must be.

    Args:
        name: what to call them.
        value: the array.
        good: which are.
        must: what they must be.
        free: which may be anything.

    Raises:
        InputError: names the first that is not.
    """
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
