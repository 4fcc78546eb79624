"""`genedge demo`: the paper's main comparison, end to end."""

import json
from pathlib import Path
from typing import Annotated

import typer

POLICIES = ("learned", "knapsack", "constant", "hcras", "cloud-only", "rcars")
EPISODES = 10


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the run, the figures and the results.")] = Path("demo"),
) -> None:
    """Train DDPG on the paper's cell with 10 users, compare it with the benchmarks, draw figures.

    An interrupted demo goes on where it stopped.
    """
    from genedge.folders import one_writer
    from genedge.xla import set_up_jax

    set_up_jax()
    with one_writer(out):
        _demo(out)


def _demo(out: Path) -> None:
    """Does it, in a folder that nobody else writes to."""
    from genedge.cli.console import say
    from genedge.cli.figures import write
    from genedge.cli.table import print_results
    from genedge.cli.training import train_with_progress
    from genedge.cli.verbs.evaluate import evaluate_with_progress
    from genedge.draw.cells import learning_figure
    from genedge.draw.dots import dots_figure
    from genedge.draw.fit import AS_USUAL
    from genedge.errors import InputError
    from genedge.evaluation.together import Entry
    from genedge.files import whole_file
    from genedge.interruption import resumable
    from genedge.learn.agent import EVALUATION_EPISODES
    from genedge.learn.runs import create_run, open_run
    from genedge.scenario import load_scenario

    scenario = load_scenario("paper")
    users, episodes = scenario.settings.cell.users, scenario.hyperparameters("ddpg").episodes
    folder = out / "ddpg"
    say(f"Training DDPG on scenario paper, {users} users, {episodes} episodes")
    if (folder / "run.json").exists():
        run = open_run(folder)
        if run.scenario.as_yaml() != scenario.as_yaml():
            raise InputError(f"{folder}: a demo of other settings; remove it, or choose another --out")
    else:
        run = create_run(folder, scenario, users, "ddpg", episodes, seed=0)
    with resumable("the same command goes on from here"):
        rows = train_with_progress(run)
        say(f"Comparing on {EPISODES} other episodes, the same for all")
        entries = [Entry("DDPG", (str(folder),)), *(Entry(name, (name,)) for name in POLICIES)]
        results = evaluate_with_progress(scenario, entries, "best", [users], EPISODES, seed=1)
    print_results(results)
    with whole_file(out / "evaluation.json") as file:
        file.write(json.dumps(results.as_json(), indent=1).encode())
    levels = {name: results.value(name, users, "utility").mean for name in POLICIES}
    drawn = [level for level in results.levels if level.drawn and level.metric == "utility"]
    levels |= {level.name: level.quantity.interval.mean for level in drawn}
    title = f"Learning on scenario {scenario.name}, {users} users (assumed values: see the README)"
    note = f"evaluated on {EVALUATION_EPISODES} fixed episodes; the lines on the {EPISODES} of the comparison"
    write(out / "learning_curve.png", learning_figure({"DDPG": rows}, levels, title, note), AS_USUAL)
    write(out / "comparison.png", dots_figure(results), AS_USUAL)
    say(f"Written: {out}/learning_curve.png, {out}/comparison.png, {out}/evaluation.json, {folder}/")
