"""A picture of a slot: who is where, what is cached, who gets how much."""

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from genedge.cell.types import Decision, Outcome, Slot
from genedge.scenario import Scenario

# Okabe and Ito's palette, told apart by everyone; markers and hatches say the same again.
HIT, MISS, WAITING, MEMORY = "#0072B2", "#D55E00", "#7F7F7F", "#56B4E9"
KINDS = {"served here": (HIT, "o", ""), "sent to the cloud": (MISS, "X", "///"), "not decided": (WAITING, "s", "")}

# The names of more users would overlap.
MOST_NAMED = 24


def draw_cell(
    scenario: Scenario, slot: Slot, decided: tuple[Decision, Outcome] | None, number: int
) -> NDArray[np.uint8]:
    """Draws one slot.

    Args:
        scenario: the cell.
        slot: the slot, without leading axes.
        decided: the decision and its outcome; None while there is none.
        number: of the slot in its episode, from 1.

    Returns:
        Red, green and blue, shape (500, 1000, 3).
    """
    slot, decided = jax.tree.map(np.asarray, (slot, decided))
    users = np.flatnonzero(slot.active)
    kinds = np.full(len(users), "not decided", object)
    title = f"scenario {scenario.name}, slot {number} of {scenario.settings.cell.slots_per_episode}"
    if decided is not None:
        decision, outcome = decided
        hit = outcome.hit[users]
        kinds[:] = np.where(hit, "served here", "sent to the cloud")
        title += (
            f": utility {outcome.utility.sum():.0f}, delay {outcome.delay_s[users].mean():.1f} s, "
            f"TV {outcome.tv[users].mean():.1f}, hit ratio {hit.mean():.2f}"
        )

    figure = Figure(figsize=(10, 5), dpi=100)
    figure.suptitle(title, fontsize=11)
    _draw_map(figure.add_axes((0.06, 0.17, 0.39, 0.72)), scenario, slot, users, kinds)
    memory = figure.add_axes((0.53, 0.71, 0.45, 0.1))
    bandwidth, steps = figure.add_axes((0.53, 0.40, 0.45, 0.2)), figure.add_axes((0.53, 0.13, 0.45, 0.2))
    _draw_memory(memory, scenario, None if decided is None else np.asarray(decided[0].cache))
    for axes, label in ((bandwidth, "bandwidth"), (steps, "steps")):
        share = np.zeros(len(users)) if decided is None else getattr(decision, label)[users]
        _draw_shares(axes, share, kinds)
        axes.set_ylabel(f"share of the\n{label}", fontsize=8)
    bandwidth.set_xticklabels([])
    if len(users) <= MOST_NAMED:
        names = [f"{n}\n{slot.requests[n]}" for n in users]
        steps.set_xticks(range(len(users)), names)
        steps.text(-0.015, -0.08, "user\nasks for", transform=steps.transAxes, ha="right", va="top", fontsize=7)
    else:
        steps.set_xlabel("user", fontsize=8)

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_map(
    axes: Axes, scenario: Scenario, slot: Slot, users: NDArray[np.int_], kinds: NDArray[np.object_]
) -> None:
    for kind, (colour, marker, _) in KINDS.items():
        x, y = slot.position_m[users[kinds == kind]].T
        if len(x):
            axes.scatter(x, y, s=60, color=colour, marker=marker, edgecolors="white", label=kind, zorder=2)
    axes.scatter(0, 0, s=160, color="black", marker="^", label="base station", zorder=3)
    if len(users) <= MOST_NAMED:
        for n in users:
            x_m, y_m = slot.position_m[n]
            axes.annotate(str(n), (x_m, y_m), (5, 4), textcoords="offset points", fontsize=8)
    # A margin, so that nobody at the border is cut off.
    width, height = (side * 0.55 for side in scenario.settings.cell.area_m)
    axes.set(xlim=(-width, width), ylim=(-height, height), aspect="equal", xlabel="x [m]", ylabel="y [m]")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, fontsize=8, frameon=False)


def _draw_memory(axes: Axes, scenario: Scenario, cache: NDArray[np.bool_] | None) -> None:
    params, used_gb = scenario.params, 0.0
    for m in np.flatnonzero(cache if cache is not None else []):
        size_gb = float(params.models.storage_gb[m])
        axes.barh(0, size_gb, left=used_gb, color=MEMORY, edgecolor="white")
        axes.text(used_gb + size_gb / 2, 0, str(m), ha="center", va="center", fontsize=8)
        used_gb += size_gb
    total_gb = float(params.C)
    axes.set(xlim=(0, total_gb), ylim=(-0.4, 0.4), yticks=[])
    axes.set_title(f"models in memory: {used_gb:.1f} of {total_gb:g} GB", fontsize=9, loc="left")
    axes.tick_params(labelsize=8)


def _draw_shares(axes: Axes, share: NDArray[np.floating], kinds: NDArray[np.object_]) -> None:
    for kind, (colour, _, hatch) in KINDS.items():
        at = np.flatnonzero(kinds == kind)
        axes.bar(at, share[at], color=colour, hatch=hatch, edgecolor="white", linewidth=0.5)
    axes.set(xlim=(-0.6, len(share) - 0.4), ylim=(0, max(float(share.max(initial=0)) * 1.1, 0.1)))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3, axis="y")
    axes.set_axisbelow(True)
