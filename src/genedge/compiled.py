"""JAX, as every computation here needs it: what it computes on, and settings that are the same whoever calls."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

from platformdirs import user_cache_path

from genedge.errors import InputError

# Settings of JAX that change numbers or refuse what is right, as they are when nobody has touched them. All are
# stated, since a user may set any of them, in the environment or in his program.
AS_STATED: dict[str, Any] = {
    "enable_x64": False,
    "numpy_dtype_promotion": "standard",
    "numpy_rank_promotion": "allow",
    "default_matmul_precision": None,
    "default_prng_impl": "threefry2x32",
    "threefry_partitionable": True,
    # NaN and infinities stand in places that are masked; nobody sees them.
    "debug_nans": False,
    "debug_infs": False,
    "disable_jit": False,
}


def set_up_jax() -> None:
    """Sets JAX up for a program that is ours alone, a command or a worker.

    What it compiles is kept in the user's cache folder, so that the next run starts at once; and its settings are
    as stated, whatever the environment says.

    Raises:
        InputError: JAX has nothing to compute on, see `require_device`.
    """
    import jax

    require_device()
    for name, value in AS_STATED.items():
        jax.config.update(f"jax_{name}", value)
    jax.config.update("jax_compilation_cache_dir", str(user_cache_path("genedge") / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@contextmanager
def as_stated() -> Iterator[None]:
    """Settings of JAX as stated, for the length of a call from a program that is not ours; also a decorator."""
    import jax

    with ExitStack() as stack:
        for name, value in AS_STATED.items():
            stack.enter_context(getattr(jax, name)(value))
        yield


@contextmanager
def at_once() -> Iterator[None]:
    """The same for what gives NumPy arrays: it is computed at once, even while the caller is being traced."""
    import jax

    with jax.core.eval_context(), as_stated():
        yield


@cache
def require_device() -> None:
    """Refuses platforms that JAX does not find here; it would say so in the midst of the work, and in many lines.

    Raises:
        InputError: JAX is told by JAX_PLATFORMS, or by its configuration, to compute where it cannot.
    """
    import jax

    try:
        jax.devices()
    except Exception:  # RuntimeError of names that it does not know, AssertionError of those without a plug-in.
        asked = jax.config.values["jax_platforms"]
        raise InputError(
            f"JAX_PLATFORMS is {asked!r}: JAX finds no such device here; unset it, or set it to cpu"
        ) from None
