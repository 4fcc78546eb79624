"""What is written of a run, and told: a table, a few sentences, the figure, and the page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genedge.draw.beside import beside_figure
from genedge.draw.canvas import Figure, encoded, in_figure
from genedge.draw.dots import FONT_PT
from genedge.draw.fit import AS_USUAL
from genedge.files import whole_file
from genedge.statistics import Interval
from genedge.testbed.page import page
from genedge.testbed.rows import FIGURE, PAGE, PARTS, SUMMARY, Row
from genedge.testbed.run import Ran
from genedge.testbed.summary import HITS, Summary

DPI = 150

HEADINGS = {
    "uplink_s": "uplink [s]",
    "downlink_s": "downlink [s]",
    "backhaul_s": "backhaul [s]",
    "wait_s": "wait [s]",
    "generation_s": "generation [s]",
    "delay_s": "delay [s]",
    "tv": "quality",
    HITS: "hit ratio",
    "utility": "Σ U of a slot",
}
LINKS = {
    "namespaces": "Links were shaped by the kernel: every process had a network of its own",
    "paced": "Links were not shaped by the kernel: senders paced themselves",
}


class Table(NamedTuple):
    """A table.

    Attributes:
        title: what it shows.
        headings: of its columns.
        rows: their cells.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def write(folder: Path, ran: Ran, found: Summary) -> None:
    """Writes the summary, the figure and the page.

    Args:
        folder: of the run.
        ran: what was run.
        found: of it.

    Raises:
        InputError: it cannot be written.
    """
    with whole_file(folder / SUMMARY) as file:
        file.write(json.dumps({**ran.facts, **found.as_json()}, indent=1).encode())
    figure = encoded(_figure(ran, found), "png", DPI, AS_USUAL.look(FONT_PT))
    with whole_file(folder / FIGURE) as file:
        file.write(figure)
    title = f"Scenario {ran.facts['scenario']}, run for real"
    said = findings(ran.facts, found)
    html = page(folder, ran.facts["measure"], ran.rows, title, said, table(found), figure)
    with whole_file(folder / PAGE) as file:
        file.write(html)


def _figure(ran: Ran, found: Summary) -> Figure:
    panels = {HEADINGS[column]: _dots(ran.rows, column) for column in HEADINGS if column not in (HITS, "utility")}
    panels["U of a request"] = _dots(ran.rows, "utility")
    title = f"Predicted and measured, scenario {in_figure(ran.facts['scenario'])}, {found.slots} slots"
    return beside_figure(panels, title)


def _dots(rows: Sequence[Row], column: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What was predicted and measured of each policy's requests."""
    found = {}
    for policy in dict.fromkeys(row.policy for row in rows):
        of_policy = [row for row in rows if row.policy == policy]
        sides = ([row.predicted[column] for row in of_policy], [row.measured[column] for row in of_policy])
        found[policy] = (np.array(sides[0]), np.array(sides[1]))
    return found


def table(found: Summary) -> Table:
    """Of each policy what was predicted, what was measured, and the one over the other.

    Args:
        found: what came of a run.
    """
    rows = [
        [each.policy, HEADINGS[each.column], *map(_with_ends, (each.predicted, each.measured, each.ratio))]
        for each in found.beside
    ]
    title = f"Predicted and measured, means over {found.slots} slots with 95 % intervals"
    return Table(title, ["policy", "", "predicted", "measured", "measured / predicted"], rows)


def findings(facts: Mapping[str, Any], found: Summary) -> list[str]:
    """What a reader should know first, in sentences.

    Args:
        facts: of the run.
        found: what came of it.
    """
    reason = f" ({facts['why_paced']})" if facts["why_paced"] else ""
    origin = "as asked for" if facts["factor_from"] == "user" else "what generation alone takes here, over Eq. (12)"
    up, down = (_longer(found, part) for part in ("uplink_s", "downlink_s"))
    lines = [
        f"{LINKS[facts['links']]}{reason}.",
        f"A second of the scenario took {facts['factor']:g} s: {origin}. All times are the scenario's.",
        f"The base station repaired up to {facts['generators']} pictures at once, on {facts['machine']}.",
        f"{found.requests} requests of each policy in {found.slots} slots; {_again(found.repeated)}.",
        f"Beyond what was predicted, transfers took {up} up and {down} down.",
        f"Mean delay, measured over predicted: {', '.join(_delays(found))}.",
    ]
    predicted, measured = (" < ".join(each) for each in (found.predicted_ranking, found.measured_ranking))
    if found.holds:
        lines.append(f"Ranking by Σ U, predicted and measured alike: {predicted}.")
    else:
        lines.append(f"Ranking by Σ U: predicted {predicted}; measured {measured}. It does not hold.")
    for pair in found.pairs:
        lines.append(
            f"{pair.better} should cost less than {pair.worse} by {_with_ends(pair.predicted)} a slot, and does by "
            f"{_with_ends(pair.measured)}; it should in {pair.predicted_better:.0%} of the slots, and does in "
            f"{pair.measured_better:.0%}."
        )
    worst = max(PARTS, key=lambda part: _off(found, part))
    lines.append(f"The part that is furthest from what was predicted: {HEADINGS[worst].removesuffix(' [s]')}.")
    return lines


def _delays(found: Summary) -> list[str]:
    return [f"{each.policy} {_with_ends(each.ratio)}" for each in found.beside if each.column == "delay_s"]


def _longer(found: Summary, part: str) -> str:
    """By how much a part took longer than predicted, over all policies."""
    both = [each for each in found.beside if each.column == part]
    return f"{1000 * sum(each.measured.mean - each.predicted.mean for each in both) / len(both):.3g} ms"


def _off(found: Summary, part: str) -> float:
    """How far a part is from what was predicted, over all policies [s]."""
    both = [each for each in found.beside if each.column == part]
    return abs(sum(each.measured.mean - each.predicted.mean for each in both))


def _again(repeated: int) -> str:
    if repeated == 0:
        return "none was done again"
    return "one was done again" if repeated == 1 else f"slots were done again {repeated} times"


def _with_ends(value: Interval) -> str:
    if value.mean != value.mean:
        return "–"
    if value.low != value.low or value.low == value.high:
        return f"{value.mean:.3g}"
    return f"{value.mean:.3g} [{value.low:.3g}, {value.high:.3g}]"
