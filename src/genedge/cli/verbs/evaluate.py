"""`genedge evaluate`: policies side by side on the very same slots."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from genedge.cli.app import LABEL_HELP, POLICY_HELP, ScenarioOption, SeedOption, SetOption, SlotsOption, check_draws
from genedge.cli.figures import FigureOption, FontOption, NoTitleOption, WidthOption
from genedge.registry import for_boxes, listed, named

if TYPE_CHECKING:
    from genedge.evaluation.together import Entry
    from genedge.results import Results
    from genedge.scenario import Scenario


HELP = f"""Compare policies: means with 95 % intervals, paired differences, both readings of "better by".

The policies are {listed(named("policy"))}. All meet the same slots. Gaps are measured from the certified optimum:
relative to it, and as the share of the distance from RCARS to it that is left. Utility is Σ U_n of a slot, lower is
better. The decision time is that of compiled code, per slot, in batches of an episode.

On the scenario of a box, such as edge-box, policies decide whole episodes, and the table also tells loads, and
what was lost by what was held, by the steps and by the bandwidth. The rules for boxes are
{listed(for_boxes())}.

A pattern such as 'sweep/*', or a folder with runs in it, stands for those runs; such as differ in the training seed
alone are one row: their mean, with the interval over the seeds, and beside it their interquartile mean and how
probably one of them is better than the other rows.
"""


def _table(what: str) -> Any:
    """The option of a file for tables."""
    return typer.Option(
        dir_okay=False, writable=True, allow_dash=True, metavar="FILE", help=f"Write {what}; - for standard output."
    )


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("evaluate", help=HELP)(evaluate)


def evaluate(
    policies: Annotated[str, typer.Option(metavar="A,B,LABEL=DIR", help=f"Each {POLICY_HELP} {LABEL_HELP}")],
    scenario: ScenarioOption = "paper",
    users: Annotated[str | None, typer.Option(metavar="10,12,...", help="Numbers of users.")] = None,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Episodes for each number of users; else 20, or all of --slots.")
    ] = None,
    seed: SeedOption = 0,
    set_: SetOption = [],
    slots: SlotsOption = None,
    weights: Annotated[
        Literal["best", "last"],
        typer.Option(help="Of a run: the weights with the best evaluation, or those at the end."),
    ] = "best",
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False,
    csv: Annotated[Path | None, _table("all values, a row for each policy, with the ends of intervals")] = None,
    latex: Annotated[Path | None, _table("the tables in LaTeX, with booktabs")] = None,
    figure: FigureOption = None,
    width: WidthOption = None,
    font: FontOption = None,
    no_title: NoTitleOption = False,
) -> None:
    """Compares policies; users read HELP."""
    from genedge.cli.figures import room_of, write
    from genedge.cli.table import print_results
    from genedge.evaluation.entries import entries_of
    from genedge.evaluation.written import as_csv, as_latex
    from genedge.files import whole_file
    from genedge.policies.labels import labelled
    from genedge.scenario import load_scenario
    from genedge.text import shown
    from genedge.xla import set_up_jax

    set_up_jax()
    fit = room_of(figure, width, font, no_title)
    _refuse_mixed(as_json, csv, latex)
    tables = {csv: as_csv, latex: as_latex}
    loaded = load_scenario(scenario, set_, slots)
    names = labelled(policies, "--policies")
    numbers = _numbers(loaded, users)
    if episodes is None:
        episodes = 20 if loaded.recorded is None else loaded.recorded.episodes
    for number in numbers:
        at_once = loaded.settings.cell.slots_per_episode
        check_draws(number, len(loaded.models), episodes * at_once, at_once)
    entries = entries_of(names, lambda line: print(shown(line), file=sys.stderr))
    results = evaluate_with_progress(loaded, entries, weights, numbers, episodes, seed)
    if as_json:
        print(json.dumps(results.as_json()))
    elif Path("-") not in tables:
        print_results(results)
    for path, text in tables.items():
        if path == Path("-"):
            print(text(results), end="")
        elif path is not None:
            with whole_file(path) as file:
                file.write(text(results).encode())
    if figure is not None:
        from genedge.draw.evaluated import evaluation_figure

        write(figure, evaluation_figure(results, fit), fit)


def _refuse_mixed(as_json: bool, csv: Path | None, latex: Path | None) -> None:
    """Refuses two outputs in one file."""
    from genedge.errors import InputError

    if csv is not None and csv == latex:
        raise InputError(f"--csv {csv} --latex {latex}: that is the same file; name two")
    if as_json and Path("-") in (csv, latex):
        raise InputError("--json is on standard output already; write the tables into files in place of -")


def _numbers(scenario: "Scenario", users: str | None) -> list[int]:
    """The numbers of users that were asked for; of slots of a file, what it has."""
    from genedge.errors import InputError

    if scenario.recorded is not None:
        if users is not None:
            raise InputError(f"--users {users}: the slots of --slots have their own users; leave it out")
        return [scenario.recorded.users]
    if users is None:
        return [scenario.settings.cell.users]
    try:
        numbers = [int(n) for n in users.split(",")]
    except ValueError:
        raise InputError(f"--users {users}: give whole numbers separated by commas, such as 10,14,18") from None
    for number in numbers:
        if number < 1:
            raise InputError(f"--users {number}: at least one user is needed")
    return list(dict.fromkeys(numbers))


def evaluate_with_progress(
    scenario: "Scenario",
    entries: "list[Entry]",
    weights: Literal["best", "last"],
    users: list[int],
    episodes: int,
    seed: int,
) -> "Results":
    """Evaluates named policies, by what to call them, showing progress."""
    from genedge.cli.progress import counter
    from genedge.evaluation.by_name import evaluate_by_name, pieces

    with counter(pieces(scenario, entries, users, episodes), "evaluated") as report:
        return evaluate_by_name(scenario, entries, weights, users, episodes, seed, report)
