"""`genedge evaluate`: policies side by side on the very same slots."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genedge.cli.app import POLICY_HELP, FigureOption, ScenarioOption, SeedOption, SetOption, check_draws

if TYPE_CHECKING:
    from genedge.evaluation.cells import Evaluation
    from genedge.scenario import Scenario


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("evaluate")(evaluate)


def evaluate(
    policies: Annotated[str, typer.Option(metavar="A,B,DIR", help=f"Each {POLICY_HELP}")],
    scenario: ScenarioOption = "paper",
    users: Annotated[str | None, typer.Option(metavar="10,12,...", help="Numbers of users.")] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes for each number of users.")] = 20,
    seed: SeedOption = 0,
    set_: SetOption = [],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False,
    figure: FigureOption = None,
) -> None:
    """Compare policies: means with 95 % intervals, paired differences, both readings of "better by".

    All policies meet the same slots. Gaps are measured from the certified optimum: relative to it, and as the
    share of the distance from RCARS to it that is left. Utility is Σ U_n of a slot, lower is better. The decision
    time is that of compiled code, per slot, in batches of an episode.

    On the scenario of a box, such as edge-box, policies decide whole episodes, and the table also tells loads, and
    what was lost by what was held, by the steps and by the bandwidth. The rules for boxes are cloud-only,
    keep-forever, lru, lfu, popularity, cost-aware, rcars, greedy, knapsack, hcras and optimal.
    """
    from genedge.cli.table import print_evaluation
    from genedge.errors import InputError
    from genedge.registry import named
    from genedge.scenario import load_scenario
    from genedge.xla import set_up_jax

    set_up_jax()
    loaded = load_scenario(scenario, set_)
    names = list(dict.fromkeys(name.strip() for name in policies.split(",") if name.strip()))
    if not names:
        raise InputError("--policies is empty; give names of policies, such as rcars,knapsack")
    try:
        numbers = [loaded.settings.cell.users] if users is None else [int(n) for n in users.split(",")]
    except ValueError:
        raise InputError(f"--users {users}: give whole numbers separated by commas, such as 10,14,18") from None
    for number in numbers:
        if number < 1:
            raise InputError(f"--users {number}: at least one user is needed")
        at_once = loaded.settings.cell.slots_per_episode
        check_draws(number, len(loaded.models), episodes * at_once, at_once)
    if loaded.params.box is not None:
        if len(set(numbers)) > 1:
            raise InputError(f"--users {users}: give one number of users; a box is evaluated with one at a time")
        _evaluate_box(loaded, names, numbers[0], episodes, seed, as_json, figure)
        return
    if of_boxes := [name for name in names if name in named("box rule") and name not in named("policy")]:
        raise InputError(
            f"policy {of_boxes[0]!r} is a rule for boxes, and scenario {loaded.name} is of none; try it with "
            f"--scenario edge-box"
        )
    evaluation = evaluate_with_progress(loaded, names, list(dict.fromkeys(numbers)), episodes, seed)
    if as_json:
        print(json.dumps(evaluation.as_json()))
    else:
        print_evaluation(evaluation)
    if figure is not None:
        from genedge.draw.cells import draw_comparison, draw_policies

        draw = draw_policies if len(evaluation.users) == 1 else draw_comparison
        draw(evaluation, {}, figure)


def _evaluate_box(
    scenario: "Scenario", names: list[str], users: int, episodes: int, seed: int, as_json: bool, figure: Path | None
) -> None:
    """Evaluates policies for a box, showing progress, and tells the results."""
    from genedge.cli.box_table import print_boxes
    from genedge.cli.progress import progress
    from genedge.evaluation.boxes import evaluate_box
    from genedge.optimum.dynamic import solver
    from genedge.policies.boxes import box_policy

    solve = solver(scenario.params, users, scenario.settings.cell.slots_per_episode)
    rules = {name: box_policy(name, scenario, solve) for name in names}
    with progress(1 + len(names)) as tick:
        done = -1

        def report(text: str) -> None:
            nonlocal done
            done += 1
            tick(text, done)

        evaluation = evaluate_box(scenario, rules, solve, users, episodes, seed, report)
        tick("evaluated", 1 + len(names))
    if as_json:
        print(json.dumps(evaluation.as_json()))
    else:
        print_boxes(evaluation)
    if figure is not None:
        from genedge.draw.boxes import draw_boxes

        draw_boxes(evaluation, figure)


def evaluate_with_progress(
    scenario: "Scenario", names: list[str], users: list[int], episodes: int, seed: int
) -> "Evaluation":
    """Evaluates named policies, showing progress."""
    from genedge.cli.progress import progress
    from genedge.evaluation import cells as study
    from genedge.policies import policy

    policies = {name: policy(name, scenario) for name in names}
    total = (1 + len(names) * episodes) * len(users)
    with progress(total) as tick:
        done = -1

        def report(text: str) -> None:
            nonlocal done
            done += 1
            tick(text, done)

        evaluation = study.evaluate(scenario, policies, users, episodes, seed, report)
        tick("evaluated", total)
    return evaluation
