"""What JAX computes on, and where the code that it compiles is kept between runs."""

from functools import cache

from platformdirs import user_cache_path

from genedge.errors import InputError


def keep_compiled_code() -> None:
    """Lets JAX keep what it compiles in the user's cache folder, so that the next run starts at once.

    Raises:
        InputError: JAX has nothing to compute on, see `require_device`.
    """
    import jax

    require_device()
    jax.config.update("jax_compilation_cache_dir", str(user_cache_path("genedge") / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


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
