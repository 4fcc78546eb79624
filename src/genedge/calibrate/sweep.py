"""Sweeps a pipeline over steps: what is measured is kept as it is measured, and not measured again."""

import datetime
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genedge.calibrate.child import Child, Opened, child
from genedge.calibrate.entries import FACTS
from genedge.calibrate.measurements import Measurement, read_measurements, write_measurements
from genedge.calibrate.pipeline import SMALL, Recipe
from genedge.calibrate.plan import checked_steps, default_steps, reference_steps, round_of
from genedge.calibrate.quality import Measure
from genedge.errors import InputError
from genedge.files import read_text, whole_file

Report = Callable[[str, int], None]
ROWS = "measurements.csv"
# What the facts say of the machine, and a catalogue tells.
TOLD = {"steps", "cold_load_s", "warm_load_s", "libraries_s", "held_bytes", "libraries_bytes", "batches", "machine"}
_NO_PIXEL_KNOWN = np.zeros((1, 1, 1, 1))


class Plan(NamedTuple):
    """What is to be measured of one pipeline.

    Attributes:
        recipe: of the pipeline.
        steps: with how many each image is made; None for the divisors of its training's steps up to `most`.
        most: see there.
        images: how many.
        batches: how many images at once; runs are timed with the first.
        sizes: of images, besides the recipe's, of which only the memory is measured [px].
        measure: of quality.
        minutes: no round is begun after so many; None for no end.
        seed: of the orders.
    """

    recipe: Recipe
    steps: list[int] | None
    most: int
    images: int
    batches: tuple[int, ...]
    sizes: tuple[int, ...]
    measure: Measure
    minutes: float | None
    seed: int


class Swept(NamedTuple):
    """What was measured.

    Attributes:
        rows: one for each run.
        facts: of the machine, the load and the memory; plain values.
        left: images that the budget did not leave time for.
    """

    rows: list[Measurement]
    facts: dict[str, Any]
    left: int


def sweep(plan: Plan, folder: Path, report: Report) -> Swept:
    """Measures one pipeline; what the folder holds of the same plan is not measured again.

    A round makes one image with each number of steps, in an order of its own, after the image of many steps that
    the others are compared with. So what a budget cuts off are whole images.

    Args:
        plan: what is to be measured.
        folder: for what is measured; made if it is not there.
        report: told what is done, and how many images are.

    Raises:
        InputError: the pipeline fails, the folder is of another plan, or it cannot be written.
    """
    began = time.monotonic()
    facts = _known(plan, folder)
    rows, done = _measured(folder / ROWS)
    if facts is not None and len(done) >= plan.images:
        return Swept(rows, facts, 0)
    if facts is None:
        report("a cold load", 0)
        cold = _cold_load(plan.recipe)
    report("a load", len(done))
    with child(plan.recipe) as pipeline:
        steps, reference = _steps(plan, pipeline.opened.train_steps)
        if facts is None:
            facts = _facts(plan, pipeline, cold, steps, reference)
            _write(folder / FACTS, facts)
        for image in range(plan.images):
            if image in done:
                continue
            spent = (time.monotonic() - began) / 60
            if plan.minutes is not None and spent >= plan.minutes and len(done) >= 2:
                break
            rows += _round(plan, pipeline, image, steps, reference)
            write_measurements(folder / ROWS, rows)
            done.add(image)
            report(f"image {image}", len(done))
    return Swept(rows, facts, plan.images - len(done))


def _round(plan: Plan, pipeline: Child, image: int, steps: Sequence[int], reference: int) -> list[Measurement]:
    """One image with each number of steps; of a batch, one batch, whose mean counts."""
    batch = plan.batches[0]
    numbers = [image * batch + i for i in range(batch)]
    known = [pipeline.truth(number) for number in numbers]
    mask, other = _NO_PIXEL_KNOWN, None
    if all(each is not None for each in known):
        mask = np.stack([each[1] for each in known])
    if plan.measure.against == "own":
        other = pipeline.make(reference, numbers).images
    elif plan.measure.against == "truth":
        if any(each is None for each in known):
            raise InputError(
                f"--quality {plan.measure.name}: {plan.recipe.source} has no truth to compare with; take another "
                "measure"
            )
        other = np.stack([each[0] for each in known])
    found = {}
    for count in round_of(image, list(steps), plan.seed):
        made = pipeline.make(count, numbers)
        cost = plan.measure.cost(made.images, made.images if other is None else other, mask)
        taken = made.seconds, made.processor_s
        found[count] = Measurement(str(image), count, made.evaluations, float(np.mean(cost)), *taken)
    return [found[count] for count in steps]


