"""Where long work is done: the options that say so."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from genedge.engines import Engine

EngineOption = Annotated[str, typer.Option(help="Where to work: local (this machine's cores) or ray.")]
AddressOption = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Of the Ray cluster; else the one that Ray finds.")
]


def chosen_engine(engine: str, address: str | None) -> "Engine":
    """The engine that the options ask for.

    Args:
        engine: its name.
        address: of the Ray cluster.

    Raises:
        InputError: there is no such engine, or an address was given for another than Ray.
    """
    from genedge.engines import on_cores, on_ray

    return on_ray(address) if is_ray(engine, address) else on_cores


def is_ray(engine: str, address: str | None) -> bool:
    """Whether the options ask for Ray.

    Args:
        engine: its name.
        address: of the Ray cluster.

    Raises:
        InputError: there is no such engine, or an address was given for another than Ray.
    """
    from genedge.errors import InputError

    if engine not in ("local", "ray"):
        raise InputError(f"--engine {engine}: no such engine; there are local and ray")
    if address is not None and engine != "ray":
        raise InputError("--address is that of a Ray cluster; give --engine ray with it")
    return engine == "ray"
