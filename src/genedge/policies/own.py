"""A policy of the reader's own: a function in a Python file."""

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from jax import Array

from genedge.cell.types import Decision, Params, Slot
from genedge.errors import InputError
from genedge.public import check_decision


def own(file: Path, function: str) -> Callable[[Params, Slot, Array], Decision]:
    """The policy that a function of a Python file is.

    Args:
        file: the Python file; it is run, as a module of its own.
        function: takes params, K slots and a JAX random key, returns K decisions.

    Returns:
        The policy; it raises an InputError that names the line where the function fails.

    Raises:
        InputError: the file is missing or does not run, or has no such function.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file; name a policy of your own as FILE.py:FUNCTION")
    name = f"genedge_own_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Where dataclasses and pickle look for it.
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as e:
        raise InputError(f"{file}: does not run: {type(e).__name__}: {e}") from None
    found = getattr(module, function, None)
    if not callable(found):
        raise InputError(f"{file}: has no function {function!r}; it must be one of (params, slots, key)")

    def policy(params: Params, slots: Slot, key: Array) -> Decision:
        try:
            decision: Decision = found(params, slots, key)
        except Exception as e:
            frames = traceback.extract_tb(e.__traceback__)
            lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == file.resolve()]
            where = f" line {lines[-1]}" if lines else ""
            raise InputError(f"{file}{where}: {function} fails: {type(e).__name__}: {e}") from e
        try:
            check_decision(params, slots, decision, "slots")
        except InputError as e:
            raise InputError(f"{file}: what {function} returns: {e}") from None
        return decision

    return policy
