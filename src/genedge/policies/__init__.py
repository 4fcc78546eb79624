"""Policies: slots in, decisions out, batch first. One file a policy, one entry each in the registry.

A policy is a callable `(params, slots, key) -> Decision`. Slots and decisions carry one leading axis, K slots at
a time; the key feeds whatever the policy draws. Every decision keeps the constraints (11a) to (11f).
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jax import Array

from genedge.cell.types import Decision, Params, Slot
from genedge.errors import InputError
from genedge.given import Weights, check_weights, what
from genedge.own import in_file
from genedge.policies.certified import SOLVERS, refuse_solver
from genedge.public import compiled_policy, host_policy, own_policy
from genedge.registry import named, unknown
from genedge.scenario import Scenario, refuse_box
from genedge.xla import at_once, require_device

Policy = Callable[[Params, Slot, Array], Decision]


def policy(name: str, scenario: Scenario, weights: Weights = "best") -> Policy:
    """The policy of that name.

    Args:
        name: a name in the registry, the folder of a trained run, `sb3:` and the file of a model that
            Stable-Baselines3 has trained and saved, or a Python file and a function in it, `FILE.py:FUNCTION`.
        scenario: the scenario that it will serve.
        weights: of a trained run, `"best"`, those with the best evaluation, or `"last"`.

    Returns:
        The policy: a function of `scenario.params`, K slots (fields with one leading axis, see `Slot`) and a JAX
        random key, which returns K decisions; it raises an InputError for arguments of another type, shape or
        value. All but `optimal`, `priced` and `sb3:` work under `jax.jit` and `jax.vmap`.

    Raises:
        InputError: there is neither such a policy nor such a run or model, or it does not fit the scenario.
    """
    require_device()
    known = named("policy")
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"name must be a policy's name, not {what(name)}; the policies are {', '.join(known)}")
    check_scenario(scenario)
    check_weights(weights)
    refuse_box(scenario)
    if name in SOLVERS:
        refuse_solver(name, scenario.params)
    if own_file(name):
        return own_policy(load_policy(name, scenario, known, weights))
    with at_once():
        decide = built_in(name, scenario) if name in known else load_policy(name, scenario, known, weights)
    if name in SOLVERS or name.startswith("sb3:"):
        return host_policy(decide, name)
    return compiled_policy(decide)


def built_in(name: str, scenario: Scenario) -> Policy:
    """A policy of the registry.

    Args:
        name: its name.
        scenario: the scenario that it will serve.

    Raises:
        InputError: it does not fit the scenario.
    """
    entry = named("policy")[name]
    found: Any = entry.load()
    policy: Policy = found(scenario) if "of_scenario" in entry.traits else found
    return policy


def check_scenario(scenario: object) -> None:
    """Refuses what is no scenario.

    Args:
        scenario: what was given.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(scenario, Scenario):
        raise InputError(
            f"scenario must be a genedge.Scenario, such as genedge.load_scenario('paper'), not {what(scenario)}"
        )


def own_file(name: str) -> bool:
    """Whether a policy's name is `FILE.py:FUNCTION`.

    Args:
        name: the name.
    """
    return name not in named("policy") and not name.startswith("sb3:") and in_file(name)


def load_policy(name: str, scenario: Scenario, known: Iterable[str], weights: Weights) -> Policy:
    """A policy that somebody has made, trained or written.

    Args:
        name: a run's folder, `sb3:FILE` or `FILE.py:FUNCTION`.
        scenario: the scenario that it will serve.
        known: names of the policies that need not be made.
        weights: which actor of a training run decides, the best or the last.

    Raises:
        InputError: there is no such policy, run or model, or it does not fit the scenario.
    """
    if name.startswith("sb3:"):
        from genedge.policies.sb3 import sb3

        return sb3(Path(name.removeprefix("sb3:")), scenario)
    if own_file(name):
        from genedge.policies.own import policy_of_file

        return policy_of_file(name)
    if Path(name).is_dir():
        from genedge.policies.trained import trained

        return trained(Path(name), scenario, weights)
    raise unknown("policy", name, known, ", a run's folder, sb3:FILE, and FILE.py:FUNCTION")


def files_of(name: str) -> list[Path]:
    """The files that a policy's decisions follow from.

    Args:
        name: a policy's name, not one of the registry.

    Raises:
        InputError: there is no such file.
    """
    if Path(name).is_dir():
        files = [Path(name) / file for file in ("run.json", "scenario.yaml", "best.npz")]
    elif name.startswith("sb3:"):
        files = [Path(name.removeprefix("sb3:"))]
    else:
        files = [Path(name.rpartition(":")[0])]
    for file in files:
        if not file.is_file():
            raise InputError(f"policy {name!r}: no such policy, and there is no file {file}")
    return files
