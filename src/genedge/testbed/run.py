"""Runs policies on the very same slots, and keeps what was measured: a slot is whole, or done again."""

import datetime
import hashlib
import json
import shutil
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from genedge.calibrate.plan import reference_steps
from genedge.calibrate.quality import Measure
from genedge.errors import InputError
from genedge.files import read_text, remove_left_behind, whole_file
from genedge.folders import is_empty
from genedge.scenario import Scenario
from genedge.settings.reading import read_json
from genedge.testbed.bed import Bed, started
from genedge.testbed.generators import Size
from genedge.testbed.links import MOST_USERS, How, links_of
from genedge.testbed.pictures import damaged, image_of
from genedge.testbed.plan import MOST_STEPS, Expected, Planned, planned, small_models
from genedge.testbed.processes import Broken
from genedge.testbed.rows import FACTS, FILES, PICTURES, ROWS, Row, read_rows, write_rows
from genedge.testbed.tasks import Generated, Job, Request, Served
from genedge.versions import versions

# How often in a row a slot may fail, and by how many pictures of each model the factor is found.
MOST_TRIES, TIMED = 3, 3

Report = Callable[[str, int], None]


class Wanted(NamedTuple):
    """What is to be run.

    Attributes:
        scenario: a cell whose models are small models.
        policies: names of policies by what to call them.
        users: how many.
        slots: how many.
        seed: of the slots.
        links: who keeps to the rates; None for the kernel where that can be had.
        factor: seconds of this machine for one of the scenario's; None for what generation takes here.
        measure: of quality.
    """

    scenario: Scenario
    policies: Mapping[str, str]
    users: int
    slots: int
    seed: int
    links: How | None
    factor: float | None
    measure: Measure


class Ran(NamedTuple):
    """What was run.

    Attributes:
        facts: of the run and the machine; plain values.
        rows: one for each policy, slot and user.
    """

    facts: dict[str, Any]
    rows: list[Row]


def run(wanted: Wanted, folder: Path, report: Report) -> Ran:
    """Runs all policies in each slot that is not done yet.

    Args:
        wanted: what is to be run.
        folder: for what is measured, and nothing else.
        report: told what is done, and how many slots are.

    Raises:
        InputError: it cannot be run, the folder is of something else, or a slot fails again and again.
    """
    if wanted.users > MOST_USERS:
        raise InputError(f"{wanted.users} users are too many to run; give --users {MOST_USERS} at most")
    plan = planned(wanted.scenario, wanted.policies, wanted.users, wanted.slots, wanted.seed)
    facts = _known(wanted, folder)
    rows = read_rows(folder / ROWS) if facts else []
    found = links_of(facts["links"] if facts else wanted.links)
    facts = facts or _facts(wanted, found.links.how, found.why)
    done = {row.slot for row in rows}
    _tidy(folder, done)
    left = [slot for slot in plan if slot.number not in done]
    runs = _Run(wanted, folder, report, facts, rows, left)
    while runs.left:
        try:
            with started(wanted.users, _size(wanted), found.links) as bed:
                runs.go_on(bed)
        except Broken as e:
            runs.repeat(str(e))
    return Ran(runs.facts, runs.rows)


class _Maker:
    """Makes pictures beside the slots, each once: what the cloud answers, and what others are compared with."""

    bed: Bed

    def __init__(self) -> None:
        self._made: dict[tuple[str, int, int], Generated] = {}

    def make(self, model: str, picture: int, steps: int) -> Generated:
        key = (model, picture, steps)
        if key not in self._made:
            self._made[key] = self.bed.make(Job(model, *damaged(model, picture), steps, picture))
        return self._made[key]


