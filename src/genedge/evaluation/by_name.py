"""Policies by their names, evaluated on what a scenario describes: a cell's slots, or a box's episodes."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from genedge.errors import InputError
from genedge.evaluation import boxes, cells
from genedge.evaluation.box_results import BOX_METRICS
from genedge.evaluation.together import Entry, together
from genedge.given import Weights
from genedge.optimum.dynamic import solver
from genedge.policies import policy
from genedge.policies.boxes import box_policy
from genedge.registry import for_boxes, named
from genedge.results import Results
from genedge.scenario import Scenario


def evaluate_by_name(
    scenario: Scenario,
    entries: Sequence[Entry],
    weights: Weights,
    users: Sequence[int],
    episodes: int,
    seed: int,
    report: Callable[[str], None],
) -> Results:
    """Evaluates policies, all on the same slots.

    Args:
        scenario: a cell, or a box.
        entries: the rows, see `entries_of`.
        weights: which actor of a training run decides, the best or the last.
        users: numbers of users; of a box, one.
        episodes: E, for each number of users.
        seed: of the slots.
        report: called with a short text before each piece of work, of which there are `pieces`.

    Raises:
        InputError: a name is no policy's, several numbers of users were given for a box, a policy cannot serve so
            many, or it broke a constraint, which is a defect of that policy.
    """
    names = members_of(entries)
    if scenario.params.box is not None:
        if len(users) > 1:
            told = ",".join(map(str, users))
            raise InputError(f"--users {told}: give one number of users; a box is evaluated with one at a time")
        solve = solver(scenario.params, users[0], scenario.settings.cell.slots_per_episode)
        rules = {name: box_policy(name, scenario, solve, weights) for name in names}
        found = boxes.evaluate_box(scenario, rules, solve, users[0], episodes, seed, report)
        # Of several runs the first one is shown.
        first = {entry.name: found.first[entry.members[0]] for entry in entries}
        return replace(found, rows=together(found.rows, entries, tuple(BOX_METRICS)), first=first)
    for name in names:
        if name in for_boxes() and name not in named("policy"):
            raise InputError(
                f"policy {name!r} is a rule for boxes, and scenario {scenario.name} is of none; try it with "
                f"--scenario edge-box"
            )
    policies = {name: policy(name, scenario, weights) for name in names}
    return cells.compare(scenario, policies, entries, users, episodes, seed, report)


def members_of(entries: Sequence[Entry]) -> list[str]:
    """The names of all policies that rows are made of.

    Args:
        entries: the rows.
    """
    return list(dict.fromkeys(name for entry in entries for name in entry.members))


def pieces(scenario: Scenario, entries: Sequence[Entry], users: Sequence[int], episodes: int) -> int:
    """How many pieces of work `evaluate_by_name` reports.

    Args:
        scenario: a cell, or a box.
        entries: the rows.
        users: numbers of users.
        episodes: E.
    """
    names = members_of(entries)
    if scenario.params.box is not None:
        return 1 + len(names)
    return (1 + len(names) * episodes) * len(users)
