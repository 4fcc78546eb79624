"""From measurements to what a scenario needs of a model: a verdict, curves of quality, and the delay."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from genedge.calibrate.delay import Delay, delay_of
from genedge.calibrate.families import Family, families_of
from genedge.calibrate.resampled import drawn_images
from genedge.calibrate.table import Table
from genedge.calibrate.verdict import Verdict, verdict_of
from genedge.registry import listed

# What a figure and a table call the families.
NAMES = {"three_pieces": "three pieces", "exponential": "exponential", "power": "power"}
# Differences of AICc below this say little (Burnham and Anderson, 2002).
CLEAR = 2.0
# Of the largest median of seconds: a line over steps that misses by more is told of.
OFF = 0.05


@dataclass(frozen=True, eq=False)
class Fit:
    """What measurements come to.

    Attributes:
        table: what was measured.
        verdict: whether quality falls with steps.
        families: three_pieces, exponential and power.
        delay: what a step takes.
    """

    table: Table
    verdict: Verdict
    families: dict[str, Family]
    delay: Delay

    @property
    def best(self) -> str | None:
        """The family with the least AICc; None with too few steps to tell, or if nothing changes."""
        known = {name: family.aicc for name, family in self.families.items() if family.aicc is not None}
        return min(known, key=lambda name: known[name]) if known and self.verdict.word != "flat" else None

    @property
    def remarks(self) -> list[str]:
        """What a reader should know besides, a line each."""
        return [*self._of_verdict(), *self._of_curves(), *self._of_rest()]

    def as_json(self) -> dict[str, Any]:
        """Everything, for a program."""
        delay = self.delay
        return {
            "verdict": self.verdict.word,
            "change": {
                "from_steps": int(self.table.steps[0]),
                "to_steps": int(self.table.steps[-1]),
                **self.verdict.change.as_json(),
            },
            **{name: family.as_json() for name, family in self.families.items()},
            "best": self.best,
            "delay": {
                "b1_s_per_evaluation": delay.b1,
                "b2_s": delay.b2,
                "r2": delay.r2,
                "intervals": {"b1_s_per_evaluation": list(delay.ends[0]), "b2_s": list(delay.ends[1])},
                "schedule": {
                    "B1_s_per_step": delay.B1,
                    "B2_s": delay.B2,
                    "intervals": {
                        "B1_s_per_step": list(delay.steps_ends[0]),
                        "B2_s": list(delay.steps_ends[1]),
                    },
                    "largest_deviation_s": delay.off_s,
                },
            },
            "steps": [int(count) for count in self.table.steps],
            "evaluations": [int(count) for count in self.table.evaluations],
            "quality": self.table.quality.mean(axis=0).tolist(),
            "images": len(self.table.images),
            "remarks": self.remarks,
        }

    def _of_verdict(self) -> list[str]:
        word, change, against = self.verdict
        steps = self.table.steps
        if word == "flat":
            low, high = change.low, change.high
            return [
                f"No change of quality with steps is told from chance; from {steps[0]:g} to {steps[-1]:g} steps it "
                f"is {change.mean:.4g} [{low:.4g}, {high:.4g}]."
            ]
        told = []
        if word == "rises":
            told.append(
                "Quality is a cost here, and more steps make it worse: a cell that trades steps for quality has "
                "nothing to gain from this measure."
            )
        if against is not None:
            way = "rises by" if against.by > 0 else "falls by"
            told.append(
                f"It does not go one way only: from {steps[against.first]:g} to {steps[against.last]:g} steps it "
                f"{way} {abs(against.by):.4g}, which is no chance. '{word}' is what comes nearer to the whole."
            )
        return told

    def _of_curves(self) -> list[str]:
        if self.verdict.word == "flat":
            return []
        told = [
            f"{NAMES[name]}: {listed(keys)} {'is' if len(keys) == 1 else 'are'} not identified: {reason}."
            for name, family in self.families.items()
            for reason in dict.fromkeys(family.unidentified.values())
            if (keys := [key for key, why in family.unidentified.items() if why == reason])
        ]
        best, pieces = self.best, self.families["three_pieces"].aicc
        if best is not None and best != "three_pieces" and pieces is not None:
            less = pieces - (self.families[best].aicc or 0.0)
            if less > CLEAR:
                told.append(f"The curve is {NAMES[best]} rather than three pieces: its AICc is {less:.1f} less.")
        return told

    def _of_rest(self) -> list[str]:
        told, delay = [], self.delay
        if delay.off_s > OFF * float(delay.medians.max()):
            told.append(
                f"Evaluations are not linear in steps: at those measured B1 and B2 miss the delay by up to "
                f"{delay.off_s:.3g} s."
            )
        left_out = self.table.left_out
        if left_out:
            told.append(f"{len(left_out)} images lack some of the steps and are left out.")
        return told


def fit_of(table: Table) -> Fit:
    """Fits measurements; the same measurements have the same fit.

    Args:
        table: what was measured.
    """
    images = len(table.images)
    drawn = drawn_images(images)
    means = np.vstack([table.quality.mean(axis=0), np.stack([table.quality[rows].mean(axis=0) for rows in drawn])])
    verdict = verdict_of(table.quality)
    return Fit(
        table,
        verdict,
        families_of(table.steps, means, images, verdict.word != "flat"),
        delay_of(table.steps, table.evaluations, table.seconds, drawn),
    )
