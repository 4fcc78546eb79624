"""Where compiled code is kept between runs."""

from platformdirs import user_cache_path


def keep_compiled_code() -> None:
    """Lets JAX keep what it compiles in the user's cache folder, so that the next run starts at once."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(user_cache_path("genedge") / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
