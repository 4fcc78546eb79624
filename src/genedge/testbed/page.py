"""The page of a run: what was found, and what users sent and got back; one file that opens from disk."""

import base64
import importlib.resources
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genedge.errors import InputError
from genedge.testbed.rows import PICTURES, Row
from genedge.text import shown

# A page of more slots would be slow to open.
MOST_SLOTS = 20


def page(
    folder: Path, measure: str, rows: Sequence[Row], title: str, findings: Sequence[str], table: Any, figure: bytes
) -> bytes:
    """The page as HTML.

    Args:
        folder: of the run, with its pictures.
        measure: of quality.
        rows: of all whole slots.
        title: of the page.
        findings: sentences that it begins with.
        table: of predictions and measurements.
        figure: a PNG.

    Raises:
        InputError: a picture is missing.
    """
    policies = list(dict.fromkeys(row.policy for row in rows))
    numbers = sorted({row.slot for row in rows})
    return (
        _template()
        .render(
            title=title,
            findings=findings,
            table=table,
            figure=base64.b64encode(figure).decode(),
            measure=measure,
            policies=policies,
            slots=[_slot(folder, policies, rows, number) for number in numbers[:MOST_SLOTS]],
            left_out=max(len(numbers) - MOST_SLOTS, 0),
        )
        .encode()
    )


def _slot(folder: Path, policies: Sequence[str], rows: Sequence[Row], number: int) -> Mapping[str, Any]:
    of_slot = [row for row in rows if row.slot == number]
    pictures = folder / PICTURES / str(number)
    users = []
    for user in sorted({row.user for row in of_slot}):
        of_user = sorted((row for row in of_slot if row.user == user), key=lambda row: policies.index(row.policy))
        users.append(
            {
                "number": user,
                "model": of_user[0].model,
                "sent": _encoded(pictures / f"sent-{user}.png"),
                "got": [_got(row, pictures / f"{policies.index(row.policy)}-{user}.png") for row in of_user],
            }
        )
    return {"number": number, "users": users}


def _got(row: Row, path: Path) -> Mapping[str, Any]:
    both = (row.predicted, row.measured)
    return {
        "policy": row.policy,
        "png": _encoded(path),
        "by": "station" if row.measured_hit else "cloud",
        "steps": row.steps,
        "tv": [f"{side['tv']:.3g}" for side in both],
        "delay": [f"{side['delay_s']:.2f}" for side in both],
    }


def _encoded(path: Path) -> str:
    try:
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror or e}") from None


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: shown(value) if isinstance(value, str) else value,
    )
    source = importlib.resources.files("genedge.testbed") / "page.html"
    return environment.from_string(source.read_text(encoding="utf-8"))
