"""`genedge slots`: what the base station sees, as JSON lines."""

from typing import Annotated

import typer

from genedge.cli.app import ScenarioOption, SeedOption, SetOption, check_draws


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("slots")(slots)


def slots(
    scenario: ScenarioOption = "paper",
    users: Annotated[int | None, typer.Option(min=1, help="Users; else the scenario's.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many slots.")] = 50,
    seed: SeedOption = 0,
    set_: SetOption = [],
) -> None:
    """Print slots of one Markov chain from its first state, a JSON line each.

    Fields, lists of one entry per user: scenario_id, skew, requests (model indices from 0), input_bits,
    output_bits (the model's), channel_gain (linear), position_m (the base station at [0, 0]), active; with
    radio.outage_gain_db also outage: users who are there and not served, and hence not active; where the
    scenario's observation is not as things are, also seen_channel_gain, by which they are decided.
    """
    import jax
    import numpy as np

    from genedge.cell.sampling import sample_episode
    from genedge.scenario import load_scenario, refuse_box
    from genedge.scenario.lines import slot_lines
    from genedge.xla import set_up_jax

    set_up_jax()
    loaded = load_scenario(scenario, set_)
    refuse_box(loaded)
    number = users or loaded.settings.cell.users
    check_draws(number, len(loaded.models), count, 1)
    sampled = sample_episode(loaded.params, jax.random.key(seed), number, number, count)
    for line in slot_lines(loaded, jax.tree.map(np.asarray, sampled)):
        print(line)