@dataclass
class _Run:
    """A run that goes on, on one testbed after the other if they break."""

    wanted: Wanted
    folder: Path
    report: Report
    facts: dict[str, Any]
    rows: list[Row]
    left: list[Planned]
    repeated: int = 0
    maker: _Maker = field(default_factory=_Maker)

    def go_on(self, bed: Bed) -> None:
        """Does slots until none is left, or the testbed breaks."""
        self.maker.bed = bed
        if self.facts["factor"] is None:
            self._tell("how fast generation is")
            self.facts |= _factor(self.wanted, self.maker)
        _write_json(self.folder / FACTS, self.facts)
        while self.left:
            slot = self.left[0]
            done = _slot(self.wanted, self.facts, self.maker, slot, self.folder, self._tell)
            self.rows += [row._replace(repeated=self.repeated) for row in done]
            self.rows.sort(key=lambda row: row.slot)
            write_rows(self.folder / ROWS, self.rows)
            self.left, self.repeated = self.left[1:], 0

    def repeat(self, why: str) -> None:
        """Has a slot done again, unless it has failed too often."""
        self.repeated += 1
        self.facts["why_repeated"] = [*self.facts.get("why_repeated", []), f"slot {self.left[0].number}: {why}"]
        if self.repeated == MOST_TRIES:
            raise InputError(f"slot {self.left[0].number}: {why}; it was tried {MOST_TRIES} times")
        self._tell(f"{why}; it is done again")

    def _tell(self, what: str) -> None:
        self.report(f"slot {self.left[0].number}, {what}", self.wanted.slots - len(self.left))


def _slot(
    wanted: Wanted,
    facts: Mapping[str, Any],
    maker: _Maker,
    slot: Planned,
    folder: Path,
    report: Callable[[str], None],
) -> list[Row]:
    """A slot, one policy after the other, another one first each time."""
    rows: list[Row] = []
    labels = list(slot.decided)
    first = slot.number % len(labels)
    for label in labels[first:] + labels[:first]:
        report(label)
        expected = slot.decided[label]
        requests = [each.request.slowed(facts["factor"]) for each in expected]
        pictures = [damaged(request.model, request.picture) for request in requests]
        in_cloud = {
            request.user: maker.make(request.model, request.picture, request.steps)
            for request in requests
            if not request.hit
        }
        served = maker.bed.serve(requests, pictures, in_cloud)
        for each, one in zip(expected, served, strict=True):
            rows.append(_row(wanted, facts, maker, slot.number, label, each, one))
            _keep(folder / PICTURES / str(slot.number), f"{labels.index(label)}-{one.request.user}", one.png)
    for request, picture in zip(requests, pictures, strict=True):
        _keep(folder / PICTURES / str(slot.number), f"sent-{request.user}", picture.png)
    return sorted(rows, key=lambda row: (labels.index(row.policy), row.user))


def _row(
    wanted: Wanted,
    facts: Mapping[str, Any],
    maker: _Maker,
    slot: int,
    label: str,
    expected: Expected,
    served: Served,
) -> Row:
    request, params = served.request, wanted.scenario.params
    measured = {key: value / facts["factor"] for key, value in served.times.parts().items()}
    measured["tv"] = _quality(wanted.measure, facts["reference_steps"], maker, request, served.png)
    weights = (float(params.delay_weight), float(params.tv_weight))
    measured["utility"] = weights[0] * measured["delay_s"] + weights[1] * measured["tv"]
    what = (slot, label, request.user, request.model, request.picture, request.steps)
    return Row(*what, 0, request.hit, served.hit, expected.predicted, measured)


def _quality(measure: Measure, reference_steps: int, maker: _Maker, request: Request, png: bytes) -> float:
    """How good a result is, as `genedge calibrate` measures it."""
    from genedge.calibrate.small.images import held_out

    image = image_of(png)[None]
    other = image
    if measure.against == "own":
        other = image_of(maker.make(request.model, request.picture, reference_steps).png)[None]
    elif measure.against == "truth":
        other = held_out(request.model, request.picture)[None]
    mask = image_of(damaged(request.model, request.picture).mask)[None]
    return float(measure.cost(image, other, mask)[0])


def _size(wanted: Wanted) -> Size:
    models, server = tuple(dict.fromkeys(small_models(wanted.scenario))), wanted.scenario.settings.server
    # What is compared with an own image of more steps adds no noise, which other numbers of steps would draw anew.
    eta = 0.0 if wanted.measure.against == "own" else 1.0
    return Size(models, _generators(wanted), server.generation_order == "shortest-first", eta)


