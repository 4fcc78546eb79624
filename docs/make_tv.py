"""The paper's experiment again: total variation and seconds over steps, of the three small models.

    python docs/make_tv.py

RePaint fills the middle of held-out images: in chains that are spaced anew for each number of steps, in the last
steps of a chain of 250, and with the paper's jumps. All runs go to `docs/tv.csv`, which takes ten minutes of a
machine that does nothing else; where it stands, the figure is drawn and the tables of docs/calibrate.md printed.
Needs `pip install "genedge[diffusion]"`.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import matplotlib
import numpy as np

from genedge.calibrate.fit import Fit, fit_of
from genedge.calibrate.inpainting import SPACING, Inpainting
from genedge.calibrate.measurements import Measurement
from genedge.calibrate.plan import default_steps, round_of
from genedge.calibrate.quality import TV_L2, TV_SUM
from genedge.calibrate.schedules import Axis
from genedge.calibrate.table import table_of
from genedge.files import whole_file
from genedge.statistics import interval_of, mean

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

HERE = Path(__file__).parent
RUNS, FIGURE = HERE / "tv.csv", HERE / "figures" / "tv.png"
MODELS = ("faces", "textures", "shapes")
# With jumps 250 steps are 2,410 evaluations: fewer steps and images will do for seconds.
ASKED: dict[Axis, tuple[int, int]] = {"steps": (250, 12), "truncated": (250, 12), "nfe": (100, 6)}
NAMES: dict[Axis, str] = {"steps": "spaced anew", "truncated": "last steps of 250", "nfe": "with jumps"}
# As the preset `companion` quotes them from memory: TV is A2 until A1 steps, and A4 from A3 on.
PAPER = {"A1": 60, "A2": 110, "A3": 170, "A4": 28, "B1": 0.18, "B2": 5.74}
# Pairs of neighbours in an image of 256 x 256 in colour, as the paper's most probably are.
PAPER_PAIRS = 3 * 2 * 256 * 255
# Fewer steps, spaced anew, make no picture at all.
LATER = 4
# Okabe and Ito's colours, told apart with any colour vision; markers and dashes say the same in print.
LOOKS = dict(zip(MODELS, (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-.")), strict=True))


class Run(NamedTuple):
    """An image that was filled in; fields as in the file.

    Attributes:
        model: which.
        axis: what steps are.
        image: number of it.
        steps: how many.
        evaluations: of the network.
        tv_l2: root of the sum of squared differences.
        tv_sum: sum of absolute differences.
        true_l2: `tv_l2` of the truth.
        true_sum: `tv_sum` of the truth.
        pairs: of neighbours in the image.
        seconds: on the wall.
    """

    model: str
    axis: Axis
    image: int
    steps: int
    evaluations: int
    tv_l2: float
    tv_sum: float
    true_l2: float
    true_sum: float
    pairs: int
    seconds: float


def main() -> None:
    """Measures what is not there, draws, and prints."""
    if not RUNS.exists():
        runs = [run for model in MODELS for axis in ASKED for run in measured(model, axis)]
        with whole_file(RUNS) as file:
            lines = [
                ",".join(Run._fields),
                *(",".join(f"{v:.6g}" if isinstance(v, float) else str(v) for v in r) for r in runs),
            ]
            file.write(("\n".join(lines) + "\n").encode())
    with RUNS.open(newline="") as file:
        kinds = Run.__annotations__
        rows = [Run(**{key: _read(kinds[key], text) for key, text in row.items()}) for row in csv.DictReader(file)]
    runs_of: dict[tuple[str, Axis], list[Run]] = defaultdict(list)
    for row in rows:
        runs_of[row.model, row.axis].append(row)
    draw(runs_of)
    for line in table(runs_of):
        print(line)


def _read(kind: Any, text: str) -> Any:
    return kind(text) if kind in (int, float) else text


def measured(model: str, axis: Axis) -> Iterator[Run]:
    """Every image with every number of steps, in an order of its own.

    Args:
        model: which.
        axis: what steps are.
    """
    most, images = ASKED[axis]
    steps = default_steps(1000, most)
    pipeline = Inpainting(model, axis, 1.0)
    pipeline.generate(steps[0], [0])
    for image in range(images):
        truth = pipeline.truth(image)[0][None].astype(float)
        pairs = sum(np.diff(truth, axis=way).size for way in (2, 3))
        true = [float(each.judge(truth, truth, truth)[0]) for each in (TV_L2, TV_SUM)]
        for count in round_of(image, steps, 0):
            evaluations, began = pipeline.evaluations, perf_counter()
            made = pipeline.generate(count, [image])
            seconds = perf_counter() - began
            made = made.astype(float)
            tv = [float(each.judge(made, made, made)[0]) for each in (TV_L2, TV_SUM)]
            yield Run(model, axis, image, count, pipeline.evaluations - evaluations, *tv, *true, pairs, seconds)
        print(f"{model}, {NAMES[axis]}: image {image + 1} of {images}", flush=True)


def draw(runs_of: dict[tuple[str, Axis], list[Run]]) -> None:
    """The figure: TV in both definitions, spaced anew and truncated, and seconds, without and with jumps.

    Args:
        runs_of: of each model and axis.
    """
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(3, 2, figsize=(7.2, 8.4), sharey="row", layout="constrained")
    for column, axis in enumerate(("steps", "truncated")):
        for ax, key in zip(axes[:2, column], ("l2", "sum"), strict=True):
            _tv(ax, {model: runs_of[model, axis] for model in MODELS}, key)
            ax.set_title(f"TV, {NAMES[axis]}", loc="left", fontsize=10)
    axes[0, 0].set_ylabel("TV, l2 definition:\nroot mean square\ndifference of neighbours")
    axes[1, 0].set_ylabel("TV, sum definition:\nmean absolute\ndifference of neighbours")
    axes[2, 0].set_ylabel("seconds an image,\nmedians")
    for ax, axis in zip(axes[2], ("steps", "nfe"), strict=True):
        _seconds(ax, {model: runs_of[model, axis] for model in MODELS})
        ax.set_title(f"seconds, {NAMES[axis]}", loc="left", fontsize=10)
    for ax in axes.flat:
        ax.set_xlabel("denoising steps")
        ax.grid(color="#E7E7E7")
        ax.set_axisbelow(True)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, columnspacing=1.2)
    figure.savefig(FIGURE, dpi=150)
    print(f"Written: {FIGURE}")


def _tv(ax: Any, runs_of: dict[str, list[Run]], key: str) -> None:
    """Means over images with their 95 % intervals; beside them the truth's, and the paper's function."""
    for model, runs in runs_of.items():
        by_steps = _by_steps(runs, lambda run: _of_pair(run, f"tv_{key}"))
        found = [interval_of(mean, np.array(values)) for values in by_steps.values()]
        at = np.array([each.mean for each in found])
        off = np.abs(np.array([[each.low, each.high] for each in found]).T - at)
        colour, marker, dashes = LOOKS[model]
        ax.errorbar(list(by_steps), at, off, color=colour, marker=marker, ls=dashes, ms=4, lw=1.3, label=model)
        truth = np.mean([_of_pair(run, f"true_{key}") for run in runs])
        ax.plot(SPACING * 1.07, truth, color=colour, marker=marker, mfc="none", clip_on=False)
    ax.plot([], [], color="black", marker="o", mfc="none", ls="", label="the truth")
    if key == "l2":
        steps = np.arange(1.0, SPACING + 1)
        of_paper = np.interp(steps, [PAPER["A1"], PAPER["A3"]], [PAPER["A2"], PAPER["A4"]])
        ax.plot(steps, of_paper / PAPER_PAIRS**0.5, color="black", ls=":", lw=2, label="the paper's")
    ax.set_ylim(0, None)


def _seconds(ax: Any, runs_of: dict[str, list[Run]]) -> None:
    """Medians over images, which do not mind what else the machine did; and the paper's function."""
    for model, runs in runs_of.items():
        by_steps = _by_steps(runs, lambda run: run.seconds)
        colour, marker, dashes = LOOKS[model]
        medians = [np.median(values) for values in by_steps.values()]
        ax.plot(list(by_steps), medians, color=colour, marker=marker, ls=dashes, ms=4, lw=1.3)
    steps = np.arange(1.0, SPACING + 1)
    ax.plot(steps, PAPER["B1"] * steps + PAPER["B2"], color="black", ls=":", lw=2)
    ax.set(xscale="log", yscale="log")
    for way in (ax.xaxis, ax.yaxis):
        way.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))


