"""Measures the small models on this machine, and writes the catalogue `measured` and the box `demo`.

    python docs/make_measured.py [--box]

With `--box` the box alone, from the catalogue that is there. Takes some minutes of a machine that does no more;
needs `pip install "genedge[diffusion,live]"`. What is measured, run by run, stays in `docs/measured.runs`; the same
command goes on with what it finds there, so who wants to measure anew removes it.
"""

import asyncio
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from genedge.boxes.load import load_box
from genedge.calibrate.child import processor
from genedge.catalogue.load import Catalogue, load_catalogue
from genedge.files import whole_file
from genedge.live.jobs import Picture, Piece
from genedge.live.of_pipeline import PipelineWorker

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "src" / "genedge"
MODELS = ("faces", "textures", "shapes")
# As many held-out faces as there are; steps up to those that people take; one image at once, and memory of more.
ASKED = ("--images", "20", "--most", "50", "--batch", "1,4,16")
# Of each worker of the box: how often it is started, and asked then, with pauses, for an image of so many steps.
STARTS, REQUESTS, PAUSE_S, STEPS = 5, 6, 0.2, 30


class Nowhere:
    """Where the progress of an image goes that nobody waits for."""

    def put(self, piece: Piece) -> None:
        """Drops it."""


class Worked(NamedTuple):
    """What a worker of `genedge live` takes.

    Attributes:
        load_s: until it can generate, in place of another that is ended first; of each start [s].
        took_s: an image of `STEPS` steps; of each [s].
        held_gb: by its process, once it has generated; of each start [GB].
    """

    load_s: list[float]
    took_s: list[float]
    held_gb: list[float]


def main() -> None:
    """Measures and writes."""
    catalogue = PACKAGE / "catalogue" / "files" / "measured.yaml"
    if "--box" not in sys.argv:
        calibrate(catalogue)
    workers = asyncio.run(in_turn())
    box = PACKAGE / "boxes" / "files" / "demo.yaml"
    with whole_file(box) as file:
        file.write(demo(load_catalogue(str(catalogue), HERE), workers).encode())
    load_box("demo")
    print(f"Written: {box}")


def calibrate(catalogue: Path) -> None:
    """Measures the models themselves.

    Args:
        catalogue: to write.
    """
    out = HERE / "measured.yaml"
    sources = [f"small:{model}" for model in MODELS]
    subprocess.run([sys.executable, "-m", "genedge", "calibrate", *sources, *ASKED, "--out", str(out)], check=True)
    about = f"# The small models that ship with the package; made by python docs/{Path(__file__).name}\n"
    with whole_file(catalogue) as file:
        file.write(about.encode() + out.read_bytes())
    out.unlink()
    print(f"Written: {catalogue}")


async def in_turn() -> dict[str, Worked]:
    """Workers of a live box, one in place of the other, and what each of them takes."""
    found = {model: Worked([], [], []) for model in MODELS}
    before: PipelineWorker | None = None
    for model in MODELS * STARTS:
        one, began = PipelineWorker(model, f"small:{model}", 0), time.monotonic()
        if before is not None:
            await before.stop()
        await one.start()
        if before is not None:
            found[model].load_s.append(time.monotonic() - began)
        for seed in range(REQUESTS):
            await asyncio.sleep(PAUSE_S)
            began = time.monotonic()
            await one.make(Picture(seed=seed), STEPS, Nowhere())
            found[model].took_s.append(time.monotonic() - began)
        found[model].held_gb.append(one.held_mb() / 1000)
        before = one
    assert before is not None
    await before.stop()
    return found


def demo(catalogue: Catalogue, workers: dict[str, Worked]) -> str:
    """The box of these workers, two of which fit at once.

    Args:
        catalogue: what was measured of their models.
        workers: what each takes.
    """
    largest = sorted(max(worked.held_gb) for worked in workers.values())
    room = round(sum(largest[-2:]) + largest[0] / 2, 1)
    on = f"{processor()}, {date.today()}"
    takes = {}
    for model, worked in workers.items():
        of_a_step_s = catalogue.value(model, "B1_s_per_step")
        besides_s = max(mean(worked.took_s) - STEPS * of_a_step_s, 0.0)
        takes[model] = {
            "memory_gb": (max(worked.held_gb), f"a process with PyTorch, which is nearly all of it; {on}"),
            "load_s": (
                mean(worked.load_s),
                f"from the end of another worker until this one can generate, mean of {len(worked.load_s)}; {on}",
            ),
            "B1_s_per_step": (of_a_step_s, "of the catalogue measured"),
            "B2_s": (
                besides_s,
                f"what {STEPS} steps take longer in a worker that has rested, mean of {len(worked.took_s)}; {on}",
            ),
        }
    most = {key: max(takes[model][key][0] for model in MODELS) for key in takes[MODELS[0]]}
    lines = [
        "name: demo",
        "# The small models that ship with the package, two of which fit at once; `genedge live demo` serves them.",
        f"# Made by python docs/{Path(__file__).name}",
        line("gpus", f"[{{memory_gb: {room}}}]", "assumed", "of the host's memory; room for two of three"),
        "models:",
        "  defaults:",
        *(f"    {line(key, value, 'measured', 'the most of the three')}" for key, value in most.items()),
        "    " + line("A3_steps", 20, "assumed", "of an image for which nobody says how many"),
    ]
    for model, numbers in takes.items():
        pipeline = f'{{pipeline: "small:{model}"}}'
        lines += [f"  {model}:", "    " + line("worker", pipeline, "assumed", "ships with the package")]
        lines += [f"    {line(key, value, 'measured', told)}" for key, (value, told) in numbers.items()]
    return "\n".join(lines) + "\n"


def line(key: str, value: float | str, provenance: str, told: str) -> str:
    """A setting as a box file says it.

    Args:
        key: its name.
        value: it.
        provenance: where it comes from.
        told: what a reader should know.
    """
    shown = value if isinstance(value, str) else f"{value:.4g}"
    return f'{key}: {{value: {shown}, provenance: {provenance}, note: "{told}"}}'


if __name__ == "__main__":
    main()
