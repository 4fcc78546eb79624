"""Parts of a picture of a slot: who is where, what is cached, who gets how much."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genedge.cell.types import AnyArray, Params, Slot
from genedge.draw.canvas import Axes, MaxNLocator
from genedge.scenario import Scenario

# Okabe and Ito's palette, told apart by everyone; markers and hatches say the same again.
HIT, MISS, WAITING, MEMORY, UNUSED, UNSERVED = "#0072B2", "#D55E00", "#7F7F7F", "#56B4E9", "#DDDDDD", "#000000"
SERVED, SENT, UNDECIDED, OUTAGE = "served here", "sent to the cloud", "not decided", "outage, not served"
KINDS = {
    SERVED: (HIT, "o", ""),
    SENT: (MISS, "s", "////"),
    UNDECIDED: (WAITING, "D", ""),
    OUTAGE: (UNSERVED, "X", ""),
}

# The names of more users would overlap.
MOST_NAMED = 24

# Size of letters [pt].
SMALL, TEXT = 9, 10


def kinds_of(hit: AnyArray, outage: AnyArray | None) -> NDArray[np.object_]:
    """The kinds of requests that were decided, keys of KINDS.

    Args:
        hit: whether each user's model is cached, shape (n,).
        outage: whether each user is in an outage, shape (n,); None where nobody can be.
    """
    kinds = np.where(hit, SERVED, SENT).astype(object)
    return kinds if outage is None else np.where(outage, OUTAGE, kinds)


def marker_size(users: int) -> int:
    """The area of a user's marker on the map [pt²]; there is room for a name where users have names.

    Args:
        users: how many there are.
    """
    return 170 if users <= MOST_NAMED else 40


def draw_map(
    axes: Axes, scenario: Scenario, slot: Slot, users: NDArray[np.int_], kinds: NDArray[np.object_]
) -> None:
    """Draws users and the base station where they are.

    Args:
        axes: where to draw.
        scenario: the cell.
        slot: the slot, without leading axes.
        users: who is there, indices of places, shape (n,).
        kinds: the kind of each one's request, a key of KINDS, shape (n,).
    """
    axes.scatter(0, 0, s=130, color="black", marker="^", label="base station", zorder=2)
    named, size = len(users) <= MOST_NAMED, marker_size(len(users))
    for kind, (colour, marker, _) in KINDS.items():
        # A kind that could be there is in the legend, so that the legend does not change from slot to slot.
        could_be = kind in kinds if kind in (UNDECIDED, OUTAGE) else UNDECIDED not in kinds
        if could_be:
            style: dict[str, Any] = {"s": size, "color": colour, "marker": marker, "edgecolors": "white"}
            at = users[kinds == kind]
            axes.scatter([], [], label=kind, **style)
            # One by one where they have names, so that of two users at one place one is on top as a whole.
            for group in at[:, None] if named else [at]:
                axes.scatter(*slot.position_m[group].T, zorder=4 + group[:1].sum() / 1000, **style)
    if named:
        name: dict[str, Any] = {
            "color": "white",
            "fontsize": 8,
            "fontweight": "bold",
            "ha": "center",
            "va": "center_baseline",
        }
        for n in users:
            x_m, y_m = slot.position_m[n]
            axes.text(x_m, y_m, str(n), name, zorder=4 + (n + 0.5) / 1000, clip_on=True)
    # A margin, so that nobody at the border is cut off.
    width, height = (side * 0.55 for side in scenario.settings.cell.area_m)
    axes.set(xlim=(-width, width), ylim=(-height, height), aspect="equal")
    axes.set_xlabel("x [m]", fontsize=TEXT)
    axes.set_ylabel("y [m]", fontsize=TEXT)
    axes.tick_params(labelsize=SMALL)
    axes.grid(alpha=0.3)


def draw_memory(axes: Axes, params: Params, cache: AnyArray, requests: AnyArray) -> None:
    """Draws the models in memory, each as long as it is large; in grey those that nobody asks for.

    Args:
        axes: where to draw.
        params: the scenario.
        cache: whether each model is cached, shape (M,).
        requests: the models that are asked for, shape (n,).
    """
    used_gb, total_gb = 0.0, float(params.C)
    axes.set(xlim=(0, total_gb or 1), ylim=(-0.4, 0.4), yticks=[])
    for m in np.flatnonzero(cache):
        size_gb = float(params.models.storage_gb[m])
        axes.barh(0, size_gb, left=used_gb, color=MEMORY if m in requests else UNUSED, edgecolor="white")
        # About 8 pixels a digit; a narrower bar stays without its model's name.
        if size_gb / (total_gb or 1) * axes.bbox.width > 8 * len(str(m)) + 2:
            axes.text(used_gb + size_gb / 2, 0, str(m), ha="center", va="center", fontsize=SMALL)
        used_gb += size_gb
    axes.set_title(f"{used_gb:.1f} of {total_gb:g} GB in memory", fontsize=SMALL, loc="left", pad=4)
    axes.tick_params(labelsize=SMALL)


def draw_shares(axes: Axes, shares: AnyArray, kinds: NDArray[np.object_], most: float) -> None:
    """Draws what users get of something, a bar each, from top to bottom.

    Args:
        axes: where to draw.
        shares: from 0 to 1, shape (n,).
        kinds: the kind of each user's request, a key of KINDS, shape (n,).
        most: the share at the end of the axis.
    """
    for kind, (colour, _, hatch) in KINDS.items():
        at = np.flatnonzero(kinds == kind)
        axes.barh(at, shares[at] * 100, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
    axes.set(xlim=(0, most * 100), ylim=(len(shares) - 0.4, -0.6), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.tick_params(labelsize=SMALL)
    axes.grid(alpha=0.3, axis="x")
    axes.set_axisbelow(True)


def name_users(axes: Axes, users: NDArray[np.int_], requests: AnyArray) -> None:
    """Writes who the bars are and what they ask for, beside the axes.

    Args:
        axes: of `draw_shares`.
        users: indices of places, shape (n,).
        requests: the model that each asks for, shape (n,).
    """
    if len(users) > MOST_NAMED:
        axes.set_ylabel("users", fontsize=SMALL)
        return
    row_pt = axes.bbox.height / axes.figure.dpi * 72 / max(len(users), 1)
    names = [f"{n} → {m}" for n, m in zip(users, requests, strict=True)]
    axes.set_yticks(range(len(users)), names, fontsize=min(SMALL, 0.8 * row_pt))
    axes.tick_params(axis="y", length=0)
    beside: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": "bottom", "fontsize": SMALL}
    axes.text(-0.04, 1.01, "user →\nmodel", **beside)
