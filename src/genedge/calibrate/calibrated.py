"""From sweeps to a catalogue: what each model takes, and how good it is."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from genedge.calibrate.entries import DIGITS, entries_of
from genedge.calibrate.fit import Fit, fit_of
from genedge.calibrate.sweep import Swept
from genedge.calibrate.table import table_of
from genedge.files import whole_file
from genedge.settings.provenance import Setting
from genedge.settings.reading import write_yaml

GB = 1e9
# What images are sent as, for want of another measurement: eight bits a value, not compressed.
MB = 1e6
# Measures that have least of an image without any structure.
TOTAL_VARIATION = ("tv-l2", "tv-sum")


class Calibrated(NamedTuple):
    """A model that was measured.

    Attributes:
        name: what the catalogue calls it.
        fit: of its runs.
        facts: of the machine, the load and the memory.
        entry: what the catalogue says of it.
    """

    name: str
    fit: Fit
    facts: Mapping[str, Any]
    entry: dict[str, Setting]


def remarks_of(fit: Fit, facts: Mapping[str, Any]) -> list[str]:
    """What a reader should know besides, a line each; first a warning where the measure misleads.

    Args:
        fit: of measurements.
        facts: what is known of these.
    """
    word, _, against = fit.verdict
    rises = word == "rises" or (against is not None and against.by > 0)
    if not rises or facts.get("measure") not in TOTAL_VARIATION:
        return fit.remarks
    return [
        "Warning: total variation rises with steps here. It takes all structure for noise, and a blurred image for "
        "better than the truth; judge by another measure, such as distance or tv-off.",
        *fit.remarks,
    ]


def calibrated(name: str, swept: Swept, source: str) -> Calibrated:
    """What the sweep of one pipeline comes to.

    Args:
        name: of the model.
        swept: what was measured.
        source: where it stands, for messages.

    Raises:
        InputError: there is too little to fit.
    """
    fit = fit_of(table_of(swept.rows, source))
    busy = [row.processor_s / row.seconds for row in swept.rows if row.processor_s is not None and row.seconds > 0]
    facts = {**swept.facts, "cores busy": f"{median(busy):.2g}"} if busy else swept.facts
    return Calibrated(name, fit, facts, _memory(facts) | entries_of(fit, facts, ""))


def write_catalogue(path: Path, models: list[Calibrated]) -> None:
    """Writes a catalogue of all of them; the file is whole or not there.

    Args:
        path: of the YAML file.
        models: each once.

    Raises:
        InputError: it cannot be written.
    """
    entries = {model.name: {key: setting.as_leaf() for key, setting in model.entry.items()} for model in models}
    with whole_file(path) as file:
        file.write(write_yaml({"name": path.stem, "models": entries}).encode())


def _memory(facts: Mapping[str, Any]) -> dict[str, Setting]:
    """Memory, loads and sizes, which need no fit."""
    on = f"{facts['machine']}, {facts['date']}"
    batch = str(facts["batch"])
    cold, warm, libraries = facts["cold_load_s"], facts["warm_load_s"], facts["libraries_s"]
    weights = facts.get("weights_bytes")
    held = f"its process at rest, {facts['libraries_bytes'] / MB:.0f} MB of it the libraries"
    held += "" if weights is None else f", {weights / MB:.3g} MB weights"
    peaks = "; ".join(
        f"{count} at once: {each['peak_bytes'] / MB:.0f} MB more, {each['seconds']:.3g} s"
        for count, each in facts["batches"].items()
    )
    return {
        "memory_gb": _measured(facts["held_bytes"] / GB, f"{held}; {on}"),
        "working_gb": _measured(facts["batches"][batch]["peak_bytes"] / GB, f"{peaks}; {on}"),
        "peaks": Setting(
            [
                _peak(int(count), each["peak_bytes"], size)
                for size, batches in [(facts["size"], facts["batches"]), *_further(facts)]
                for count, each in batches.items()
            ],
            "measured",
            f"the most beyond what its process holds at rest; {on}",
        ),
        "load_s": _measured(
            libraries + cold,
            f"{libraries:.3g} s of it until a new process has the libraries; its files not in the page cache, as "
            f"far as the system let go of them, {libraries + warm:.3g} s where they are; {on}",
        ),
        "request_mb": _measured(facts["image_bytes"] / MB, "one image, eight bits a value"),
        "result_mb": _measured(facts["image_bytes"] / MB, "one image, eight bits a value"),
    }


def _further(facts: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Further sizes whose memory was measured, and what it was."""
    return [(int(size), batches) for size, batches in facts.get("further sizes", {}).items()]


def _peak(images: int, most_bytes: int, size: int | None) -> dict[str, Any]:
    """What so many images at once take; of what size, if that was chosen."""
    pixels = {} if size is None else {"pixels": size**2}
    return {"images": images, **pixels, "gb": _rounded(most_bytes / GB)}


def _measured(value: float, note: str) -> Setting:
    return Setting(_rounded(value), "measured", note)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
