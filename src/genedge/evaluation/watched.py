"""An episode to watch: what a policy decides in each slot, next to what the optimum would have done."""

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from genedge.cell.feasible import breaches, in_float64
from genedge.cell.sampling import sample_episodes
from genedge.cell.types import Decision, Outcome, Slot, as_seen
from genedge.errors import InputError
from genedge.evaluation.scoring import outcome as outcome_of
from genedge.optimum.certificate import certified
from genedge.optimum.solve import solve_best
from genedge.optimum.waiting import few_at_once
from genedge.policies import Policy
from genedge.scenario import Scenario

# Gaps below this one are rounding: the decision is the optimum.
CERTIFIED = 1e-6


class Numbers(NamedTuple):
    """What a slot comes to.

    Attributes:
        utility: Σ U_n, Eq. (15), lower is better.
        delay_s: mean delay of a request [s].
        tv: mean TV of a request that is served, lower is better; NaN if none is.
        hit_ratio: share of the requests whose model is cached.
    """

    utility: float
    delay_s: float
    tv: float
    hit_ratio: float


@dataclass(frozen=True)
class Side:
    """What one of the two compared decides, and what comes of it.

    Attributes:
        name: what it is called.
        decision: of K slots, in float64 NumPy.
        outcome: of each.
        active: who is served in each.
    """

    name: str
    decision: Decision
    outcome: Outcome
    active: NDArray[np.bool_]

    @property
    def utility(self) -> NDArray[np.float64]:
        """Σ U_n of each slot, shape (K,)."""
        return np.asarray(self.outcome.utility.sum(axis=-1))

    def numbers(self, k: int) -> Numbers:
        """What slot k comes to.

        Args:
            k: number of the slot, from 0.
        """
        outcome, served = self.outcome, self.active[k]
        return Numbers(
            float(outcome.utility[k].sum()),
            float(outcome.delay_s[k].mean()),
            float(outcome.tv[k][served].mean()) if served.any() else float("nan"),
            float(outcome.hit[k].mean()),
        )


@dataclass(frozen=True)
class Episode:
    """The first K slots of an episode, decided twice.

    Attributes:
        scenario: the cell.
        seed: of the slots.
        slots: the slots; there is a user at all N places.
        policy: the policy's side.
        best: the optimum's; where there is no certificate, its name says how near it is.
    """

    scenario: Scenario
    seed: int
    slots: Slot
    policy: Side
    best: Side

    @property
    def caption(self) -> str:
        """What is shown, in a sentence."""
        count, users = self.slots.requests.shape
        return (
            f"{self.policy.name} beside the {self.best.name} on scenario {self.scenario.name}: {users} users, "
            f"slots 1 to {count} of the first episode that genedge evaluate meets with seed {self.seed}"
        )


def episode(scenario: Scenario, name: str, policy: Policy, users: int, seed: int, slots: int) -> Episode:
    """Samples an episode, lets a policy and the optimum decide it, and scores both in float64.

    The slots and the policy's random numbers are those of the first episode that `evaluate` meets with this seed.

    Args:
        scenario: the cell.
        name: the policy's name.
        policy: the policy.
        users: N, number of users.
        seed: of the slots.
        slots: K, how many slots of the episode to keep.

    Returns:
        The first K slots of the episode.

    Raises:
        InputError: the scenario's cost is the reader's own, the episode has fewer slots, there are no users, or the
            policy cannot serve so many, or broke a constraint, which is a defect of that policy.
    """
    T = scenario.settings.cell.slots_per_episode
    if users < 1:
        raise InputError(f"--users {users}: at least one user is needed")
    if not 1 <= slots <= T:
        raise InputError(
            f"--slots {slots}: an episode has {T} slots; give 1 to {T}, or --set cell.slots_per_episode={slots}"
        )
    params, key = scenario.params, jax.random.key(seed)
    known = certified(params)
    if known == "none":
        raise InputError("objective.function is a cost of your own: there is no optimum to watch a policy beside")
    whole = jax.tree.map(lambda x: np.asarray(x[0]), sample_episodes(params, key, users, users, T, 1))
    # A policy that draws random numbers draws them for all slots at once, so it must decide the whole episode.
    decision = in_float64(policy(params, as_seen(whole), jax.random.fold_in(jax.random.fold_in(key, users), 0)))
    if broken := breaches(params, whole, decision):
        raise InputError(f"policy {name} broke a constraint: {broken[0]}")
    kept, decision = jax.tree.map(lambda x: x[:slots], (whole, decision))
    solved = solve_best(params, kept)
    outcome = outcome_of(params, kept, solved.decision)
    cost = outcome.utility.sum(axis=-1)
    gap = float(np.max((cost - solved.lower_bound) / np.maximum(cost, 1)))
    # Rounded up: no more is promised than was proved.
    within = f"to within {ceil(gap * 1e4) / 100:g} %"
    best = "certified optimum" if gap <= CERTIFIED else f"optimum {within}"
    if known == "bound":
        left_out = [*(["deadline and fairness"] * (params.costs is not None)), *(["waits"] * few_at_once(params))]
        which = f"without {' and '.join(left_out)}" if left_out else "found"
        best = f"best {which}, {within} of a bound"
    return Episode(
        scenario,
        seed,
        kept,
        Side(name, decision, outcome_of(params, kept, decision), kept.active),
        Side(best, solved.decision, outcome, kept.active),
    )
