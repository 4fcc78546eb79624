"""`genedge watch`: an animation of an episode, next to what the optimum would have done."""

from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.app import LABEL_HELP, POLICY_HELP, ScenarioOption, SeedOption, SetOption, check_draws


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("watch")(watch)


def watch(
    policy: Annotated[str, typer.Option(metavar="NAME|DIR", help=f"It is {POLICY_HELP} {LABEL_HELP}")],
    scenario: ScenarioOption = "paper",
    users: Annotated[int | None, typer.Option(min=1, help="Users; else the scenario's.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="How many slots of the episode; else all.")] = None,
    seed: SeedOption = 0,
    set_: SetOption = [],
    out: Annotated[
        Path, typer.Option(dir_okay=False, help="A file .html, which plays in any browser, or .gif.")
    ] = Path("episode.html"),
) -> None:
    """Draw an episode slot by slot: what a policy decides, next to what the optimum would have done.

    Users where they are, their channels, hits and misses, the models in memory, shares of bandwidth and steps, and
    the utility Σ U_n of both, lower is better. It is the first episode that `evaluate` meets with this seed.
    """
    from genedge.cli.console import say
    from genedge.cli.progress import progress
    from genedge.draw.player import writer_for
    from genedge.draw.watch import draw_frame
    from genedge.evaluation.watched import episode
    from genedge.files import whole_file
    from genedge.policies import policy as policy_of
    from genedge.policies.labels import parted
    from genedge.scenario import load_scenario
    from genedge.xla import set_up_jax

    set_up_jax()
    written = writer_for(out)
    loaded = load_scenario(scenario, set_)
    cell = loaded.settings.cell
    number, count = users or cell.users, slots or cell.slots_per_episode
    check_draws(number, len(loaded.models), cell.slots_per_episode, cell.slots_per_episode)
    label, name = parted(policy, "--policy")
    decided = episode(loaded, label, policy_of(name, loaded), number, seed, count)
    # The file comes first: where none can be written, nothing is drawn.
    with whole_file(out) as file, progress(count) as tick:
        frames = []
        for k in range(count):
            tick(f"slot {k + 1}", k)
            frames.append(draw_frame(decided, k))
        tick("drawn", count)
        file.write(written(frames, decided.caption))
    say(f"Written: {out}")
