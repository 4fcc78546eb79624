"""What the assumed values change: which conclusions survive, and what caching is worth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genedge.draw.charts import Grid, HeatMap, Picture
from genedge.paper import claims, sensitivity
from genedge.paper.evidence import (
    measure,
    measure_box,
    of_measures,
)
from genedge.paper.records import Records
from genedge.paper.sections.section import ReportSection
from genedge.paper.study import BOUND, FEW, PAPER, Study
from genedge.paper.tasks import EXPECTED, Measure, MeasureBox, Task
from genedge.registry import named
from genedge.statistics import Interval, over_groups

COMPARED = ("rcars", "cloud-only", "constant", "knapsack", "hcras", "learned", "optimal")
# Rules for boxes of the same meaning.
BOXES = {False: sensitivity.BOXES, True: sensitivity.CERTIFIED_BOXES}
IN_BOXES = ("rcars", "cloud-only", "constant", "knapsack", "hcras")


class VariationTasks(NamedTuple):
    """The work for one variation on one catalogue: as it is, the hits over users, with the floor, and one's own."""

    plain: Measure
    over_users: Measure
    floored: Measure
    own: dict[str, Measure]


def _variation_tasks(study: Study, catalogue: int, changes: tuple[str, ...]) -> VariationTasks:
    def of(users: Sequence[int], names: Sequence[str], *more: str) -> Measure:
        return measure(study, PAPER, users, names, study.plan.sensitivity_episodes, catalogue, *changes, *more)

    # What was trained outside has a size; a function serves any.
    resized = any(change.startswith("models.count") for change in changes)
    own = [name for name in study.own.values() if ".py:" in name or name in named("policy") or not resized]
    return VariationTasks(
        of((FEW,), COMPARED),
        of(claims.USERS, ("greedy",)),
        of((FEW,), ("cloud-only",), sensitivity.FLOOR),
        {name: of((FEW,), (name,)) for name in own},
    )


def _box_measure(study: Study, catalogue: int, changes: tuple[str, ...], certified: bool) -> MeasureBox:
    rules = (*IN_BOXES, "optimal") if certified else IN_BOXES
    return measure_box(PAPER, rules, study.plan.sensitivity_episodes, catalogue, *changes)


def _worth_measure(study: Study, catalogue: int, speed: float, rate: float) -> Measure:
    changes = sensitivity.faster(speed, rate)
    return measure(study, PAPER, (FEW,), ("cloud-only",), study.plan.sensitivity_episodes, catalogue, *changes)


def sensitivity_tasks(study: Study) -> list[Task]:
    """Every variation, and every backhaul and speed.

    Args:
        study: the study.
    """
    tasks: list[Task] = []
    for changes in sensitivity.VARIATIONS.values():
        for c in _catalogues(study):
            work = _variation_tasks(study, c, changes)
            tasks += [work.plain, work.over_users, work.floored, *work.own.values()]
    for certified, boxes in BOXES.items():
        tasks += [
            _box_measure(study, c, changes, certified) for changes in boxes.values() for c in _catalogues(study)
        ]
    for speed in sensitivity.SPEEDS:
        for rate in sensitivity.BACKHAUL_MBIT_PER_S:
            tasks += [_worth_measure(study, c, speed, rate) for c in _catalogues(study)]
    return tasks


def _catalogues(study: Study) -> range:
    return range(1, study.plan.sensitivity_catalogues + 1)


def _sizes(study: Study) -> str:
    return f"{study.plan.sensitivity_catalogues} catalogues, {study.plan.sensitivity_episodes} episodes each"


def sensitivity_pictures(study: Study, records: Records) -> list[Picture]:
    """Which conclusions survive which assumption, and what caching is worth where.

    Args:
        study: the study.
        records: what its tasks found.
    """
    return [_survivors(study, records), _worth(study, records)]


