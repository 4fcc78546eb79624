"""`genedge decide`: slots in, decisions out."""

from typing import Annotated, Any

import typer

from genedge.cli.app import POLICY_HELP, ScenarioOption, SeedOption, SetOption


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("decide")(decide)


def decide(
    policy: Annotated[str, typer.Option(metavar="NAME|DIR", help=f"It is {POLICY_HELP}")],
    scenario: ScenarioOption = "paper",
    seed: SeedOption = 0,
    set_: SetOption = [],
) -> None:
    """Read slots from standard input, print a decision for each, a JSON line each.

    Fields: cache (0 or 1 per model), bandwidth and steps (shares per user, each summing to at most 1); for the
    policies optimal and priced also certificate: {objective, lower_bound, gap}, where no decision of the slot
    costs less than the bound, and gap is (objective - lower_bound) / objective. Slots with seen_channel_gain are
    decided, and certified, by what is seen.
    """
    import jax

    from genedge.cell.feasible import in_float64
    from genedge.cell.types import as_seen
    from genedge.limits import decided, refuse_large
    from genedge.optimum import certify
    from genedge.policies import policy as policy_of
    from genedge.policies.certified import SOLVERS
    from genedge.scenario import load_scenario
    from genedge.scenario.lines import decision_line, lines_of_standard_input, read_slots
    from genedge.xla import set_up_jax

    set_up_jax()
    loaded = load_scenario(scenario, set_)
    chosen = policy_of(policy, loaded)
    slots, widths = read_slots(lines_of_standard_input(), "standard input", loaded)
    if not widths:
        return
    slots = as_seen(slots)
    keys = "the slots of standard input, their places and the number of models"
    refuse_large(keys, decided(len(widths), len(loaded.models), max(widths)))
    extras: list[dict[str, Any]] = [{} for _ in widths]
    if policy in SOLVERS:
        solved = SOLVERS[policy](loaded.params, slots)
        decision = solved.decision
        certificate = certify(loaded.params, slots, decision, solved.lower_bound)
        for k, extra in enumerate(extras):
            extra["certificate"] = {name: float(values[k]) for name, values in certificate._asdict().items()}
    else:
        decision = in_float64(chosen(loaded.params, slots, jax.random.key(seed)))
    for k, places in enumerate(widths):
        print(decision_line(decision, k, places, extras[k]))
