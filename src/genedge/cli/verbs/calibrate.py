"""`genedge calibrate`: measures models, and writes them down as a catalogue."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from genedge.errors import InputError

if TYPE_CHECKING:
    from genedge.calibrate.calibrated import Calibrated

MOST = 250


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("calibrate")(calibrate)


def calibrate(
    pipelines: Annotated[
        list[str],
        typer.Argument(
            metavar="PIPELINE...",
            help="small:NAME, the folder or hub name of a diffusers pipeline, or FILE.py:FUNCTION, which is run.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            dir_okay=False, metavar="FILE.yaml", help="Catalogue to write; what is measured is kept beside it."
        ),
    ],
    steps: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Divisors of the training's steps.", show_default="all up to --most"),
    ] = None,
    most: Annotated[int, typer.Option(min=4, help="Without --steps, no more than these.")] = MOST,
    axis: Annotated[
        Literal["steps", "nfe", "truncated"],
        typer.Option(
            help="What steps are, of small models: of a chain spaced anew; the same with RePaint's jumps; or the "
            "last ones of a chain that is cut off."
        ),
    ] = "steps",
    images: Annotated[int, typer.Option(min=6, help="How many, each with every number of steps.")] = 12,
    batch: Annotated[
        str, typer.Option(metavar="A,B", help="Images at once; the first is timed, the others' memory is measured.")
    ] = "1",
    size: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Height and width, where the pipeline can choose [px]; the first is timed, the others' memory is "
            "measured.",
        ),
    ] = None,
    quality: Annotated[str, typer.Option(metavar="NAME|FILE.py:FUNCTION", help="Measure of quality.")] = "distance",
    minutes: Annotated[
        float | None, typer.Option(min=0, help="For each pipeline: no image is begun after so many.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order in which steps are tried.")] = 0,
) -> None:
    """Measure models: steps against quality and seconds, memory, loads; and write a catalogue with what is found.

    An interrupted calibration goes on with the same command. All but FILE.py:FUNCTION need genedge[diffusion].
    """
    from genedge.calibrate.calibrated import calibrated, write_catalogue
    from genedge.calibrate.pipeline import recipe_of
    from genedge.calibrate.quality import measure
    from genedge.calibrate.sweep import Plan, sweep
    from genedge.cli.progress import stages
    from genedge.folders import one_writer
    from genedge.interruption import resumable

    wanted = _numbers(steps, "--steps") if steps is not None else None
    batches = tuple(_numbers(batch, "--batch"))
    sizes = () if size is None else tuple(_numbers(size, "--size", 8, 8192))
    first = sizes[0] if sizes else None
    told, found = measure(quality), []
    eta = 0.0 if told.against == "own" else 1.0
    recipes = [recipe_of(source, axis, first, eta) for source in pipelines]
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise InputError(f"{', '.join(names)}: a name is there twice; calibrate each model once")
    home = out.with_suffix(".runs")
    with resumable("the same command goes on from here"), one_writer(home):
        with stages(images * len(recipes), "measured") as report:
            for recipe in recipes:

                def tell(what: str, done: int, name: str = recipe.name) -> None:
                    report(name, done, what)

                plan = Plan(recipe, wanted, most, images, batches, sizes[1:], told, minutes, seed)
                swept = sweep(plan, home / recipe.name, tell)
                found.append((calibrated(recipe.name, swept, str(home / recipe.name)), swept.left))
        write_catalogue(out, [model for model, _ in found])
    for model, left in found:
        _print(model, left)


def _numbers(text: str, option: str, least: int = 1, most: int = 100_000) -> list[int]:
    try:
        numbers = [int(each) for each in text.split(",")]
    except ValueError:
        numbers = [0]
    if any(not least <= number <= most for number in numbers):
        raise InputError(f"{option} {text}: give whole numbers from {least} to {most}, such as {least},{2 * least}")
    return numbers


def _print(model: "Calibrated", left: int) -> None:
    """What was found of a model, in a few lines."""
    from genedge.calibrate.calibrated import remarks_of
    from genedge.cli.console import say

    facts, change, table = model.facts, model.fit.verdict.change, model.fit.table
    entry = {key: setting.value for key, setting in model.entry.items()}
    say(
        f"{model.name}: {facts['measure']} {model.fit.verdict.word} with steps, by {change.mean:+.3g} "
        f"[{change.low:+.3g}, {change.high:+.3g}] from {table.steps[0]:g} to {table.steps[-1]:g}, over "
        f"{len(table.images)} images" + (f" of {len(table.images) + left} wanted" if left else "")
    )
    say(
        f"  {entry['B1_s_per_step']:.4g} s a step, {entry['B2_s']:.3g} s besides; {entry['memory_gb']:.3g} GB, "
        f"{entry['working_gb']:.3g} GB more while it generates; load {facts['cold_load_s']:.3g} s cold, "
        f"{facts['warm_load_s']:.3g} s warm, after {facts['libraries_s']:.3g} s for a new process and its libraries"
    )
    for remark in remarks_of(model.fit, model.facts):
        say(f"  {remark}")
