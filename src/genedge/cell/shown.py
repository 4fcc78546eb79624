"""Slots as tables, for notebooks."""

from typing import Any

import numpy as np

from genedge.text import html_table


def slots_html(slot: Any) -> str:
    """The users of a slot, or of the first one of several, whose shape is told.

    Args:
        slot: slots, leading axes *batch.
    """
    batch = np.shape(slot.requests)[:-1]
    first = (0,) * len(batch)
    told = f"slots of shape {batch}; the first: " if batch else "slot: "
    try:
        values = [np.asarray(x)[first] for x in (slot.active, slot.requests, slot.input_bits, slot.gain)]
        position_m, skew = np.asarray(slot.position_m)[first], float(np.asarray(slot.skew)[first])
    except Exception:  # Traced, or none at all.
        return html_table(f"{told}values that are not known yet", ("field", "shape"), _shapes(slot))
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = [
            (n, model, f"{bits / 1e6:.4g}", f"{10 * np.log10(gain):.1f}", ", ".join(f"{x:.0f}" for x in here))
            for n, (there, model, bits, gain, here) in enumerate(zip(*values, position_m, strict=True))
            if there
        ]
    columns = ("user", "asks for model", "request [Mbit]", "channel gain [dB]", "position [m]")
    return html_table(f"{told}skew γ {skew:g}, {len(rows)} of {len(position_m)} places taken", columns, rows)


def _shapes(slot: Any) -> list[tuple[str, object]]:
    return [(name, np.shape(x)) for name, x in slot._asdict().items() if hasattr(x, "shape")]
