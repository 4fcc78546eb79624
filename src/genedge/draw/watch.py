"""Pictures of an episode to watch: the cell, and what a policy and the optimum decide in each slot."""

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from genedge.cell.types import Slot
from genedge.draw.canvas import Axes, Figure, Line2D, LineCollection, MaxNLocator, Patch, in_figure, pixels, style
from genedge.draw.picture import (
    HIT,
    KINDS,
    MEMORY,
    MISS,
    SENT,
    SERVED,
    SMALL,
    TEXT,
    draw_map,
    draw_memory,
    draw_shares,
    kinds_of,
    marker_size,
    name_users,
)
from genedge.draw.player import Frame, png
from genedge.evaluation.watched import Episode, Side

POLICY, OPTIMUM = "#009E73", "#000000"
COLOURS = (HIT, MISS, MEMORY, POLICY)

# Each half of a frame [inch] at 100 pixels an inch; side by side on a screen, one above the other on a phone.
HALF, DPI = (5.6, 7.4), 100

# The least and the largest width of a line that shows a channel gain [pt], and its grey.
WIDTHS, GREYS = (0.6, 4.0), (0.8, 0.3)


def draw_frame(episode: Episode, k: int) -> Frame:
    """Draws one slot of an episode.

    Args:
        episode: the episode.
        k: number of the slot, from 0.

    Returns:
        Two pictures, the cell and the decisions, 560 by 740 pixels each; and in words what they show.
    """
    halves = (cell_figure(episode, k), decisions_figure(episode, k))
    return Frame(tuple(png(pixels(half), COLOURS) for half in halves), _in_words(episode, k))


@style()
def cell_figure(episode: Episode, k: int) -> Figure:
    """Where users are, their channels, hits and misses of the policy; and the utility of both so far.

    Args:
        episode: the episode.
        k: number of the slot, from 0.
    """
    slots, users = episode.slots, np.arange(episode.slots.requests.shape[1])
    figure = Figure(figsize=HALF, dpi=DPI)
    figure.text(0.02, 0.965, f"slot {k + 1} of {len(slots.skew)}", fontsize=13, fontweight="bold")
    about = f"scenario {in_figure(episode.scenario.name)}, {len(users)} users, skew γ {slots.skew[k]:g}"
    figure.text(0.98, 0.965, about, fontsize=TEXT, ha="right")

    axes = figure.add_axes((0.16, 0.455, 0.68, 0.495))
    slot = jax.tree.map(lambda x: x[k], slots)
    links = _draw_links(axes, slots, k)
    draw_map(axes, episode.scenario, slot, users, kinds_of(episode.policy.outcome.hit[k], slot.outage))
    differs = episode.policy.outcome.hit[k] != episode.best.outcome.hit[k]
    ring: dict[str, Any] = {
        "s": 2 * marker_size(len(users)),
        "facecolors": "none",
        "edgecolors": "black",
        "linewidths": 1.3,
        "zorder": 3,
    }
    axes.scatter(*slot.position_m[differs].T, label="the other way in the optimum", **ring)
    below: dict[str, Any] = {
        "fontsize": SMALL,
        "frameon": False,
        "handletextpad": 0.4,
        "columnspacing": 1.2,
        "labelspacing": 0.3,
    }
    markers = axes.legend(loc="upper center", bbox_to_anchor=(0.46, -0.12), ncols=2, markerscale=0.7, **below)
    axes.add_artist(markers)
    axes.legend(handles=links, loc="upper center", bbox_to_anchor=(0.46, -0.235), ncols=3, **below)

    _draw_utilities(figure.add_axes((0.15, 0.065, 0.83, 0.14)), episode, k)
    return figure


