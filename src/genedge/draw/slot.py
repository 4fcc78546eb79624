"""A picture of the slot that an environment has decided."""

import jax
import numpy as np
from numpy.typing import NDArray

from genedge.cell.memory import in_slot
from genedge.cell.types import AnyArray, Decision, Outcome, Slot, present
from genedge.draw.canvas import Figure, in_figure, pixels, style
from genedge.draw.picture import (
    SENT,
    SMALL,
    UNDECIDED,
    draw_map,
    draw_memory,
    draw_shares,
    kinds_of,
    name_users,
)
from genedge.scenario import Scenario


@style()
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
    users = np.flatnonzero(present(slot))
    outage = None if slot.outage is None else slot.outage[users]
    requests = slot.requests[users]
    title = f"scenario {in_figure(scenario.name)}, slot {number} of {scenario.settings.cell.slots_per_episode}"
    if decided is None:
        kinds = kinds_of(np.zeros(len(users), bool), outage)
        kinds[kinds == SENT] = UNDECIDED
        cache: AnyArray = np.zeros(len(scenario.models), bool)
        shares: AnyArray = np.zeros((2, len(users)))
    else:
        decision, outcome = decided
        hit = outcome.hit[users]
        kinds = kinds_of(hit, outage)
        cache = decision.cache
        if slot.memory is not None:
            # What is there, loaded or loading, and not what shall be.
            cache = np.asarray(in_slot(scenario.params, slot.memory, decision.cache).held)
        shares = np.stack([decision.bandwidth[users], decision.steps[users]])
        tv = outcome.tv[slot.active]
        title += (
            f": utility {outcome.utility.sum():.0f}, delay {outcome.delay_s[users].mean():.1f} s, "
            f"TV {f'{tv.mean():.1f}' if len(tv) else '–'}, hit ratio {hit.mean():.2f}"
        )

    figure = Figure(figsize=(10, 5), dpi=100)
    figure.suptitle(title, fontsize=11)
    positions = figure.add_axes((0.06, 0.17, 0.39, 0.72))
    draw_map(positions, scenario, slot, users, kinds)
    positions.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, fontsize=SMALL, frameon=False, markerscale=0.7
    )
    draw_memory(figure.add_axes((0.56, 0.78, 0.42, 0.08)), scenario.params, cache, slot.requests[slot.active])
    figure.text(0.545, 0.82, "memory [GB]\n(grey: not\nasked for)", ha="right", va="center", fontsize=SMALL)
    boxes = (0.56, 0.17, 0.2, 0.48), (0.78, 0.17, 0.2, 0.48)
    for box, share, label in zip(boxes, shares, ("bandwidth [%]", "steps [%]"), strict=True):
        axes = figure.add_axes(box)
        draw_shares(axes, share, kinds, max(float(share.max(initial=0)) * 1.05, 0.1))
        axes.set_xlabel(label, fontsize=SMALL)
        if box is boxes[0]:
            name_users(axes, users, requests)
    return pixels(figure)
