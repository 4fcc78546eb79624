"""Trains what docs/learning.md reports and prints its tables: python docs/make_learning.py PART...

Parts: targets, agent, catalogues, floor, ablation. Runs live in the folder `runs/learning`; catalogues are seeds of
the preset `paper`, 1 to 3; of `agent` 6 to 10, by which nothing was chosen, and of `catalogues` 16 to 30 besides.
See `trainings.py`.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from trainings import CONSTANT, Row, against_constant, decided_by, do, jobs, mean_cost, optimum, table, unlike

from genedge.scenario import load_scenario

RUNS = Path("runs/learning")
CATALOGUES, CATALOGUES_OF_AGENT = (1, 2, 3), (6, 7, 8, 9, 10)
TWENTY = (*CATALOGUES_OF_AGENT, *range(16, 31))


LEARNED = "`learned`, any cell, ships with the package"


def without_learning(
    users: Iterable[int], changes: tuple[str, ...], catalogues: Sequence[int] = CATALOGUES
) -> dict[str, dict[int, list[np.ndarray]]]:
    """The gaps of what is not trained here, on the same catalogues and slots."""
    return {
        row: {n: [_measured(name, catalogue, n, changes)[0] for catalogue in catalogues] for n in users}
        for row, name in ((LEARNED, "learned"), ("`knapsack`, no learner", "knapsack"), (CONSTANT, "constant"))
    }


@cache
def _measured(name: str, catalogue: int, users: int, changes: tuple[str, ...]) -> tuple[np.ndarray, int]:
    """A policy's gap, and how many caches it uses."""
    scenario = load_scenario("paper", [f"seed={catalogue}", *changes])
    decision = decided_by(name, scenario, users)
    gap = mean_cost(scenario, users, decision) / optimum(catalogue, users, changes) - 1
    return np.array([gap]), unlike(decision)


PAPERS = "DDPG, MLP (the paper's)"
LEARNERS = {
    "REINFORCE, equivariant": Row("reinforce"),
    "REINFORCE, MLP": Row("reinforce", ("reinforce.network=mlp",), seeds=1),
    PAPERS: Row("ddpg"),
    "TD3, equivariant": Row("td3", seeds=1),
    "SAC, equivariant": Row("sac", seeds=1),
}


def agent() -> None:
    """The paper's agent on catalogues by which none of its settings was chosen, run by run."""
    users = (10, 18)
    found = do(jobs(RUNS, {PAPERS: Row("ddpg", seeds=5)}, users, CATALOGUES_OF_AGENT))
    table("Mean gap to the certified optimum [%]", found, without_learning(users, (), CATALOGUES_OF_AGENT))
    for n in users:
        each = [measured for job, measured in found.items() if job.users == n]
        gaps, dips, caches = ([100 * m.gap for m in each], [100 * m.dip for m in each], [m.caches for m in each])
        print(
            f"{n} users, {len(each)} runs: largest gap {max(gaps):.2f} %, largest dip {max(dips):.1f} %, "
            f"caches {min(caches)} to {max(caches)}, {np.mean(caches):.1f} on average"
        )


def catalogues() -> None:
    """The paper's agent on twenty catalogues, a run on each: is it better than `constant`?"""
    users = (10, 18)
    found = do(jobs(RUNS, {PAPERS: Row("ddpg", seeds=1)}, users, TWENTY))
    table("Mean gap to the certified optimum [%]", found, without_learning(users, (), TWENTY))


BEST = "server.quality_floor={largest_tv: best}"


def targets() -> None:
    """Every learner but the paper's, at 10 and 18 users, three catalogues, one to three seeds."""
    users = (10, 18)
    learners = {name: row for name, row in LEARNERS.items() if name != PAPERS}
    found, others = do(jobs(RUNS, learners, users, CATALOGUES)), without_learning(users, ())
    table("Mean gap to the certified optimum [%]", found, others)
    gaps = {n: (others[LEARNED][n], others[CONSTANT][n]) for n in users}
    caches = {n: np.mean([_measured("learned", c, n, ())[1] for c in CATALOGUES]) for n in users}
    cells = [f"{against_constant(*gaps[n])} | {caches[n]:.0f}" for n in users]
    print(f"| {LEARNED} | " + " | ".join(cells) + " |")


def floor() -> None:
    """REINFORCE and the paper's agent with the quality floor on."""
    users = (10, 18)
    rows = {
        name: row._replace(changes=(BEST, *row.changes), seeds=3 if name == "REINFORCE, equivariant" else 1)
        for name, row in LEARNERS.items()
        if row.agent in ("ddpg", "reinforce")
    }
    title = "Mean gap to the certified optimum [%], every hit at its model's best quality"
    table(title, do(jobs(RUNS, rows, users, CATALOGUES)), without_learning(users, (BEST,)))


EPISODES = 150
CHANGES = {
    "the paper's agent": (),
    "with layer norm": ("ddpg.layer_norm=true",),
    "with twin critics": ("ddpg.critics=2",),
    "with falling learning rates": ("ddpg.learning_rate_last=0.05",),
    "with discount 0": ("ddpg.discount=0",),
    "equivariant": ("ddpg.network=equivariant",),
    "equivariant, discount 0": ("ddpg.network=equivariant", "ddpg.discount=0"),
    "equivariant, discount 0, credit per user": (
        "ddpg.network=equivariant",
        "ddpg.discount=0",
        "ddpg.credit=per_user",
    ),
    "the same, layer norm": (
        "ddpg.network=equivariant",
        "ddpg.discount=0",
        "ddpg.credit=per_user",
        "ddpg.layer_norm=true",
    ),
    "the same, twin critics": (
        "ddpg.network=equivariant",
        "ddpg.discount=0",
        "ddpg.credit=per_user",
        "ddpg.critics=2",
    ),
    "the same, falling learning rates": (
        "ddpg.network=equivariant",
        "ddpg.discount=0",
        "ddpg.credit=per_user",
        "ddpg.learning_rate_last=0.05",
    ),
}


def ablation() -> None:
    """Which fixes matter to DDPG: one change at a time, and what they do together."""
    rows = {name: Row("ddpg", changes, seeds=1) for name, changes in CHANGES.items()}
    found = do(jobs(RUNS, rows, [10], CATALOGUES, EPISODES))
    table(f"DDPG after {EPISODES} episodes: mean gap [%]", found, {})


PARTS: Mapping[str, Callable[[], None]] = {
    "targets": targets,
    "agent": agent,
    "catalogues": catalogues,
    "floor": floor,
    "ablation": ablation,
}

if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown or len(sys.argv) < 2:
        sys.exit(f"usage: python docs/make_learning.py PART..., of {', '.join(PARTS)}")
    for part in sys.argv[1:]:
        PARTS[part]()
