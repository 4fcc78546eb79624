"""A policy of the reader's own: a function in a Python file, or for boxes one that remembers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jax import Array

from genedge.cell.types import Decision, Params, Slot
from genedge.env.episodes import EpisodePolicy
from genedge.errors import InputError
from genedge.given import check_decision
from genedge.own import failure, from_file


def policy_of_file(name: str) -> Callable[[Params, Slot, Array], Decision]:
    """The policy that a function of a Python file is.

    Args:
        name: `FILE.py:FUNCTION`; the file is run. The function takes params, K slots and a JAX random key, and
            returns K decisions.

    Returns:
        The policy; it raises an InputError that names the line where the function fails.

    Raises:
        InputError: the file is missing or does not run, or has no such function.
    """
    path, _, function = name.rpartition(":")
    file = Path(path)
    found = from_file(name)
    if not callable(found):
        raise InputError(f"{file}: {function!r} is no function; it must be one of (params, slots, key)")

    def policy(params: Params, slots: Slot, key: Array) -> Decision:
        try:
            decision: Decision = found(params, slots, key)
        except Exception as e:
            raise failure(name, e) from e
        _check(name, params, slots, decision)
        return decision

    return policy


def episode_policy_of_file(name: str) -> EpisodePolicy | None:
    """The policy for a box that a Python file has, one that may remember; None if it is something else.

    Args:
        name: `FILE.py:NAME`, of an `EpisodePolicy`; the file is run.

    Raises:
        InputError: the file is missing or does not run, or has no such name.
    """
    found = from_file(name)
    if not isinstance(found, EpisodePolicy):
        return None

    def first(episodes: int) -> Any:
        try:
            return found.first(episodes)
        except Exception as e:
            raise failure(name, e) from e

    def decide(params: Params, carry: Any, slots: Slot, key: Array) -> tuple[Any, Decision]:
        try:
            carry, decision = found.decide(params, carry, slots, key)
        except Exception as e:
            raise failure(name, e) from e
        _check(name, params, slots, decision)
        return carry, decision

    return EpisodePolicy(first, decide)


def _check(name: str, params: Params, slots: Slot, decision: Decision) -> None:
    path, _, attribute = name.rpartition(":")
    try:
        check_decision(params, slots, decision, "slots")
    except InputError as e:
        raise InputError(f"{path}: what {attribute} returns: {e}") from None
