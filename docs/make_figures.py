"""Draws the figures of docs/optimum.md, and prints the numbers that it quotes: python docs/make_figures.py

Everything is computed from the preset `paper`; catalogues differ by their seed alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import matplotlib
import numpy as np

from genedge.cell.feasible import in_float64
from genedge.cell.sampling import sample_episode
from genedge.cell.service import serve
from genedge.cell.types import Decision, Outcome, Params, Slot
from genedge.optimum import certify, solve_optimal, solve_priced
from genedge.optimum.certificate import objective
from genedge.policies import policy
from genedge.scenario import Scenario, load_scenario

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FIGURES = Path(__file__).parent / "figures"
CATALOGUES = range(1, 61)
SLOTS = 200

# Okabe and Ito's colours, told apart with any colour vision.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"

serve_compiled = jax.jit(serve)


def main() -> None:
    """Draws all figures."""
    FIGURES.mkdir(exist_ok=True)
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    utility_over_steps()
    models_better_left_alone()
    what_the_floor_does()
    how_much_anyone_can_gain()


def utility_over_steps() -> None:
    """Cost of a request over the steps it gets, for the model with the least and the most time per step."""
    params = load_scenario("paper").params
    m = params.models
    steps = np.linspace(0, 220, 441)
    delay, tv = float(params.delay_weight), float(params.tv_weight)
    bits = float(np.mean(params.input_bits))
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for ax, index, name in zip(axes, (np.argmin(m.B1), np.argmax(m.B1)), ("Fast", "Slow"), strict=True):
        A1, A2, A3, A4, B1, B2 = (float(getattr(m, key)[index]) for key in ("A1", "A2", "A3", "A4", "B1", "B2"))
        quality = np.interp(steps, [A1, A3], [A2, A4])
        backhaul = bits / float(params.R_bc) + float(m.output_bits[index]) / float(params.R_cb)
        cloud = delay * (backhaul + B1 * A3 + B2) + tv * A4
        ax.plot(steps, delay * (B1 * steps + B2) + tv * quality, color=BLUE, lw=2, label="hit, U")
        ax.plot(steps, delay * (B1 * steps + B2), color=ORANGE, ls="--", label="of which delay")
        ax.plot(steps, tv * quality, color=GREEN, ls=":", lw=2, label="of which TV")
        ax.axhline(cloud, color=GREY, ls="-.", label="miss, U (cloud)")
        for x, label in ((A1, "$A_1$"), (A3, "$A_3$")):
            ax.axvline(x, color=GREY, lw=0.6)
            ax.text(x + 2, 0.97, label, color=GREY, va="top", transform=ax.get_xaxis_transform())
        ax.set_title(f"{name}: {B1:.2f} s per step", loc="left")
        ax.set_xlabel("denoising steps of the request")
        print(f"{name.lower()} model {index}: U at 0 steps {delay * B2 + tv * A2:.1f}, at A3", end=" ")
        print(f"{delay * (B1 * A3 + B2) + tv * A4:.1f}, from the cloud {cloud:.1f} (radio delays left out)")
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("weighted cost U, radio delays left out")
    axes[0].legend(frameon=False, loc="upper center")
    figure.savefig(FIGURES / "utility-over-steps.png", dpi=150)


def models_better_left_alone() -> None:
    """Prints the share of models whose best number of steps is zero, over all catalogues."""
    alone = []
    for seed in CATALOGUES:
        params = load_scenario("paper", [f"seed={seed}"]).params
        m = params.models
        alone.append(params.delay_weight * m.B1 * m.A3 >= params.tv_weight * (m.A2 - m.A4))
    print(f"zero steps are best for {np.mean(alone):.0%} of the models of {len(alone)} catalogues")


class Served(NamedTuple):
    """Means over requests, for one policy."""

    steps: float
    delay_s: float
    tv: float
    unimproved: float
    cost: float


def what_the_floor_does() -> None:
    """Steps, delay, TV and unimproved images: the optimum with and without the floor, the cloud, and RCARS."""
    names = ("optimum", "optimum, floor", "cloud-only", "RCARS")
    found: dict[str, list[Served]] = {name: [] for name in names}
    for seed in CATALOGUES:
        plain = load_scenario("paper", [f"seed={seed}"])
        floored = load_scenario("paper", [f"seed={seed}", "server.quality_floor.largest_tv=best"])
        slots = draw(plain, 10)
        key = jax.random.key(seed)
        for name, scenario, decision in (
            (names[0], plain, solve_optimal(plain.params, slots).decision),
            (names[1], floored, solve_optimal(floored.params, slots).decision),
            (names[2], plain, policy("cloud-only", plain)(plain.params, slots, key)),
            (names[3], plain, policy("rcars", plain)(plain.params, slots, key)),
        ):
            found[name].append(served(scenario.params, slots, in_float64(decision)))
    means = {name: Served(*np.mean(found[name], axis=0)) for name in names}
    for name, mean in means.items():
        print(
            f"{name:16} steps of a hit {mean.steps:6.1f}, delay {mean.delay_s:5.1f} s, TV {mean.tv:5.1f}, "
            f"unimproved {mean.unimproved:5.1%} of hits, cost of a slot {mean.cost:6.1f}"
        )
    panels = (
        ("steps", "steps of a hit"),
        ("delay_s", "delay of a request [s]"),
        ("tv", "TV of a request\n(lower is better)"),
        ("unimproved", "hits with an\nunimproved image"),
    )
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.4), layout="constrained")
    for ax, (field, label) in zip(axes, panels, strict=True):
        values = [getattr(means[name], field) for name in names]
        bars = ax.bar(
            range(4), np.nan_to_num(values), color=[BLUE, GREEN, GREY, ORANGE], hatch=["", "//", "", ".."]
        )
        texts = [f"{v:.0%}" if field == "unimproved" else f"{v:.0f}" for v in values]
        ax.bar_label(bars, ["no hits" if np.isnan(v) else t for v, t in zip(values, texts, strict=True)])
        ax.set_xticks(range(4), [name.replace(", ", ",\n") for name in names], rotation=45, ha="right")
        ax.set_ylabel(label)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    figure.savefig(FIGURES / "quality-floor.png", dpi=150)


def served(params: Params, slots: Slot, decision: Decision) -> Served:
    """What a policy's decisions mean to requests."""
    outcome: Outcome = jax.tree.map(np.asarray, serve_compiled(params, slots, decision))
    hit = outcome.hit
    steps = decision.steps * float(params.S)
    unimproved = hit & (steps <= params.models.A1[slots.requests])
    hits = hit.sum() or np.nan
    active = slots.active
    return Served(
        steps=float((steps * hit).sum() / hits),
        delay_s=float(outcome.delay_s[active].mean()),
        tv=float(outcome.tv[active].mean()),
        unimproved=float(unimproved.sum() / hits),
        cost=float(objective(params, slots, decision).mean()),
    )


