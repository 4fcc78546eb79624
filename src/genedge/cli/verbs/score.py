"""`genedge score`: what decisions are worth."""

import json
from pathlib import Path
from typing import Annotated

import typer

from genedge.cli.app import ScenarioOption, SetOption


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("score")(score)


def score(
    slots: Annotated[Path, typer.Option(help="The slots that were decided, JSON lines.")],
    scenario: ScenarioOption = "paper",
    set_: SetOption = [],
) -> None:
    """Read decisions from standard input, print what each is worth, a JSON line each.

    Fields: utility (sum over users, lower is better), hit_ratio (null with nobody there), and per user
    user_utility, user_delay_s, user_tv, user_hit, uplink_s, downlink_s, backhaul_s, generation_s (0 for the
    inactive; a user in an outage has only a delay and its utility, and makes no hit), and wait_s with
    server.generates_at_once. A decision that breaks a constraint is refused, with the line, the constraint and by
    how much.
    """
    import numpy as np

    from genedge.cell.feasible import breaches
    from genedge.cell.types import present
    from genedge.errors import InputError
    from genedge.evaluation.scoring import outcome as outcome_of
    from genedge.scenario import load_scenario, refuse_box
    from genedge.scenario.lines import lines_of_file, lines_of_standard_input, read_decisions, read_slots
    from genedge.xla import require_device

    require_device()
    loaded = load_scenario(scenario, set_)
    refuse_box(loaded)
    seen, widths = read_slots(lines_of_file(slots, "--slots"), str(slots), loaded)
    decided = lines_of_standard_input()
    decision = read_decisions(decided, "standard input", len(loaded.models), widths, str(slots))
    if not widths:
        return
    with np.errstate(over="ignore"):  # Of shares beyond all reason, which are breaches.
        broken = breaches(loaded.params, seen, decision)
    if broken:
        first = min(broken, key=lambda b: b.index)
        user = f", user {first.where}" if first.where is not None else ""
        raise InputError(
            f"standard input line {first.index[0] + 1}{user}: breaks {first.constraint}, by {abs(first.excess):.6g}"
        )
    outcome = outcome_of(loaded.params, seen, decision)
    forever = np.argwhere(~np.isfinite(outcome.utility))
    if len(forever):
        k, n = forever[0]
        raise InputError(
            f"standard input line {k + 1}, user {n}: its delay is beyond all numbers; give it more bandwidth than "
            f"{decision.bandwidth[k, n]:g}"
        )
    per_user = {
        "user_utility": outcome.utility,
        "user_delay_s": outcome.delay_s,
        "user_tv": outcome.tv,
        "user_hit": outcome.hit,
        "uplink_s": outcome.uplink_s,
        "downlink_s": outcome.downlink_s,
        "backhaul_s": outcome.backhaul_s,
        "generation_s": outcome.generation_s,
        **({} if outcome.wait_s is None else {"wait_s": outcome.wait_s}),
    }
    for k, places in enumerate(widths):
        users = int(present(seen).sum(axis=-1)[k])
        row = {
            "utility": float(outcome.utility[k].sum()),
            "hit_ratio": float(outcome.hit[k].sum()) / users if users else None,
            **{key: values[k, :places].tolist() for key, values in per_user.items()},
        }
        print(json.dumps(row))
