"""Searches settings of the paper's agent, and prints what each came to: python docs/make_search.py [ROW...]

Each row changes some of the settings that `ddpg` has; without a name, all are tried. It looks at catalogues 11 to
13 of the preset `paper` alone, at 10 and at 18 users: no verdict and no table of results rests on those. Runs live
in the folder `runs/search`; what is finished is not done again, so it may be interrupted.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from trainings import Job, Measured, Row, do, jobs

RUNS = Path("runs/search")
CATALOGUES, USERS = (11, 12, 13), (10, 18)

ROWS: Mapping[str, Mapping[str, object]] = {
    "as it is": {},
    "as it was": {
        "weight_penalty": 0,
        "noise_first": 0.3,
        "noise_last": 0.05,
        "critic_alone": 0,
        "random_spread": 0,
        "fine": 0,
        "batch": 128,
        "permute_users": "false",
    },
    "random actions uniform": {"random_spread": 0},
    "random actions' spread 0.5": {"random_spread": 0.5},
    "actor and critic together": {"critic_alone": 0},
    "critic alone for 16 %": {"critic_alone": 0.16},
    "users stay in their places": {"permute_users": "false"},
    "no fine": {"fine": 0},
    "limit 2": {"limit": 2},
    "limit 4": {"limit": 4},
    "priorities' limit 1": {"limit_of_priorities": 1},
    "priorities' limit 3, as of all": {"limit_of_priorities": 3},
    "no penalty": {"weight_penalty": 0},
    "penalty 0.001": {"weight_penalty": 0.001},
    "penalty 0.003": {"weight_penalty": 0.003},
    "noise stays 0.6": {"noise_last": 0.6},
    "noise from 1": {"noise_first": 1},
    "batch 128": {"batch": 128},
    "actor's rate 2e-4": {"actor_learning_rate": 0.0002},
    "discount 0": {"discount": 0},
}


def rows_of(names: list[str]) -> dict[str, Row]:
    """The settings of some rows, by what to call them."""
    return {
        name: Row("ddpg", tuple(f"ddpg.{key}={value}" for key, value in ROWS[name].items()), seeds=1)
        for name in names
    }


def table(found: Mapping[Job, Measured]) -> None:
    """Prints what each came to, in Markdown."""
    print("\n| DDPG | " + " | ".join(f"{n} users: gap, worst, dip [%] | caches" for n in USERS) + " |")
    print("|---" * (1 + 2 * len(USERS)) + "|")
    for row in dict.fromkeys(job.row for job in found):
        cells = []
        for users in USERS:
            each = [found[job] for job in found if (job.row, job.users) == (row, users)]
            gaps = [100 * m.gap for m in each]
            cells.append(f"{np.mean(gaps):.2f}, {max(gaps):.2f}, {100 * max(m.dip for m in each):.1f}")
            cells.append(f"{np.mean([m.caches for m in each]):.0f}")
        print(f"| {row} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(ROWS)
    if unknown:
        sys.exit(f"usage: python docs/make_search.py [ROW...], of {', '.join(ROWS)}")
    table(do(jobs(RUNS, rows_of(sys.argv[1:] or list(ROWS)), USERS, CATALOGUES)))