def _by_steps(runs: list[Run], value: Callable[[Run], float]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.steps):
        found[run.steps].append(value(run))
    return found


def _of_pair(run: Run, key: str) -> float:
    """TV as the difference of two neighbours, so that sizes of images can be compared."""
    value: float = getattr(run, key)
    return value / run.pairs**0.5 if key.endswith("l2") else value / run.pairs


def table(runs_of: dict[tuple[str, Axis], list[Run]]) -> Iterator[str]:
    """The tables of docs/calibrate.md.

    Args:
        runs_of: of each model and axis.
    """
    first = ("model, steps", "`tv-l2` at 1, 10, 50, 250 steps", "of the truth", "verdict", "from 4 steps on")
    yield f"| {' | '.join(first)} | three pieces | nearest family |"
    yield "|---" * 7 + "|"
    for axis in ("steps", "truncated"):
        for model in MODELS:
            yield _line(model, axis, runs_of[model, axis])
    yield "| model, steps | an evaluation | besides | R² | largest deviation of a line over steps |"
    yield "|---" * 5 + "|"
    for axis in ASKED:
        for model in MODELS:
            delay = _fit(runs_of[model, axis]).delay
            off = delay.off_s / delay.medians.max()
            yield (
                f"| {model}, {NAMES[axis]} | {delay.b1 * 1e3:.2f} ms | {delay.b2 * 1e3:.1f} ms | {delay.r2:.4f} | "
                f"{off:.0%} |"
            )


def _line(model: str, axis: Axis, runs: list[Run]) -> str:
    fit = _fit(runs)
    at = [fit.table.quality[:, fit.table.steps == count].mean() for count in (1, 10, 50, 250)]
    later = _fit([run for run in runs if run.steps >= LATER]).verdict
    pieces = fit.families["three_pieces"]
    known = [
        f"{name} {value:.0f} [{low:.0f}, {high:.0f}]"
        for name in ("A1", "A3")
        if (value := pieces.parameters[name]) is not None and (ends := pieces.intervals[name])
        for low, high in [ends]
    ]
    best = str(fit.best)
    return (
        f"| {model}, {NAMES[axis]} | {', '.join(f'{each:.3g}' for each in at)} | "
        f"{np.mean([run.true_l2 for run in runs]):.3g} | {fit.verdict.word} | "
        f"{later.word}, {later.change.mean:+.2f} [{later.change.low:+.2f}, {later.change.high:+.2f}] | "
        f"R² {pieces.r2:.3f}, {', '.join(known) or 'neither A1 nor A3'} | "
        f"{best.replace('_', ' ')}, R² {fit.families[best].r2:.3f} |"
    )


def _fit(runs: list[Run]) -> Fit:
    rows = [Measurement(str(r.image), r.steps, r.evaluations, r.tv_l2, r.seconds) for r in runs]
    return fit_of(table_of(rows, RUNS.name))


if __name__ == "__main__":
    main()
