"""Ships a run of any-cell as the policy `learned`, with its card: python docs/make_learned.py RUN

The run comes from `genedge train --agent any-cell --out RUN`. Its last actor becomes the package's weights: the
best one is chosen on the sum over a few hundred cells, to which the large ones give most. The card is the run's
own and a table of gaps by size of the cell, measured here on catalogues and slots that no training saw.
"""

import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from genedge.cell.feasible import in_float64
from genedge.cell.sampling import sample_episode
from genedge.cell.types import Slot
from genedge.evaluation.scoring import score
from genedge.files import whole_file
from genedge.learn.arrays import save
from genedge.learn.card import card
from genedge.learn.runs import open_run, rows_of
from genedge.learn.training import load_actor
from genedge.optimum import solve_optimal
from genedge.policies import policy
from genedge.policies.learned import WEIGHTS, WEIGHTS_ID, searched, shipped_actor
from genedge.scenario import load_scenario
from genedge.statistics import Interval, interval_of, mean
from genedge.xla import set_up_jax

POLICIES = ("learned", "learned-search", "knapsack", "cloud-only", "rcars")
UNLEARNED = "search from nothing learned"
USERS = ((5, 9), (10, 19), (20, 34), (35, 50))
MODELS = ((5, 9), (10, 19), (20, 30))
CATALOGUES, SLOTS = 12, 40
# Far from the seeds that anything else is measured on.
FIRST_CATALOGUE = 10_000


class Band(NamedTuple):
    """Gaps in one band of sizes.

    Attributes:
        users: least and most.
        models: least and most.
        gaps: of each policy, one value per catalogue.
    """

    users: tuple[int, int]
    models: tuple[int, int]
    gaps: dict[str, np.ndarray]


def main(folder: Path) -> None:
    """Ships the run in a folder."""
    set_up_jax()
    run = open_run(folder)
    if not run.any_cell:
        sys.exit(f"{folder}: trained by {run.agent}; --agent any-cell makes policies for any cell")
    save(WEIGHTS, load_actor(run, "last"), WEIGHTS_ID)
    bands = []
    for b, users in enumerate(USERS):
        for c, models in enumerate(MODELS):
            bands.append(measure(users, models, FIRST_CATALOGUE + 1000 * (len(MODELS) * b + c)))
            print(row(bands[-1]), flush=True)
    with whole_file(WEIGHTS.with_suffix(".md")) as file:
        file.write((card(run, rows_of(run)) + "\n" + text(bands)).encode())
    print(f"Written: {WEIGHTS} ({WEIGHTS.stat().st_size / 2**20:.2f} MiB) and its card")


def measure(users: tuple[int, int], models: tuple[int, int], seed: int) -> Band:
    """The gaps of all policies in a band, on catalogues and sizes drawn by consecutive seeds."""
    gaps: dict[str, list[float]] = {name: [] for name in (*POLICIES, UNLEARNED)}
    # An actor that says nothing: all models alike, half of A3 for everybody.
    nothing = jax.tree.map(np.zeros_like, shipped_actor())
    for catalogue in range(seed, seed + CATALOGUES):
        rng = np.random.default_rng(catalogue)
        n = int(rng.integers(users[0], users[1] + 1))
        # Every number of models is another shape to compile for: three of them stand for the band.
        m = (models[0], sum(models) // 2, models[1])[catalogue % 3]
        scenario = load_scenario("paper", [f"seed={catalogue}", f"models.count={m}"])
        key = jax.random.key(catalogue)
        slots: Slot = jax.tree.map(np.asarray, sample_episode(scenario.params, key, n, users[1], SLOTS))
        optimum = solve_optimal(scenario.params, slots).lower_bound.mean()
        decide = {name: policy(name, scenario) for name in POLICIES} | {UNLEARNED: partial(searched, nothing)}
        for name in gaps:
            decision = in_float64(decide[name](scenario.params, slots, key))
            cost = score(scenario.params, slots, decision).utility.sum(axis=-1).mean()
            gaps[name].append(float(cost / optimum - 1))
    return Band(users, models, {name: np.array(values) for name, values in gaps.items()})


def row(band: Band) -> str:
    """A line of the table."""
    found = {name: interval_of(mean, 100 * values) for name, values in band.gaps.items()}
    ratio = [found[name].mean / found["knapsack"].mean for name in ("learned", "learned-search")]
    cells = [f"{low}–{high}" for low, high in (band.users, band.models)]
    cells += [_cell(value) for value in found.values()]
    return "| " + " | ".join([*cells, *(f"{value:.2f}" for value in ratio)]) + " |"


def _cell(value: Interval) -> str:
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"


def text(bands: list[Band]) -> str:
    """The part of the card that tells how good it is."""
    head = [
        "users",
        "models",
        *(f"`{name}`" for name in POLICIES),
        UNLEARNED,
        "learned / knapsack",
        "search / knapsack",
    ]
    lines = [
        "## Gap to the certified optimum [%]",
        "",
        f"Preset `paper` but for catalogue and sizes: in each band {CATALOGUES} catalogues that no training saw, "
        "of the band's least, middle and largest number of models; the number of users drawn uniformly; "
        f"{SLOTS} slots each. Means over catalogues with 95 % intervals.",
        "",
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
        *map(row, bands),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/make_learned.py RUN")
    main(Path(sys.argv[1]))
