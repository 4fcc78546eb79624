"""What a study is of: the paper's policies and agents, and the reader's own beside them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from genedge.draw.charts import OPTIMUM
from genedge.errors import InputError
from genedge.evaluation.cells import evaluate
from genedge.paper import claims, sensitivity
from genedge.paper.plan import Plan
from genedge.paper.tasks import TEST_SEED
from genedge.policies import policy
from genedge.scenario import load_scenario

PAPER, ATTAINABLE = "paper", "paper-attainable"

# The paper's agent, and our best learner beside it.
DDPG, BEST = "DDPG", "REINFORCE, equivariant"
AGENTS = {DDPG: "ddpg", BEST: "reinforce"}
# What needs no training here, by what to call it.
POLICIES = {
    "HCRAS": "hcras",
    "RCARS": "rcars",
    "cloud-only": "cloud-only",
    "constant": "constant",
    "greedy": "greedy",
    "knapsack": "knapsack",
    OPTIMUM: "optimal",
}
FEW = claims.USERS[0]
# No policy of the reader's may have these names: the best that anyone could reach, and the optimum's lower bound.
MOST, BOUND = claims.MOST, sensitivity.BOUND


class Study(NamedTuple):
    """What a study is of.

    Attributes:
        plan: its size.
        own: policies of the reader's, by what to call them.
    """

    plan: Plan
    own: Mapping[str, str]

    @property
    def policies(self) -> dict[str, str]:
        """All that needs no training here, by what to call it."""
        return POLICIES | dict(self.own)

    @property
    def styles(self) -> dict[str, int]:
        """Number of each label's colour, marker and dash, the same in all figures."""
        labels = [*AGENTS, *(label for label in POLICIES if label != OPTIMUM), "learned", *self.own]
        return {label: i for i, label in enumerate(labels)}


def study_of(plan: Plan, own: Mapping[str, str]) -> Study:
    """A study of the paper's policies and of the reader's own.

    Args:
        plan: its size.
        own: names of further policies, by what to call them; one called by its name gets a shorter one.

    Raises:
        InputError: it is one of the paper's, or its name says something else here.
    """
    short = {asked: _short_name(name) if asked == name else asked for asked, name in own.items()}
    for asked, label in short.items():
        if own[asked] in POLICIES.values():
            raise InputError(f"--policies {asked}: it is in every figure already; leave it out")
        if {asked, label} & {MOST, BOUND}:
            raise InputError(f"--policies {asked}: the report needs the names {MOST} and {BOUND}; choose another")
    taken = {*AGENTS, *POLICIES, "learned"}
    for asked, name in own.items():
        if asked != name and asked in taken:
            raise InputError(
                f"--policies {asked}={name}: the report calls another one {asked!r}; choose another label"
            )
        if asked != name and list(own.values()).count(name) > 1:
            raise InputError(f"--policies {asked}={name}: it is there under another label too; give it once")
    clash = {asked for asked, label in short.items() if label in taken or list(short.values()).count(label) > 1}
    return Study(plan, {asked if asked in clash else label: own[asked] for asked, label in short.items()})


def _short_name(name: str) -> str:
    """What to call a policy: its function, its file or its folder."""
    if ".py:" in name:
        label = name.rpartition(":")[2]
    elif name.startswith("sb3:"):
        label = Path(name.removeprefix("sb3:")).stem
    else:
        label = Path(name).resolve().name if Path(name).exists() else name
    return label or name


def try_out(study: Study) -> None:
    """Lets the reader's own policies decide one episode of everything that the figures will ask of them.

    Args:
        study: the study.

    Raises:
        InputError: one of them does not serve there.
    """
    for label, name in study.own.items():
        try:
            for preset in (PAPER, ATTAINABLE):
                for catalogue in study.plan.catalogues:
                    policy(name, load_scenario(preset, [f"seed={catalogue}"]))
            changed_cell = load_scenario(PAPER, [f"seed={study.plan.catalogues[0]}", "objective.alpha=0.5"])
            decide = {label: policy(name, changed_cell)}
            evaluate(
                changed_cell, decide, sorted({*study.plan.users, *claims.USERS}), 1, TEST_SEED, lambda text: None
            )
        except InputError as e:
            raise InputError(
                f"--policies {name}: the figures ask for every catalogue, {listed(claims.USERS)} users and other "
                f"weights, but: {e}"
            ) from None


def listed(values: Iterable[object]) -> str:
    """Values in a sentence.

    Args:
        values: what to list.
    """
    return ", ".join(map(str, values))
