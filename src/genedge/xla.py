"""JAX and XLA, as every computation here needs them: the device, settings the same whoever calls, effort."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from types import MappingProxyType
from typing import Any

from platformdirs import user_cache_path

from genedge.errors import InputError
from genedge.text import shortened

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
    # Else nothing could be given to JAX without saying so each time.
    "transfer_guard": "allow",
}

# The same of a program that is ours alone; another's keys are made as its owner has set.
AS_STATED_HERE: dict[str, Any] = {"random_seed_offset": 0, "raise_persistent_cache_errors": False}

# Settings that say where JAX computes.
WHERE = ("platforms", "platform_name", "default_device")


# How hard XLA works on a program: seconds less to compile where it runs no slower for it, or seldom.
# Higher levels take a fifth longer to compile the training steps, which then run no faster.
OFTEN: Mapping[str, int | bool] = MappingProxyType({"xla_backend_optimization_level": 1})

# The emitters of fused operations that are XLA's default on CPUs make code a tenth faster, in twice the time.
SELDOM: Mapping[str, int | bool] = MappingProxyType({**OFTEN, "xla_cpu_use_fusion_emitters": False})
ONCE: Mapping[str, int | bool] = MappingProxyType({**SELDOM, "xla_backend_optimization_level": 0})


def set_up_jax() -> None:
    """Sets JAX up for a program that is ours alone, a command or a worker.

    What it compiles is kept in the user's cache folder, so that the next run starts at once; and its settings are
    as stated, whatever the environment says.

    Raises:
        InputError: JAX has nothing to compute on, see `require_device`.
    """
    import jax

    require_device()
    for name, value in (AS_STATED | AS_STATED_HERE).items():
        jax.config.update(f"jax_{name}", value)
    jax.config.update("jax_compilation_cache_dir", str(user_cache_path("genedge") / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    # Where nothing can be kept, everything works as well, only later.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache", UserWarning)


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
        InputError: JAX is told by its environment variables, or by its configuration, to compute where it cannot.
    """
    import jax

    asked = {name: value for name in WHERE if (value := jax.config.values[f"jax_{name}"])}
    try:
        jax.devices()
        if isinstance(device := asked.get("default_device"), str):
            jax.devices(device)
    except Exception:  # RuntimeError of names that it does not know, AssertionError of those without a plug-in.
        told = " and ".join(f"JAX_{name.upper()} is {shortened(value)}" for name, value in asked.items())
        raise InputError(f"{told}: JAX finds no such device here; unset it, or set it to cpu") from None
