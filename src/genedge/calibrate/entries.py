"""A catalogue of what was measured, each number with its interval and with what it was measured on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genedge.calibrate.curves import diminishing
from genedge.calibrate.fit import Fit
from genedge.errors import InputError
from genedge.files import read_text, whole_file
from genedge.settings.provenance import Setting
from genedge.settings.reading import read_json, write_yaml
from genedge.text import in_brief

# What `genedge calibrate` writes beside its measurements, and what of it a note tells, in this order.
FACTS = "calibration.json"
TOLD = (
    "pipeline",
    "measure",
    "axis",
    "sampler",
    "schedule",
    "size",
    "batch",
    "machine",
    "device",
    "cores busy",
    "versions",
    "date",
)
DIGITS = 6
# A table bends where it falls so much slower than before.
LEAST_BEND = 0.99
KEYS = {"A1": "A1_steps", "A2": "A2_tv", "A3": "A3_steps", "A4": "A4_tv"}


def facts_beside(measurements: Path) -> dict[str, Any]:
    """What is known of measurements; empty if nothing stands beside them.

    Args:
        measurements: the file.

    Raises:
        InputError: what stands beside them is no mapping in JSON.
    """
    path = measurements.parent / FACTS
    try:
        facts = read_json(read_text(path), str(path))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"{path}: cannot be read: {getattr(e, 'strerror', None) or 'not text in UTF-8'}") from None
    if not isinstance(facts, dict):
        raise InputError(f"{path}: not what genedge calibrate writes; remove it")
    return facts


def entries_of(fit: Fit, facts: Mapping[str, Any], note: str) -> dict[str, Setting]:
    """What a catalogue says of a model: B1 and B2, and how its quality falls, if it does.

    Where an exponential or a power comes nearest, the curve falls less and less: then that is a table, of the
    nearest values that do, at the steps measured. Else it is A1 to A4, as far as they are identified.

    Args:
        fit: of its measurements.
        facts: what is known of these.
        note: what a reader should know besides; may be empty.
    """
    on = [f"{len(fit.table.images)} images"]
    on += [f"{key} {_flat(facts[key])}" for key in TOLD if facts.get(key) not in (None, "", {})]
    where = "; ".join(([note] if note else []) + on)
    found = _quality(fit, where) if fit.verdict.word == "falls" else {}
    delay = fit.delay
    for key, value, interval in zip(("B1_s_per_step", "B2_s"), (delay.B1, delay.B2), delay.steps_ends, strict=True):
        found[key] = _setting(value, interval, where)
    return found


def write_entries(path: Path, model: str, entries: Mapping[str, Setting]) -> None:
    """Writes a catalogue of one model; the file is whole or not there.

    Args:
        path: of the YAML file.
        model: its name.
        entries: what it says.

    Raises:
        InputError: it cannot be written.
    """
    entry = {key: setting.as_leaf() for key, setting in entries.items()}
    with whole_file(path) as file:
        file.write(write_yaml({"name": path.stem, "models": {model: entry}}).encode())


def _quality(fit: Fit, where: str) -> dict[str, Setting]:
    best = fit.best
    if best in ("exponential", "power"):
        means = fit.table.quality.mean(axis=0)
        values = diminishing(fit.table.steps, means)
        steps, tv = _bends(fit.table.steps.tolist(), [_rounded(value) for value in values])
        if tv[0] > tv[-1] >= 0:
            r2 = 1 - ((means - values) ** 2).sum() / ((means - means.mean()) ** 2).sum()
            told = f"falls less and less, R² {r2:.4g} ({best}: {fit.families[best].r2:.4g}); {where}"
            return {"curve": Setting({"steps": steps, "tv": tv}, "measured", told)}
    pieces, found = fit.families["three_pieces"], {}
    for name, key in KEYS.items():
        value, interval = pieces.parameters[name], pieces.intervals[name]
        if value is not None and interval is not None and value >= 0:
            found[key] = _setting(value, interval, where)
    return found


def _bends(steps: list[float], tv: list[float]) -> tuple[list[float], list[float]]:
    """The ends of a table, and where it bends; a straight piece, rounded, might fall steeper in its middle."""
    kept: list[tuple[float, float]] = []
    for x, y in zip(steps, tv, strict=True):
        while len(kept) > 1 and (y - kept[-1][1]) * (kept[-1][0] - kept[-2][0]) <= LEAST_BEND * (
            (kept[-1][1] - kept[-2][1]) * (x - kept[-1][0])
        ):
            kept.pop()
        kept.append((x, y))
    return [x for x, _ in kept], [y for _, y in kept]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _setting(value: float, interval: tuple[float, float], where: str) -> Setting:
    low, high = interval
    return Setting(_rounded(value), "measured", f"95 % in [{low:.4g}, {high:.4g}]; {where}")


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return value if isinstance(value, str) else in_brief(json.dumps(value))