def how_much_anyone_can_gain() -> None:
    """The largest advantage over RCARS that any policy can have, catalogue by catalogue."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for ax, users, claimed in zip(axes, (10, 18), (30.19, 30.21), strict=True):
        gains, cloud_wins, largest, priced = [], 0, 0.0, []
        for seed in CATALOGUES:
            scenario = load_scenario("paper", [f"seed={seed}"])
            slots = draw(scenario, users)
            optimum = certify(scenario.params, slots, *solve_optimal(scenario.params, slots))
            largest = max(largest, float(optimum.gap.max()))
            priced.append(certify(scenario.params, slots, *solve_priced(scenario.params, slots)).gap)
            key = jax.random.key(seed)
            cost = {
                name: objective(
                    scenario.params, slots, in_float64(policy(name, scenario)(scenario.params, slots, key))
                )
                for name in ("rcars", "cloud-only")
            }
            # The bound, not the best decision: nobody can gain more.
            gains.append(100 * (1 - optimum.lower_bound.mean() / cost["rcars"].mean()))
            cloud_wins += cost["cloud-only"].mean() < cost["rcars"].mean()
        summary(users, gains, claimed, cloud_wins, largest)
        print(f"{users} users: gap of priced {np.mean(priced):.3%} on average, at most {np.max(priced):.2%}")
        ordered = np.sort(gains)
        ax.bar(range(len(ordered)), ordered, color=np.where(ordered >= claimed, BLUE, ORANGE), width=0.8)
        ax.axhline(claimed, color=GREY, ls="--")
        ax.text(0, claimed + 0.6, f"the paper's DDPG: {claimed} %", color=GREY)
        ax.axhline(np.mean(gains), color=RED, lw=1)
        ax.text(0, np.mean(gains) + 0.6, f"mean {np.mean(gains):.1f} %", color=RED)
        ax.set_title(f"{users} users", loc="left")
        ax.set_xlabel("catalogues, by gain")
        ax.set_xticks([])
    axes[0].set_ylabel("largest saving over RCARS [%]")
    figure.savefig(FIGURES / "headroom.png", dpi=150)


def summary(users: int, gains: Sequence[float], claimed: float, cloud_wins: int, largest: float) -> None:
    """Prints what the page says about the gains."""
    reach = np.mean(np.array(gains) >= claimed)
    print(
        f"{users} users: at most {np.mean(gains):.1f} % below RCARS on average "
        f"({np.min(gains):.1f} to {np.max(gains):.1f}), {claimed} % within reach in {reach:.0%} of catalogues; "
        f"cloud-only beats RCARS in {cloud_wins} of {len(gains)}; largest gap of the optimum {largest:.1e}"
    )


def draw(scenario: Scenario, users: int) -> Slot:
    """The slots of one long episode."""
    slots = sample_episode(scenario.params, jax.random.key(0), users, 18, SLOTS)
    return jax.tree.map(np.asarray, slots)


if __name__ == "__main__":
    main()
