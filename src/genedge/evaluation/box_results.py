"""What an evaluation of a box found, episode by episode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from genedge.cell.types import Decision, Outcome, Slot
from genedge.evaluation.decided import COUNTS, counts_as_json
from genedge.evaluation.outages import OF_OUTAGE, outage_as_json, told_of_outage
from genedge.evaluation.results import RADIO, TAILED
from genedge.evaluation.together import over, seed_columns, seed_metrics, seeds_as_json, stated, told_over
from genedge.optimum.certificate import certified
from genedge.results import (
    Measured,
    Metric,
    Results,
    Sheet,
    equal_remarks,
    plain,
    tail_metrics,
    tail_sheets,
    tails_of,
)
from genedge.scenario import Scenario

EXACT, BOUND = "optimum, exact", "lower bound"
BOX_METRICS = {
    "utility": Metric("utility", ".1f", "", "lower", "Σ U_n of a slot, lower is better"),
    "delay_s": Metric("delay", ".2f", "s", "lower", "mean delay of a request [s]"),
    "delay_p95_s": Metric("p95 delay", ".1f", "s", "lower", "95 % quantile of the delays of an episode [s]"),
    "queue_s": Metric("cloud's queue", ".2f", "s", "lower", "mean wait of a request for the cloud [s]"),
    "tv": Metric("TV", ".3g", "", "lower", "mean TV of a request, lower is better"),
    "hit_ratio": Metric("hit ratio", ".3f", "", "higher", "share of the requests that the box serves"),
    "loads_per_hour": Metric("loads per hour", ".0f", "", "lower", "models that begin to load, in an hour"),
    "loaded_gb_per_hour": Metric("loaded", ".0f", "GB/h", "lower", "weights read to load them [GB]"),
    "loading_s_per_hour": Metric(
        "loading", ".0f", "s/h", "lower", "time that models take to load, in an hour, all of them together [s]"
    ),
}

# How a policy's distance from the optimum splits.
LOSSES = {
    "cache": "lost by what is held, Σ U_n of a slot in expectation",
    "steps": "lost by who is served with how many steps",
    "radio": "lost by the shares of the bandwidth",
}


class FirstEpisode(NamedTuple):
    """What a policy did in the first episode.

    Attributes:
        slots: with its memories.
        decision: what was decided.
        outcome: what came of it.
    """

    slots: Slot
    decision: Decision
    outcome: Outcome


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxEvaluation(Results):
    """All results of an evaluation.

    Attributes:
        rows: one for each policy: a value per episode of each metric, and what follows.
        levels: the optimum, where it is known.
        scenario: what was evaluated on.
        episodes: number of episodes.
        seed: of the slots.
        optimum: least cost of a slot, expected over all requests that may come; the radio's part, which no cache
            changes, on the channels and sizes met. None where it is not known.
        exact: whether a policy attains it; else nothing is below it.
        why_not: why it is not known; empty where it is.
        first: by policy, its first episode.
    """

    scenario: Scenario
    episodes: int
    seed: int
    optimum: float | None
    exact: bool
    why_not: str
    first: Mapping[str, FirstEpisode]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the numbers say, by the keys of the rows' values."""
        gap = "gap to optimum" if self.exact else "gap to bound, at most"
        return (
            BOX_METRICS
            | OF_OUTAGE
            | {
                "expected_utility": Metric("expected utility", ".1f", "", "lower"),
                "gap": Metric(gap, ".2%", "", "lower"),
                "beyond_radio": Metric("gap beyond the radio", ".2%", "", "lower"),
                **{lost_by(part): Metric(f"lost by {part}", ".2f", "", "lower") for part in LOSSES},
                **{key: Metric(f"different {key}", "g") for key in COUNTS},
                "decision_ms": Metric("decision", ".3f", "ms", "lower"),
                **tail_metrics(TAILED),
                **seed_metrics(self.rows, BOX_METRICS),
            }
        )

    def title(self, named: Callable[[str], str]) -> str:
        """What was compared on what, for a figure.

        Args:
            named: how somebody's name for something is shown there.
        """
        return (
            f"scenario {named(self.scenario.name)}, {self.users[0]} users, episodes of "
            f"{self.scenario.settings.cell.slots_per_episode} slots; {stated(self.rows, self.episodes)}"
        )

    @property
    def sheets(self) -> list[Sheet]:
        """The means; and where the optimum is known, what each policy's decisions lost against it."""
        stands = stated(self.rows, self.episodes)
        title = (
            f"{self.scenario.name}, {self.users[0]} users: {stands} (utility, delay, TV and loads: lower is better)"
        )
        sheets = [Sheet(title, self.users[0], (*BOX_METRICS, "decision_ms"))]
        sheets.append(Sheet(f"how many different decisions in {self.slots} slots", self.users[0], tuple(COUNTS)))
        sheets += tail_sheets(self.rows, self.users[0], tuple(TAILED))
        if columns := seed_columns(self.rows):
            title = "over training seeds, and how probably a run has a lower utility"
            sheets.append(Sheet(title, self.users[0], columns))
        if self.optimum is not None:
            title = (
                "in expectation over all requests that may come, on the channels met: what each decision lost, "
                f"{stands}"
            )
            columns = ("expected_utility", "gap", "beyond_radio", *map(lost_by, LOSSES))
            sheets.append(Sheet(title, self.users[0], columns))
        return sheets

    @property
    def over(self) -> str:
        """What means and intervals are over."""
        return told_over(self.rows, self.episodes)

    def over_of(self, row: Measured) -> str:
        """What the mean and the interval of one row are over.

        Args:
            row: one of these.
        """
        return over(row, self.episodes)

    @property
    def panels(self) -> tuple[str, ...]:
        """The metrics that a figure shows; the optimum is one in expectation, and so is what stands beside it."""
        utility = "utility" if self.optimum is None else "expected_utility"
        return (utility, "delay_s", "hit_ratio", "loads_per_hour")

    @property
    def slots(self) -> int:
        """How many slots each policy decided."""
        return self.episodes * self.scenario.settings.cell.slots_per_episode

    @property
    def remarks(self) -> list[str]:
        """What a reader should know besides, a line each."""
        told = (*self.scenario.remarks, *told_of_outage(self, self.scenario))
        lines = [*equal_remarks(self.rows, self.slots), *told]
        if self.optimum is None:
            lines.append(f"The optimum is not known: {self.why_not}.")
        elif not self.exact:
            if np.ptp(self.scenario.params.input_bits) > 0:
                lines.append(
                    "The sizes of requests vary: nothing is below the bound, which counts each as the least; "
                    "`optimal` too."
                )
            if certified(self.scenario.params) == "bound":
                lines.append(
                    "Nothing is below the bound, which leaves the deadline and fairness out; `optimal` too."
                )
        return lines

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program to read."""
        known = self.optimum is not None
        document: dict[str, Any] = plain(
            {
                "scenario": self.scenario.name,
                "scenario_id": self.scenario.id,
                "users": self.users[0],
                "episodes": self.episodes,
                "slots_per_episode": self.scenario.settings.cell.slots_per_episode,
                "seed": self.seed,
                "metrics": {key: metric.words for key, metric in BOX_METRICS.items()},
                "losses": LOSSES,
                "optimum": {"utility": self.optimum, "attained": self.exact} if known else None,
                "radio": self.levels_at(self.users[0]).get(RADIO),
                "no_optimum": self.why_not or None,
                **outage_as_json(self),
                "results": [
                    {
                        "policy": row.policy,
                        **{metric: row.value(metric) for metric in BOX_METRICS},
                        "lost": {part: row.value(lost_by(part)) for part in LOSSES} if known else {},
                        "expected_utility": row.value("expected_utility") if known else None,
                        "gap": row.value("gap") if known else None,
                        "gap_beyond_radio": row.value("beyond_radio") if known else None,
                        **counts_as_json(row),
                        "equals": row.equals,
                        "tail": tails_of(row, tuple(TAILED)),
                        "over": self.over_of(row),
                        **dict(seeds_as_json(row)),
                        "decision_ms": row.value("decision_ms").mean,
                    }
                    for row in self.rows
                ],
            }
        )
        return document


def lost_by(part: str) -> str:
    """Under what key a part of what was lost stands among a policy's values.

    Args:
        part: a key of LOSSES.
    """
    return f"lost by {part}"