@style()
def decisions_figure(episode: Episode, k: int) -> Figure:
    """What both decide, memory and shares, and the numbers that come of it.

    Args:
        episode: the episode.
        k: number of the slot, from 0.
    """
    params, requests = episode.scenario.params, episode.slots.requests[k]
    users = np.arange(len(requests))
    figure = Figure(figsize=HALF, dpi=DPI)
    rows = (0.925, 0.895, 0.865, 0.835)
    for y, label in zip(rows, ("utility", "mean delay [s]", "mean TV", "hit ratio"), strict=True):
        figure.text(0.01, y, label, fontsize=SMALL)
    figure.text(0.01, 0.745, "memory [GB]\n(grey: not\nasked for)", fontsize=SMALL, va="center")

    for side, left, colour in ((episode.policy, 0.2, POLICY), (episode.best, 0.605, OPTIMUM)):
        figure.text(left, 0.965, in_figure(side.name), fontsize=11, fontweight="bold", color=colour)
        utility, delay_s, tv, hit_ratio = side.numbers(k)
        told = f"{utility:.1f}{_gap(episode, side, k)}", f"{delay_s:.1f}", _mean_tv(tv), f"{hit_ratio:.2f}"
        for y, number in zip(rows, told, strict=True):
            figure.text(left, y, number, fontsize=TEXT)
        memory, asked = figure.add_axes((left, 0.73, 0.365, 0.045)), requests[side.active[k]]
        draw_memory(memory, params, side.decision.cache[k], asked)
        outage = None if episode.slots.outage is None else episode.slots.outage[k]
        kinds = kinds_of(side.outcome.hit[k], outage)
        for i, (field, label) in enumerate(
            (("bandwidth", "bandwidth\n[%]"), ("steps", f"steps\n[% of {float(params.S):g}]"))
        ):
            axes = figure.add_axes((left + 0.195 * i, 0.14, 0.17, 0.49))
            # One scale for both and for the whole episode, so that bars can be compared.
            most = max(float(getattr(s.decision, field).max()) for s in (episode.policy, episode.best))
            draw_shares(axes, getattr(side.decision, field)[k], kinds, max(most * 1.05, 0.01))
            axes.set_xlabel(label, fontsize=SMALL, labelpad=2)
            if side is episode.policy and field == "bandwidth":
                name_users(axes, users, requests)
    patches = [
        Patch(facecolor=KINDS[kind][0], hatch=KINDS[kind][2], edgecolor="white", linewidth=0, label=kind)
        for kind in (SERVED, SENT)
    ]
    figure.legend(handles=patches, loc="lower center", ncols=2, fontsize=SMALL, frameon=False)
    return figure


def _draw_links(axes: Axes, slots: Slot, k: int) -> list[Line2D]:
    """Draws a line to each user, the wider and darker the better its channel; returns the legend's lines."""
    gain_db = 10 * np.log10(slots.gain.astype(np.float64))
    # One scale for the whole episode; the rare deep fade shall not take it all.
    low, high = (10 * f(np.quantile(gain_db, q) / 10) for f, q in ((np.floor, 0.02), (np.ceil, 0.98)))
    high = max(high, low + 10)

    def style(db: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str]]:
        grey = np.interp(db, (low, high), GREYS)
        return np.interp(db, (low, high), WIDTHS), [f"{g:.2f}" for g in grey]

    width, grey = style(gain_db[k])
    ends = np.stack([np.zeros_like(slots.position_m[k]), slots.position_m[k]], axis=1)
    axes.add_collection(LineCollection(list(ends), linewidths=width, colors=grey, zorder=1.5), autolim=False)
    shown = np.array([low, (low + high) / 2, high])
    told = [f"{db:g} dB".replace("-", "−") for db in shown]
    labels = f"channel gain ≤ {told[0]}", told[1], f"≥ {told[2]}"
    return [
        Line2D([], [], linewidth=w, color=g, label=label) for w, g, label in zip(*style(shown), labels, strict=True)
    ]


def _draw_utilities(axes: Axes, episode: Episode, k: int) -> None:
    """Draws the utility of both in the slots so far, on axes for all slots."""
    both = np.stack([episode.policy.utility, episode.best.utility])
    count = both.shape[1]
    for side, colour, dash, marker in ((episode.policy, POLICY, "-", "o"), (episode.best, OPTIMUM, "--", "v")):
        so_far = side.utility[: k + 1]
        label = f"mean {so_far.mean():.1f}, {in_figure(side.name)}"
        slots = np.arange(1, k + 2)
        axes.plot(slots, so_far, color=colour, ls=dash, lw=1.6, marker=marker, markevery=[k], ms=6, label=label)
    margin = 0.08 * max(float(np.ptp(both)), 0.01 * abs(float(both.max())), 1e-3)
    axes.set(xlim=(0.5, count + 0.5), ylim=(both.min() - margin, both.max() + margin))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.tick_params(labelsize=SMALL)
    axes.set_xlabel("slot", fontsize=TEXT, labelpad=1)
    axes.set_ylabel("utility Σ Uₙ\n(lower is better)", fontsize=SMALL)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 0.97), fontsize=SMALL, frameon=False, labelspacing=0.3)


def _in_words(episode: Episode, k: int) -> str:
    sides = []
    for side in (episode.policy, episode.best):
        utility, delay_s, tv, hit_ratio = side.numbers(k)
        sides.append(
            f"{side.name}: utility {utility:.1f}{_gap(episode, side, k)}, mean delay {delay_s:.1f} s, "
            f"mean TV {_mean_tv(tv)}, hit ratio {hit_ratio:.2f}"
        )
    return f"Slot {k + 1} of {len(episode.slots.skew)}. {'; '.join(sides)}."


def _mean_tv(tv: float) -> str:
    """A dash where nobody is served, who would have an image."""
    return "–" if np.isnan(tv) else f"{tv:.1f}"


def _gap(episode: Episode, side: Side, k: int) -> str:
    least = episode.best.utility[k]
    return f" ({side.utility[k] / least - 1:+.2%})" if side is episode.policy and least > 0 else ""