def _survivors(study: Study, records: Records) -> Grid:
    # With whom of the reader's own each is about.
    conclusions: list[tuple[str | None, sensitivity.Conclusion]] = [
        *((None, conclusion) for conclusion in sensitivity.CONCLUSIONS),
        *((name, sensitivity.within_one_percent(name, label)) for label, name in study.own.items()),
    ]
    cells: list[list[tuple[Interval, bool | None] | None]] = []
    for changes in sensitivity.VARIATIONS.values():
        work = [_variation_tasks(study, c, changes) for c in _catalogues(study)]
        values = _values_of(work, records)
        cells.append(
            [
                conclusion.judge(values) if about is None or about in work[0].own else None
                for about, conclusion in conclusions
            ]
        )
    for certified, boxes in BOXES.items():
        for changes in boxes.values():
            values = _values_in_box(
                [_box_measure(study, c, changes, certified) for c in _catalogues(study)], records
            )
            cells.append(
                [
                    conclusion.judge(values) if conclusion.boxes in ("any", "certified" * certified) else None
                    for _, conclusion in conclusions
                ]
            )
    return Grid(
        "sensitivity",
        "Which conclusions survive which assumption",
        f"Preset {PAPER}, {FEW} users, {_sizes(study)}. A row changes one assumed value and leaves the "
        "others; each cell gives the number on which the conclusion hangs, its colour whether the conclusion "
        "holds there (95 % interval over catalogues). Agents are not trained anew here: `learned` is the "
        "network that ships. Rows with loads, a shared backhaul or a busy cloud are boxes, decided by the rules of "
        "the same names: empty is what has no meaning there. The paper's cell as a box has no known optimum; the "
        "small box, of 5 models, all images improved and inputs of one size, has.",
        [conclusion.heading for _, conclusion in conclusions],
        [label for rows in (sensitivity.VARIATIONS, *BOXES.values()) for label in rows],
        cells,
        [conclusion.format for _, conclusion in conclusions],
    )


def _values_of(work: Sequence[VariationTasks], records: Records) -> sensitivity.VariedValues:
    """How to look up what the tasks of a variation found, over its catalogues."""

    def values(policy: str, metric: str, users: int, floor: bool) -> np.ndarray:
        if floor:
            tasks = [each.floored for each in work]
        elif policy == "greedy":
            tasks = [each.over_users for each in work]
        else:
            tasks = [each.own.get(policy, each.plain) for each in work]
        return of_measures(tasks, records)(policy, metric, users)

    return values


def _values_in_box(work: Sequence[MeasureBox], records: Records) -> sensitivity.VariedValues:
    """The same of a box over its catalogues; what a policy costs is in expectation, where that is known."""
    found = of_measures(work, records)

    def values(policy: str, metric: str, users: int, floor: bool) -> np.ndarray:
        known = work[0].known and metric == "utility"
        return found(policy, EXPECTED if known else metric, users)

    return values


def _worth(study: Study, records: Records) -> HeatMap:
    worth = []
    for speed in sensitivity.SPEEDS:
        row = []
        for rate in sensitivity.BACKHAUL_MBIT_PER_S:
            values = of_measures([_worth_measure(study, c, speed, rate) for c in _catalogues(study)], records)
            optimum, cloud = (values(name, "utility", FEW) for name in (BOUND, "cloud-only"))
            row.append(over_groups(sensitivity.saved(optimum, cloud)))
        worth.append(row)
    return HeatMap(
        "worth",
        "What caching is worth at best quality",
        f"Preset {PAPER}, the quality floor on (every hit at its model's best), {FEW} users, "
        f"{_sizes(study)}: what the certified optimum saves over sending everything to the cloud. Speed is "
        "that of every model, here and in the cloud alike.",
        "backhaul rate per request [Mbit/s]",
        "generation speed, times the assumed",
        [f"{rate:g}" for rate in sensitivity.BACKHAUL_MBIT_PER_S],
        [f"{speed:g}" for speed in sensitivity.SPEEDS],
        worth,
        "saved over cloud-only [%]",
    )


SENSITIVITY = ReportSection("What the assumed values change", sensitivity_tasks, sensitivity_pictures)