def _steps(plan: Plan, train_steps: int) -> tuple[list[int], int]:
    if plan.steps is not None:
        steps = checked_steps(plan.steps, train_steps)
    else:
        steps = default_steps(train_steps, min(plan.most, train_steps // 2))
    return steps, reference_steps(steps, train_steps)


def _cold_load(recipe: Recipe) -> Opened:
    """Loads it once with none of its files in the page cache, as far as the system lets go of them."""
    for path in recipe.files():
        _forget(path)
    with child(recipe) as pipeline:
        return pipeline.opened


def _forget(path: Path) -> None:
    if not hasattr(os, "posix_fadvise"):
        return
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def _facts(plan: Plan, pipeline: Child, cold: Opened, steps: Sequence[int], reference: int) -> dict[str, Any]:
    """What is measured once, and what the measurements are of."""
    opened = pipeline.opened
    peaks, image_bytes = _peaks(plan.batches, pipeline, steps[-1])
    further = {}
    for size in plan.sizes:
        with child(plan.recipe._replace(size=size)) as other:
            further[str(size)], _ = _peaks(plan.batches, other, steps[0])
    return {
        **_asked(plan),
        "steps": list(steps),
        "reference_steps": reference,
        "train_steps": opened.train_steps,
        "cold_load_s": cold.load_s,
        "warm_load_s": opened.load_s,
        "libraries_s": opened.libraries_s,
        "held_bytes": opened.held_bytes,
        "libraries_bytes": opened.libraries_bytes,
        "weights_bytes": opened.weights_bytes,
        "batches": peaks,
        "further sizes": further,
        "image_bytes": image_bytes,
        "machine": opened.device,
        "versions": opened.versions,
        "load_average": os.getloadavg()[0],
        "date": datetime.date.today().isoformat(),
    }


def _peaks(batches: Sequence[int], pipeline: Child, steps: int) -> tuple[dict[str, dict[str, float]], int]:
    """What so many images at once take, with so many steps; and the numbers in one image."""
    peaks, image_bytes = {}, 0
    for batch in batches:
        numbers = list(range(batch))
        made = pipeline.make(steps, numbers)
        image_bytes = made.images[0].size
        peaks[str(batch)] = {"peak_bytes": pipeline.peak_bytes(numbers), "seconds": made.seconds}
    return peaks, image_bytes


def _asked(plan: Plan) -> dict[str, Any]:
    """What another sweep in the same folder must agree in."""
    return {
        "pipeline": plan.recipe.source,
        "axis": plan.recipe.axis,
        "size": plan.recipe.size,
        "measure": plan.measure.name,
        "sampler": f"RePaint, eta {plan.recipe.eta:g}" if plan.recipe.source.startswith(SMALL) else "its own",
        "batch": plan.batches[0],
        "seed": plan.seed,
    }


def _known(plan: Plan, folder: Path) -> dict[str, Any] | None:
    """The facts that the folder holds; refuses those of another plan."""
    file = folder / FACTS
    try:
        facts: dict[str, Any] = json.loads(read_text(file))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        facts = {}
    if not isinstance(facts, dict) or not facts.keys() >= TOLD:
        raise InputError(
            f"{file}: not what a calibration of this version has written; remove {folder}, or take another --out"
        )
    for key, value in _asked(plan).items():
        if facts.get(key) != value:
            raise InputError(
                f"{folder}: holds a calibration with {key} {facts.get(key)}, and this one has {value}; take "
                "another --out, or remove the folder"
            )
    if plan.steps is not None and sorted(set(plan.steps)) != facts.get("steps"):
        raise InputError(f"{folder}: holds a calibration of other steps; take another --out, or remove the folder")
    return facts


def _measured(path: Path) -> tuple[list[Measurement], set[int]]:
    """What was measured before, and the numbers of the images."""
    rows = read_measurements(path) if path.exists() else []
    if not all(row.image.isdecimal() for row in rows):
        raise InputError(f"{path}: not what a calibration has written, which numbers its images; remove the folder")
    return rows, {int(row.image) for row in rows}


def _write(path: Path, facts: dict[str, Any]) -> None:
    with whole_file(path) as file:
        file.write((json.dumps(facts, indent=1) + "\n").encode())
