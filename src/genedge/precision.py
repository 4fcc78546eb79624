"""The one place where numbers cross over: scenarios are float64 NumPy, policies and learners compute in float32."""

from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from jax import Array

_T = TypeVar("_T")


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