def _generators(wanted: Wanted) -> int:
    """How many pictures the base station repairs at once: where the scenario does not say, each user's."""
    few = wanted.scenario.settings.server.generates_at_once
    return wanted.users if few is None else min(few, wanted.users)


def _factor(wanted: Wanted, maker: _Maker) -> dict[str, Any]:
    """Seconds of this machine for one of the scenario's, so that generation, which cannot be slowed, is right.

    Each model repairs a few pictures in its best quality, alone; the factor is the median of what that takes over
    Eq. (12).
    """
    ratios: dict[str, float] = {}
    for small, model in zip(small_models(wanted.scenario), wanted.scenario.models, strict=True):
        steps = max(round(model.A3_steps), 1)
        said = model.B1_s_per_step * steps + model.B2_s
        if said > 0:
            ratios[small] = median(maker.make(small, number, steps).seconds for number in range(TIMED)) / said
    if not ratios:
        raise InputError(f"scenario {wanted.scenario.name}: generation takes no time there; give a --factor")
    return {"factor": float(f"{median(ratios.values()):.4g}"), "of_models": ratios}


def _reference_steps(wanted: Wanted) -> int:
    """Of the images that others are compared with: as `genedge calibrate` takes them for the most steps."""
    most = max(round(model.A3_steps) for model in wanted.scenario.models)
    return reference_steps([most], MOST_STEPS) if most <= MOST_STEPS // 2 else MOST_STEPS


# --- What is kept ------------------------------------------------------------------------------------------


def _told(wanted: Wanted) -> dict[str, Any]:
    """What must be the same when a run goes on."""
    scenario = hashlib.sha256(wanted.scenario.as_yaml().encode()).hexdigest()[:16]
    return {
        "scenario": wanted.scenario.name,
        "scenario_sha256": scenario,
        "policies": [list(each) for each in wanted.policies.items()],
        "users": wanted.users,
        "seed": wanted.seed,
        "measure": wanted.measure.name,
    }


def _facts(wanted: Wanted, how: How, why: str) -> dict[str, Any]:
    from genedge.calibrate.child import processor

    return _told(wanted) | {
        "links": how,
        "why_paced": why,
        "factor": wanted.factor,
        "factor_from": "user" if wanted.factor is not None else "measured",
        "of_models": {},
        "generators": _generators(wanted),
        "reference_steps": _reference_steps(wanted),
        "machine": processor(),
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }


def _known(wanted: Wanted, folder: Path) -> dict[str, Any]:
    """What the folder holds of the same run; nothing if it is empty."""
    try:
        facts = read_json(read_text(folder / FACTS), str(folder / FACTS))
    except FileNotFoundError:
        if folder.exists() and not is_empty(folder):
            raise InputError(f"{folder}: holds something else; choose another --out") from None
        return {}
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"{folder / FACTS}: cannot be read: {e}") from None
    for key, value in _told(wanted).items():
        if not isinstance(facts, dict) or facts.get(key) != value:
            raise InputError(f"{folder}: is of another run, whose {key} differs; choose another --out")
    for key, asked, option in (("links", wanted.links, "--links"), ("factor", wanted.factor, "--factor")):
        if asked is not None and facts.get(key) != asked:
            raise InputError(f"{folder}: was run with {option} {facts.get(key)}; go on with that, or leave it out")
    return dict(facts)


def _tidy(folder: Path, done: Container[int]) -> None:
    """Removes what a run left that was killed: files half written, and pictures of a slot that is not whole."""
    for name in FILES:
        remove_left_behind(folder / name)
    for pictures in (folder / PICTURES).glob("*"):
        if not (pictures.name.isdecimal() and int(pictures.name) in done):
            shutil.rmtree(pictures, ignore_errors=True)


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    with whole_file(path) as file:
        file.write(json.dumps(values, indent=1).encode())


def _keep(folder: Path, name: str, png: bytes) -> None:
    with whole_file(folder / f"{name}.png") as file:
        file.write(png)
