"""What caching and steps are worth with measured models: python docs/make_worth.py

On the preset `measured-box`, and with one thing changed at a time. Prints the table of docs/calibrate.md: what each
way of deciding costs more than the certified optimum, in expectation, with its 95 % interval over episodes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from genedge.catalogue.load import load_catalogue
from genedge.cell.feasible import fit_steps
from genedge.cell.memory import serving
from genedge.cell.sampling import sample_episodes
from genedge.cell.types import Decision, Params, Slot
from genedge.env.episodes import EpisodePolicy
from genedge.evaluation.boxes import evaluate_box
from genedge.optimum.bandwidth import links, split
from genedge.optimum.dynamic import solver
from genedge.policies.box_constant import best_set
from genedge.policies.box_shares import share
from genedge.policies.boxes import box_policy
from genedge.precision import in_single
from genedge.scenario import load_scenario

SCENARIO, USERS, EPISODES, SEED = "measured-box", 8, 20, 1
# Episodes, of another seed, on which the set is chosen that is held for good.
CHOSEN_ON = 5
RULES = ("forecast", "lru", "cloud-only")
STEPS = (1, 4, 8, 20, 50)
CHANGES: dict[str, Sequence[str]] = {
    "as it is": (),
    "no queue, no shared link": ("backhaul.shared=false", "backhaul.cloud_generators=null"),
    "tables end at 10 steps, so does the cloud": (),
    "α 0.3": ("objective.alpha=0.3",),
    "α 0.05": ("objective.alpha=0.05",),
    "room for one model": ("server.storage_gb=0.3",),
}


def main() -> None:
    """Evaluates and prints: a row for each way of deciding, a column for each change."""
    columns = {
        told: _column([*changes, *(_ended(10) if "end at 10" in told else ())]) for told, changes in CHANGES.items()
    }
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in next(iter(columns.values())):
        print(f"| {name} | " + " | ".join(column[name] for column in columns.values()) + " |")


def _column(changes: Sequence[str]) -> dict[str, str]:
    """The optimum, and by how much each way of deciding costs more."""
    scenario = load_scenario(SCENARIO, list(changes))
    params, T = scenario.params, scenario.settings.cell.slots_per_episode
    solve = solver(params, USERS, T)
    before = sample_episodes(in_single(params), jax.random.key(0), USERS, USERS, T, CHOSEN_ON)
    held = best_set(params, jax.tree.map(np.asarray, before))
    ways = {
        "optimal": box_policy("optimal", scenario, solve),
        "best set held for good": holding(held, None),
        **{f"the same, {count} steps each": holding(held, count) for count in STEPS},
        **{f"`{name}`": box_policy(name, scenario, solve) for name in RULES},
    }
    found = evaluate_box(scenario, ways, solve, USERS, EPISODES, SEED, lambda text: None)
    assert found.exact
    first = found.first["optimal"]
    served = np.asarray(first.outcome.hit) & np.asarray(first.slots.active)
    steps = np.asarray(first.decision.steps)[served] * float(params.S)
    told = {"optimum, a slot": f"{found.optimum:.3g}, {np.median(steps):.1f} steps a hit"}
    for row in found.rows[1:]:
        gap = row.derived["gap"].interval
        told[row.policy] = f"{gap.mean:.1%} [{gap.low:.1%}, {gap.high:.1%}]"
    return told


def holding(held: np.ndarray, count: int | None) -> EpisodePolicy:
    """A set of models held for good, with steps by what they save, or as many for everybody whom they serve.

    Args:
        held: which.
        count: steps; less alike if they do not last. None for what they save.
    """

    def decide(params: Params, carry: Any, slot: Slot, key: Any) -> tuple[Any, Decision]:
        requests, active = np.asarray(slot.requests), np.asarray(slot.active)
        cache = np.broadcast_to(held, (len(requests), len(held)))
        if count is None:
            return carry, share(params, slot, cache)
        ready = np.asarray(serving(params, slot, cache))
        here = np.take_along_axis(ready, requests, axis=-1) & active
        least = np.where(here, np.asarray(params.models.floor_steps)[requests], 0.0)
        steps = fit_steps(params, least, np.where(here, float(count), 0.0))
        return carry, Decision(cache, split(links(params, slot), compiled=True), np.asarray(steps))

    return EpisodePolicy(lambda episodes: (), decide)


def _ended(most: int) -> list[str]:
    """Changes that end the tables of all models earlier.

    Args:
        most: with so many steps.
    """
    catalogue = load_catalogue("measured", Path())
    changes = []
    for model in catalogue.named:
        said: Any = catalogue.setting(model, "curve")
        kept = [pair for pair in zip(said.value["steps"], said.value["tv"], strict=True) if pair[0] <= most]
        steps, tv = (list(each) for each in zip(*kept, strict=True))
        changes.append(f"models.catalogue.{model}.curve={{steps: {steps}, tv: {tv}}}")
    return changes


if __name__ == "__main__":
    main()
