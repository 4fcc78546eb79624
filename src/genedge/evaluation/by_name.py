"""Policies by their names, evaluated on what a scenario describes: a cell's slots, or a box's episodes."""

from collections.abc import Callable, Mapping, Sequence

from genedge.errors import InputError
from genedge.evaluation import boxes, cells
from genedge.optimum.dynamic import solver
from genedge.policies import policy
from genedge.policies.boxes import box_policy
from genedge.registry import named
from genedge.results import Results
from genedge.scenario import Scenario


def evaluate_by_name(
    scenario: Scenario,
    names: Mapping[str, str],
    users: Sequence[int],
    episodes: int,
    seed: int,
    report: Callable[[str], None],
) -> Results:
    """Evaluates policies, all on the same slots.

    Args:
        scenario: a cell, or a box.
        names: of the policies, by what to call them.
        users: numbers of users; of a box, one.
        episodes: E, for each number of users.
        seed: of the slots.
        report: called with a short text before each piece of work, of which there are `pieces`.

    Raises:
        InputError: a name is no policy's, several numbers of users were given for a box, a policy cannot serve so
            many, or it broke a constraint, which is a defect of that policy.
    """
    if scenario.params.box is not None:
        if len(users) > 1:
            told = ",".join(map(str, users))
            raise InputError(f"--users {told}: give one number of users; a box is evaluated with one at a time")
        solve = solver(scenario.params, users[0], scenario.settings.cell.slots_per_episode)
        rules = {label: box_policy(name, scenario, solve) for label, name in names.items()}
        return boxes.evaluate_box(scenario, rules, solve, users[0], episodes, seed, report)
    for name in names.values():
        if name in named("box rule") and name not in named("policy"):
            raise InputError(
                f"policy {name!r} is a rule for boxes, and scenario {scenario.name} is of none; try it with "
                f"--scenario edge-box"
            )
    policies = {label: policy(name, scenario) for label, name in names.items()}
    return cells.evaluate(scenario, policies, users, episodes, seed, report)


def pieces(scenario: Scenario, names: Mapping[str, str], users: Sequence[int], episodes: int) -> int:
    """How many pieces of work `evaluate_by_name` reports.

    Args:
        scenario: a cell, or a box.
        names: of the policies, by what to call them.
        users: numbers of users.
        episodes: E.
    """
    if scenario.params.box is not None:
        return 1 + len(names)
    return (1 + len(names) * episodes) * len(users)
