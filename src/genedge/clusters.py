"""Ray clusters: finding one, and saying in words why there is none."""

import contextlib
import logging
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from genedge.errors import InputError


@contextlib.contextmanager
def connected(address: str | None, variables: Mapping[str, str]) -> Iterator[Any]:
    """Ray, connected to a cluster.

    Args:
        address: of the cluster's head, `HOST:PORT`; None for the one that Ray finds by itself, or a new one on this
            machine.
        variables: of the environment, that all that is done there has.

    Raises:
        InputError: Ray is not installed, or no cluster answers.
    """
    ray = ray_module()
    if address is not None:
        _answers(address)
    try:
        ray.init(
            address, log_to_driver=False, logging_level=logging.WARNING, runtime_env={"env_vars": dict(variables)}
        )
    except (ConnectionError, RuntimeError, ValueError) as e:
        raise InputError(f"--address {address}: no Ray cluster answers there: {str(e).splitlines()[0]}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def ray_module() -> Any:
    """Ray.

    Raises:
        InputError: it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise InputError("--engine ray needs Ray; install it with: pip install 'genedge[ray]'") from None
    return ray


def _answers(address: str) -> None:
    """Refuses an address where nobody listens; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError, OverflowError) as e:
        raise InputError(f"--address {address}: no Ray cluster answers there, give HOST:PORT ({e})") from None
