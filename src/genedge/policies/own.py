"""A policy of the reader's own: a function in a Python file."""

from collections.abc import Callable
from pathlib import Path

from jax import Array

from genedge.cell.types import Decision, Params, Slot
from genedge.errors import InputError
from genedge.public import check_decision
from genedge.registry import failure, from_file


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
        try:
            check_decision(params, slots, decision, "slots")
        except InputError as e:
            raise InputError(f"{file}: what {function} returns: {e}") from None
        return decision

    return policy
